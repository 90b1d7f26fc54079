"""Oracle: the planted summary, its numbers looked up in its JSON by hand."""

import dataclasses
import json
from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import InterpretationRun, read_interpretation
from tests.unit.experiments.interpreted_folders import TIED, TOPK, planted, write_summary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    few = [each for each in planted() if each.method in ("topk", "tied_l1", "ica")]
    return write_summary(tmp_path_factory.mktemp("summary"), few)


@pytest.fixture(scope="module")
def run(folder: Path) -> InterpretationRun:
    return read_interpretation(folder)


def test_groups_in_their_order_with_roles_and_names(run: InterpretationRun) -> None:
    assert [(run.label(group), group.role, len(group.members)) for group in run.groups] == [
        ("tied L1 \u03b1=2", "learned", 3),
        ("TopK k=16", "learned", 3),
        ("ICA", "baseline", 1),
        ("TopK frozen decoder k=16", "control", 1),
        ("TopK k=16, random weights", "control", 1),
        ("ICA, random weights", "control", 1),
    ]
    assert [run.label(head) for head in run.heads] == ["TopK k=16", "tied L1 \u03b1=2"]
    assert {(group.location, group.layer) for group in run.groups} == {("resid_post", 1)}


def test_without_a_headline_the_learned_ones_come_first(run: InterpretationRun) -> None:
    unnamed = dataclasses.replace(run, headline=())
    assert [run.label(head) for head in unnamed.heads] == ["tied L1 \u03b1=2", "TopK k=16"]
    baseline = dataclasses.replace(run, headline=(), groups=run.groups[2:3])
    assert [run.label(head) for head in baseline.heads] == ["ICA"]
    assert dataclasses.replace(run, headline=(), groups=()).heads == ()


def test_scores_over_seeds_and_of_a_single_one(run: InterpretationRun, folder: Path) -> None:
    data = json.loads((folder / "interpretation.json").read_text())
    topk, ica = (next(group for group in run.groups if run.label(group) == name) for name in ("TopK k=16", "ICA"))
    joint = next(m for m in data["methods"] if m["stem"] == topk.stem)
    row = next(r for r in joint["scores"] if (r["score"], r["budget"]) == ("uniform", "full"))
    score = topk.scores["uniform", "full"]
    assert (score.value, score.low, score.high) == (row["value"], row["low"], row["high"])
    assert [name for name, _ in score.seeds] == [TOPK.name.replace("seed0", f"seed{i}") for i in range(3)]
    of_all = [
        r["ceiling"]
        for each in data["dictionaries"]
        if each["stem"] == topk.stem
        for r in each["scores"]
        if (r["score"], r["budget"]) == ("uniform", "full")
    ]
    assert score.ceiling == pytest.approx(sum(of_all) / 3)
    single = next(each for each in data["dictionaries"] if each["stem"] == ica.stem)
    own = next(r for r in single["scores"] if (r["score"], r["budget"]) == ("uniform", "full"))
    assert (ica.scores["uniform", "full"].low, ica.scores["uniform", "full"].high) == (own["low"], own["high"])
    detection = topk.scores["detection", "full"]  # not resampled over seeds
    assert (detection.low, detection.high) == (None, None)
    assert detection.value == pytest.approx(sum(value for _, value in detection.seeds) / 3)


def test_the_explanation_of_a_latent_is_that_of_the_full_budget(run: InterpretationRun) -> None:
    row = next(row for row in run.latents[TIED.name] if row["latent"] == 7 and row["budget"] == "full")
    found = run.explanation(TIED.name, 7)
    assert found is not None
    assert (found.sentence, found.uniform) == (row["explanation"], row["scores"]["uniform"]["value"])
    last = run.explanation(TIED.name, 7 * 23 % 160)
    assert last is not None and last.is_constant
    assert run.explanation(TIED.name, 1024) is None  # skipped
    assert run.explanation("elsewhere", 7) is None
    assert run.is_rules


def test_files_that_are_not_what_they_should_be_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"interpretation\.json is missing"):
        read_interpretation(tmp_path)
    data = (folder / "interpretation.json").read_text()
    (tmp_path / "interpretation.json").write_text(json.dumps({"judges": []}))
    with pytest.raises(UserError, match="lacks budgets, headline"):
        read_interpretation(tmp_path)
    (tmp_path / "interpretation.json").write_text(data)
    with pytest.raises(UserError, match=r"latents\.jsonl is missing"):
        read_interpretation(tmp_path)
    for damaged in ("{", '{"latent": 3}\n'):
        (tmp_path / "latents.jsonl").write_text(damaged)
        with pytest.raises(UserError, match=r"latents\.jsonl is damaged"):
            read_interpretation(tmp_path)
