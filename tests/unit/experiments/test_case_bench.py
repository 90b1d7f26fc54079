"""What a case study is made with. Oracles: the arrays of the store, looked at one place at a time."""

from pathlib import Path

import numpy as np
import pytest

from monosemy.causal import NO_TOKEN
from monosemy.core import UserError
from monosemy.dictionaries import Identity
from tests.unit.experiments.planted_cases import PLANTED, SITE, WORD, PlantedCase, planted_case, planted_dictionary
from tests.unit.experiments.stores_of_experiments import write_dictionary


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def test_what_follows_a_place_is_the_next_token_of_its_document(case: PlantedCase) -> None:
    text = case.bench().text
    places = np.flatnonzero(text.index.ravel() >= 0)
    found = text.positions(places)
    for place, row, position, after in zip(places, found.row, found.position, found.next_token, strict=True):
        assert place == row * text.length + position
        ends = position + 1 == text.length or text.index[row, position + 1] != text.index[row, position] + 1
        assert after == (NO_TOKEN if ends else text.tokens[row, position + 1])
        assert text.units[text.unit(np.array([place]))[0]] == text.store.documents[text.document[row, position]].unit


def test_what_stands_around_a_place_is_of_its_row_and_document(case: PlantedCase) -> None:
    text = case.bench().text
    for place in np.flatnonzero(text.index.ravel() >= 0)[::7].tolist():
        row, position = divmod(place, text.length)
        expected = [
            row * text.length + p
            for p in range(max(0, position - 3), min(text.length, position + 3))
            if text.document[row, p] == text.document[row, position] and text.index[row, p] >= 0
        ]
        assert text.around(place, 3, 2).tolist() == expected


def test_the_planted_latent_is_read_where_its_word_stands(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    tokens = bench.text.tokens.ravel()[read.places]
    assert (tokens == WORD).any() and ((read.values > 0) == (tokens == WORD)).all()
    place = int(read.places[read.values.argmax()])
    assert read.value(place) == pytest.approx(float(read.values.max()))
    assert read.value(-5) == 0.0


def test_the_negative_side_of_a_dense_dictionary_is_read_turned(case: PlantedCase, tmp_path: Path) -> None:
    dense = planted_dictionary(case.source, Identity())
    artifact = write_dictionary(tmp_path / "dense", dense, "pca-seed0", lm=case.card().lm, site=SITE, method="pca")
    bench = case.bench(artifact)
    up, down = bench.read([(2, "positive"), (2, "negative")])
    x = next(iter(bench.text.store.chunks([SITE]))).x[SITE]
    z = dense.encode(x)[:, 2].numpy()
    np.testing.assert_allclose(up.values, np.maximum(z, 0), atol=1e-6)
    np.testing.assert_allclose(down.values, np.maximum(-z, 0), atol=1e-6)
    with pytest.raises(UserError, match="negative side"):
        case.bench().read([(2, "negative")])
