"""Which latents have fragments sampled. Oracle: counts by hand, the order of `latent_order`."""

import numpy as np

from monosemy.experiments import explain_config, interpretation_fragments, sampled_latents
from monosemy.interpretation import PROMPT_HASH, InterpretationConfig, OpenAIConfig, RulesConfig, latent_order


def test_some_more_than_are_wanted_the_first_of_the_order() -> None:
    latents = sampled_latents(640, 50, "seeded", 3)
    assert latents is not None and len(latents) == 50 + 25 + 10
    assert list(latents) == sorted(latent_order(np.arange(640), "seeded", 3)[:85].tolist())
    assert sampled_latents(640, 50, "first", 3) == tuple(range(85))


def test_all_where_few_are_left() -> None:
    assert sampled_latents(85, 50, "seeded", 0) is None
    assert sampled_latents(86, 50, "seeded", 0) is not None
    config = InterpretationConfig(n_latents=300, density=0.1)
    assert interpretation_fragments(160, config, seed=4).latents is None
    assert interpretation_fragments(160, config, seed=4).seed == 4


def test_another_version_of_a_judge_is_another_outcome() -> None:
    config = InterpretationConfig(density=0.1)
    assert explain_config(OpenAIConfig(model="m"), config).version == PROMPT_HASH
    assert explain_config(RulesConfig(), config).version != PROMPT_HASH
