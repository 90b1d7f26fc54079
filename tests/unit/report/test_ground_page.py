"""Oracle: the planted numbers of the invented artifact folders, looked for in the page's text."""

import json
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import UserError, write_results
from monosemy.report import marked_difference, tasks_answer, write_describe_page, write_ground_page
from tests.unit.report.evaluation_folder import (
    invented_description,
    language_model,
    results,
    write_described,
    write_evaluation,
)
from tests.unit.report.test_page import Reader

RUN = {"command": "monosemy run --out x", "seconds": 7200.0, "not_measured": ["Planted: nothing."]}


def written(folder: Path, *, described: bool = True, **changes: Any) -> str:
    """The page's whole text, on one line."""
    evaluation = write_evaluation(folder / "evaluation", **changes)
    description = write_described(folder / "description") if described else None
    write_ground_page(folder / "page.html", evaluation, description, RUN)
    return read(folder / "page.html")


def read(path: Path) -> str:
    return " ".join(Reader(path.read_text(encoding="utf-8")).text.split())


def test_the_answers_come_first_with_their_numbers(tmp_path: Path) -> None:
    text = written(tmp_path)
    lead = text[: text.index("Bits a byte of UTF-8")]
    assert "Loaded: invented-2x32, 1.23 million parameters, 2 layers, width 32" in lead
    assert "1.62 bits a byte [1.56, 1.69]; xz, given the whole training text first, needs 1.95" in lead
    assert "needs 17 % less (ratio 0.83)" in lead
    assert "It passes 2 of 3 tasks" in lead
    assert "It does not pass E1 (84 %). Hard cases passed: 0 of 1." in lead


def test_a_model_that_is_worse_than_xz_is_said_to_be(tmp_path: Path) -> None:
    evaluation = write_evaluation(tmp_path / "evaluation")
    write_results(evaluation / "results.jsonl", results(test_bits=3.0, xz_given_train=2.0))
    write_ground_page(tmp_path / "page.html", evaluation, None, {})
    assert "needs 50 % more (ratio 1.50)" in read(tmp_path / "page.html")


def test_every_section_shows_its_planted_numbers(tmp_path: Path) -> None:
    text = written(tmp_path)
    for expected in (
        "xz -9e, given the training text 1.950 1.950 -",
        "Intervals: bootstrap over packages",
        "12 are contextual",
        "All 24 labels",
        "A3 (hard) 42.0 [39.0, 44.0] below 400 4.20 -3.90 2.50 close the inner bracket",
        "command monosemy run --out x time 2.0 h",
        "test 54 43 910,000 303,333",
        "lm_bits_per_byte, gzip, validation: not run, left out to plant a gap.",
        "Planted: nothing.",
    ):
        assert expected in text, expected


def test_a_samples_beginning_stands_once(tmp_path: Path) -> None:
    text = written(tmp_path)
    assert text.count("def read(path):") == 1


def test_what_is_absent_is_said_to_be(tmp_path: Path) -> None:
    text = written(tmp_path, described=False, labels=None, tasks=[], curve=[], samples=[], induction={})
    for expected in ("Exact labels of the tokens", "Tasks: none was run", "loss curve is not known", "norms, tails"):
        assert expected in text[text.rindex("What was not measured") :], expected
    assert "It was given no task" in text
    assert "Exact labels" not in text[: text.index("Prediction")]


def test_equal_artifacts_give_equal_pages(tmp_path: Path) -> None:
    pages = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(tmp_path / name)
        pages.append((tmp_path / name / "page.html").read_bytes())
    assert pages[0] == pages[1]


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    evaluation = write_evaluation(tmp_path / "evaluation")
    data = language_model()
    del data["tasks"]
    (evaluation / "language_model.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError, match=r"language_model\.json lacks tasks"):
        write_ground_page(tmp_path / "page.html", evaluation, None, {})
    (evaluation / "language_model.json").unlink()
    with pytest.raises(UserError, match=r"language_model\.json is missing"):
        write_ground_page(tmp_path / "page.html", evaluation, None, {})


def test_the_page_of_a_description(tmp_path: Path) -> None:
    write_describe_page(tmp_path / "page.html", write_described(tmp_path / "description", n_sites=9), RUN)
    text = read(tmp_path / "page.html")
    assert "One row of 64 tokens a document would see 40.0 % of the tokens" in text
    assert "packed into 2,000 full rows, all but 17 tokens are seen" in text
    assert "The figures show 6 of the 9 sites" in text
    norm = invented_description(n_sites=9).sites[-1].norm.mean
    assert f"first position's norm is {norm[0] / norm[1:].mean():.2f} times" in text


@pytest.mark.parametrize(
    ("shown", "other", "marked"),
    [
        ("f('w", 'f("w', "f(<mark>&#x27;</mark>w"),
        ("f(a, new)", "f(a, old)", "f(a, <mark>new</mark>)"),
        ("f(a)(b)", "f(b)", "f<mark>(a)</mark>(b)"),
        ("a[g(s", "a(g[s", "a<mark>[</mark>g<mark>(</mark>s"),
        ("same", "same", "same"),
    ],
)
def test_the_difference_of_two_prompts_is_marked(shown: str, other: str, marked: str) -> None:
    assert marked_difference(shown, other).html == marked


def test_the_gate_itself_passes() -> None:
    task = language_model()["tasks"][0]
    assert "passes 1 of 1" in tasks_answer([task | {"accuracy": 0.9}]).html
    assert "passes 0 of 1" in tasks_answer([task | {"accuracy": 0.8999}]).html
