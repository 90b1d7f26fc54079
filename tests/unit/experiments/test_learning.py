"""Stages and jobs of learning. Oracles: keys against each other, bytes against bytes, cards written by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from monosemy.activations import ActivationStore
from monosemy.core import Artifact, UserError
from monosemy.dictionaries import AbsTopK, Dictionary, DictionaryCard, TiedL1Config, TopKConfig, load_dictionary
from monosemy.experiments import (
    BaselineConfig,
    TopKFormConfig,
    TrainedConfig,
    baseline_job,
    top_k_form_job,
    trained_stage,
    training_jobs,
)
from monosemy.experiments.learning import CURVE_FILE, FACTS_FILE, opened_store
from monosemy.pipeline import Stage
from monosemy.training import Member
from tests.unit.experiments.stores_of_experiments import SITE, artifact, made, random_store


def member(name: str = "topk-k2-r2-seed0", **changed: Any) -> Member:
    fields: dict[str, Any] = {"name": name, "method": "topk", "site": SITE, "architecture": TopKConfig(k=2)}
    fields |= {"n_latents": 12, "seed": 0, "learning_rate": 0.01, "n_steps": 6, "batch_size": 32, "warm_up_steps": 2}
    return Member(**(fields | {"decay_fraction": 0.5, "dead_after_tokens": 100} | changed))


TIED = member("tied_l1-1-r2-seed0", method="tied_l1", architecture=TiedL1Config(coefficient=1.0), n_steps=4)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return random_store(tmp_path_factory.mktemp("store") / "s", split="train", order="shuffled")


def test_a_key_is_of_the_member_the_store_and_the_order_of_reading() -> None:
    key = trained_stage(member(), 0, artifact("s1")).key
    assert trained_stage(member(), 0, artifact("s1", "another/place")).key == key
    others = [
        trained_stage(member(), 1, artifact("s1")),
        trained_stage(member(), 0, artifact("s2")),
        *(
            trained_stage(member(**{name: value}), 0, artifact("s1"))
            for name, value in {
                "seed": 1,
                "n_steps": 7,
                "learning_rate": 0.02,
                "n_latents": 13,
                "site": "resid_post.0",
                "architecture": TopKConfig(k=3),
                "dead_after_tokens": 101,
            }.items()
        ),
    ]
    keys = [key, *(stage.key for stage in others)]
    assert len(set(keys)) == len(keys) == 10


def test_jobs_are_threes_of_one_store_and_site_and_lose_nothing() -> None:
    stages: list[Stage] = []
    for n, (store, site) in zip((4, 3, 1), (("s1", "resid_post.0"), ("s1", SITE), ("s2", SITE)), strict=True):
        stages += [
            trained_stage(member(f"m{i}-seed0", site=site, n_steps=10 + i), 0, artifact(store)) for i in range(n)
        ]
    mixed = stages[::-2] + stages[-2::-2]
    jobs = training_jobs(mixed, "trained")
    assert sorted(len(job.stages) for job in jobs) == [1, 1, 3, 3]
    assert sorted(stage.key for job in jobs for stage in job.stages) == sorted(stage.key for stage in stages)
    for job in jobs:
        configs = [stage.config for stage in job.stages if isinstance(stage.config, TrainedConfig)]
        of = {(s.parents["activations"].fingerprint, c.member.site) for s, c in zip(job.stages, configs, strict=True)}
        assert len(of) == 1
        assert job.n_units == sum(config.member.n_steps for config in configs)
    assert training_jobs([], "trained") == []


def weights(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "manifest.json"}


def test_a_member_becomes_the_same_alone_and_in_company(store: Artifact, tmp_path: Path) -> None:
    other = member("topk-k2-r2-seed1", seed=1)
    together = training_jobs([trained_stage(each, 0, store) for each in (member(), other, TIED)], "trained")
    assert len(together) == 1
    company = made(together[0], tmp_path / "a")
    for each, found in zip((member(), other, TIED), company, strict=True):
        (alone,) = made(training_jobs([trained_stage(each, 0, store)], "trained")[0], tmp_path / "b")
        assert weights(alone.path) == weights(found.path)
        assert alone.fingerprint == found.fingerprint
    directions = [load_dictionary(each.path)[0].W_dec for each in company]
    assert not torch.allclose(directions[0], directions[1])


def test_the_order_of_reading_is_the_stream_seeds(store: Artifact, tmp_path: Path) -> None:
    a, b = (made(training_jobs([trained_stage(TIED, seed, store)], "trained")[0], tmp_path)[0].path for seed in (0, 1))
    assert weights(a)["dictionary.safetensors"] != weights(b)["dictionary.safetensors"]
    first = [json.loads((path / CURVE_FILE).read_text())[0]["loss"]["l1"] for path in (a, b)]
    assert first[0] != first[1]


def test_the_card_and_the_curve_of_a_trained_one(store: Artifact, tmp_path: Path) -> None:
    (found,) = made(training_jobs([trained_stage(TIED, 0, store)], "random")[0], tmp_path)
    dictionary, card = load_dictionary(found.path)
    assert card == DictionaryCard(
        name="tied_l1-1-r2-seed0",
        method="tied_l1",
        lm="lm-a",
        lm_kind="random",
        site=SITE,
        seed=0,
        n_latents=12,
        expansion_factor=2.0,
        sparsity="l1=1",
        n_steps=4,
        n_tokens=4 * 32,
        store=store.fingerprint,
    )
    assert (dictionary.n_latents, dictionary.d_in) == (12, 6)
    assert (dictionary.b_dec == 0).all()  # this architecture is not centered
    curve = json.loads((found.path / CURVE_FILE).read_text())
    assert [(point["step"], point["n_tokens"]) for point in curve] == [(0, 0), (1, 32), (2, 64), (3, 96)]
    assert found.parents == {"activations": store.fingerprint}


def test_what_was_subtracted_in_training_is_added_again(store: Artifact, tmp_path: Path) -> None:
    """b_dec of a centered architecture starts at the mean of the data, and six small steps do not lead far away."""
    (found,) = made(training_jobs([trained_stage(member(), 0, store)], "trained")[0], tmp_path)
    read = opened_store(store.path)
    b_dec, mean = load_dictionary(found.path)[0].b_dec.double(), torch.from_numpy(read.mean(SITE))
    steps = 6 * 0.01 * read.scale(SITE)  # Adam's are hardly larger than the learning rate
    assert 0 < (b_dec - mean).abs().max() < 1.1 * steps < 0.5 * mean.min()


def test_a_batch_larger_than_the_store_is_one_line(store: Artifact, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a batch of 5000 rows") as caught:
        made(training_jobs([trained_stage(member(batch_size=5000), 0, store)], "trained")[0], tmp_path)
    assert "\n" not in str(caught.value)


def fitted(store: Artifact, root: Path) -> tuple[Artifact, Dictionary, DictionaryCard]:
    config = BaselineConfig(name="pca-resid_post.1-seed3", method="pca", site=SITE, n_latents=6, n_rows=200, seed=3)
    job = baseline_job(config, store, "trained")
    (found,) = made(job, root)
    return found, *load_dictionary(found.path)


def test_the_card_of_a_baseline(store: Artifact, tmp_path: Path) -> None:
    found, _, card = fitted(store, tmp_path)
    assert (card.name, card.method, card.seed) == ("pca-resid_post.1-seed3", "pca", 3)
    assert (card.n_steps, card.n_tokens, card.sparsity, card.expansion_factor) == (0, 200, "", 1.0)
    assert (card.lm, card.lm_kind, card.site, card.store) == ("lm-a", "trained", SITE, store.fingerprint)
    assert json.loads((found.path / FACTS_FILE).read_text()) == {}
    assert not (found.path / CURVE_FILE).exists()


def test_a_top_k_form_is_its_bases_with_another_name(store: Artifact, tmp_path: Path) -> None:
    base, dictionary, card = fitted(store, tmp_path)
    config = TopKFormConfig(name="pca_topk-k2-resid_post.1-seed3", method="pca_topk", k=2, n_rows=200)
    (found,) = made(top_k_form_job(config, base, store, "trained"), tmp_path)
    form, form_card = load_dictionary(found.path)
    assert form_card == replace(card, name=config.name, method="pca_topk", sparsity="k=2")
    assert form.sparsifier == AbsTopK(2) and torch.equal(form.W_enc, dictionary.W_enc)
    assert found.parents == {"activations": store.fingerprint, "dictionary": base.fingerprint}


def test_a_top_k_form_of_more_than_there_are_is_one_line(store: Artifact, tmp_path: Path) -> None:
    base, _, _ = fitted(store, tmp_path)
    config = TopKFormConfig(name="pca_topk-k7-resid_post.1-seed3", method="pca_topk", k=7, n_rows=200)
    with pytest.raises(UserError, match=r"k is 7; a dictionary of 6 latents can keep 1 to 6$"):
        made(top_k_form_job(config, base, store, "trained"), tmp_path)


def test_a_store_is_opened_once_a_process(store: Artifact) -> None:
    assert opened_store(store.path) is opened_store(store.path)
    assert isinstance(opened_store(store.path), ActivationStore)


def test_the_config_of_a_stage_is_its_member() -> None:
    config = trained_stage(TIED, 5, artifact("s1")).config
    assert config == TrainedConfig(member=TIED, stream_seed=5)
