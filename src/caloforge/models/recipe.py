"""A recipe says what is trained, on what and how; it is YAML, and mistakes in it are named with their line."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from caloforge.errors import CaloforgeError
from caloforge.models.build import FAMILIES, OURS
from caloforge.models.evidence import BoundSection
from caloforge.models.flow_matching import MatchingSection
from caloforge.registry import nearest

SCHEMA = 1

Location = tuple[str | int, ...]
Kind = TypeVar("Kind", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Data(_Strict):
    """Which showers of a file are used: rows [first, last), how many judge the training, which copies are added."""

    rows: tuple[int, int | None] | None = Field(
        default=None,
        description="first and past the last (null: the end), counted in the file that a cut was made from",
    )
    validation_fraction: float = Field(default=0.1, ge=0, lt=1)
    turned: bool = Field(default=False, description="draw also from the copies in `showers_turned`")
    mirrors: bool = Field(default=False, description="draw also from the detector's symmetries")


class Training(_Strict):
    """One stage's training: the keys of `caloforge.training.TrainingSettings`, which says what they mean."""

    epochs: int = Field(default=100, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    schedule: Literal["constant", "one-cycle", "cyclic"] = "one-cycle"
    base_learning_rate: float | None = Field(default=None, gt=0)
    warm_up: float = Field(default=0.3, gt=0, lt=1)
    cycle_steps: int = Field(default=850, ge=1)
    weight_decay: float = Field(default=0.0, ge=0)
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = Field(default=None, gt=0)
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    patience: int | None = Field(default=None, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    checkpoint_every: int | None = Field(default=None, ge=1)
    keep: int | None = Field(default=1, ge=1)
    log_every: int = Field(default=10, ge=1)
    tensorboard: bool = True
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    workers: int = Field(default=1, ge=0)
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"


class Stage(_Strict):
    """One training: which factor of the model, by which objective; `model` changes the model from here on.

    matching: of flow matching alone. bound: of the evidence bound alone.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    factor: str
    objective: Literal["likelihood", "distillation", "flow-matching", "evidence-bound"] = "likelihood"
    matching: MatchingSection = MatchingSection()
    bound: BoundSection = BoundSection()
    from_: str | None = Field(
        None, alias="from", description="the earlier stage whose factor teaches or starts this one"
    )
    batch_size: int = Field(default=200, ge=1)
    training: Training = Training()
    model: dict[str, Any] = {}

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), populate_by_name=True)


SECTIONS = {"matching": "flow-matching", "bound": "evidence-bound"}
"""Keys of a stage that one objective alone reads."""


class Recipe(_Strict):
    """A resolved recipe; `model_of(stage)` is the model as it stands in that stage."""

    schema_: Literal[1] = Field(alias="schema")
    name: str
    detector: str
    data: Data = Data()
    model: dict[str, Any]
    stages: tuple[Stage, ...] = Field(min_length=1)

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), populate_by_name=True)

    def model_of(self, stage: str) -> dict[str, Any]:
        """The settings of the model in one stage: `model` with the changes of all stages up to it.

        Raises CaloforgeError as `stage`.
        """
        model, last = self.model, self.stages.index(self.stage(stage))
        for step in self.stages[: last + 1]:
            model = merged(model, step.model)
        return model

    def stage(self, name: str) -> Stage:
        """The stage of a name; raises CaloforgeError that lists the names where there is none of it."""
        for step in self.stages:
            if step.name == name:
                return step
        names = [step.name for step in self.stages]
        raise CaloforgeError(
            f"recipe '{self.name}' has no stage '{name}' (there are {', '.join(names)}).{nearest(name, names)}"
        )

    def to_yaml(self) -> str:
        """The recipe with every default written out."""
        return yaml.safe_dump(self.plan(), sort_keys=False, allow_unicode=True)

    def plan(self) -> dict[str, Any]:
        """The recipe with every default written out, as JSON keeps it; each stage with what its objective knows."""
        plan = self.model_dump(by_alias=True, mode="json")
        for stage in plan["stages"]:
            for section, objective in SECTIONS.items():
                if stage["objective"] != objective:
                    del stage[section]
        return plan


def merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy of nested settings with some of them changed."""
    result = dict(base)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def recipe_names() -> list[str]:
    """Names of the recipes that come with caloforge."""
    return sorted(
        p.name.removesuffix(".yaml")
        for p in files("caloforge.models").joinpath("recipes").iterdir()
        if p.name.endswith(".yaml")
    )


def load_recipe(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """A shipped recipe by name, or one from a YAML file, with overrides like "stages.voxels.training.epochs=5".

    A stage in an override goes by its name, its number or `*` (all of them). Raises CaloforgeError that names the
    line and the nearest key.
    """
    path = Path(name_or_path)
    if path.suffix in (".yaml", ".yml") or path.is_file():
        try:
            return parse_recipe(path.read_text(encoding="utf-8"), str(path), overrides)
        except (OSError, UnicodeDecodeError) as error:
            raise CaloforgeError(
                f"recipe {path} cannot be read ({getattr(error, 'strerror', None) or error}); give a YAML file, or the "
                f"name of a recipe that comes with caloforge ({', '.join(recipe_names())})."
            ) from error
    name = str(name_or_path)
    if name not in recipe_names():
        raise CaloforgeError(
            f"'{name}' is neither a recipe of caloforge ({', '.join(recipe_names())}) nor a YAML file."
            f"{nearest(name, recipe_names())}"
        )
    text = files("caloforge.models").joinpath("recipes").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return parse_recipe(text, f"recipe {name}", overrides)


def parse_recipe(text: str, source: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from YAML text; `source` names it in errors.

    Raises CaloforgeError that names the line, or the override, and the nearest key.
    """
    lines: dict[Location, int] = {}
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise CaloforgeError(
            f"{source}{line}: this is not YAML ({getattr(error, 'problem', None) or error}); "
            "correct it, a recipe that comes with caloforge shows the form."
        ) from error
    if not isinstance(raw, dict) or root is None:
        raise CaloforgeError(
            f"{source}: expected a table of keys (schema, name, detector, data, model, stages), found none."
        )
    _find_lines(root, (), lines, source)
    changed = [_override(raw, override) for override in overrides]
    where = _Where(source, lines, [(loc, said) for locs, said in zip(changed, overrides, strict=True) for loc in locs])
    version = raw.get("schema")
    if isinstance(version, int) and version > SCHEMA:
        raise CaloforgeError(
            f"{where(('schema',))}: schema {version} is newer than {SCHEMA}, "
            "the newest that this caloforge reads; update caloforge."
        )
    recipe = _validated(Recipe, raw, (), where)
    _check_stages(recipe, where)
    family = recipe.model.get("family")
    if not isinstance(family, str):
        raise CaloforgeError(
            f"{where(('model',))}: key 'family' of model is missing or not a name "
            f"(there are {', '.join(FAMILIES.names())})."
        )
    if family not in FAMILIES.names():
        known = FAMILIES.names()
        raise CaloforgeError(
            f"{where(('model', 'family'))}: '{family}' is no model family ({', '.join(known)}).{nearest(family, known)}"
        )
    if family not in OURS:
        return recipe
    settings, factors = OURS[family].settings, OURS[family].factors
    model = _validated(settings, recipe.model, ("model",), where).model_dump(mode="json")
    for index, stage in enumerate(recipe.stages):
        if stage.model:
            _validated(settings, recipe.model_of(stage.name), ("stages", index, "model"), where)
        if stage.factor not in factors:
            raise CaloforgeError(
                f"{where(('stages', index, 'factor'))}: '{stage.factor}' is no factor of {family} "
                f"({', '.join(factors)}).{nearest(stage.factor, list(factors))}"
            )
    return recipe.model_copy(update={"model": model})


class _Where:
    """Says where a value stands: the override that set it, or the line of the file."""

    def __init__(self, source: str, lines: dict[Location, int], overrides: list[tuple[Location, str]]) -> None:
        self.source, self.lines, self.overrides = source, lines, overrides

    def __call__(self, location: Location) -> str:
        for changed, text in reversed(self.overrides):
            if location[: len(changed)] == changed:
                return f"--set {text}"
        while location and location not in self.lines:
            location = location[:-1]
        return f"{self.source} line {self.lines.get(location, 1)}"


def _find_lines(node: yaml.Node, location: Location, lines: dict[Location, int], source: str) -> None:
    lines.setdefault(location, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*location, key.value)
            if here in lines:
                raise CaloforgeError(
                    f"{source} line {key.start_mark.line + 1}: key '{key.value}' stands already in line {lines[here]}; "
                    "keep one."
                )
            lines[here] = key.start_mark.line + 1
            _find_lines(value, here, lines, source)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _find_lines(value, (*location, index), lines, source)


def _validated(kind: type[Kind], raw: Any, prefix: Location, where: _Where) -> Kind:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        problems = error.errors()
        first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
        location: Location = tuple(part for part in first["loc"] if "[" not in str(part))
        named = ".".join(str(part) for part in (*prefix, *location))
        place = where((*prefix, *location))
        if first["type"] == "extra_forbidden":
            raise CaloforgeError(
                f"{place}: unknown key '{location[-1]}' ({named})."
                f"{nearest(str(location[-1]), _keys(kind, location[:-1]))}"
            ) from error
        if first["type"] == "missing":
            raise CaloforgeError(f"{place}: key '{named}' is missing.") from error
        said = first["msg"][0].lower() + first["msg"][1:]
        end = "" if said.endswith((".", "?")) else "."
        raise CaloforgeError(f"{place}: {named} is {first['input']!r}: {said}{end}") from error


def _keys(kind: type[BaseModel], location: Location) -> list[str]:
    """Keys that a table at a location of the recipe may have."""
    for part in location:
        if isinstance(part, int):
            continue
        field = next((f for n, f in kind.model_fields.items() if part in (n, f.alias)), None)
        inner = getattr(field, "annotation", None)
        candidates = [inner, *getattr(inner, "__args__", ())]
        found = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)
        if found is None:
            return []
        kind = found
    return [field.alias or name for name, field in kind.model_fields.items()]


def _check_stages(recipe: Recipe, where: _Where) -> None:
    seen: dict[str, Stage] = {}
    for index, stage in enumerate(recipe.stages):
        if stage.name in seen or stage.name in ("teacher", "resume"):
            raise CaloforgeError(
                f"{where(('stages', index, 'name'))}: the name '{stage.name}' is taken; give the stage another one."
            )
        if stage.from_ is not None and stage.from_ not in seen:
            raise CaloforgeError(
                f"{where(('stages', index, 'from'))}: '{stage.from_}' is no earlier stage "
                f"({', '.join(seen) or 'there is none'}).{nearest(stage.from_, list(seen))}"
            )
        if stage.from_ is not None and seen[stage.from_].factor != stage.factor:
            raise CaloforgeError(
                f"{where(('stages', index, 'from'))}: stage '{stage.from_}' trains the factor "
                f"'{seen[stage.from_].factor}', not '{stage.factor}'."
            )
        if stage.objective == "distillation" and stage.from_ is None:
            raise CaloforgeError(
                f"{where(('stages', index))}: distillation needs a teacher; add 'from: <an earlier stage>'."
            )
        for section, objective in SECTIONS.items():
            if section in stage.model_fields_set and stage.objective != objective:
                raise CaloforgeError(
                    f"{where(('stages', index, section))}: {section} is for {objective.replace('-', ' ')}, but stage"
                    f" '{stage.name}' has the objective '{stage.objective}'; leave it out, or say 'objective:"
                    f" {objective}'."
                )
        seen[stage.name] = stage


def _override(raw: dict[str, Any], override: str) -> list[Location]:
    """Apply one "a.b.c=value" to the raw recipe; returns the places that it set."""
    path, equals, value_text = override.partition("=")
    if not equals or not path.strip():
        raise CaloforgeError(f"--set {override}: expected KEY=VALUE, for example stages.voxels.training.epochs=5.")
    try:
        value = yaml.safe_load(value_text)
    except yaml.YAMLError as error:
        raise CaloforgeError(
            f"--set {override}: the value is not YAML; write it as in a recipe, e.g. epochs=5."
        ) from error
    places: list[tuple[Any, Location]] = [(raw, ())]
    *parents, last = path.strip().split(".")
    for part in parents:
        places = [found for node, location in places for found in _step(node, location, part, override)]
    for node, location in places:
        if not isinstance(node, dict):
            raise CaloforgeError(f"--set {override}: '{'.'.join(map(str, location))}' is no table of keys.")
        node[last] = value
    return [(*location, last) for _, location in places]


def _step(node: Any, location: Location, part: str, override: str) -> list[tuple[Any, Location]]:
    if isinstance(node, list):
        names = [item.get("name") if isinstance(item, dict) else None for item in node]
        chosen = [i for i in range(len(node)) if part in ("*", str(i), names[i])]
        if not chosen:
            known = [str(name) for name in names if name]
            raise CaloforgeError(
                f"--set {override}: there is no stage '{part}' ({', '.join(known)}).{nearest(part, known)}"
            )
        return [(node[i], (*location, i)) for i in chosen]
    if not isinstance(node, dict):
        raise CaloforgeError(f"--set {override}: '{'.'.join(map(str, location))}' is no table of keys.")
    if node.get(part) is None:
        node[part] = {}
    return [(node[part], (*location, part))]
