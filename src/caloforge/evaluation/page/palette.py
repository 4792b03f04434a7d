"""The colours of page and figures, each in a light and a dark form; drawings name them, never a value."""

from __future__ import annotations

MODELS = 6
LIGHT = {
    "page": "#ffffff", "card": "#f5f7fa", "ink": "#18202b", "muted": "#566170", "grid": "#dfe4ea", "line": "#c9d0d9",
    "geant4": "#8a94a3", "geant4-pale": "#d6dbe2", "floor": "#566170", "floor-pale": "#e3e7ec", "link": "#0b5cad",
    "good": "#1a6b3c", "fair": "#7d5600", "bad": "#a3202f",
    "m0": "#c2304a", "m1": "#0a7287", "m2": "#b07400", "m3": "#7450a8", "m4": "#2f7d52", "m5": "#3a5a9c",
}  # fmt: skip
DARK = {
    "page": "#12161c", "card": "#1b212a", "ink": "#e8ecf1", "muted": "#a3adba", "grid": "#2a323d", "line": "#3a4451",
    "geant4": "#8e99a8", "geant4-pale": "#3d4754", "floor": "#a3adba", "floor-pale": "#2a323d", "link": "#7db8f5",
    "good": "#6fcf97", "fair": "#e8b64c", "bad": "#ff8a95",
    "m0": "#ff7a90", "m1": "#4cc3d9", "m2": "#f0b440", "m3": "#bb9bf0", "m4": "#6fcf97", "m5": "#8fb0f5",
}  # fmt: skip


def rgb(colour: str) -> tuple[float, float, float]:
    """Red, green and blue in [0, 1] of a colour's light form."""
    value = LIGHT[colour]
    return int(value[1:3], 16) / 255, int(value[3:5], 16) / 255, int(value[5:7], 16) / 255


def model(index: int) -> str:
    """Colour of the sample of that number."""
    return f"m{index % MODELS}"


def variables() -> str:
    """Style sheet with the colours as variables: light, dark where the reader's system is, either by choice."""
    light, dark = (";".join(f"--{name}:{value}" for name, value in side.items()) for side in (LIGHT, DARK))
    used = "".join(f".s-{name}{{stroke:var(--{name})}}.f-{name}{{fill:var(--{name})}}" for name in LIGHT)
    return (
        f":root{{color-scheme:light;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}{used}"
        f"@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{color-scheme:light;{light}}}}}"
    )
