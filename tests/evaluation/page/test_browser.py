"""The page in a real browser; needs Chromium, so it is run by `make test-browser` alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pages import judgement

from caloforge.evaluation.page import write_page

pytestmark = pytest.mark.browser
NUMBER = "[...document.querySelectorAll('table.sorts')].findIndex(t => t.caption.textContent.startsWith('{}'))"


@pytest.fixture(scope="module")
def page(toy_showers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    others = {"model": toy_showers(200, 2, 0.05), "naive: x": toy_showers(200, 4, 0.4)}
    write_page(*judgement(toy_showers(200, 1), others, toy_showers(200, 3)), out)
    return out / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    from browser import Browser

    one = Browser(tmp_path_factory.mktemp("browser"))
    yield one
    one.close()


@pytest.fixture
def opened(browser, page: Path):
    browser.said.clear()
    browser.requests.clear()
    browser.colours("light")
    browser.open(page)
    yield browser
    assert not browser.said


def test_opens_without_a_word_on_the_console_and_asks_for_nothing(opened, page: Path) -> None:
    asked = [url for url in opened.requests if not url.startswith("data:")]
    assert asked == [page.resolve().as_uri()]
    assert opened.run("document.querySelectorAll('figure svg').length") >= 40
    assert opened.run("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_window(browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    wide = (
        "[...document.querySelectorAll('h1,h2,p,figure,.cards,canvas,summary')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('nav,.scroll')).length"
    )
    assert browser.run(wide) == 0


def _column(opened, caption: str, column: int) -> list[float]:
    table = f"document.querySelectorAll('table.sorts')[{NUMBER.format(caption)}]"
    return opened.run(f"[...{table}.tBodies[0].rows].map(r => Number(r.cells[{column}].dataset.v))")


def test_tables_sort_by_click_and_by_key(opened) -> None:
    caption, column = "Separation powers by observable", 2
    before = _column(opened, caption, column)
    head = f"document.querySelectorAll('table.sorts')[{NUMBER.format(caption)}].tHead.rows[0].cells[{column}]"
    opened.run(f"{head}.querySelector('button').click()")
    assert _column(opened, caption, column) == sorted(before) != before
    assert opened.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    opened.run(f"{head}.querySelector('button').focus()")
    opened.press("Enter")
    assert _column(opened, caption, column) == sorted(before, reverse=True)
    assert opened.run(f"{head}.getAttribute('aria-sort')") == "descending"
    name = f"document.querySelectorAll('table.sorts')[{NUMBER.format(caption)}]"
    opened.run(f"{name}.tHead.rows[0].cells[0].querySelector('button').click()")
    names = opened.run(f"[...{name}.tBodies[0].rows].map(r => r.cells[0].textContent)")
    assert names == sorted(names, key=str.lower)
    assert opened.run(f"{head}.hasAttribute('aria-sort')") is False


def _canvas(opened, index: int = 0) -> tuple[tuple[float, float], np.ndarray]:
    """Centre of a canvas in the window and a copy of its pixels."""
    opened.run(f"document.querySelectorAll('canvas')[{index}].scrollIntoView({{block: 'center', behavior: 'instant'}})")
    opened.settle()
    box = opened.run(
        f"(() => {{ const r = document.querySelectorAll('canvas')[{index}].getBoundingClientRect();"
        "return [r.x, r.y, r.width, r.height]; })()"
    )
    x, y, width, height = (int(value) for value in box)
    return (x + width / 2, y + height / 2), opened.pixels()[max(y, 0) : y + height, x : x + width].astype(int)


def _changed(one: np.ndarray, two: np.ndarray) -> float:
    return float((np.abs(one - two).sum(axis=2) > 30).mean())


@pytest.mark.parametrize("how", ["mouse", "finger", "key"])
def test_showers_turn(opened, how: str) -> None:
    (x, y), before = _canvas(opened)
    assert before.std() > 10
    if how == "mouse":
        opened.drag((x, y), (x + 90, y + 40))
    elif how == "finger":
        opened.call("Emulation.setTouchEmulationEnabled", enabled=True)
        opened.touch((x, y), (x + 90, y + 20))
        opened.call("Emulation.setTouchEmulationEnabled", enabled=False)
    else:
        opened.run("document.querySelector('canvas').focus()")
        for _ in range(6):
            opened.press("ArrowRight")
    _, after = _canvas(opened)
    assert _changed(before, after) > 0.05
    _, other = _canvas(opened, 1)
    assert other.std() > 10
    opened.run("[...document.querySelectorAll('.turn-bar button')].find(b => b.textContent === 'Reset').click()")
    opened.settle()
    _, again = _canvas(opened)
    assert _changed(before, again) < 0.002


def test_another_shower_and_sample_can_be_chosen(opened) -> None:
    said = "[...document.querySelectorAll('.turn-pair figcaption')].map(c => c.textContent)"
    first = opened.run(said)
    assert first[0].startswith("Geant4, ") and first[1].startswith("model, ")
    opened.run(
        "(() => { const [shower, , right] = document.querySelectorAll('.turn-bar select');"
        "shower.value = 1; right.value = 2; for (const s of [shower, right]) s.dispatchEvent(new Event('change')); })()"
    )
    second = opened.run(said)
    assert second[0] != first[0] and second[1].startswith("naive: x, ")


def _background(opened) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", opened.run("getComputedStyle(document.body).backgroundColor"))][:3]


def test_dark_follows_the_system_and_the_button(opened) -> None:
    assert min(_background(opened)) > 200
    opened.colours("dark")
    assert max(_background(opened)) < 60
    stroke = "getComputedStyle(document.querySelector('path.s-m0')).stroke"
    dark = opened.run(stroke)
    opened.run("document.getElementById('theme').click()")
    assert min(_background(opened)) > 200 and opened.run(stroke) != dark
    opened.colours("light")
    opened.run("document.getElementById('theme').click()")
    assert max(_background(opened)) < 60
    opened.run("localStorage.removeItem('caloforge-theme')")


def test_prints_in_light_colours_on_a_few_pages(opened) -> None:
    opened.colours("dark")
    opened.call(
        "Emulation.setEmulatedMedia", media="print", features=[{"name": "prefers-color-scheme", "value": "dark"}]
    )
    assert min(_background(opened)) > 200
    assert opened.run("getComputedStyle(document.querySelector('nav')).display") == "none"
    opened.call("Emulation.setEmulatedMedia", media="")
    printed = opened.pdf()
    pages = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert printed.startswith(b"%PDF") and 3 <= pages <= 40


def test_everything_that_can_be_pressed_is_reached_by_tab(opened) -> None:
    opened.run("document.body.focus()")
    seen = set()
    for _ in range(60):
        opened.press("Tab")
        seen.add(opened.run("document.activeElement.tagName"))
    assert {"A", "BUTTON", "SELECT", "CANVAS"} <= seen
