"""The page of single latents. Oracle: planted folders; an HTML parser that looks for broken links and nesting."""

import re
from pathlib import Path

from monosemy.report import CasePage, write_case_page
from tests.unit.report.case_folder import HOSTILE, case_record, mean, silent_record, write_case, write_search

MADE = {"command": "monosemy ablate run", "seconds": 3.0}


def written(folder: Path, page: CasePage) -> str:
    write_case_page(folder / "ablate.html", page)
    return (folder / "ablate.html").read_text(encoding="utf-8")


def test_named_latents_are_not_taken_for_a_sample(tmp_path: Path) -> None:
    cases = (write_case(tmp_path, case_record()), write_case(tmp_path, silent_record(3)))
    found = written(tmp_path, CasePage(cases=cases, results=(), search=None, made=MADE))
    assert "<strong>1 of 2</strong>" in found and "this says nothing about others" in found
    assert "Proposed and random" not in found and HOSTILE not in found
    links, anchors = set(re.findall(r'href="#([^"]+)"', found)), set(re.findall(r'id="([^"]+)"', found))
    assert links and links <= anchors


def test_a_search_is_answered_by_both_groups(tmp_path: Path) -> None:
    cases = (write_case(tmp_path, case_record(), "proposed"), write_case(tmp_path, case_record(40), "random"))
    results = tuple(
        mean(metric, group, value)
        for metric, proposed, random in (("case_mass_share", 0.91, 0.34), ("case_lens_spearman", 0.68, 0.84))
        for group, value in (("proposed", proposed), ("random", random))
    )
    page = CasePage(cases=cases, results=results, search=write_search(tmp_path / "search"), made=MADE)
    found = written(tmp_path, page)
    assert "0.91" in found and "(random: 0.34)" in found
    assert "firing on one token does not make the effect easier to foretell" in found
    assert "Of 640 latents 118 meet the first two" in found and "0.91 [0.81, 1.01]" in found
    assert 'href="#latent-12"' in found and 'id="latent-12"' in found


def test_a_search_that_proposed_nothing_says_so(tmp_path: Path) -> None:
    cases = (write_case(tmp_path, case_record(40), "random"),)
    page = CasePage(cases=cases, results=(), search=write_search(tmp_path / "search"), made=MADE)
    assert "No latent met the criteria" in written(tmp_path, page)
