"""OpenVINO's intermediate representation."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime
from caloforge.errors import CaloforgeError

HINTS = {"float32": "f32", "bf16": "bf16"}
"""OpenVINO's names of precisions."""


class OpenVino(Runtime):
    """`model.xml` and `model.bin`; run with the INFERENCE_PRECISION_HINT that `export.json` tells, since OpenVINO takes
    bf16 by itself where the processor has it."""

    name = "openvino"
    extra = "openvino"
    packages = ("onnx", "openvino")
    computes = ("float32", "bf16")

    def require_precision(self, precision: str) -> None:
        """Also raise where this processor does not compute in the precision."""
        super().require_precision(precision)
        if precision == "bf16" and "BF16" not in capabilities():
            raise CaloforgeError(
                "--precision bf16 needs a processor that computes in bfloat16, which OpenVINO says this one does not; "
                "leave it out, or export on another machine."
            )

    def facts(self, graph: Graph) -> dict[str, Any]:
        """What to give OpenVINO with the files for what was compared."""
        return {"compile_with": {"INFERENCE_PRECISION_HINT": HINTS[str(graph.metadata.get("precision", "float32"))]}}

    def write(self, graph: Graph, folder: Path) -> None:
        """Write `model.xml` and `model.bin`; raises CaloforgeError where OpenVINO does not take the model."""
        import openvino

        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "model.onnx"
            source.write_bytes(graph.onnx.SerializeToString())
            try:
                model = openvino.convert_model(str(source))
            except Exception as error:  # OpenVINO has several families of them
                said = str(error).strip().splitlines()[-1]
                raise CaloforgeError(f"OpenVINO could not take the model ({said}); choose another runtime.") from error
        for entry in graph.onnx.metadata_props:
            model.set_rt_info(entry.value, ["caloforge", entry.key])
        openvino.save_model(model, str(folder / "model.xml"), compress_to_fp16=False)

    def open(self, folder: Path) -> Call:
        """The model compiled for one thread, in the precision that it tells."""
        import openvino

        core = openvino.Core()
        model = core.read_model(str(folder / "model.xml"))
        place = ["caloforge", "precision"]
        precision = model.get_rt_info(place).astype(str) if model.has_rt_info(place) else "float32"
        settings = {"INFERENCE_PRECISION_HINT": HINTS[precision], "INFERENCE_NUM_THREADS": 1}
        compiled = core.compile_model(model, "CPU", settings)

        def call(inputs: Arrays) -> list[NDArray[np.float32]]:
            results = compiled(dict(inputs))
            return [np.array(results[port]) for port in compiled.outputs]

        return call


def capabilities() -> list[str]:
    """What OpenVINO finds that the processor computes in."""
    import openvino

    return list(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
