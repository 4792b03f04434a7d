"""OpenVINO's intermediate representation."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime
from caloforge.errors import CaloforgeError


class OpenVino(Runtime):
    """`model.xml` and `model.bin`; run with INFERENCE_PRECISION_HINT=f32, since OpenVINO takes bf16 by itself where the
    processor has it."""

    name = "openvino"
    extra = "openvino"
    packages = ("onnx", "openvino")

    def write(self, graph: Graph, folder: Path) -> None:
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
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = openvino.Core().compile_model(str(folder / "model.xml"), "CPU", settings)

        def call(inputs: Arrays) -> list[NDArray[np.float32]]:
            results = compiled(dict(inputs))
            return [np.array(results[port]) for port in compiled.outputs]

        return call
