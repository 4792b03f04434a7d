"""Imports only point down, and the data side and the tensor side never import each other."""

from __future__ import annotations

import ast
from pathlib import Path

import caloforge

ROOT = Path(caloforge.__file__).parent
BASE = {"errors", "randomness", "files", "registry", "threads", "documents", "processor"}
DATA = {"detectors", "showers", "observables", "simulation"}
TENSORS = {"nn", "generative", "training"}
HEAVY = {"torch", "lightning_fabric", "safetensors"}

# What each room may import besides itself and the base.
MAY: dict[str, set[str]] = {
    "detectors": set(),
    "showers": {"detectors"},
    "observables": {"detectors", "showers"},
    "simulation": {"detectors", "showers"},
    "nn": set(),
    "generative": {"nn"},
    "training": {"nn", "generative"},
    "factors": {"detectors", "nn", "generative"},
    "models": DATA | TENSORS | {"factors"},
    "evaluation": DATA | TENSORS | {"factors", "models"},
    "playground": TENSORS,
    "deployment": DATA | TENSORS | {"factors", "models"},
    "timing": DATA | TENSORS | {"factors", "models", "deployment"},
    "cli": DATA | TENSORS | {"factors", "models", "evaluation", "playground", "deployment", "timing"},
    "__main__": {"cli"},
}


def _imports(path: Path, package: tuple[str, ...]) -> set[str]:
    """Dotted names that a file imports, relative imports resolved against its package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            parent = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (parent, node.module) if part)
            names |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return names


def _files() -> list[tuple[Path, str, set[str]]]:
    """Every source file with its room and the names that it imports."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        inside = path.relative_to(ROOT)
        package = ("caloforge", *inside.parts[:-1])
        found.append((path, inside.with_suffix("").parts[0], _imports(path, package)))
    return found


def _rooms(names: set[str]) -> set[str]:
    return {
        name.split(".")[1] for name in names if name.startswith("caloforge.") and not name.startswith("caloforge._")
    }


def test_imports_only_point_down() -> None:
    wrong = []
    for path, room, names in _files():
        if room == "__init__":
            continue
        used = _rooms(names) - {room}
        allowed = BASE if room in BASE else BASE | MAY.get(room, set())
        assert room in BASE or room in MAY, f"{path} lives in a room that has no floor: {room}"
        wrong += [f"{path.relative_to(ROOT)} imports caloforge.{up}" for up in sorted(used - allowed)]
    assert not wrong, "\n".join(wrong)


def test_the_two_sides_never_meet() -> None:
    assert not {room for side in DATA for room in MAY[side]} & TENSORS
    assert not {room for side in TENSORS for room in MAY[side]} & DATA


def test_data_side_knows_no_torch() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path, room, names in _files()
        if room in DATA
        for name in sorted(names)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong, "\n".join(wrong)


def test_the_package_itself_imports_nothing() -> None:
    assert not _rooms(_imports(ROOT / "__init__.py", ("caloforge",)))


def test_relative_imports_are_resolved(tmp_path: Path) -> None:
    source = tmp_path / "thing.py"
    source.write_text("from ..training import loop\nfrom . import grid\nfrom .. import models\n", encoding="utf-8")
    assert _rooms(_imports(source, ("caloforge", "detectors"))) == {"training", "detectors", "models"}
