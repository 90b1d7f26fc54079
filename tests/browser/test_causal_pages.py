"""Oracle: Chromium itself, and axe-core's rules: pages of patching, case studies, trees, erasure and steering."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from monosemy.report import (
    CasePage,
    write_case_page,
    write_erasure_page,
    write_patching_page,
    write_steering_page,
    write_tree_page,
)
from tests.browser.test_report_pages import DESK, PHONE, Scheme, opened
from tests.unit.experiments.patched_folders import write_summary
from tests.unit.experiments.test_steering_files import written
from tests.unit.report.case_folder import case_record, write_case, write_search
from tests.unit.report.erased_folders import write_erased
from tests.unit.report.tree_folder import write_circuit, write_tree

pytestmark = pytest.mark.browser

PAGES = ("patching", "ablate", "tree", "erase", "steer")
MADE = {"command": "monosemy patch " + "a_very_long_folder_name/" * 12}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, made of planted artifacts."""
    made = tmp_path_factory.mktemp("pages")
    write_patching_page(made / "patching.html", write_summary(made / "patched"), MADE)
    cases = (write_case(made, case_record(), "proposed"), write_case(made, case_record(40), "random"))
    page = CasePage(cases=cases, results=(), search=write_search(made / "search"), made=MADE)
    write_case_page(made / "ablate.html", page)
    write_tree_page(made / "tree.html", write_tree(made / "grown"), [write_circuit(made / "circuit")], [], MADE)
    write_erasure_page(made / "erase.html", write_erased(made / "erased"), MADE)
    steered = [written(made / "pairs"), written(made / "tokens", "own_tokens")]
    write_steering_page(made / "steer.html", steered, MADE)
    return made


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_to_the_side(browser: Browser, folder: Path, name: str, size: tuple[int, int]) -> None:
    with opened(browser, folder / f"{name}.html", size, "light") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(browser: Browser, folder: Path, name: str, scheme: Scheme) -> None:
    with opened(browser, folder / f"{name}.html", DESK, scheme) as page:
        found = Axe().run(page).response
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    serious = [rule for rule in found["violations"] if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in serious] == []
