"""Oracle: the planted files of an invented run."""

import json
from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import read_dictionary_evaluation, read_dictionary_run
from tests.unit.report.dictionary_run import TIED, TOPK, planted, write_evaluation_folder, write_run


def test_everything_planted_is_read(tmp_path: Path) -> None:
    run = read_dictionary_run(write_run(tmp_path))
    assert [e.name for e in run.evaluations] == [p.name for p in planted()]
    assert [head.name for head in run.headline] == [TOPK.name, TIED.name]
    assert run.has_labels
    head = run.headline[0]
    assert head.value("label_f1_contextual") == TOPK.f1
    on_validation = head.result("fvu", "validation")
    assert on_validation is not None
    assert on_validation.split == "validation"
    assert head.value("kl") == pytest.approx(1.05 * 0.088)
    assert head.value("no_such_metric") is None


def test_a_text_without_labels_is_known_by_its_results(tmp_path: Path) -> None:
    assert not read_dictionary_run(write_run(tmp_path, labels=False)).has_labels


def test_of_one_name_the_trained_one_is_meant(tmp_path: Path) -> None:
    files = write_run(tmp_path)
    control = next(folder for folder in files.evaluations if folder.name.startswith("topk") and "random" in folder.name)
    data = json.loads((control / "evaluation.json").read_text(encoding="utf-8"))
    (control / "evaluation.json").write_text(json.dumps(data | {"name": TOPK.name}), encoding="utf-8")
    run = read_dictionary_run(files)
    found = run.named(TOPK.name)
    assert found is not None
    assert not found.is_control
    assert not run.headline[0].is_control


@pytest.mark.parametrize("name", ["evaluation.json", "results.jsonl"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_evaluation_folder(tmp_path / "e", TOPK)
    (tmp_path / "e" / name).unlink()
    with pytest.raises(UserError, match=rf"{name.replace('.', '[.]')} is missing"):
        read_dictionary_evaluation(tmp_path / "e")


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    files = write_run(tmp_path)
    path = files.comparison / "comparison.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    del data["paper_rule"]
    path.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(UserError, match=r"comparison[.]json lacks paper_rule"):
        read_dictionary_run(files)
