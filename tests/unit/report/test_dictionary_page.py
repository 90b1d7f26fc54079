"""Oracle: the planted numbers of the invented run, looked for in the page's text."""

import dataclasses
import json
from pathlib import Path

import pytest

from monosemy.core import Result, write_results
from monosemy.report import DictionaryRunFiles, chosen_latents, read_dictionary_run, write_dictionary_page
from tests.unit.experiments.interpreted_folders import TOPK as EXPLAINED
from tests.unit.experiments.interpreted_folders import write_summary
from tests.unit.report.dictionary_run import HOSTILE, TOPK, write_run
from tests.unit.report.test_page import Reader


def read(path: Path) -> str:
    return " ".join(Reader(path.read_text(encoding="utf-8")).text.split())


def written(folder: Path, run: DictionaryRunFiles) -> str:
    write_dictionary_page(folder / "index.html", run)
    return read(folder / "index.html")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRunFiles:
    return write_run(tmp_path_factory.mktemp("run"), not_measured=["Planted: nothing."])


def test_the_page_in_its_order(tmp_path: Path, files: DictionaryRunFiles) -> None:
    text = written(tmp_path, dataclasses.replace(files, language_model_page="language-model.html"))
    expected = [
        *("Sparse dictionaries of stdlib-4x160", "Do the directions", "Yes, more than each of the 10 baselines"),
        *("F1 on contextual labels, by method", "Sparsity against error", "Contextual F1 by site"),
        *("Sparsity while learning", "How often latents fire: TopK k=16", "Chosen on validation", "Drawn at random"),
        *("29 dictionaries, the headline ones in bold", "MMCS: the mean", "The paper takes the largest coefficient"),
        *("Labels with too few tokens or documents to be scored: match_statement", "Planted: nothing."),
        *("monosemy run --out runs/default", "bootstrap over 40 packages"),
    ]
    places = [text.index(part) for part in expected]
    assert places == sorted(places)
    assert 'href="language-model.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_page_is_one_file(tmp_path: Path, files: DictionaryRunFiles) -> None:
    write_dictionary_page(tmp_path / "index.html", files)
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]
    assert "<script" not in html
    tags = Reader(html).tags
    assert {attrs["href"] or "" for tag, attrs in tags if tag == "link"} == {"data:,"}
    assert HOSTILE in read(tmp_path / "index.html")


def test_a_text_without_labels(tmp_path: Path) -> None:
    text = written(tmp_path, write_run(tmp_path / "run", labels=False))
    for expected in (
        "What the latents stand for was not scored: this text has no exact labels.",
        "This text has no exact labels (status not_applicable)",
        "Those that fire most often",
        "label_f1 of 29 dictionaries and tables: not applicable, this text has no labels.",
    ):
        assert expected in text, expected
    assert "Chosen on validation" not in text
    assert "Contextual F1 by site" not in text


def test_what_is_absent_is_said_to_be(tmp_path: Path) -> None:
    files = write_run(tmp_path / "run", without=("tied_l1",))
    path = files.comparison / "comparison.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(data | {"agreement": [], "differences": []}), encoding="utf-8")
    gap = Result(
        metric="kl",
        value=None,
        unit="nats a token",
        status="not_run",
        reason="left out on purpose",
        method="topk",
        lm="trained",
        dictionary=TOPK.name,
        definition="kl",
        config="0",
    )
    write_results(files.comparison / "results.jsonl", [gap])
    text = written(tmp_path, dataclasses.replace(files, fragments={}))
    for expected in (
        "Not compared.",
        "No two seeds of one dictionary were compared.",
        f"kl of {TOPK.name}: not run, left out on purpose.",
        "Contexts of TopK k=16's latents.",
        "No held-out context to show.",
    ):
        assert expected in text, expected
    assert "The paper's rule" not in text


def test_no_coefficient_meets_the_rule(tmp_path: Path) -> None:
    files = write_run(tmp_path / "run")
    path = files.comparison / "comparison.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(data | {"paper_rule": {"chosen": None, "split": "validation"}}), encoding="utf-8")
    assert "95 % of latents alive: none here meets it" in written(tmp_path, files)


@pytest.mark.slow
def test_equal_artifacts_give_equal_pages(tmp_path: Path, files: DictionaryRunFiles) -> None:
    for name in "ab":
        write_dictionary_page(tmp_path / name, files)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_latents_respond_to_stands_where_they_were_explained(tmp_path: Path, files: DictionaryRunFiles) -> None:
    """A summary of a dictionary that has the name of the planted run's headline, and of one of the latents shown."""
    summary = write_summary(tmp_path / "interpreted", [EXPLAINED, dataclasses.replace(EXPLAINED, method="ica")])
    (latent, _), *_ = chosen_latents(read_dictionary_run(files).headline[0])
    rename(summary, EXPLAINED.name, TOPK.name)
    rename(summary, '"latent": 7,', f'"latent": {latent},')
    text = written(tmp_path, dataclasses.replace(files, interpretation=summary))
    expected = [
        *("and the model loses", "Explained by rules, the latents of", "What single latents detect"),
        *("Uniform fragments, by method", "Sparsity against error", "Chosen on validation"),
    ]
    places = [text.index(part, 0) for part in expected]
    assert places == sorted(places)
    cards = text[text.index("Chosen on validation") :]
    assert "bits, correlation" in cards
    assert "Explained by rules" not in written(tmp_path / "without", files)


def rename(summary: Path, old: str, new: str) -> None:
    for name in ("interpretation.json", "latents.jsonl"):
        path = summary / name
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
