"""What a latent fires on. Oracles: the planted word; loops over all places."""

import re
from collections import Counter

import numpy as np
import pytest

from monosemy.core import UserError
from monosemy.experiments.case_activity import ActivityConfig, activity_part, matched_tokens, top_rows
from tests.unit.experiments.planted_cases import PLANTED, WORD, PlantedCase, planted_case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def test_the_planted_latents_histogram_has_one_token_only(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    part = activity_part(bench, read, ActivityConfig())
    n = int((bench.text.tokens.ravel()[read.places] == WORD).sum())
    assert part["token"] == part["mass_token"] == bench.words[WORD]
    assert part["token_share"] == part["mass_share"] == 1.0 and part["n_distinct"] == 1
    assert part["histogram"]["tokens"] == [bench.words[WORD]]
    assert sum(row[0] for row in part["histogram"]["counts"]) == n == part["n_fired"]
    assert all(row[1] == 0 for row in part["histogram"]["counts"])


def test_shares_examples_and_bins_of_any_latent(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(3, "positive")])
    part = activity_part(bench, read, ActivityConfig(n_top=4))
    tokens = bench.text.tokens.ravel()[read.places].tolist()
    count = Counter(t for t, v in zip(tokens, read.values, strict=True) if v > 0)
    assert part["token_share"] == pytest.approx(max(count.values()) / sum(count.values()))
    assert part["density"] == pytest.approx(sum(count.values()) / len(tokens))
    assert part["n_distinct"] == len(count)
    best_of_row: dict[int, float] = {}
    for place, value in zip(read.places.tolist(), read.values.tolist(), strict=True):
        row = place // bench.text.length
        best_of_row[row] = max(best_of_row.get(row, 0.0), value)
    expected = sorted(best_of_row.values(), reverse=True)[:4]
    assert [each["value"] for each in part["top"]] == pytest.approx(expected)
    assert [float(read.values[i]) for i in top_rows(bench.text, read, 4)] == pytest.approx(expected)
    edges = part["histogram"]["edges"]
    assert [each["bin"] for each in part["uniform"]] == sorted({e["bin"] for e in part["uniform"]}, reverse=True)
    for each in [*part["top"], *part["uniform"]]:
        assert each["activations"][each["at"]] == pytest.approx(each["value"])
        assert len(each["tokens"]) == len(each["activations"])
    for each in part["uniform"]:
        assert edges[each["bin"]] - 1e-6 <= each["value"] <= edges[each["bin"] + 1] + 1e-6


def test_a_capped_histogram_is_a_seeded_sample(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(3, "positive")])
    capped = activity_part(bench, read, ActivityConfig(max_activations=20))
    assert capped["histogram"]["n"] == 20 == int(np.sum(capped["histogram"]["counts"]))
    assert capped == activity_part(bench, read, ActivityConfig(max_activations=20))
    assert capped["n_fired"] > 20


def test_a_pattern_never_sees_across_documents(case: PlantedCase) -> None:
    bench = case.bench()
    text, word = bench.text, re.escape(bench.words[WORD])
    found = matched_tokens(re.compile(f"{word}(?={word})"), bench.words, text)
    for row in range(len(text.tokens)):
        for p in range(text.length):
            follows = p + 1 < text.length and text.index[row, p + 1] == text.index[row, p] + 1
            expected = follows and text.index[row, p] >= 0 and text.tokens[row, p] == text.tokens[row, p + 1] == WORD
            assert found[row, p] == expected
    (read,) = bench.read([(PLANTED, "positive")])
    pattern = activity_part(bench, read, ActivityConfig(regex=word))["pattern"]
    assert pattern["both"] == int((read.values > 0).sum())
    assert (pattern["pattern_only"], pattern["latent_only"]) == (0, 0)
    assert sum(row[1] for row in pattern["counts"]) == 0


def test_options_that_make_no_sense_are_refused() -> None:
    for changed in ({"n_bins": 0}, {"max_activations": 0}, {"regex": "["}):
        with pytest.raises(UserError):
            ActivityConfig(**changed)  # pyright: ignore
