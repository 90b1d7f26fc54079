"""Rows of gender prompts. Oracle: each prompt run alone, its name found again as text; a model that reads English."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

from monosemy.core import UserError, read_results
from monosemy.corpus import GENDER_NAMES, gender_prompts
from monosemy.experiments import (
    ERASURE_RESULTS,
    GENDER_CONCEPTS,
    ErasureStores,
    RowCounts,
    erasure_config,
    erasure_job,
    gender_rows,
)
from monosemy.lm import ModelSource, Site
from tests.unit.corpus.test_gender import english
from tests.unit.experiments.stores_of_experiments import SITE, labelled_store, made
from tests.unit.lm.tiny_models import tiny_lm

D, VOCABULARY = 16, 3000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> ModelSource:
    """A tiny model of random weights whose tokenizer has every name as one token."""
    config = GPTNeoXConfig(
        vocab_size=VOCABULARY,
        hidden_size=D,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
        bos_token_id=0,
        eos_token_id=0,
    )
    model, generator = GPTNeoXForCausalLM(config), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.3, generator=generator)
    folder = tmp_path_factory.mktemp("english")
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=english(), bos_token="<|endoftext|>").save_pretrained(folder)
    return ModelSource(name=str(folder), device="cpu")


def test_rows_are_those_of_the_name_and_of_what_follows(source: ModelSource) -> None:
    lm, site = source.load(), Site.parse(SITE)
    tokenizer = english()
    prompts = gender_prompts(tokenizer, "test", seed=3, form="primary")
    rows = gender_rows(lm, site, "test", "primary", 3)
    n_after = len(tokenizer.encode(" Emma and I am a").ids)
    assert len(rows.x) == len(rows.holds) == len(rows.unit) == n_after * len(prompts)
    for i, prompt in enumerate(prompts):
        whole = lm.capture(torch.tensor([prompt.ids]), [site])[site][0]
        own = slice(i * n_after, (i + 1) * n_after)
        assert tokenizer.decode(list(prompt.ids[-n_after:])) == f" {prompt.name} and I am a"
        torch.testing.assert_close(rows.x[own], whole[-n_after:].clone(), rtol=1e-5, atol=1e-5)
        assert {rows.units[unit] for unit in rows.unit[own].tolist()} == {prompt.name}
        assert np.all(rows.holds[own] == (prompt.name in GENDER_NAMES["female"]))


def test_no_two_splits_share_a_name(source: ModelSource) -> None:
    lm, site = source.load(), Site.parse(SITE)
    train, test = (set(gender_rows(lm, site, split, "primary", 0).units) for split in ("train", "test"))
    assert train and test and not train & test


def test_a_tokenizer_that_splits_the_names_is_refused() -> None:
    with pytest.raises(UserError, match="names are one token"):
        gender_rows(tiny_lm("gpt_neox"), Site.parse(SITE), "test", "primary", 0)


@pytest.mark.parametrize("concept", GENDER_CONCEPTS)
def test_gender_is_erased_where_there_are_no_labels(source: ModelSource, tmp_path: Path, concept: str) -> None:
    """The neutral text is the planted store's, of which it is not known where a woman is spoken of."""
    stores = [labelled_store(tmp_path / split, split, d=D) for split in ("train", "validation", "test")]
    few = RowCounts(fit=300, probe=300, choose=200, report=2000)
    config = erasure_config(concept, SITE, rows=few, n_latents=(1,), n_sequences=2, n_draws=1)
    job = erasure_job(config, ErasureStores(train=stores[0], validation=stores[1], test=stores[2]), source, None)
    (found,) = made(job, tmp_path)
    results = {(r.metric, r.method, r.variant): r for r in read_results(found.file(ERASURE_RESULTS))}
    linear = f"erasure_linear_accuracy/{concept}"
    unedited, erased = results[linear, "lm", None].value, results[linear, "leace", None].value
    assert unedited is not None and erased is not None and 0 <= erased <= 1
    cost = results[f"erasure_kl/{concept}", "leace", None]
    assert cost.value is not None and cost.value > 0
    assert results[f"erasure_kl_outside/{concept}", "leace", None].status == "not_applicable"
