"""The CaloChallenge's two classifier networks: a fully connected one and a small three-dimensional ResNet-18."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from caloforge.detectors import CylindricalLayer, Detector
from caloforge.errors import CaloforgeError
from caloforge.evaluation.official.settings import ClassifierSettings

PLANES = (32, 64, 64, 128)


class Dense(nn.Sequential):
    """Logits (N, 1) from inputs (N, features): layers + 1 hidden layers of LeakyReLU(0.01) and dropout.

    Source: CaloChallenge, arXiv 2410.21611.
    """

    def __init__(self, features: int, hidden: int, layers: int, dropout: float = 0.0) -> None:
        parts: list[nn.Module] = []
        for width in (features, *[hidden] * layers):
            parts += [nn.Linear(width, hidden), nn.LeakyReLU(0.01)]
            if dropout:
                parts.append(nn.Dropout(dropout))
        super().__init__(*parts, nn.Linear(hidden, 1))


class _Block(nn.Module):
    """Two convolutions of 3^3 and a short cut (He et al., arXiv 1512.03385)."""

    def __init__(self, planes_in: int, planes: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv3d(planes_in, planes, 3, stride, 1, bias=False), nn.BatchNorm3d(planes), nn.ReLU(inplace=True)
        )
        self.second = nn.Sequential(nn.Conv3d(planes, planes, 3, 1, 1, bias=False), nn.BatchNorm3d(planes))
        same = stride == 1 and planes_in == planes
        self.shortcut: nn.Module = (
            nn.Identity()
            if same
            else nn.Sequential(nn.Conv3d(planes_in, planes, 1, stride, bias=False), nn.BatchNorm3d(planes))
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu_(self.second(self.first(x)) + self.shortcut(x))


class ResNet3D(nn.Module):
    """Logits (N, 1) from [log10 E_inc, voxels] (N, 1 + voxels), the voxels as one image (layer, alpha, r).

    Four stages of two blocks with 32, 64, 64 and 128 planes after a convolution of 7^3 with stride 2 and a maximum
    over 3^3; the normalised log10 E_inc joins before the last layer. Source: CaloChallenge, arXiv 2410.21611.
    """

    def __init__(self, image: tuple[int, int, int]) -> None:
        super().__init__()
        self.image = image
        self.stem = nn.Sequential(
            nn.Conv3d(1, PLANES[0], 7, 2, 3, bias=False),
            nn.BatchNorm3d(PLANES[0]),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(3, 2, 1),
        )
        blocks: list[nn.Module] = []
        before = PLANES[0]
        for stage, planes in enumerate(PLANES):
            blocks += [_Block(before, planes, 1 if stage == 0 else 2), _Block(planes, planes, 1)]
            before = planes
        self.blocks = nn.Sequential(*blocks)
        self.energy = nn.BatchNorm1d(1)
        self.head = nn.Linear(PLANES[-1] + 1, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv3d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        image = x[:, 1:].reshape(len(x), 1, *self.image)
        found = self.blocks(self.stem(image)).mean(dim=(2, 3, 4))
        logits: Tensor = self.head(torch.cat([found, self.energy(x[:, :1])], dim=1))
        return logits


def image_shape(detector: Detector) -> tuple[int, int, int]:
    """(layers, alpha, r) of a detector whose layers are all alike and cylindrical.

    Raises CaloforgeError for any other one, which is no image.
    """
    shapes = {layer.shape for layer in detector.layers if isinstance(layer, CylindricalLayer)}
    if len(shapes) != 1 or not all(isinstance(layer, CylindricalLayer) for layer in detector.layers):
        raise CaloforgeError(
            f"The layers of detector '{detector.name}' are not all cylindrical with the same bins, as the classifier "
            "'resnet' expects; use the classifiers low and high."
        )
    n_alpha, n_r = shapes.pop()
    return detector.n_layers, n_alpha, n_r


def inputs_of(detector: Detector, settings: ClassifierSettings) -> int:
    """Length of the input vector of one shower."""
    if settings.kind == "low-normed":
        return 1 + detector.n_voxels + detector.n_layers
    if settings.kind == "high":
        transverse = sum(not isinstance(layer, CylindricalLayer) or layer.shape[0] > 1 for layer in detector.layers)
        once, per_layer = (1, 1) if settings.vector == "2022-10" else (2, 4)
        return once + per_layer * detector.n_layers + 4 * transverse
    return 1 + detector.n_voxels


def network(detector: Detector, settings: ClassifierSettings) -> nn.Module:
    """The untrained network of a classifier, (N, inputs) to (N, 1), with torch's current random state.

    Raises CaloforgeError where a resnet is asked for a detector that is no image.
    """
    if settings.kind == "resnet":
        return ResNet3D(image_shape(detector))
    return Dense(inputs_of(detector, settings), settings.hidden, settings.layers, settings.dropout)


def parameters_of(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(part.numel() for part in module.parameters() if part.requires_grad)
