"""Oracle: the planted curves, looked for in the page's text."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import patching_section, write_patching_page
from tests.unit.experiments.patched_folders import PLANTED, Planted, task_score, write_summary
from tests.unit.report.test_page import Reader

MADE = {"command": "monosemy patch runs/default", "seconds": 50.0}
SEVERAL = (
    *PLANTED,
    *(Planted(method="topk", rate=r, sparsity="k=16", order=o) for r, o in ((1.2, "greedy"), (1.1, "threshold_sweep"))),
    Planted(method="topk", rate=0.8, sparsity="k=16", site="resid_post.0"),
    Planted(method="pca", rate=0.6, n_latents=15, site="resid_post.0"),
)


def text_of(path: Path) -> str:
    return " ".join(Reader(path.read_text(encoding="utf-8")).text.split())


def test_a_page_of_one_task(tmp_path: Path) -> None:
    summary = write_summary(tmp_path / "summary")
    write_patching_page(tmp_path / "a" / "patching.html", summary, MADE)
    write_patching_page(tmp_path / "b" / "patching.html", summary, MADE)
    html = (tmp_path / "a" / "patching.html").read_text(encoding="utf-8")
    assert html == (tmp_path / "b" / "patching.html").read_text(encoding="utf-8")
    assert "<script" not in html and "<img" not in html
    text = text_of(tmp_path / "a" / "patching.html")
    expected = [
        *("The paper finds", "holds here for TopK k=16 on E2; on no task for tied L1 \u03b1=2, the opposite on E2"),
        "TopK k=16 needs, against PCA and by the area under the curve, fewer latents on E2",
        *(
            "Tied L1 \u03b1=2 needs, against PCA and by the area under the curve, more latents on E2",
            "E2 (96 % of pairs",
        ),
        *("Figure 3 (left) of the paper", "Figure 3 (right)", "Only the pairs that the model gets right"),
        *("Differences of areas", "the reconstruction error of the first prompt stays", "monosemy patch runs/default"),
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)


def test_orders_and_layers_have_sections_where_there_are_several(tmp_path: Path) -> None:
    write_patching_page(tmp_path / "patching.html", write_summary(tmp_path / "summary", SEVERAL), MADE)
    text = text_of(tmp_path / "patching.html")
    for part in ("By the order of latents", "sweep, the paper's way", "By layer", "Figure 17, resid_post.0"):
        assert part in text
    assert "45 %" not in text.split("By the order of latents")[0]
    assert "47 %" in text  # 90 of 190 visits skipped


def test_a_task_below_the_gate_shows_the_right_pairs_in_full_view(tmp_path: Path) -> None:
    summary = write_summary(tmp_path / "summary", scores=(task_score(n_right=30),))
    write_patching_page(tmp_path / "patching.html", summary, MADE)
    text = text_of(tmp_path / "patching.html")
    assert "E2 (62 % of pairs right)" in text and "30 pairs right" in text
    assert "Only the pairs that the model gets right" not in text


def test_the_section_of_a_run(tmp_path: Path) -> None:
    summary = write_summary(tmp_path / "summary", scores=(task_score(), task_score("C1", 20)), gate=0.9)
    section = patching_section(summary)
    html = "".join(part.html for part in section.body)
    assert section.title == "Patching latents" and 'href="patching.html"' in html
    assert "Not patched, as the model gets too few pairs right: C1 (42 %)." in html
    assert "patching.html" not in "".join(part.html for part in patching_section(summary, None).body)


def test_a_folder_that_is_no_summary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"patching\.json is missing"):
        write_patching_page(tmp_path / "patching.html", tmp_path, MADE)
    assert list(tmp_path.iterdir()) == []
