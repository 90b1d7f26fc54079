"""Oracle: the planted summary's latents, ranked by hand; what must be said of a judge."""

import dataclasses
import re
from pathlib import Path

import pytest

from monosemy.report import (
    InterpretationRun,
    best_middle_worst,
    explained_latents,
    interpretation_section,
    interpretation_sections,
    judge_note,
    read_interpretation,
)
from tests.unit.experiments.interpreted_folders import HOSTILE, TIED, TOPK, planted, write_summary
from tests.unit.report.dictionary_run import write_fragments_folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> InterpretationRun:
    few = [each for each in planted() if each.method in ("topk", "tied_l1", "ica")]
    return read_interpretation(write_summary(tmp_path_factory.mktemp("summary"), few))


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_latents_from_the_best_to_the_worst_explained(run: InterpretationRun) -> None:
    rows = explained_latents(run, TOPK.name)
    values = [row["scores"]["uniform"]["value"] for row in rows]
    assert values == sorted(values, reverse=True) and len(rows) == 24
    assert {row["budget"] for row in rows} == {"full"}
    assert explained_latents(run, "elsewhere") == []


@pytest.mark.parametrize("n", [1, 2, 3, 5, 24])
def test_best_middle_and_worst_repeat_nobody(n: int) -> None:
    rows = [{"latent": i} for i in range(n)]
    chosen = best_middle_worst(rows)
    shown = [row["latent"] for part in chosen.values() for row in part]
    assert len(shown) == len(set(shown)) == min(12, 3 * max(1, n // 3), n)
    assert shown[0] == 0
    if n > 1:
        assert n - 1 in shown
    if n == 24:
        assert shown == [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23]


def test_the_section_in_its_order(run: InterpretationRun, tmp_path: Path) -> None:
    fragments = {TOPK.name: write_fragments_folder(tmp_path / "fragments", 0)}
    section = interpretation_section(run, fragments)
    assert section.title == "What latents respond to"
    text = text_of("".join(part.html for part in section.body))
    expected = [
        *("rule-explainability", "not with figures of language-model judges", "Uniform fragments, by method"),
        *("The paper&#x27;s score", "Differences of tied L1", "How long an explanation has to be"),
        *("The first five latents", "Best and worst explained", "strongest on test"),
        *("All 24 explained latents", "Scores and the shape of activations", "0.24 (text), 0.15 (table)"),
        *("Every score of every dictionary", "What was skipped, and what came out constant"),
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)
    assert "<img" not in "".join(part.html for part in section.body)
    assert HOSTILE.split("`")[1].replace("<", "&lt;").replace(">", "&gt;") in text


def test_on_a_page_of_its_own_each_part_is_a_section(run: InterpretationRun) -> None:
    sections = interpretation_sections(run, {})
    assert [section.title for section in sections] == [
        *("What latents respond to", "How long an explanation has to be", "The first five latents"),
        *("Best and worst explained", "Scores and the shape of activations", "Every score, and what was not scored"),
    ]
    html = "".join(part.html for section in sections for part in section.body)
    assert "strongest on test" not in html and "No held-out context to show" in html


def test_nothing_interpreted(run: InterpretationRun) -> None:
    empty = dataclasses.replace(run, groups=(), headline=())
    (section,) = interpretation_sections(empty, {})
    assert "No dictionary was interpreted." in section.body[0].html


def test_a_judge_is_named_with_its_revision(run: InterpretationRun) -> None:
    assert "rule-explainability" in judge_note(run)
    model = {"name": "local", "revision": "abc", "settings": "prompt 1"}
    other = dataclasses.replace(run, judges=(model,))
    assert judge_note(other).startswith("Judged by local, revision abc (prompt 1).")
    assert "rule" not in judge_note(other)
    both = dataclasses.replace(run, judges=(model, {"name": "rules", "revision": "", "settings": "x"}))
    assert "rules (x)" in judge_note(both) and "different judges cannot be compared" in judge_note(both)
    assert TIED.name != TOPK.name
