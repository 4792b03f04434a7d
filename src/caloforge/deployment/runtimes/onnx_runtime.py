"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caloforge.deployment.lack import Lack
from caloforge.deployment.onnx_file import OPSETS
from caloforge.deployment.onnx_graph import OPSET
from caloforge.deployment.runtimes.base import Arrays, Call, Graph, Runtime
from caloforge.errors import CaloforgeError

NEWEST_OPSET = {
    (1, 6): 13, (1, 7): 13, (1, 8): 14, (1, 9): 15, (1, 10): 15, (1, 11): 16, (1, 12): 17, (1, 13): 17, (1, 14): 18,
    (1, 15): 19, (1, 16): 19, (1, 17): 20, (1, 18): 21, (1, 19): 21, (1, 20): 21,
}  # fmt: skip
"""Newest opset of each version of ONNX Runtime, from its table https://onnxruntime.ai/docs/reference/compatibility.html;
later versions run all that earlier ones ran."""


class OnnxRuntime(Runtime):
    """One file `model.onnx`."""

    name = "onnx"
    extra = "onnx"
    packages = ("onnx", "onnxruntime")
    precisions = ("float32", "float16", "bf16")
    file = "model.onnx"

    def opset(self, version: str | None) -> int:
        """17, or the newest that the version has."""
        if version is None:
            return OPSET
        try:
            major, minor = (int(part) for part in version.split(".")[:2])
        except ValueError as error:
            raise CaloforgeError(f"--target ort={version} is no version; give one like ort=1.17.") from error
        known = min(max(NEWEST_OPSET), (major, minor))
        if known not in NEWEST_OPSET:
            raise CaloforgeError(
                f"ONNX Runtime {version} has no opset that caloforge writes ({OPSETS[0]} to {OPSETS[1]}); the oldest "
                "version that has one is 1.6."
            )
        return min(OPSET, NEWEST_OPSET[known])

    def lacking(self, graph: Graph) -> list[Lack]:
        """Nodes in a form that is newer than the opset of the file."""
        return newer_nodes(graph.onnx, graph.opset)

    def write(self, graph: Graph, folder: Path) -> None:
        """Write `model.onnx`."""
        (folder / self.file).write_bytes(graph.onnx.SerializeToString())

    def open(self, folder: Path) -> Call:
        """A session on one thread."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        path = str(folder / self.file)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def call(inputs: Arrays) -> list[NDArray[np.float32]]:
            results: list[NDArray[np.float32]] = session.run(None, dict(inputs))
            return results

        return call


def newer_nodes(model: object, opset: int) -> list[Lack]:
    """Nodes of an onnx.ModelProto that are not in an opset."""
    import onnx

    found = []
    for node in model.graph.node:  # type: ignore[attr-defined]
        try:
            onnx.defs.get_schema(node.op_type, opset)
        except onnx.defs.SchemaError:
            first = min(s.since_version for s in onnx.defs.get_all_schemas_with_history() if s.name == node.op_type)
            found.append(Lack(node.op_type, node.name, f"since opset {first}"))
    return found
