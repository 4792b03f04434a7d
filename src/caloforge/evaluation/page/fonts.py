"""The letters that every PDF reader has: Helvetica's and Symbol's, how wide they are, and what stands for others."""

from __future__ import annotations

from itertools import groupby
from string import ascii_lowercase, ascii_uppercase
from unicodedata import combining, normalize

# Advance widths of Helvetica's glyphs from space to tilde, in thousandths of the size (Adobe's font metrics).
WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 556 556 556 278 278 "
    "584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 722 778 667 778 722 667 611 722 667 944 "
    "667 667 611 278 278 278 469 556 333 556 556 500 556 556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 "
    "278 556 500 722 500 500 500 334 260 334 584"
)
ADVANCE = {chr(32 + index): int(width) for index, width in enumerate(WIDTHS.split())}
# Letters and signs of Symbol, their codes there, and their widths (Adobe's font metrics).
_LETTERS = "ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖαβχδεφγηιϕκλμνοπθρστυϖωξψζ≤∞→≥≠≈√−"
_CODES = ascii_uppercase + ascii_lowercase + "\xa3\xa5\xae\xb3\xb9\xbb\xd6-"
_WIDE = (
    "722 667 722 612 611 763 603 722 333 631 722 686 889 722 722 768 741 556 592 611 690 439 768 645 795 611 "
    "631 549 549 494 439 521 411 603 329 603 549 549 576 521 549 549 521 549 603 439 576 713 686 493 686 494 "
    "549 713 987 549 549 549 549 549"
)
SYMBOL = {letter: (code, int(width)) for letter, code, width in zip(_LETTERS, _CODES, _WIDE.split(), strict=True)}


def text_width(text: str, size: float) -> float:
    """Width of a text in Helvetica of that size; letters beyond ASCII are as wide as theirs without accents."""
    return sum(map(_width, legible(text))) * size / 1000


def runs(text: str) -> list[tuple[bool, str]]:
    """A text in runs of one font: whether that is Symbol, and the codes of its letters as characters below 256."""
    return [
        (greek, "".join(SYMBOL[c][0] if greek else c.encode("cp1252").decode("latin-1") for c in run))
        for greek, run in groupby(legible(text), SYMBOL.__contains__)
    ]


def legible(text: str) -> str:
    """The text in letters of the two fonts: others become those without their accents, else their code, as \\u0142."""
    return "".join(letter if _known(letter) else _instead(letter) for letter in normalize("NFC", text))


def _known(letter: str) -> bool:
    return letter in SYMBOL or (letter.isprintable() and letter.encode("cp1252", "ignore") != b"")


def _instead(letter: str) -> str:
    parts = normalize("NFKD", letter)
    plain = "".join(part for part in parts if not combining(part))
    if plain and all(map(_known, plain)) and (plain == parts or plain.isalpha()):
        return plain
    return letter.encode("unicode_escape").decode()


def _width(letter: str) -> int:
    if letter in SYMBOL:
        return SYMBOL[letter][1]
    return ADVANCE.get(normalize("NFD", letter)[0], 556)
