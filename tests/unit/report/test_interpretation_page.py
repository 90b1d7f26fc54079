"""Oracle: the planted summary, looked for in the page's text."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import write_interpretation_page
from tests.unit.experiments.interpreted_folders import TOPK, planted, write_summary
from tests.unit.report.dictionary_run import write_fragments_folder
from tests.unit.report.test_page import Reader

MADE = {"command": "monosemy interpret runs/default", "seconds": 50.0}


def test_a_page_of_one_dictionary(tmp_path: Path) -> None:
    summary = write_summary(tmp_path, [TOPK], (TOPK.name,))
    fragments = {TOPK.name: write_fragments_folder(tmp_path / "fragments", 0)}
    write_interpretation_page(tmp_path / "a" / "index.html", summary, fragments, MADE)
    write_interpretation_page(tmp_path / "b" / "index.html", summary, fragments, MADE)
    html = (tmp_path / "a" / "index.html").read_text(encoding="utf-8")
    assert html == (tmp_path / "b" / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["index.html"]
    assert "<script" not in html and "<img" not in html
    text = " ".join(Reader(html).text.split())
    expected = [
        *("What the latents of TopK k=16 respond to", "Explained by rules, the latents of"),
        *("Uniform fragments, by method", "nobody chose them", "The best explained", "The worst explained"),
        *("monosemy interpret runs/default", "bootstrap over 41 packages or files"),
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)


def test_a_page_of_many(tmp_path: Path) -> None:
    few = [each for each in planted() if each.method in ("topk", "ica", "pca", "random")]
    write_interpretation_page(tmp_path / "index.html", write_summary(tmp_path, few), {}, MADE)
    assert "What the latents of 7 dictionaries respond to" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_folder_that_is_no_summary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"interpretation\.json is missing"):
        write_interpretation_page(tmp_path / "index.html", tmp_path, {}, MADE)
    assert list(tmp_path.iterdir()) == []
