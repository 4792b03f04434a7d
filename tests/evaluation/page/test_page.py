"""The report: everything that there is, nothing that is not, self-contained, the same bytes for equal input."""

from __future__ import annotations

import dataclasses
import re
import zlib
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import judgement

from caloforge.evaluation.arrays import Arrays
from caloforge.evaluation.page import verdict, write_page
from caloforge.evaluation.page.drawing import Drawing, Text
from caloforge.evaluation.page.energies import by_energy
from caloforge.evaluation.page.fonts import SYMBOL
from caloforge.evaluation.page.palette import DARK, LIGHT
from caloforge.evaluation.page.pdf import pdf
from caloforge.evaluation.page.showers3d import packed
from caloforge.evaluation.page.summary import summary
from caloforge.evaluation.page.svg import path, png
from caloforge.evaluation.page.tables import Cell, Table
from caloforge.showers import Showers

EVIL = 'naive: <script>alert("1")</script>|x'


@pytest.fixture(scope="module")
def made(toy_showers) -> tuple[dict[str, Any], Arrays]:
    others = {"model": toy_showers(300, 2, 0.05), EVIL: toy_showers(300, 4, 0.4)}
    return judgement(toy_showers(300, 1), others, toy_showers(300, 3))


@pytest.fixture(scope="module")
def folder(made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    write_page(*made, out)
    return out


class Parser(HTMLParser):
    """Checks that tags close in order; notes sections, addresses, ids and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.headings: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.ids += [str(found["id"])] if "id" in found else []
        self.addresses += [str(found[key]) for key in ("href", "src") if key in found]
        self.headings += [tag] if re.fullmatch("h[1-6]", tag) else []
        if tag == "svg" and not found.get("aria-label"):
            self.unnamed.append(tag)
        if tag not in ("meta", "link", "path", "image", "li", "input", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("path", "image"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag != "li":
            assert self.open.pop() == tag


def test_the_page_has_everything_and_asks_the_network_for_nothing(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    parser = Parser()
    parser.feed(text)
    assert not parser.open and not parser.unnamed
    assert len(set(parser.ids)) == len(parser.ids)
    sections = (
        "summary showers classifiers separations histograms physics average correlations distances memory time method"
    )
    assert set(sections.split()) <= set(parser.ids)
    assert parser.headings == ["h1", *["h2"] * 12]
    figures = {f"figures/{path.name}" for path in (folder / "figures").iterdir()}
    for address in parser.addresses:
        assert address.startswith(("#", "data:")) or address in figures
        assert not address.startswith("#") or address[1:] in parser.ids
    assert figures <= set(parser.addresses)
    assert "http:" not in text and "https:" not in text and "default-src 'none'" in text


def test_names_are_escaped(folder: Path) -> None:
    text, marked = ((folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md"))
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text
    assert "<script>" not in marked and r"\|x" in marked


def test_markdown_tables_are_whole(folder: Path, made) -> None:
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# model against Geant4" and made[0]["name"] in lines[0]
    rows = [line for line in lines if line.startswith("|")]
    for first, second in pairwise(rows):
        if second.startswith("|---"):
            assert second.count("|") == len(re.findall(r"(?<!\\)\|", first))
    for name, one in made[0]["separation_power"].items():
        assert any(line.startswith(f"| {name} |") and f"{one['value']:.5f}" in line for line in rows)


def test_every_figure_is_a_pdf(folder: Path) -> None:
    files = sorted((folder / "figures").iterdir())
    assert len(files) >= 15
    for file in files:
        data = file.read_bytes()
        assert data.startswith(b"%PDF-1.4") and data.endswith(b"%%EOF\n")
        start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
        assert data[start:].startswith(b"xref")
        table = data[start:].split(b"trailer")[0].split(b"\n")[3:-1]
        for index, line in enumerate(table, 1):
            assert data[int(line[:10]) :].startswith(f"{index} 0 obj".encode())
        for stream in re.findall(rb"stream\n(.*?)\nendstream", data, flags=re.DOTALL):
            zlib.decompress(stream)


def test_equal_input_gives_equal_bytes(folder: Path, made, tmp_path: Path) -> None:
    write_page(*made, tmp_path)
    files = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    assert files and all((folder / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_what_is_absent_is_left_out(made, tmp_path: Path) -> None:
    results, arrays = made
    kept = ("schema", "caloforge", "protocol", "seed", "detector", "showers", "name", "separation_power")
    write_page(
        {key: results[key] for key in kept}, Arrays(arrays.reference, arrays.others, arrays.comparisons), tmp_path
    )
    parser = Parser()
    parser.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
    shown = {"summary", "separations", "histograms", "average", "method"}
    assert shown == {name for name in parser.ids if f"h-{name}" in parser.ids}
    nothing = dataclasses.replace(arrays, comparisons={})
    write_page({key: results[key] for key in kept[:-1]}, nothing, tmp_path)
    said = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert "there is no verdict" in said
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == set(re.findall(r"figures/([^)]+)\)", said))


def test_showers_are_packed_with_their_brightest_voxels(toy_showers) -> None:
    import base64

    showers = toy_showers(3, 1)
    found = packed({"reference": showers})
    one = found["samples"][0]["showers"][1]
    voxels = np.frombuffer(base64.b64decode(one["voxels"]), dtype="<u2")
    levels = np.frombuffer(base64.b64decode(one["levels"]), dtype=np.uint8)
    deposits = showers.deposits_mev[1]
    expected = np.flatnonzero(deposits >= found["low"])
    np.testing.assert_array_equal(voxels, expected)
    energies = found["low"] * (found["high"] / found["low"]) ** (levels / 255)
    step = np.log(found["high"] / found["low"]) / 255
    np.testing.assert_allclose(np.log(energies), np.log(deposits[voxels]), atol=0.51 * step)
    empty = Showers(np.ones(2), np.zeros((2, showers.detector.n_voxels)), showers.detector)
    assert packed({"reference": empty})["samples"][0]["showers"][0]["hits"] == 0


def test_paths_keep_their_points_and_lift_the_pen() -> None:
    points = np.array([[0, 0], [1, 0], [1, 2], [np.nan, 1], [3, 3], [4.04, 5]])
    assert path(points) == "M0 0h10v20M30 30l10 20"


def test_a_picture_is_the_png_that_was_given() -> None:
    import io

    from PIL import Image

    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    colours = np.arange(36, dtype=np.uint8).reshape(12, 3)
    read = np.asarray(Image.open(io.BytesIO(png(pixels, colours))).convert("RGB"))
    np.testing.assert_array_equal(read, colours[pixels])


def test_pdf_text_stands_where_it_should() -> None:
    sheet = Drawing(100, 50, "x")
    sheet.text(50, 20, "(10^{2})", 10, "middle")
    content = zlib.decompress(re.search(rb"stream\n(.*?)\nendstream", pdf([sheet], "t"), re.DOTALL)[1]).decode()
    assert r"(\(10)" in content and "(2)" in content and r"(\))" in content
    width = 2 * 3.33 + 2 * 5.56 + 0.75 * 5.56
    x, y = map(float, re.search(r"1 0 0 -1 (\S+) (\S+) Tm", content).groups())
    assert (x, y) == (pytest.approx(50 - width / 2, abs=0.01), 20.0)


def _shown(data: bytes) -> str:
    """What a PDF shows, with Symbol's letters in brackets."""
    content = zlib.decompress(re.search(rb"stream\n(.*?)\nendstream", data, re.DOTALL)[1]).decode("latin-1")
    runs = re.findall(r"/(\w) \S+ Tf \(((?:[^\\)]|\\.)*)\) Tj", content)
    plain = [(font, re.sub(r"\\(.)", r"\1", codes)) for font, codes in runs]
    return "".join(f"[{codes}]" if font == "S" else codes.encode("latin-1").decode("cp1252") for font, codes in plain)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("π → γγ, λ₁ ≤ 2", "[p] [\xae] [gg], [l]1 [\xa3] 2"),
        ("Müller, Schrödinger – “½”", "Müller, Schrödinger – “½”"),
        ("u\u0308 Dvořák Erdős", "ü Dvorák Erdos"),
        ("ά 10⁻ ﬁt", "[a] 10[-] fit"),
        ("Łódź 日 a\tb ≰", r"\u0141ódz \u65e5 a\tb \u2270"),
    ],
)
def test_names_beyond_latin_1_can_be_read_in_a_pdf(text: str, shown: str) -> None:
    sheet = Drawing(100, 50, "x")
    sheet.text(50, 20, text, bold=True)
    data = pdf([sheet], f"{text} (1)")
    assert _shown(data) == shown
    title = bytes.fromhex(re.search(rb"/Title<(\w+)>", data)[1].decode())
    assert title.decode("utf-16") == f"{text} (1)"


