"""What a process can say about itself: memory, threads, machine; and the networks that are timed."""

from __future__ import annotations

import gc
import hashlib
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from caloforge.errors import CaloforgeError
from caloforge.models.pretrained import checkpoint_folder
from caloforge.models.shower_model import ShowerModel
from caloforge.timing import Results
from caloforge.timing.checkpoint import described
from caloforge.timing.machine import line, machine
from caloforge.timing.obedience import observe
from caloforge.timing.process import end_group
from caloforge.timing.results import summary
from caloforge.timing.runtime import runtime
from caloforge.timing.runtimes.blas import Products, openblas
from caloforge.timing.work import Product, create_work, open_work

HIGH_WATER = """
import numpy as np
from caloforge.timing.memory import reset_high_water, resident_mb

grown = np.ones(20_000_000, np.float32)
first = resident_mb()
del grown
assert reset_high_water()
low = resident_mb()
again = np.ones(20_000_000, np.float32)
print(first, low, resident_mb())
"""


def test_the_high_water_mark_begins_anew() -> None:
    """In a process of its own: what else a long one holds may leave its memory at any time."""
    done = subprocess.run([sys.executable, "-c", HIGH_WATER], capture_output=True, text=True, check=True)
    first, low, high = (float(value) for value in done.stdout.split())
    assert low < first - 60
    assert high > low + 60


@pytest.mark.parametrize(("threads", "obeyed"), [(1, True), (2, False)])
def test_threads_that_work_are_seen(threads: int, obeyed: bool) -> None:
    """Whatever the cores, two threads that compute are two."""
    data, done = bytes(2_000_000), threading.Event()

    def busy() -> None:
        while not done.is_set():
            hashlib.sha256(data)

    others = [threading.Thread(target=busy) for _ in range(threads - 1)]
    for other in others:
        other.start()
    try:
        seen = observe(lambda: hashlib.sha256(data), asked=1, cores=2, seconds=0.3)
    finally:
        done.set()
        for other in others:
            other.join()
    assert seen["working"] == threads and seen["obeyed"] is obeyed
    wanted = seen["wanted_over_wall"]
    assert wanted is not None and abs(wanted - threads) < 0.25
    assert observe(lambda: None, asked=1, cores=1, seconds=0.01)["obeyed"] is None


def test_machine() -> None:
    found = machine()
    assert found["processor"] in line(found) and found["cores"] >= found["cores_allowed"] >= 1
    assert "governor" in found and found["memory_mb"] > 100


def test_summary() -> None:
    found = summary([1.0, 2.0, 3.0], 10, 0.5)
    assert found["median_s"] == 2 and found["us_per_shower"] == 2e5 and found["over_bound"] == 4
    assert found["low_s"] == pytest.approx(1.32) and found["high_s"] == pytest.approx(2.68)


def test_every_way_of_the_bound_does_the_products() -> None:
    products = Products([Product(1, 3, 8), Product(1, 8, 5), Product(4, 6, 2)], openblas(1))
    for n in (1, 7, 600):
        ways, results = dict(products.ways(n)), {}
        assert len(ways) >= (8 if n > 250 else 4)
        for name, way in ways.items():
            products.result[:] = np.nan
            way()
            results[name] = products.result.copy()
        exact = next(iter(results.values()))
        assert exact.shape == (4 * n, 2)
        for name, result in results.items():
            np.testing.assert_allclose(result, exact, rtol=1e-4, atol=1e-5, err_msg=name)


def test_a_decoder_is_the_same_in_every_process(tmp_path: Path) -> None:
    work = create_work(tmp_path, {"kind": "decoder", "widths": [3, 8, 5]}, 600)
    again = open_work(tmp_path)
    layers = again.layers()
    assert layers is not None
    x = again.draws(600)["x"]
    np.testing.assert_array_equal(x[:7], work.draws(7)["x"])
    hidden = np.maximum(x @ layers[0].weight.T + layers[0].bias, 0)
    exact = 1 / (1 + np.exp(-(hidden @ layers[1].weight.T + layers[1].bias)))
    np.testing.assert_allclose(again.reference(600), exact, atol=1e-5)


def test_a_checkpoint_as_subject(tmp_path: Path) -> None:
    place = checkpoint_folder("calogan-student")
    work = create_work(tmp_path, {"kind": "checkpoint", "folder": str(place)}, 3)
    assert list(work.inputs) == ["incident_energy_mev", "energies.z", "voxels.z"]
    assert work.outputs == 504 and work.training_seconds == pytest.approx(1451.9)
    inputs = work.draws(3)
    assert inputs["incident_energy_mev"].min() >= 1011 and inputs["incident_energy_mev"].max() <= 99994
    with torch.no_grad():
        eager = work.eager()(*map(torch.from_numpy, inputs.values())).numpy()
    scale = work.reference(3).max(1, keepdims=True)
    assert np.abs(eager - work.reference(3)).max() < 1e-3 * scale.min()
    multiplications = sum(rows * inputs * outputs for rows, inputs, outputs in work.products)
    assert (
        3.0e6 < multiplications < 4.7e6
    )  # fewer than there are weights, since blocks that masks switch off are left out


def test_a_model_without_a_fixed_latent(monkeypatch: pytest.MonkeyPatch) -> None:
    def noise(self: ShowerModel, condition: dict[str, torch.Tensor] | None = None) -> object:
        raise KeyError("n_points")

    monkeypatch.setattr(ShowerModel, "noise", noise)
    with pytest.raises(CaloforgeError, match="no fixed size"):
        described({"kind": "checkpoint", "folder": str(checkpoint_folder("calogan-vae"))})


def test_results_say_what_they_are_not(tmp_path: Path) -> None:
    with pytest.raises(CaloforgeError, match="is no result of a benchmark"):
        Results.load(tmp_path)


def test_a_teacher_has_no_graph_but_can_be_timed(tmp_path: Path) -> None:
    place = checkpoint_folder("calogan-teacher")
    work = create_work(tmp_path, {"kind": "checkpoint", "folder": str(place)}, 2)
    with pytest.raises(CaloforgeError, match="walk"):
        work.module()
    assert work.reference(2).shape == (2, 504) and work.reference(2).max() > 1
    assert runtime("fast").refuses(work) is None and runtime("jax").refuses(work) is not None
    assert all(product.rows == 1 for product in work.products)


def test_ending_a_worker_ends_what_it_started(tmp_path: Path) -> None:
    """A compiler must not go on when the benchmark is interrupted."""
    toy = tmp_path / "sleepy.py"
    toy.write_text(
        "import subprocess\nchild = subprocess.Popen(['sleep', '60'])\nprint(child.pid, flush=True)\nchild.wait()\n"
    )
    process = subprocess.Popen([sys.executable, str(toy)], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    child = int(process.stdout.readline())
    end_group(process)
    for _ in range(100):
        if not _alive(child):
            break
        time.sleep(0.02)
    assert not _alive(child) and process.poll() is not None


def _alive(pid: int) -> bool:
    """Whether a process computes or waits; one that has ended and is not yet fetched does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_the_way_that_is_kept_keeps_its_memory() -> None:
    products = Products([Product(1, 64, 300), Product(1, 300, 500)], openblas(1))
    way = dict(products.ways(200))["scipy-openblas32, weights"]
    gc.collect()
    way()
    first = products.result.copy()
    fill = [np.full((200, 300), np.nan, np.float32) for _ in range(50)]
    way()
    np.testing.assert_array_equal(products.result, first)
    assert np.isfinite(first).all() and len(fill) == 50
