"""Reading studied latents. Oracle: records and folders written by hand."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.report import CasePage, agreement_words, case_sentence, read_cases, read_search
from tests.unit.report.case_folder import case_record, silent_record, write_case, write_search


def test_a_latent_in_a_sentence() -> None:
    found = case_sentence(case_record())
    assert "latent 12 of topk-seed0 fires on 1.00 % of tokens, 91 % of its activation on ' if'" in found
    assert "lowers ' if' most (-3.00 logits)" in found and "6 of the 10" in found and "\n" not in found
    assert case_sentence(silent_record(3)) == "latent 3 of topk-seed0 never fires on 40,000 test tokens"
    assert "negative side" in case_sentence(case_record(side="negative"))


@pytest.mark.parametrize(
    ("spearman", "words"),
    [(None, "cannot be compared"), (0.7, "agrees"), (0.69, "agrees in part"), (0.29, "does not agree")],
)
def test_agreement_in_a_word(spearman: float | None, words: str) -> None:
    assert agreement_words(spearman) == words


def test_folders_are_read_and_what_is_missing_is_named(tmp_path: Path) -> None:
    cases = tuple(
        write_case(tmp_path, each) for each in (case_record(), silent_record(3), case_record(7, method="neurons"))
    )
    shown = read_cases(CasePage(cases=cases, results=(), search=None, made={}))
    assert [case.title for case in shown] == ["Latent 12", "Latent 3", "Basis dimension 7"]
    assert [case.is_silent for case in shown] == [False, True, False]
    (cases[0].folder / "case.json").unlink()
    with pytest.raises(UserError, match=r"case\.json is missing"):
        read_cases(CasePage(cases=cases, results=(), search=None, made={}))
    about, rows = read_search(write_search(tmp_path / "search"))
    assert about["n_candidates"] == 118 and [row["latent"] for row in rows] == [12, 40]
    (tmp_path / "search" / "search.jsonl").write_text("{")
    with pytest.raises(UserError, match="search again"):
        read_search(tmp_path / "search")
    (tmp_path / "search" / "search.jsonl").unlink()
    with pytest.raises(UserError, match="missing"):
        read_search(tmp_path / "search")