def test_letters_of_symbol_have_the_codes_and_widths_of_its_metrics() -> None:
    import unicodedata

    import matplotlib

    metrics = Path(matplotlib.get_data_path(), "fonts", "pdfcorefonts", "Symbol.afm").read_text(encoding="ascii")
    known = {int(c): (int(w), n) for c, w, n in re.findall(r"^C (\d+) ; WX (\d+) ; N (\w+)", metrics, re.MULTILINE)}
    for letter, (code, width) in SYMBOL.items():
        assert width == known[ord(code)][0]
        name = unicodedata.name(letter).replace("LAMDA", "LAMBDA")
        if re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER \w+", name):
            assert known[ord(code)][1].upper() == name.split()[-1]
            assert known[ord(code)][1].islower() == ("SMALL" in name)


def test_tables_mark_their_sort_values_and_escape() -> None:
    table = Table("a < b", ["name", "n"], [["x & y", Cell("1,000", 1000.0, "good")]])
    assert 'class="good" data-v="1000">1,000</td>' in table.html() and "x &amp; y" in table.html()
    assert table.markdown().splitlines()[-1] == "| x & y | 1,000 |"


def test_quantities_about_zero_are_compared_by_their_difference() -> None:
    bins = [
        {"low_mev": low, "high_mev": 2 * low, "x_mm": {"reference": [value, 0.1], "generated": [value + 0.2, 0.1]}}
        for low, value in ((1000.0, -0.1), (2000.0, 0.1))
    ]
    texts = {item.text for item in by_energy("x_mm", {"model": bins}, {"model": "m0"}).items if isinstance(item, Text)}
    assert "x [mm]" in texts and "- Geant4" in texts and "to Geant4" not in texts
    for one in bins:
        one["x_mm"] = {"reference": [5.0, 0.1], "generated": [5.1, 0.1]}
    sheet = by_energy("x_mm", {"model": bins}, {"model": "m0"})
    assert "to Geant4" in {item.text for item in sheet.items if isinstance(item, Text)}


