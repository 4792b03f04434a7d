"""The objective of flow matching, its training through the one loop, and settings exchanged afterwards."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError
from caloforge.generative import (
    RK4,
    Coupling,
    DataPrediction,
    Dopri5,
    Euler,
    ExactOT,
    FlowMatching,
    Heun,
    LogitNormalTime,
    Midpoint,
    NoisePrediction,
    OdeSettings,
    Prediction,
    TimeGrid,
    VariancePreserving,
    VelocityField,
    VelocityPrediction,
    draw_noise,
    sample,
)
from caloforge.nn import TimedMLP
from caloforge.training import Callback, TensorBatches, TrainingSettings, load_weights, train

SETTINGS = TrainingSettings(epochs=3, learning_rate=5e-3, ema_decay=0.9, tensorboard=False, threads=1, keep=None)


def field(features: int = 2, context: int = 1, **settings: Any) -> VelocityField:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VelocityField(TimedMLP(features, (32, 32), context), features, **settings)


def rows(n: int) -> dict[str, Tensor]:
    """x = 3 c + (0.2 + 0.1 c) e of a condition c, two features."""
    generator = torch.Generator().manual_seed(4)
    c = torch.rand(n, 1, generator=generator)
    return {"x": 3 * c + (0.2 + 0.1 * c) * torch.randn(n, 2, generator=generator), "context": c}


@dataclass(frozen=True)
class Backwards(Coupling):
    def _order(self, noise: Tensor, data: Tensor, condition: Any, rng: np.random.Generator) -> Tensor:
        assert set(condition) == {"context"}
        return torch.arange(len(noise)).flip(0)


def test_prepare_draws_and_pairs() -> None:
    batch = rows(9)
    plain = FlowMatching(field()).prepare(batch, np.random.default_rng(1))
    paired = FlowMatching(field(), Backwards()).prepare(batch, np.random.default_rng(1))
    assert plain["x"] is batch["x"] and plain["context"] is batch["context"]
    assert plain["noise"].shape == (9, 2) and plain["noise"].dtype == torch.float32
    assert torch.equal(paired["noise"], plain["noise"].flip(0)) and torch.equal(paired["x"], batch["x"])
    assert not torch.equal(plain["noise"], FlowMatching(field()).prepare(batch, np.random.default_rng(2))["noise"])
    assert plain["noise"].mean().abs() < 1
    one = FlowMatching(field(), ExactOT()).prepare(rows(1), np.random.default_rng(1))
    assert one["noise"].shape == (1, 2)


class Told(nn.Module):
    """A network that says what it was told, whatever it sees."""

    def __init__(self, word: Tensor) -> None:
        super().__init__()
        self.word, self.seen = word, torch.empty(0)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        self.seen = x
        return self.word


@pytest.mark.parametrize("prediction", [VelocityPrediction(), DataPrediction(), NoisePrediction()], ids=repr)
@pytest.mark.parametrize("measure", [None, VelocityPrediction(), DataPrediction(0.2)], ids=repr)
def test_the_right_word_has_no_loss(prediction: Prediction, measure: Prediction | None) -> None:
    noise, data = torch.randn(2, 64, 3, generator=torch.Generator().manual_seed(0))
    times = LogitNormalTime().draw(64, torch.Generator().manual_seed(5))
    path = VariancePreserving()
    right = prediction.of(noise, data, times, path)
    batch = {"x": data, "noise": noise}
    for word, low, high in ((right, 0.0, 1e-9), (right + 0.5, 0.02, 100.0)):
        model = VelocityField(Told(word), 3, path, prediction)
        objective = FlowMatching(model, time_law=LogitNormalTime(), measure=measure)
        loss = objective(batch, "model", torch.Generator().manual_seed(5))["loss"]
        assert low <= loss.item() <= high
        if measure is None and high == 100.0:
            assert loss.item() == pytest.approx(0.25, rel=1e-5)
        torch.testing.assert_close(model.network.seen, path.at(noise, data, times)[0])


def test_mixed_precision_keeps_the_state_in_float32() -> None:
    model, batch = field(), rows(16)
    objective = FlowMatching(model)
    ready = objective.prepare(batch, np.random.default_rng(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert objective(ready, "model", torch.Generator().manual_seed(0))["loss"].dtype == torch.float32
        with torch.no_grad():
            assert sample(model, 16, {"context": batch["context"]}).dtype == torch.float32


class _Stop(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, moment: Any) -> None:
        if moment.step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


def _train(out: Path, callbacks: tuple[Callback, ...] = (), **changes: Any) -> FlowMatching:
    objective = FlowMatching(field(), ExactOT(), LogitNormalTime())
    batches, validation = TensorBatches(rows(480), 32), TensorBatches(rows(64), 32, shuffle=False)
    train(objective, batches, replace(SETTINGS, **changes), out, validation=validation, callbacks=callbacks, show=False)
    return objective


def test_training_with_averages_resumes_to_the_byte(tmp_path: Path) -> None:
    whole = _train(tmp_path / "whole")
    _train(tmp_path / "cut", (_Stop(22),))
    again = _train(tmp_path / "cut")
    for file in ("best", "last"):
        assert (tmp_path / "whole" / file).read_text() == (tmp_path / "cut" / file).read_text()
    for folder in ("step-15", "step-30", "step-45"):
        kept = [(tmp_path / run / folder / "weights.safetensors").read_bytes() for run in ("whole", "cut")]
        assert kept[0] == kept[1]
    condition = {"context": torch.rand(20, 1)}
    assert torch.equal(sample(whole.model, 20, condition), sample(again.model, 20, condition))


def test_what_is_kept_are_the_averages_of_the_model_alone(tmp_path: Path) -> None:
    averaged, plain = _train(tmp_path / "averaged"), _train(tmp_path / "plain", ema_decay=None)
    kept = load_weights(tmp_path / "averaged")
    assert set(kept) == set(averaged.model.state_dict())
    assert all(torch.equal(value, averaged.model.state_dict()[name]) for name, value in kept.items())
    assert not all(torch.equal(value, plain.model.state_dict()[name]) for name, value in kept.items())


@pytest.mark.parametrize(
    "prediction, measure",
    [(VelocityPrediction(), None), (DataPrediction(), VelocityPrediction()), (NoisePrediction(), None)],
    ids=("velocity", "data", "noise"),
)
def test_it_learns_a_conditional_density(tmp_path: Path, prediction: Prediction, measure: Prediction | None) -> None:
    objective = FlowMatching(field(prediction=prediction), measure=measure)
    settings = replace(SETTINGS, epochs=40, schedule="one-cycle", learning_rate=1e-2, ema_decay=0.98, keep=1)
    train(objective, TensorBatches(rows(1024), 128), replace(settings, checkpoint_every=320), tmp_path, show=False)
    c = torch.full((2000, 1), 0.5)
    with torch.no_grad():
        x = sample(objective.model, 2000, {"context": c}, settings=OdeSettings(Midpoint(), 16))
    assert x.mean().item() == pytest.approx(1.5, abs=0.15)
    assert x.std().item() == pytest.approx(0.25, abs=0.15)


def test_settings_are_exchanged_after_training() -> None:
    model, condition = field(), {"context": torch.rand(8, 1)}
    noise = draw_noise(model.noise(condition), 8, torch.Generator().manual_seed(0))
    with torch.no_grad():
        fine = model.decode(noise, condition, OdeSettings(RK4(), 64))
        for settings, evaluations in (
            (OdeSettings(Euler(), 5), 5),
            (OdeSettings(Heun(), TimeGrid((0.0, 0.2, 1.0))), 4),
            (OdeSettings(RK4(), 3), 12),
        ):
            found = model.solve(noise, condition, settings)
            assert found.evaluations == evaluations and (found.end - fine).abs().max() < 0.3
        adaptive = model.solve(noise, condition, OdeSettings(Dopri5(1e-6, 1e-6)))
        torch.testing.assert_close(adaptive.end, fine, atol=1e-4, rtol=0)
        assert 6 < adaptive.evaluations < 500
        default = model.decode(noise, condition)
        model.settings = OdeSettings(Euler(), 1)
        one_step = noise["z"] + model.velocity(noise["z"], torch.zeros(8), condition)
        torch.testing.assert_close(model.decode(noise, condition), one_step)
        assert not torch.equal(default, one_step)
        states = model.trajectory(noise, condition, OdeSettings(Midpoint(), 7))
    assert states.shape == (8, 8, 2) and torch.equal(states[0], noise["z"])


def test_only_fixed_steps_export_and_compile() -> None:
    class Decode(nn.Module):
        def __init__(self, settings: OdeSettings) -> None:
            super().__init__()
            self.model, self.settings = field().eval(), settings

        def forward(self, z: Tensor, context: Tensor) -> Tensor:
            return self.model.decode({"z": z}, {"context": context}, self.settings)

    inputs = (torch.randn(4, 2), torch.rand(4, 1))
    rows_free = {"z": {0: torch.export.Dim("rows")}, "context": {0: torch.export.Dim("rows")}}
    decode = Decode(OdeSettings(Heun(), TimeGrid.power(3, 2.0)))
    exported = torch.export.export(decode, inputs, dynamic_shapes=rows_free).module()
    more = (torch.randn(9, 2), torch.rand(9, 1))
    torch.testing.assert_close(exported(*more), decode(*more), atol=1e-6, rtol=1e-5)
    compiled = torch.compile(decode, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(*inputs), decode(*inputs), atol=1e-6, rtol=1e-5)
    with pytest.raises(CaloforgeError, match=r"Dopri5 .* cannot be exported"):
        torch.export.export(Decode(OdeSettings(Dopri5())), inputs)


def test_refused() -> None:
    with pytest.raises(CaloforgeError, match="Linear is no VelocityField"):
        FlowMatching(nn.Linear(2, 2))
    with pytest.raises(CaloforgeError, match=r"prepare\(batch, rng\) first"):
        FlowMatching(field())(rows(3), "model", torch.Generator())
    with pytest.raises(CaloforgeError, match=r"from 0 to 0\.9"):
        OdeSettings(Heun(), TimeGrid((0.0, 0.9)))
    with pytest.raises(CaloforgeError, match="steps=0"):
        OdeSettings(Heun(), 0)
    with pytest.raises(CaloforgeError, match="features=0"):
        VelocityField(nn.Identity(), 0)
    with pytest.raises(CaloforgeError, match="context of 1 columns"):
        sample(field(), 3)
