"""Oracle: the planted curves' numbers in the tables' cells."""

import html
import math
import re

import pytest

from monosemy.report import PatchingRun, areas_table, claim_answer, differences_table, orders_table, read_patching
from monosemy.report.page import Markup, text
from tests.unit.experiments.patched_folders import PLANTED, Planted, kl_0, task_score, write_summary

SITE = "resid_post.1"
FEW = (*PLANTED, Planted(method="topk", rate=1.2, sparsity="k=16", order="threshold_sweep"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> PatchingRun:
    return read_patching(write_summary(tmp_path_factory.mktemp("summary"), FEW))


def rows_of(table: Markup | None) -> list[list[str]]:
    """The text of every cell of the body."""
    assert table is not None
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", table.html.partition("<tbody>")[2], re.S):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)
        found.append([html.unescape(re.sub(r"<[^>]+>", "", cell)) for cell in cells])
    return found


def test_areas_with_floors_and_half(run: PatchingRun) -> None:
    rows = {row[0]: row for row in rows_of(areas_table(run, run.tasks[0], SITE))}
    assert next(iter(rows)) == "TopK k=16"
    topk, tied = rows["TopK k=16"], rows["tied L1 \u03b1=2"]
    start = kl_0().mean()
    assert float(topk[5]) == pytest.approx(start * (0.1 + 0.9 / 61), abs=6e-4)
    assert float(topk[6]) == pytest.approx(start * 0.95, abs=6e-4)
    # 0.1 + 0.9 / (1 + n) is 0.55 at n = 1 and 0.4 at n = 2: half of the way in log2(1 + n) between them, a third.
    expected = 2 ** (1 + (0.05 / 0.15) * math.log2(1.5)) - 1
    assert float(topk[3].split()[0]) == pytest.approx(expected, abs=0.06)
    assert tied[3] == "never" and tied[4] == "never"


def test_differences_say_which_is_better(run: PatchingRun) -> None:
    rows = rows_of(differences_table(run, run.tasks[0], SITE))
    judged = {(row[0], row[1]): row[5] for row in rows}
    assert judged["TopK k=16", "PCA"] == "better" and judged["tied L1 \u03b1=2", "PCA"] == "worse"
    assert ("tied L1 \u03b1=2", "TopK k=16") not in judged  # each pair of headlines once
    assert differences_table(run, {"name": "C1"}, SITE) is None


def test_orders_with_each_sweep(run: PatchingRun) -> None:
    rows = rows_of(orders_table(run))
    assert [row[2] for row in rows] == ["attribution", "threshold sweep", "threshold sweep, the paper's way"]
    assert len(rows[1][7].split()) == 2 and rows[1][8] == "47 %" and rows[0][8] == "-"


def test_the_claim_without_pca_and_below_the_gate(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("summary")
    scores = (task_score(), task_score("C1", 20))
    (answer,) = (
        text(part) for part in claim_answer(read_patching(write_summary(folder, PLANTED[:1], scores, gate=0.9)))
    )
    assert "No principal components were patched here" in answer and "C1 (42 %)" in answer
