"""Oracle: the planted summary's numbers, and the paper's own where they stand beside."""

import dataclasses
import re

import pytest

from monosemy.report import (
    InterpretationRun,
    control_differences_table,
    every_moment_table,
    every_score_table,
    first_features,
    first_features_table,
    moments_table,
    read_interpretation,
    score_differences_table,
    skipped_table,
)
from monosemy.report.page import Markup
from tests.unit.experiments.interpreted_folders import N_LATENTS, TOPK, planted, write_summary

UNIFORM, PAPER = ("uniform", "full"), ("top_random", "paper")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> InterpretationRun:
    few = [each for each in planted() if each.method in ("topk", "pca", "ica")]
    few[1] = dataclasses.replace(few[1], failed={"no answer": 2}, skipped={"never fires": 5})
    return read_interpretation(write_summary(tmp_path_factory.mktemp("summary"), few))


def rows_of(table: Markup | None) -> list[list[str]]:
    """The text of every cell of the body."""
    assert table is not None
    body = table.html.partition("<tbody>")[2]
    rows = re.findall(r"<tr>(.*?)</tr>", body, re.S)
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)] for row in rows
    ]


def test_differences_name_others_first_then_controls(run: InterpretationRun) -> None:
    rows = rows_of(score_differences_table(run, run.heads[0], UNIFORM))
    assert [row[0] for row in rows] == [
        *("PCA", "ICA", "shuffled explanations", "the same, frozen directions", "the same, random weights")
    ]
    ica = next(
        d
        for d in run.differences
        if (d["kind"], d["score"]) == ("methods", "uniform")
        and d["head"] == run.heads[0].stem
        and "ica" in d["against"]
    )
    row = rows[1]
    assert row[1] == "better"
    assert row[2] == f"{ica['value']:+.3f} [{ica['low']:.3f}, {ica['high']:.3f}]"
    assert row[3] == f"{ica['smallest_detectable']:.3f}"
    assert score_differences_table(dataclasses.replace(run, differences=()), run.heads[0], UNIFORM) is None


def test_controls_of_everything(run: InterpretationRun) -> None:
    rows = {row[0]: row for row in rows_of(control_differences_table(run))}
    assert rows["TopK k=16"][2] != "-" and rows["TopK k=16"][3] != "-"
    assert rows["PCA"][2:4] == ["-", "-"] and rows["PCA"][4] != "-"
    assert rows["ICA"][2] != "-" and rows["ICA"][3] == "-"
    assert control_differences_table(dataclasses.replace(run, differences=())) is None


def test_the_first_five_in_the_seeded_order(run: InterpretationRun) -> None:
    member, rows = first_features(run, run.heads[0])
    assert member["name"] == TOPK.name
    assert [latent for latent, _ in rows] == [0, 7, 14, 21, 28]
    shown = rows_of(first_features_table(run, run.heads[0]))
    for (latent, by_budget), cells in zip(rows, shown, strict=True):
        assert cells[0] == str(latent)
        assert cells[1] == by_budget["paper"]["explanation"].replace("`", "").replace("<", "&lt;").replace(">", "&gt;")
        assert cells[2] == f"{by_budget['paper']['scores']['top_random']['value']:.2f}"
        assert cells[4] == f"{by_budget['full']['scores']['uniform']['value']:.2f}"


def test_the_first_five_by_index_where_they_are_there(run: InterpretationRun) -> None:
    head = run.heads[0]
    by_index = dataclasses.replace(head, members=tuple({**m, "order": "first"} for m in head.members))
    table = first_features_table(run, by_index)
    assert table is not None and "the first by index, as in the paper" in table.html
    nothing = dataclasses.replace(run, latents={})
    assert first_features_table(nothing, head) is None


def test_moments_beside_both_figures_of_the_paper(run: InterpretationRun) -> None:
    rows = {row[0]: row for row in rows_of(moments_table(run, "topk", PAPER))}
    assert rows["skewness"][-1] == "0.19 (text), 0.20 (table)"
    assert rows["excess kurtosis"][-1] == "0.24 (text), 0.15 (table)"
    assert rows["mean"][-1] == "-"
    planted = {(r["moment"], r["kind"], r["variant"]): r for r in run.correlations if r["score"] == "top_random"}
    for place, kind in enumerate(
        [("pearson", None), ("spearman", None), ("pearson", "pooled"), ("spearman", "pooled")]
    ):
        assert rows["skewness"][1 + place].startswith(f"{planted['skewness', *kind]['value']:+.2f} [")
    table = moments_table(run, "topk", PAPER)
    assert table is not None
    assert "3 dictionaries" in table.html and "3 with an undefined moment left out" in table.html
    assert len(rows_of(moments_table(run, "topk", UNIFORM))[0]) == 5  # the paper has no such score
    assert moments_table(run, "gated", PAPER) is None


def test_moments_of_each_dictionary(run: InterpretationRun) -> None:
    rows = rows_of(every_moment_table(run, PAPER))
    assert len(rows) == sum(len(group.members) for group in run.groups)
    assert rows[0][-2:] == [str(N_LATENTS), "1"]
    assert re.fullmatch(r"-?0\.\d\d / -?0\.\d\d", rows[0][3])


def test_every_score_of_every_dictionary(run: InterpretationRun) -> None:
    rows = rows_of(every_score_table(run))
    first = run.groups[0].members[0]
    of = {(row["score"], row["budget"]): row for row in first["scores"]}
    assert rows[0][:3] == ["TopK k=16", "resid_post.1", "0"]
    uniform = of[UNIFORM]
    assert rows[0][3:7] == [f"{uniform[key]:.3f}" for key in ("value", "floor", "unigram", "ceiling")]
    assert rows[0][7] == "-"  # no result leaves the constant ones out
    assert "fuzzing" in every_score_table(run).html and "failures as chance" not in every_score_table(run).html
    for row in first["scores"]:
        row["as_chance"] = 0.25
    assert rows_of(every_score_table(run))[0][-1] == "0.250"


def test_what_was_skipped_and_why(run: InterpretationRun) -> None:
    rows = rows_of(skipped_table(run))
    assert rows[0][3:5] == [str(N_LATENTS + 3), str(N_LATENTS)]
    assert rows[0][-1] == "3 fires in too few fragments to fit"
    assert rows[1][-1] == "5 never fires; 4 failed: no answer"
    assert rows[0][6] == "4 % / 4 %"
