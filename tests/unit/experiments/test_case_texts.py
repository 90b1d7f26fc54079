"""Texts on which a latent is tried. Oracles: the reader on one text at a time; the planted word."""

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.experiments.case_texts import SweepConfig, texts_part
from tests.unit.experiments.planted_cases import PLANTED, WORD, PlantedCase, planted_case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def test_the_planted_latent_needs_its_word_alone(case: PlantedCase) -> None:
    """It reads an embedding: no context changes it, the word alone is enough, and of all tokens in the text's place
    only the word itself fires as strongly."""
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    part, arrays = texts_part(bench, read, SweepConfig(n_listed=3))
    word = bench.words[WORD]
    assert part["reason"] is None and part["tokens"][-1] == word and not part["is_given"]
    assert part["minimal"]["tokens"] == [word]
    np.testing.assert_allclose(part["context_change"], 0.0, atol=1e-6)
    of_word = arrays["sweep/behind"][arrays["sweep/token"].tolist().index(WORD)]
    assert of_word == pytest.approx(part["value"], abs=1e-5)
    behind = arrays["sweep/behind"]
    others = [t for t in range(12) if t != WORD]
    assert (behind[others] == 0).all()
    assert part["behind"]["n_silent"] == int((behind <= 0).sum())
    assert part["behind"]["top"][0]["value"] == pytest.approx(float(behind.max()))
    assert len(part["greedy"]["tokens"]) == 3


def test_a_given_text_is_taken_as_it_is(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    part, _ = texts_part(bench, read, SweepConfig(text=(3, 4, WORD), max_tokens=9))
    assert part["is_given"] and part["tokens"] == [bench.words[t] for t in (3, 4, WORD)]
    assert part["n_swept"] == 9 and len(part["context_change"]) == 2
    silent, arrays = texts_part(bench, read, SweepConfig(text=(WORD, 4)))
    assert silent["reason"] == "it does not fire on the last token of the text" and not arrays


def test_options_that_make_no_sense_are_refused() -> None:
    for changed in ({"keep": 0.0}, {"n_listed": 0}, {"max_tokens": 0}):
        with pytest.raises(UserError):
            SweepConfig(**changed)  # pyright: ignore
