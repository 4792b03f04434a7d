"""Patches of a flat tensor of voxels: which voxels each token holds and where it lies, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from caloforge.errors import CaloforgeError

Indices = tuple[tuple[int, ...], ...]
Position = tuple[float, float, float]


@dataclass(frozen=True)
class PatchLayout:
    """How flat voxels (N, D) become tokens: kinds of patches, one after the other, and the place of each patch.

    kinds: one entry for every kind of patch, each with the flat voxel index of every voxel of every patch (T_k, S_k);
    patches of a kind have the same size and share their embedding. positions: one (a, b, c) for every patch of all
    kinds, in units of a period where the axis is periodic, else from 0 to 1. periodic: which of the axes are.
    Every voxel from 0 to D - 1 stands in exactly one patch.

    Raises CaloforgeError where a voxel is left out or stands twice, or the numbers do not match.

    >>> PatchLayout((((0, 1), (2, 3)), ((4,),)), ((0.0, 0.0, 0.0), (0.0, 0.5, 0.0), (1.0, 0.0, 0.0))).tokens
    3
    """

    kinds: tuple[Indices, ...]
    positions: tuple[Position, ...]
    periodic: tuple[bool, bool, bool] = (False, False, False)

    def __post_init__(self) -> None:
        kinds = tuple(tuple(tuple(int(i) for i in patch) for patch in kind) for kind in self.kinds)
        object.__setattr__(self, "kinds", kinds)
        places = tuple(tuple(float(value) for value in place) for place in self.positions)
        object.__setattr__(self, "positions", places)
        if len(self.positions) != self.tokens or any(len(place) != 3 for place in self.positions):
            raise CaloforgeError(
                f"positions has {len(self.positions)} entries for {self.tokens} patches; give three numbers for each."
            )
        for number, kind in enumerate(self.kinds):
            sizes = {len(patch) for patch in kind}
            if len(sizes) != 1 or 0 in sizes:
                raise CaloforgeError(
                    f"Kind {number} of the patches has the sizes {sorted(sizes)}; give patches of one size, from 1 on."
                )
        order = self.order
        if sorted(order) != list(range(len(order))):
            twice = next((i for i in order if order.count(i) > 1), None)
            said = f"voxel {twice} stands twice" if twice is not None else "a voxel is left out"
            raise CaloforgeError(f"The patches must hold each of {len(order)} voxels once, but {said}.")

    @property
    def order(self) -> tuple[int, ...]:
        """Flat voxel index of every voxel in the order of kinds and patches, (D,)."""
        return tuple(i for kind in self.kinds for patch in kind for i in patch)

    @property
    def tokens(self) -> int:
        """Number of patches T of all kinds."""
        return sum(len(kind) for kind in self.kinds)

    @property
    def features(self) -> int:
        """Number of voxels D."""
        return sum(len(kind) * len(kind[0]) for kind in self.kinds if kind)

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(patches, voxels in each) of every kind."""
        return tuple((len(kind), len(kind[0])) for kind in self.kinds)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{patches} of {size}" for patches, size in self.sizes)
        return f"PatchLayout({self.features} voxels in {self.tokens} patches: {sizes})"


def side_by_side(layouts: Sequence[PatchLayout]) -> PatchLayout:
    """One layout over the features of several, one after the other; axes must be periodic in all or none of them."""
    kinds: list[Indices] = []
    positions: list[Position] = []
    offset = 0
    for layout in layouts:
        if layout.periodic != layouts[0].periodic:
            raise CaloforgeError("Layouts side by side must have the same periodic axes.")
        kinds += [tuple(tuple(i + offset for i in patch) for patch in kind) for kind in layout.kinds]
        positions += layout.positions
        offset += layout.features
    return PatchLayout(tuple(kinds), tuple(positions), layouts[0].periodic)


class _Reorder(torch.autograd.Function):
    """x[:, order], whose gradient is taken by the inverse order instead of sums into places."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        return x.index_select(-1, order)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        _, order, inverse = inputs
        ctx.save_for_backward(order, inverse)
        ctx.save_for_forward(order, inverse)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        order, inverse = ctx.saved_tensors
        return reorder(gradient, inverse, order), None, None

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, *rest: Any) -> Tensor:
        order, inverse = ctx.saved_tensors
        return reorder(tangent, order, inverse)


def reorder(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """x (N, D) with its columns in another order; `inverse` undoes `order`, both (D,) int64."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return cast(Tensor, _Reorder.apply(x, order, inverse))  # type: ignore[no-untyped-call]
    return x.index_select(-1, order)


class PatchEmbedding(nn.Module):
    """Flat voxels (N, D) to tokens (N, T, width): gathered into patches, each kind by a dense layer of its own."""

    order: Tensor
    inverse: Tensor

    def __init__(self, layout: PatchLayout, width: int) -> None:
        super().__init__()
        self.layout, self.width = layout, width
        _keep_order(self, layout)
        self.kinds = nn.ModuleList(nn.Linear(size, width) for _, size in layout.sizes)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (N, T, width) of x (N, D)."""
        gathered = reorder(x, self.order, self.inverse)
        parts = torch.split(gathered, [patches * size for patches, size in self.layout.sizes], -1)
        sizes = zip(self.kinds, parts, self.layout.sizes, strict=True)
        tokens = [kind(part.reshape(-1, patches, size)) for kind, part, (patches, size) in sizes]
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens, 1)


class PatchOutput(nn.Module):
    """Tokens (N, T, width) to flat voxels (N, D), each kind by a dense layer of its own that starts at zero."""

    order: Tensor
    inverse: Tensor

    def __init__(self, layout: PatchLayout, width: int) -> None:
        super().__init__()
        self.layout = layout
        _keep_order(self, layout)
        self.kinds = nn.ModuleList(nn.Linear(width, size) for _, size in layout.sizes)
        for kind in self.kinds:
            nn.init.zeros_(cast(nn.Linear, kind).weight)
            nn.init.zeros_(cast(nn.Linear, kind).bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Voxels (N, D) of tokens (N, T, width)."""
        parts = torch.split(tokens, [patches for patches, _ in self.layout.sizes], 1)
        flat = [kind(part).flatten(1) for kind, part in zip(self.kinds, parts, strict=True)]
        return reorder(flat[0] if len(flat) == 1 else torch.cat(flat, -1), self.inverse, self.order)


def _keep_order(module: nn.Module, layout: PatchLayout) -> None:
    """The order of the patches and its inverse as buffers that do not enter a checkpoint."""
    order = torch.tensor(layout.order)
    module.register_buffer("order", order, persistent=False)
    module.register_buffer("inverse", torch.argsort(order), persistent=False)
