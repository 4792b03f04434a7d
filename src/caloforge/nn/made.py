"""MADE: a network whose outputs for feature d depend on features 0..d-1 alone (Germain et al., arXiv:1502.03509)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from caloforge.errors import CaloforgeError
from caloforge.nn.staircase import staircase, staircase_linear

Degrees = Literal["sorted", "nflows"]
ContextMode = Literal["add", "nflows"]


def hidden_degrees(
    features: int, units: int, order: Degrees = "sorted", passes: int | None = None, lowest: int = 1
) -> Tensor:
    """Degree of every hidden unit, (units,) int64: a unit of degree m sees the first m features.

    "sorted" spreads the degrees evenly and in rising order over lowest..features-1, also where there are fewer units
    than features; lowest=0 lets some see the context alone. With `passes` only the ends of that many equal groups of
    features are degrees: within a group nothing depends on one another (2: coupling). "nflows" is that library's
    convention, arange(units) % max(1, features - 1) + min(1, features - 1).
    Raises CaloforgeError for any other order and for passes that leave no degree.
    """
    if order == "nflows":
        return torch.arange(units) % max(1, features - 1) + min(1, features - 1)
    if order == "sorted":
        first = min(lowest, features - 1)
        groups = features if passes is None else passes
        if not 1 <= groups <= features or (groups == 1 and first > 0):
            raise CaloforgeError(
                f"MADE has passes={passes} for {features} features, but 2 to {features} can be done, and 1 where there"
                " is a context; correct the recipe."
            )
        ends = [round(group * features / groups) for group in range(groups)]
        allowed = torch.tensor([end for end in ends if end >= first])
        return allowed[(2 * torch.arange(units) + 1) * len(allowed) // (2 * units)]
    raise CaloforgeError(f"The hidden degrees are '{order}', which is no known order; give 'sorted' or 'nflows'.")


class MaskedLinear(nn.Linear):
    """A dense layer whose weights are multiplied by a fixed mask of zeros and ones, kept as the buffer `mask`."""

    mask: Tensor

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask.to(self.weight.dtype))
        self.plan = staircase(mask)

    def forward(self, input: Tensor) -> Tensor:
        """Outputs (..., out) of inputs (..., in)."""
        if self.plan is not None and self._in_steps(input):
            return cast(Tensor, staircase_linear(input, self.weight, self.bias, self.mask, self.plan))
        return F.linear(input, self.weight * self.mask, self.bias)

    def _in_steps(self, input: Tensor) -> bool:
        """Whether the product is done without what is masked out: eagerly, in float32, on the CPU."""
        return (
            input.dim() == 2
            and input.dtype == self.weight.dtype == torch.float32
            and input.device.type == self.weight.device.type == "cpu"
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
            and not torch._C._functorch.peek_interpreter_stack()
        )


class MADE(nn.Module):
    """Masked perceptron: x (N, features), context (N, context_features) -> (N, features, parameters).

    Features are taken in their order. `hidden` is the width of the hidden layers, one number each (or a single number
    repeated `n_layers` times). The context enters the first hidden layer: relu(W x + b + V c), or, as in nflows,
    relu(W x + b + relu(V c)). `passes` (None: one for each feature) is the number of groups of features among which
    nothing depends on one another. Raises CaloforgeError for sizes below one.
    """

    def __init__(
        self,
        features: int,
        hidden: int | Sequence[int],
        parameters: int,
        context_features: int = 0,
        n_layers: int = 1,
        degrees: Degrees = "sorted",
        context_mode: ContextMode = "add",
        dropout: float = 0.0,
        passes: int | None = None,
    ) -> None:
        super().__init__()
        widths = [hidden] * n_layers if isinstance(hidden, int) else list(hidden)
        if not widths or min(features, parameters, *widths) < 1:
            raise CaloforgeError(
                f"MADE has features={features}, hidden={widths}, parameters={parameters}, but every size must be at"
                " least one; correct the recipe."
            )
        if context_mode not in ("add", "nflows"):
            raise CaloforgeError(f"MADE has context_mode='{context_mode}'; give 'add' or 'nflows'.")
        self.features, self.parameters_per_feature, self.context_features = features, parameters, context_features
        self.context_mode = context_mode
        self.degrees = tuple(
            hidden_degrees(features, width, degrees, passes, 0 if context_features else 1) for width in widths
        )
        inputs = torch.arange(1, features + 1)
        layers: list[nn.Module] = []
        for degree in self.degrees:
            layers.append(MaskedLinear(degree[:, None] >= inputs))
            inputs = degree
        self.hidden_layers = nn.ModuleList(layers)
        outputs = torch.arange(1, features + 1).repeat_interleave(parameters)
        self.output_layer = MaskedLinear(outputs[:, None] > inputs)
        self.context_layer = nn.Linear(context_features, widths[0]) if context_features else None
        self.dropout = nn.Dropout(dropout)

    def masked_layers(self) -> list[MaskedLinear]:
        """The hidden layers, first to last."""
        return [cast(MaskedLinear, layer) for layer in self.hidden_layers]

    def context_term(self, context: Tensor | None) -> Tensor | None:
        """What the context adds to the first hidden layer before its ReLU, (N, hidden), or None without a context."""
        if self.context_layer is None:
            return None
        if context is None or context.shape[-1] != self.context_features:
            found = "none" if context is None else f"one with {context.shape[-1]} features"
            raise CaloforgeError(
                f"The condition 'context' must have {self.context_features} features, but {found} was found; pass"
                " {'context': tensor of shape (N, features)}."
            )
        term = cast(Tensor, self.context_layer(context))
        return F.relu(term) if self.context_mode == "nflows" else term

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Parameters (N, features, parameters) of x (N, features)."""
        term = self.context_term(context)
        hidden = x
        for number, layer in enumerate(self.hidden_layers):
            hidden = layer(hidden)
            if number == 0 and term is not None:
                hidden = hidden + term
            hidden = self.dropout(F.relu(hidden))
        raw = cast(Tensor, self.output_layer(hidden))
        return raw.view(*raw.shape[:-1], self.features, self.parameters_per_feature)
