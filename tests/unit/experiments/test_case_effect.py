"""What ablation and lens say of a latent. Oracles: the effects' own arrays, summed in loops; the planted silence."""

import numpy as np
import pytest

from monosemy.causal import excess_kurtosis, logit_lens
from monosemy.core import UserError
from monosemy.experiments.case_effect import EffectConfig, effect_part, lens_of, lens_part, measured_effects
from tests.unit.experiments.planted_cases import PLANTED, WORD, PlantedCase, planted_case


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> PlantedCase:
    return planted_case(tmp_path_factory.mktemp("case"))


def test_it_is_ablated_at_a_seeded_sample_of_the_places_where_it_fires(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(PLANTED, "positive")])
    config = EffectConfig(n_positions=6)
    found, again = (measured_effects(bench, read, config, ("latent",)) for _ in range(2))
    assert len(found.places) == 6 and list(found.of) == ["latent"]
    assert (bench.text.tokens.ravel()[found.places] == WORD).all()
    np.testing.assert_array_equal(found.places, again.places)
    assert (found.of["latent"].activation > 0).all()


def test_the_tokens_told_are_those_changed_most(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(3, "positive")])
    config = EffectConfig(n_positions=9, n_tokens=4, watched=(11,))
    effects, lens = measured_effects(bench, read, config), lens_of(bench, read)
    part, arrays = effect_part(bench, read, effects, lens, config)
    for how in ("latent", "direction"):
        effect = effects.of[how]
        mean = [float(np.mean([effect.logits[i, t] for i in range(9)])) for t in range(len(bench.words))]
        order = sorted(range(len(mean)), key=lambda t: mean[t])
        told = part[how]
        assert [row["token"] for row in told["lowered"]] == [bench.words[t] for t in order[:4]]
        assert [row["logit"] for row in told["lowered"]] == pytest.approx([mean[t] for t in order[:4]], abs=1e-6)
        assert [row["logit"] for row in told["raised"]] == pytest.approx([mean[t] for t in order[::-1][:4]], abs=1e-6)
        (watched,) = told["watched"]
        assert watched["token"] == bench.words[11] and watched["low"] <= watched["logit"] <= watched["high"]
        assert watched["log_prob"] == pytest.approx(float(effect.log_probs[:, 11].mean()), abs=1e-6)
        assert watched["probability"] == pytest.approx(float(np.exp(effect.original[:, 11]).mean()), abs=1e-6)
        known = [v for v in effect.next_token if np.isfinite(v)]
        assert told["next"]["n"] == len(known)
        assert told["next"]["mean"] == pytest.approx(float(np.mean(known)), abs=1e-9)
        np.testing.assert_allclose(arrays[f"effect/{how}/logits"], mean, atol=1e-6)


def test_the_lens_is_told_from_both_ends(case: PlantedCase) -> None:
    bench = case.bench()
    (read,) = bench.read([(2, "positive")])
    lens = lens_of(bench, read)
    direct = logit_lens(bench.lm, bench.site, bench.dictionary.W_dec[[2]])[0].numpy()[: len(bench.words)]
    np.testing.assert_allclose(lens, direct)
    part, arrays = lens_part(bench, read, lens, 3)
    order = sorted(range(len(lens)), key=lambda t: -lens[t])
    assert [row["token"] for row in part["top"]] == [bench.words[t] for t in order[:3]]
    assert [row["value"] for row in part["bottom"]] == pytest.approx([lens[t] for t in order[::-1][:3]])
    assert part["kurtosis"] == pytest.approx(float(excess_kurtosis(lens[None])[0]))
    assert part["paper"]["n_masked"] == 0 and len(arrays["plain_lens"]) == len(lens)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="n-positions"):
        EffectConfig(n_positions=0)