def _luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("side", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_have_contrast(side: dict[str, str]) -> None:
    """WCAG 2.1: 4.5 for text, 3 for lines of figures."""

    def contrast(one: str, two: str) -> float:
        high, low = sorted((_luminance(side[one]), _luminance(side[two])), reverse=True)
        return (high + 0.05) / (low + 0.05)

    for text in ("ink", "muted", "link", "good", "fair", "bad"):
        assert min(contrast(text, "page"), contrast(text, "card")) >= 4.5, text
    for line in ("m0", "m1", "m2", "m3", "m4", "m5", "floor", "geant4"):
        assert contrast(line, "page") >= 3.0, line


def _results(auc: float, error: float = 0.003, floor: float | None = 0.5, **more: Any) -> dict[str, Any]:
    one = {"auc": auc, "auc_error": error, "floor": floor, "floor_spread": 0.002, "n": 20000}
    return {"classifiers": {"headline": one}, **more}


def _powers(layers: dict[str, float], kinds: tuple[str, ...] = ("E", "EC r", "Width r")) -> dict[str, Any]:
    return {
        f"{kind} layer {layer}": {"value": 0.001 * (1 + size), "error": 0.0005, "floor": 0.001, "floor_spread": 0.0}
        for kind in kinds
        for layer, size in layers.items()
    }


def test_verdict_names_layers_and_energy() -> None:
    powers = _powers({str(k): 20.0 if 3 <= k <= 7 else 0.5 for k in range(20)})
    bins = [{"auc": 0.8, "auc_error": 0.01, "floor": 0.5}, {"auc": 0.55, "auc_error": 0.01, "floor": 0.5}]
    said = verdict(_results(0.7, separation_power=powers, auc_by_energy=bins))
    assert said.startswith(
        "Distinguishable from Geant4 by a classifier, clearly, mostly in layers 3-7 at low energy (AUC 0.700"
    )
    said = verdict(_results(0.7, separation_power=powers, auc_by_energy=bins[::-1]))
    assert "at high energy" in said
    said = verdict(_results(0.7, auc_by_energy=[bins[0], bins[0]]))
    assert "mostly at all energies" in said
    everywhere = verdict(_results(0.99, separation_power=_powers({str(k): 20.0 for k in range(20)})))
    assert "almost always" in everywhere and "layer" not in everywhere


def test_verdict_names_the_observable() -> None:
    powers = _powers({"0": 1.0, "1": 1.0}) | _powers({"0": 90.0, "1": 90.0}, ("Sparsity",))
    assert "mostly by sparsity" in verdict(_results(0.9, separation_power=powers))


def test_verdict_takes_the_error_of_the_mean_floor() -> None:
    one = _results(0.53, 0.006, 0.5)
    one["classifiers"]["headline"] |= {"floor_spread": 0.02, "floor_error": 0.004}
    assert verdict(one).startswith("Distinguishable")
    del one["classifiers"]["headline"]["floor_error"]
    assert verdict(one).startswith("No difference")


def test_verdict_weighs_floor_and_numbers() -> None:
    assert verdict(_results(0.56, floor=0.558)).startswith(
        "Not distinguishable from Geant4 by a classifier with 20,000"
    )
    assert verdict(_results(0.56, floor=0.5)).startswith("Distinguishable")
    unsure = verdict(_results(0.56, error=0.04))
    assert unsure.startswith("No difference from Geant4 is seen") and "0.08 in the AUC" in unsure
    assert "floor 0.5 (expected)" in verdict(_results(0.9, floor=None))
    assert verdict(_results(0.9, memorisation={"found": True})).endswith("; it repeats training showers.")


def test_cards_show_no_exponents() -> None:
    large = {"fpd": {"value": 2.0604, "error": 0.1121, "floor": 2.1053, "floor_error": 0.1116, "comparable": False}}
    page = str(summary({"name": "generated", "others": {}, "verdict": "Said.", **large}))
    assert "2,060 ± 112" in page and "floor 2,105 ± 112" in page and "e+0" not in page


def test_verdict_without_classifiers() -> None:
    powers = _powers({str(k): 30.0 if k == 2 else 0.1 for k in range(6)})
    assert verdict({"separation_power": powers}).startswith(
        "3 of 18 histograms differ from Geant4 by more than their floors, mostly in layer 2"
    )
    powers = _powers({str(k): 0.1 for k in range(6)})
    assert verdict({"separation_power": powers}).startswith("All 18 histograms agree")
    one = {"error": 0.001, "floor": 0.001, "floor_spread": 0.0, "value": 0.0045}
    many = {f"E layer {k}": {**one, "value": 0.001} for k in range(360)} | {"EC r layer 3": one, "EC r layer 9": one}
    assert (
        "360 of 362 histograms of 600 showers agree with Geant4 within their floors, and chance explains the others"
        in (verdict({"separation_power": many, "compared": 600}))
    )
    many["EC r layer 3"] = {**one, "value": 0.02}
    assert verdict({"separation_power": many}).startswith("2 of 362 histograms differ")
    bare = {"E layer 0": {"value": 0.2, "floor": None}, "E layer 1": {"value": 0.1, "floor": None}}
    assert "E layer 0 differs most" in verdict({"separation_power": bare})
