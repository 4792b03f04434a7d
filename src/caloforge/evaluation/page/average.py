"""The average shower of Geant4 and of every sample: layers in the detector's own shape, and along its depth."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from caloforge.detectors import CylindricalLayer, Detector, Layer
from caloforge.evaluation.page.axes import Axes, short
from caloforge.evaluation.page.colormap import AMOUNTS, DIFFERENCES, indices, scale
from caloforge.evaluation.page.drawing import Drawing
from caloforge.evaluation.page.ratio import half_height, ratio
from caloforge.evaluation.sample import Sample

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
PIXELS, CELL = 96, 104.0
RANGE = 1e-5
RINGS = 24


def cross_sections(reference: Sample, others: Mapping[str, Sample], most: int = 6) -> Drawing:
    """Mean deposit in up to `most` layers (columns) of Geant4 and every sample (rows), on one scale a layer."""
    detector = reference.detector
    layers = sorted({int(k) for k in np.linspace(0, detector.n_layers - 1, min(most, detector.n_layers)).round()})
    rows = [("Geant4", reference), *others.items()]
    sheet = Drawing(96 + len(layers) * (CELL + 8), 26 + len(rows) * (CELL + 8) + 26, _said(layers, rows))
    table = scale(AMOUNTS)
    for column, index in enumerate(layers):
        pixels, reach = raster(detector, index)
        part = np.asarray(reference.mean_mev[detector.slices[index]], dtype=np.float64)
        top = max(float(part.max()), 1e-12)
        bottom = max(float(part[part > 0].min(initial=top)), top * RANGE)
        x = 90 + column * (CELL + 8)
        sheet.text(
            x + CELL / 2, 16, f"layer {reference.features.layer_names[index]}, ±{reach:.3g} mm", 8.5, "middle", "ink"
        )
        for row, (name, sample) in enumerate(rows):
            y = 24 + row * (CELL + 8)
            values = np.append(np.asarray(sample.mean_mev[detector.slices[index]], dtype=np.float64), np.nan)[pixels]
            shown = np.where(
                values > 0, np.log(np.maximum(values, bottom)), np.where(values == 0, np.log(bottom), np.nan)
            )
            sheet.picture(x, y, CELL, CELL, indices(shown, np.log(bottom), np.log(max(top, 2 * bottom))), _clear(table))
            if column == 0:
                _named(sheet, 84, y + CELL / 2, name)
        y = 24 + len(rows) * (CELL + 8)
        sheet.picture(x, y, CELL, 6, np.arange(64, dtype=np.uint8)[None], table)
        sheet.text(x, y + 16, short(bottom), 7.5)
        sheet.text(x + CELL, y + 16, f"{short(top)} MeV", 7.5, "end")
    return sheet


def along_depth(reference: Sample, others: Mapping[str, Sample]) -> Drawing:
    """Mean energy of every layer over that of Geant4, with Geant4's statistical band."""
    layers = reference.features.layer_energy_mev
    expected, error = _mean(layers)
    n = len(expected)
    sheet = Drawing(420, 230, f"Mean energy by layer of {', '.join(others)} beside Geant4")
    top = max(float(expected.max()), *(float(_mean(s.features.layer_energy_mev)[0].max()) for s in others.values()))
    low = min(float(expected[expected > 0].min(initial=top)), top) / 2
    edges = np.arange(n + 1) - 0.5
    sheet.text(46, 12, "Mean energy by layer", 10.5, "start", "ink", bold=True)
    main = Axes(sheet, 46, 20, 364, 112, (-0.5, n - 0.5), (max(low, top * 1e-5), top * 1.6), y_log=True)
    main.filled(edges, expected, "geant4-pale")
    ratios = [ratio(_mean(sample.features.layer_energy_mev)[0], expected) for sample in others.values()]
    half = half_height(ratios)
    below = Axes(sheet, 46, 142, 364, 50, (-0.5, n - 0.5), (1 - half, 1 + half))
    band = np.nan_to_num(ratio(error, expected))
    below.band(edges, 1 - band, 1 + band, "geant4-pale")
    below.level(1.0)
    for index, sample in enumerate(others.values()):
        values, _ = _mean(sample.features.layer_energy_mev)
        sheet.line(main.stairs(edges, values), f"m{index % 6}", 1.2)
        sheet.line(below.stairs(edges, ratios[index]), f"m{index % 6}", 1.2)
    step = max(1, -(-n // 15))
    named = {float(k): str(reference.features.layer_names[k]) for k in range(0, n, step)}
    main.frame(y_label="mean [MeV]", x_ticks=False, x_named=named)
    below.frame("layer", "to Geant4", x_named=named, y_count=2)
    return sheet


def depth_and_radius(reference: Sample, others: Mapping[str, Sample]) -> Drawing:
    """Mean deposit against layer and distance from the axis: Geant4, then each sample over Geant4."""
    detector = reference.detector
    reach = max(_reach(layer) for layer in detector.layers)

    def image(sample: Sample) -> Floats:
        mean = np.asarray(sample.mean_mev, dtype=np.float64)
        return np.stack([_density(layer, mean[part], reach) for layer, part in parts], axis=1)[::-1]

    parts = list(zip(detector.layers, detector.slices, strict=True))
    expected = image(reference)
    top = float(np.nanmax(expected)) or 1.0
    count = 1 + len(others)
    width = 196.0
    sheet = Drawing(46 + count * (width + 14), 182, "Mean energy density by layer and radius: Geant4, and ratios to it")
    log = np.log10(np.where(expected > 0, np.maximum(expected, top * RANGE), np.nan))
    _map(
        sheet,
        40,
        width,
        "Geant4",
        indices(log, np.log10(top * RANGE), np.log10(top)),
        AMOUNTS,
        reach,
        detector.n_layers,
    )
    sheet.text(40, 174, f"{short(top * RANGE)} to {short(top)} MeV/mm^{{2}}, log", 7.5)
    for index, (name, sample) in enumerate(others.items(), 1):
        over = ratio(image(sample), expected)
        logarithm = np.log2(np.where(over > 0, over, np.nan))
        x = 40 + index * (width + 14)
        _map(sheet, x, width, f"{name} over Geant4", indices(logarithm, -1, 1), DIFFERENCES, reach, detector.n_layers)
        sheet.text(x + width, 162, "blue 0.5, white 1, red 2", 7.5, "end")
    return sheet


def _map(
    sheet: Drawing, x: float, width: float, name: str, pixels: NDArray[np.uint8],
    colours: tuple[tuple[int, int, int], ...], reach: float, layers: int,
) -> None:  # fmt: skip
    sheet.text(x, 12, name if len(name) < 34 else f"{name[:32]}...", 9.5, "start", "ink", bold=True)
    axes = Axes(sheet, x, 20, width, 130, (-0.5, layers - 0.5), (0, reach))
    sheet.picture(x, 20, width, 130, pixels, scale(colours))
    if x < 50:
        axes.frame("layer", "distance from axis [mm]")
    else:
        sheet.line([(x, 150), (x + width, 150)], "line")


def raster(detector: Detector, index: int, pixels: int = PIXELS) -> tuple[Integers, float]:
    """Voxel (within its layer; one past the last where there is none) under each pixel (pixels, pixels) of a layer seen
    along the axis, and half its side in mm.
    """
    layer = detector.layers[index]
    none = layer.n_voxels
    if isinstance(layer, CylindricalLayer):
        edges = np.array(layer.r_edges_mm)
        reach = float(edges[-1])
        place = (np.arange(pixels) + 0.5) / pixels * 2 * reach - reach
        x, y = np.meshgrid(place, place[::-1])
        ring = np.searchsorted(edges, np.hypot(x, y), side="right") - 1
        sector = ((np.arctan2(y, x) + np.pi) / (2 * np.pi) * layer.n_alpha).astype(np.int64) % layer.n_alpha
        inside = (ring >= 0) & (ring < layer.shape[1])
        return np.where(inside, sector * layer.shape[1] + ring, none), reach
    across, up = np.array(layer.x_edges_mm), np.array(layer.y_edges_mm)
    reach = float(max(np.abs(across).max(), np.abs(up).max()))
    place = (np.arange(pixels) + 0.5) / pixels * 2 * reach - reach
    x, y = np.meshgrid(place, place[::-1])
    column, line = np.searchsorted(across, x, side="right") - 1, np.searchsorted(up, y, side="right") - 1
    inside = (column >= 0) & (column < len(across) - 1) & (line >= 0) & (line < len(up) - 1)
    return np.where(inside, column * (len(up) - 1) + line, none), reach


def _reach(layer: Layer) -> float:
    """Half the smallest width of a layer, in mm."""
    if isinstance(layer, CylindricalLayer):
        return float(layer.r_edges_mm[-1])
    return float(min(np.abs(layer.x_edges_mm).max(), np.abs(layer.y_edges_mm).max()))


def _density(layer: Layer, mean: Floats, reach: float) -> Floats:
    """Energy per area (RINGS,) of a layer in rings of equal width out to `reach`, from the axis outwards."""
    edges = np.linspace(0, reach, RINGS + 1)
    middle = (edges[:-1] + edges[1:]) / 2
    if isinstance(layer, CylindricalLayer):
        own = np.array(layer.r_edges_mm)
        ring = np.searchsorted(own, middle, side="right") - 1
        inside = (ring >= 0) & (ring < layer.shape[1])
        total = mean.reshape(layer.shape).sum(axis=0) / layer.areas_mm2.reshape(layer.shape).sum(axis=0)
        return np.where(inside, total[np.clip(ring, 0, layer.shape[1] - 1)], np.nan)
    cell = np.searchsorted(edges, layer.r_mm, side="right") - 1
    near = cell < RINGS
    total, area = (np.bincount(cell[near], w[near], RINGS) for w in (mean, layer.areas_mm2))
    filled = np.flatnonzero(area)
    nearest = filled[np.abs(np.arange(RINGS)[:, None] - filled).argmin(axis=1)]
    return np.asarray(total[nearest] / area[nearest], dtype=np.float64)


def _clear(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The scale with white for what lies outside the layer."""
    found = table.copy()
    found[-1] = 255
    return found


def _mean(values: NDArray[np.floating]) -> tuple[Floats, Floats]:
    found = np.asarray(values, dtype=np.float64)
    return found.mean(axis=0), found.std(axis=0) / np.sqrt(max(len(found), 1))


def _named(sheet: Drawing, x: float, y: float, name: str) -> None:
    words, lines = name.split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > 14:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    for index, line in enumerate(lines):
        sheet.text(x, y + 11 * (index - (len(lines) - 1) / 2), line[:18], 9, "end", "ink")


def _said(layers: list[int], rows: list[tuple[str, Sample]]) -> str:
    return f"Average shower in {len(layers)} layers: {', '.join(name for name, _ in rows)}"
