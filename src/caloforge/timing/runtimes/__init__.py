"""The runtimes that come along; none of them imports what it runs on before it is loaded."""

from caloforge.timing.runtime import RUNTIMES, Runtime
from caloforge.timing.runtimes.blas import Blas
from caloforge.timing.runtimes.fast import Fast
from caloforge.timing.runtimes.jax import Jax
from caloforge.timing.runtimes.keras import Keras, KerasOnBatch, KerasPredict
from caloforge.timing.runtimes.onnxruntime import OnnxRuntime, OnnxRuntimeBound
from caloforge.timing.runtimes.openvino import OpenVino, OpenVinoBf16
from caloforge.timing.runtimes.pytorch import AotInductor, Compiled, Eager, Plain, TorchScript
from caloforge.timing.runtimes.sofie import Sofie, SofieFast

_TABLE: dict[str, type[Runtime]] = {
    "pytorch": Eager,
    "pytorch-plain": Plain,
    "torchscript": TorchScript,
    "torch-compile": Compiled,
    "aotinductor": AotInductor,
    "onnxruntime": OnnxRuntime,
    "onnxruntime-bound": OnnxRuntimeBound,
    "keras": Keras,
    "keras-on-batch": KerasOnBatch,
    "keras-predict": KerasPredict,
    "sofie": Sofie,
    "sofie-fast": SofieFast,
    "openvino": OpenVino,
    "openvino-bf16": OpenVinoBf16,
    "jax": Jax,
    "fast": Fast,
    "blas": Blas,
}
ORDER = tuple(_TABLE)

for _name, _runtime in _TABLE.items():
    RUNTIMES.add(_name, _runtime)
