"""Oracle: Chromium itself, and axe-core's rules: the page of a dictionary run on a desk and a phone, light and dark."""

from dataclasses import replace
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from monosemy.report import DARK, LIGHT, write_dictionary_page, write_interpretation_page
from tests.browser.test_report_pages import DESK, Scheme, opened, rgb
from tests.unit.experiments.interpreted_folders import TOPK, layers, planted, write_summary
from tests.unit.report.dictionary_run import HOSTILE, write_run

pytestmark = pytest.mark.browser

PHONE = (390, 844)
LEAST_TEXT = 9.5  # CSS pixels of the smallest text in a figure


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With labels and explanations, without, with differences across 0; and explanations on a page of their own."""
    made = tmp_path_factory.mktemp("dictionary")
    command = "monosemy run --out " + "a_very_long_folder_name/" * 12
    run = write_run(made / "a", command=command)
    explained = write_summary(made / "explained", planted())
    write_dictionary_page(made / "labels.html", replace(run, interpretation=explained))
    fragments = {TOPK.name: next(iter(run.fragments.values()))}
    several = write_summary(made / "several", [each for each in layers() if each.method in ("topk", "pca")])
    write_interpretation_page(made / "explained.html", several, fragments, {"command": command})
    write_dictionary_page(made / "plain.html", write_run(made / "b", labels=False))
    write_dictionary_page(made / "mixed.html", write_run(made / "c", shift=-0.09, note=HOSTILE))
    return made


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["labels", "plain", "mixed", "explained"])
def test_nothing_sticks_out_to_the_side(browser: Browser, folder: Path, name: str, size: tuple[int, int]) -> None:
    with opened(browser, folder / f"{name}.html", size, "light") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        wide = page.evaluate(
            """() => [...document.querySelectorAll('main *, header *')]
                .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.getBoundingClientRect().right > innerWidth)
                .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert wide == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", ["labels", "explained"])
def test_figures_can_be_read(browser: Browser, folder: Path, name: str, size: tuple[int, int]) -> None:
    """No text is too small, none lies upon another."""
    with opened(browser, folder / f"{name}.html", size, "light") as page:
        heights = page.evaluate(
            """() => [...document.querySelectorAll('figure svg text')].map(e =>
                parseFloat(getComputedStyle(e).fontSize) * Math.hypot(e.getScreenCTM().a, e.getScreenCTM().b))"""
        )
        assert min(heights) >= LEAST_TEXT
        upon = page.evaluate(
            """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
                const boxes = [...svg.querySelectorAll('text')].map(e => [e.textContent, e.getBoundingClientRect()]);
                return boxes.flatMap(([s, a], i) => boxes.slice(i + 1).filter(([t, b]) =>
                    Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
                    Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 4).map(([t, b]) => s + ' | ' + t));
            })"""
        )
        assert upon == []


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["labels", "plain", "explained"])
def test_axe_finds_nothing(browser: Browser, folder: Path, name: str, scheme: Scheme) -> None:
    with opened(browser, folder / f"{name}.html", DESK, scheme) as page:
        found = Axe().run(page).response
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]] == []


def test_the_answer_is_in_the_first_screen(browser: Browser, folder: Path) -> None:
    for size, what in ((DESK, ".lead"), (PHONE, ".lead p:first-child")):
        with opened(browser, folder / "labels.html", size, "light") as page:
            assert page.locator(what).first.bounding_box() is not None
            assert page.evaluate(f"document.querySelector('{what}').getBoundingClientRect().bottom") < size[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_fires_is_shaded_underlined_and_titled(browser: Browser, folder: Path, scheme: Scheme) -> None:
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    with opened(browser, folder / "labels.html", DESK, scheme) as page:
        marks = page.evaluate(
            """() => [...document.querySelectorAll('.context .fires')].map(e => {
                const s = getComputedStyle(e);
                return [e.title !== '', s.borderBottomStyle, s.outlineStyle, e.localName, s.backgroundColor];
            })"""
        )
    assert len(marks) > 100
    assert all(titled and underline == "solid" for titled, underline, *_ in marks)
    assert {(name, outline) for _, _, outline, name, _ in marks} == {("mark", "solid"), ("span", "none")}
    assert rgb(palette["heat-4"]) in {ground for *_, ground in marks}


def test_hostile_text_is_text(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "mixed.html", DESK, "light") as page:
        assert page.evaluate("document.body.innerText").count(HOSTILE) >= 3
        assert page.evaluate("document.images.length + document.scripts.length") == 0
