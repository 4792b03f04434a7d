"""Runtimes that shower models are exported to, by name; entry points of the group `caloforge.runtimes` add others."""

from __future__ import annotations

from collections.abc import Callable

from caloforge.deployment.runtimes.base import Graph, Runtime
from caloforge.deployment.runtimes.keras import KerasRuntime
from caloforge.deployment.runtimes.onnx_runtime import OnnxRuntime
from caloforge.deployment.runtimes.openvino import OpenVino
from caloforge.deployment.runtimes.sofie import Sofie
from caloforge.deployment.runtimes.torch_program import TorchProgram
from caloforge.registry import Registry

RUNTIMES: Registry[Callable[[], Runtime]] = Registry("runtime", "caloforge.runtimes")
RUNTIMES.add("onnx", OnnxRuntime)
RUNTIMES.add("torch", TorchProgram)
RUNTIMES.add("openvino", OpenVino)
RUNTIMES.add("keras", KerasRuntime)
RUNTIMES.add("sofie", Sofie)

__all__ = ["RUNTIMES", "Graph", "Runtime"]
