"""Which ONNX operators the SOFIE of which release of ROOT reads, as far as public sources say.

`FIRST` holds the first release that is *known* to register an operator; an earlier one may have it, too. An operator
that is not there is not known to be in any release. Sources, all of https://github.com/root-project/root:

- 6.28, 6.30: lists of operators in the release notes, https://root.cern/doc/v628/release-notes.html and v630. Sub, Max
  and Min are in 6.28 with Add, Mul, Div and Sum, which came by the same pull requests, 10822 and 11586.
- 6.34: release notes (ReduceSum); the others are registered in tmva/sofie_parsers/src/RModelParser_ONNX.cxx as it was
  between 6.32 and 6.34.
- 6.36 of May 2025: pull requests 17248 (Where, Sin, Cos; February 2025) and 17990 (Abs; March 2025).
- 6.40 of May 2026: pull request 21050 (Softplus; January 2026), after 6.38 of November 2025.
- 6.42: ReduceMax and ReduceMin are registered in tmva/sofie_parsers/src/ParseReduce.cxx of the branch that becomes it;
  they were missing there in June 2026, after 6.40.
- The size of the batch as a parameter of the generated code: release notes of 6.34.
"""

from __future__ import annotations

import re
from typing import Any

from caloforge.deployment.lack import Lack
from caloforge.errors import CaloforgeError

Version = tuple[int, int]

SOFIE_CAME: Version = (6, 26)
DYNAMIC_BATCH: Version = (6, 34)
_BY_RELEASE: dict[Version, str] = {
    (6, 28): "Add Concat Div Exp Flatten Gather Gemm Identity LeakyRelu Max Min Mul Neg Reciprocal Relu Reshape "
    "Sigmoid Slice Softmax Sqrt Sub Sum Tanh Transpose",
    (6, 30): "Log",
    (6, 34): "Cast Elu Equal Erf Greater GreaterOrEqual Less LessOrEqual MatMul Pow ReduceMean ReduceSum",
    (6, 36): "Abs Cos Sin Where",
    (6, 40): "Softplus",
    (6, 42): "ReduceMax ReduceMin",
}  # fmt: skip
FIRST: dict[str, Version] = {kind: release for release, kinds in _BY_RELEASE.items() for kind in kinds.split()}


def root_version(text: str) -> Version:
    """The release in a text such as 6.36, 6.36.04 or 6.28/04; raises CaloforgeError for another text, and for a release
    without SOFIE."""
    found = re.fullmatch(r"(\d+)\.(\d+)([./]\d+)?", text)
    if found is None:
        raise CaloforgeError(f"--target root={text} is no version; give one like root=6.36.")
    version = int(found[1]), int(found[2])
    if version < SOFIE_CAME:
        raise CaloforgeError(f"ROOT {text} has no SOFIE, which came with {said(SOFIE_CAME)}; give a later version.")
    return version


def said(version: Version) -> str:
    """A release as text, 6.36."""
    return f"{version[0]}.{version[1]:02d}"


def lacking_in_root(model: Any, version: Version) -> list[Lack]:
    """Nodes of an onnx.ModelProto whose operator a release of ROOT is not known to have, and inputs of any number of
    showers where it takes a fixed one."""
    found = []
    varying = _varying_inputs(model)
    if varying and version < DYNAMIC_BATCH:
        found += [Lack("a batch of any size", name, f"first in ROOT {said(DYNAMIC_BATCH)}") for name in varying]
    for node in model.graph.node:
        first = FIRST.get(node.op_type)
        if first is None:
            found.append(Lack(node.op_type, node.name, "not known to be in any release of ROOT"))
        elif version < first:
            found.append(Lack(node.op_type, node.name, f"first known in ROOT {said(first)}"))
    return found


def minimum_root(model: Any) -> tuple[str | None, list[str]]:
    """The first release of ROOT that is known to read all operators of an onnx.ModelProto, None where there is none;
    and the operators that no release is known to read."""
    kinds = {node.op_type for node in model.graph.node}
    unknown = sorted(kinds - set(FIRST))
    if unknown:
        return None, unknown
    needed = [FIRST[kind] for kind in kinds] + ([DYNAMIC_BATCH] if _varying_inputs(model) else [])
    return said(max(needed, default=SOFIE_CAME)), []


def _varying_inputs(model: Any) -> list[str]:
    return [
        value.name for value in model.graph.input if any(size.dim_param for size in value.type.tensor_type.shape.dim)
    ]
