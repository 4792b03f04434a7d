"""Take over the weights of a masked spline transform that was trained with nflows."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from caloforge.errors import CaloforgeError
from caloforge.generative.autoregressive import Autoregressive


def load_nflows_weights(block: Autoregressive, state: Mapping[str, Tensor]) -> None:
    """Copy the state dict of an nflows MaskedPiecewiseRationalQuadraticAutoregressiveTransform into a block.

    The nflows transform must have feed-forward blocks (`use_residual_blocks=False`), which are the hidden layers after
    the first, and linear tails; ours `degrees="nflows"` and, with a context, `context_mode="nflows"`. Tail bound and
    floors are settings, not weights: give both the same. Raises CaloforgeError where shapes or masks differ.
    """
    made, prefix = block.made, "autoregressive_net."
    names = ["initial_layer", *(f"blocks.{n}.linear" for n in range(len(made.hidden_layers) - 1)), "final_layer"]
    pairs = [
        (prefix + name, layer) for name, layer in zip(names, [*made.hidden_layers, made.output_layer], strict=True)
    ]
    if made.context_layer is not None:
        pairs.append((prefix + "context_layer", made.context_layer))
    found = {name.rpartition(".")[0] for name in state}
    if found != {name for name, _ in pairs}:
        raise CaloforgeError(
            f"The nflows weights have the layers {sorted(found)}, but this block needs {sorted(n for n, _ in pairs)};"
            " build it with as many hidden layers and the same context."
        )
    for name, layer in pairs:
        for key, own in layer.state_dict().items():
            theirs = state[f"{name}.{key}"]
            if own.shape != theirs.shape:
                raise CaloforgeError(
                    f"The nflows weights have '{name}.{key}' of shape {tuple(theirs.shape)}, but this block needs"
                    f" {tuple(own.shape)}; build it with the same sizes."
                )
            if key == "mask" and not torch.equal(own, theirs.to(own)):
                raise CaloforgeError(
                    f"The nflows mask '{name}.mask' differs from this block's; build it with degrees='nflows'."
                )
    with torch.no_grad():
        for name, layer in pairs:
            for key, parameter in layer.named_parameters():
                parameter.copy_(state[f"{name}.{key}"])
