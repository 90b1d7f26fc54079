"""Oracle: the planted numbers, looked for in the tables' text."""

import dataclasses

import pytest

from monosemy.report import DictionaryRun, Markup, alive_share, compared, read_dictionary_run
from monosemy.report.dictionary_tables import (
    agreement_table,
    differences_table,
    every_dictionary_table,
    rule_table,
    scores_table,
)
from tests.unit.report.dictionary_run import write_run
from tests.unit.report.test_page import Reader


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRun:
    return read_dictionary_run(write_run(tmp_path_factory.mktemp("run")))


def said(table: Markup | None) -> str:
    assert table is not None
    return " ".join(Reader(table.html).text.split())


def test_differences_with_their_verdicts(run: DictionaryRun) -> None:
    text = said(differences_table(run, run.headline[0]))
    assert "ICA better +0.076 [0.055, 0.098] 0.031" in text
    assert "probe (ceiling) worse -0.134" in text
    assert differences_table(dataclasses.replace(run, differences=[]), run.headline[0]) is None


def test_scores_with_every_seed(run: DictionaryRun) -> None:
    text = said(scores_table(compared(run)))
    assert "TopK k=16 0.321 [0.302, 0.340] 0.321 0.314 0.327 0.257 0.449 0.385 640" in text
    assert "probe, random weights 0.200" in text


def test_every_dictionary_has_a_row(run: DictionaryRun) -> None:
    html = every_dictionary_table(run).html
    n = sum(e.n_latents is not None for e in run.evaluations)
    assert html.count("<tr>") == n + 1
    assert "TopK k=16 resid_post.3 0 640 16 0.117 0.129 0.979 0.964 3 99.8 0.274 0.219 6,000" in said(Markup(html))


def test_agreement_beside_its_null(run: DictionaryRun) -> None:
    assert "TopK k=16, resid_post.1, seeds 0 and 1 0.580 0.288 0.520 0.241" in said(agreement_table(run))
    assert agreement_table(dataclasses.replace(run, agreement=[])) is None


def test_the_rule_says_which_coefficients_meet_it(run: DictionaryRun) -> None:
    members = [e for e in run.evaluations if e.method == "tied_l1" and e.seed == 0 and e.expansion_factor == 4]
    text = said(rule_table(run, members))
    assert "tied L1 \u03b1=2 96.9 % 11.7 0.337 0.219 41 kept" in text
    assert "(collapsed) 60.8 % 0.3 0.951 0.050 502 too few" in text
    assert alive_share(members[0]) == pytest.approx(639 / 640)
