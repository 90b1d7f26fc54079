"""Oracle: Chromium itself, and axe-core's rules: the pages as on a desk or a phone, in light or dark colors."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from monosemy.report import DARK, LIGHT, write_describe_page, write_ground_page
from tests.browser.conftest import TIMEOUT_MILLISECONDS
from tests.unit.report.evaluation_folder import HOSTILE, write_described, write_evaluation

pytestmark = pytest.mark.browser

Scheme = Literal["light", "dark"]
DESK, PHONE = (1280, 900), (375, 812)
PAGES = ("ground", "describe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, made of invented artifacts with text that would break them if it could."""
    made = tmp_path_factory.mktemp("pages")
    evaluation, description = write_evaluation(made / "evaluation"), write_described(made / "description")
    run = {"command": "monosemy run --out " + "a_very_long_folder_name/" * 12, "seconds": 60.0, "note": HOSTILE}
    write_ground_page(made / "ground.html", evaluation, description, run)
    write_describe_page(made / "describe.html", description, run)
    return made


@contextmanager
def opened(browser: Browser, path: Path, size: tuple[int, int], scheme: Scheme) -> Iterator[Page]:
    """The page, everything folded out; fails on a console message, a script error or a request to anywhere."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    context.set_default_timeout(TIMEOUT_MILLISECONDS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("request", lambda request: complaints.append(f"request: {request.url}"))
    page.goto(path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(element => element.open = true)")
    try:
        yield page
    finally:
        context.close()
    assert complaints == [f"request: {path.as_uri()}"]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_to_the_side(browser: Browser, folder: Path, name: str, size: tuple[int, int]) -> None:
    with opened(browser, folder / f"{name}.html", size, "light") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        wide = page.evaluate(
            """() => [...document.querySelectorAll('main *, header *')]
                .filter(e => !e.closest('.scroll') && !e.closest('svg') && e.getBoundingClientRect().right > innerWidth)
                .map(e => e.outerHTML.slice(0, 80))"""
        )
        assert wide == []
        assert page.evaluate("[...document.querySelectorAll('figure svg')].every(e => e.clientHeight > 80)")


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(browser: Browser, folder: Path, name: str, scheme: Scheme) -> None:
    with opened(browser, folder / f"{name}.html", DESK, scheme) as page:
        found = Axe().run(page).response
    # "color-contrast" must have been judged: a rule that could not run would prove nothing.
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    serious = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in serious] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_take_the_colors_of_the_theme(browser: Browser, folder: Path, scheme: Scheme) -> None:
    palette = {"light": LIGHT, "dark": DARK}[scheme]
    with opened(browser, folder / "ground.html", DESK, scheme) as page:
        fills = page.evaluate("[...document.querySelectorAll('figure text')].map(e => getComputedStyle(e).fill)")
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert set(fills) == {rgb(palette["ink"])}
    assert ground == rgb(palette["page"])


def test_hostile_text_is_text(browser: Browser, folder: Path) -> None:
    with opened(browser, folder / "ground.html", DESK, "light") as page:
        assert page.evaluate("document.body.innerText").count(HOSTILE) >= 3
        assert page.evaluate("document.images.length + document.scripts.length") == 0


def test_a_figures_data_can_be_saved(browser: Browser, folder: Path, tmp_path: Path) -> None:
    with opened(browser, folder / "describe.html", DESK, "light") as page:
        with page.expect_download() as waiting:
            page.click("#figure-context-coverage a")
        waiting.value.save_as(tmp_path / "data.csv")
        assert waiting.value.suggested_filename == "context-coverage.csv"
    lines = (tmp_path / "data.csv").read_text(encoding="utf-8").splitlines()
    assert lines[:2] == ["context_length,covered,utilization", "16,0.266667,0.8"]


def rgb(color: str) -> str:
    """A color `#rrggbb` as a browser computes it."""
    return f"rgb({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))})"
