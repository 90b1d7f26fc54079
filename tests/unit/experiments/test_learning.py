"""Stages and jobs of learning. Oracles: keys against each other, bytes against bytes, cards written by hand."""

import json
import signal
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from monosemy.activations import ActivationStore
from monosemy.core import Artifact, UserError
from monosemy.dictionaries import (
    AbsTopK,
    BatchTopKConfig,
    Dictionary,
    DictionaryCard,
    JumpReLU,
    TiedL1Config,
    TopKConfig,
    load_dictionary,
)
from monosemy.experiments import (
    BaselineConfig,
    TopKFormConfig,
    TrainedConfig,
    baseline_job,
    learning,
    top_k_form_job,
    trained_stage,
    training_jobs,
)
from monosemy.experiments.learning import FACTS_FILE, _spread_rows, opened_store
from monosemy.pipeline import Stage, find_stage
from monosemy.training import CURVE_FILE, Member, read_curve
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
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != "manifest.json"}


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
    first = [read_curve(path / CURVE_FILE)[0].loss["l1"] for path in (a, b)]
    assert first[0] != first[1]


def test_the_card_and_the_curve_of_a_trained_one(store: Artifact, tmp_path: Path) -> None:
    (found,) = made(training_jobs([trained_stage(TIED, 0, store)], "random")[0], tmp_path)
    dictionary, card = load_dictionary(found.path)
    curve = read_curve(found.path / CURVE_FILE)
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
        l0_train=curve[-1].l0,  # the last tenth of four steps is the last one
    )
    assert (dictionary.n_latents, dictionary.d_in) == (12, 6)
    assert (dictionary.b_dec == 0).all()  # this architecture is not centered
    assert [(point.step, point.n_tokens) for point in curve] == [(0, 0), (1, 32), (2, 64), (3, 96)]
    assert found.parents == {"activations": store.fingerprint}


def test_the_weights_at_powers_of_two_and_the_curve_are_the_artifacts(store: Artifact, tmp_path: Path) -> None:
    """The checkpoints are gone; the last weights are those of the dictionary but for the scale that it absorbs."""
    (found,) = made(training_jobs([trained_stage(TIED, 0, store)], "trained")[0], tmp_path)
    steps = [f"steps/weights-{step:08d}.safetensors" for step in (1, 2, 4)]
    files = ["card.json", "config.json", "curve.jsonl", "dictionary.safetensors", *steps]
    assert sorted(weights(found.path)) == sorted(files)
    M = torch.nn.functional.normalize(load_file(found.path / steps[-1])["M"], dim=1)
    torch.testing.assert_close(load_dictionary(found.path)[0].W_dec, M * opened_store(store.path).scale(SITE))
    assert not list((tmp_path / ".partial").iterdir())


BATCHED = member("batch_topk-k2-r2-seed0", method="batch_topk", architecture=BatchTopKConfig(k=2), n_steps=4)


def test_a_threshold_is_calibrated_on_validation(store: Artifact, tmp_path: Path) -> None:
    """L0 of the saved dictionary on all rows of the validation store, which are fewer than the calibration takes."""
    validation = random_store(tmp_path / "validation", split="validation", seed=7)
    with pytest.raises(ValueError, match="give their store"):
        trained_stage(BATCHED, 0, store)
    stages = [trained_stage(each, 0, store, validation) for each in (TIED, BATCHED)]
    assert list(stages[0].parents) == ["activations"]
    assert trained_stage(TIED, 0, store).key == stages[0].key
    found = made(training_jobs(stages, "trained")[0], tmp_path / "run")
    dictionary, card = load_dictionary(found[1].path)
    assert isinstance(dictionary.sparsifier, JumpReLU)
    x = torch.cat([chunk.x[SITE] for chunk in opened_store(validation.path).chunks([SITE])])
    l0 = float((dictionary.encode(x) > 0).sum(dim=1).double().mean())
    assert card.l0_inference == pytest.approx(2.0, abs=0.01) == pytest.approx(l0, abs=0.02)  # float32 on export
    assert card.l0_train == pytest.approx(2.0, abs=0.2)
    assert load_dictionary(found[0].path)[1].l0_inference is None


def test_whitening_takes_the_covariance_of_the_store(store: Artifact, tmp_path: Path) -> None:
    """The encoder's rows are M P / scale: with the covariance C of the rows, their C-norm is that of M, which is 1."""
    white = replace(TIED, architecture=TiedL1Config(coefficient=1.0, centering="whitened"), learning_rate=1e-6)
    (found,) = made(training_jobs([trained_stage(white, 0, store)], "trained")[0], tmp_path)
    x = torch.cat([chunk.x[SITE] for chunk in opened_store(store.path).chunks([SITE])]).double()
    W_enc = load_dictionary(found.path)[0].W_enc.double()
    norms = (W_enc @ torch.cov(x.T, correction=0) @ W_enc.T).diagonal()
    torch.testing.assert_close(norms, torch.ones(12).double(), rtol=1e-4, atol=0)


def test_rows_are_spread_over_the_store(store: Artifact) -> None:
    read = opened_store(store.path)
    whole = torch.cat([chunk.x[SITE] for chunk in read.chunks([SITE])])
    for n in (1, 7, len(whole) - 1, len(whole), 10**6):
        found = torch.cat(list(_spread_rows(read, SITE, n)))
        assert torch.equal(found, whole[:: -(-len(whole) // n)])
        assert len(found) <= n


def test_a_member_that_fails_costs_the_others_nothing(store: Artifact, tmp_path: Path) -> None:
    wild = member("wild-seed0", learning_rate=1e38)
    jobs = training_jobs([trained_stage(each, 0, store) for each in (wild, TIED)], "trained")
    with pytest.raises(UserError, match="1 of 2 could not be made") as caught:
        made(jobs[0], tmp_path / "a")
    assert "wild-seed0" in str(caught.value) and "learning rate" in str(caught.value) and "\n" not in str(caught.value)
    kept = find_stage(trained_stage(TIED, 0, store), tmp_path / "a")
    assert kept is not None
    (alone,) = made(training_jobs([trained_stage(TIED, 0, store)], "trained")[0], tmp_path / "b")
    assert weights(kept.path) == weights(alone.path)
    (scratch,) = (tmp_path / "a" / ".partial").iterdir()
    assert [path.name for path in scratch.glob("batch-*.safetensors")]
    assert find_stage(trained_stage(wild, 0, store), tmp_path / "a") is None


def test_an_interrupted_job_goes_on_from_its_scratch(
    store: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM at the third batch; the second run reads from there on, and leaves the bytes of a run without a break."""
    members = (member(), TIED)
    (job,) = training_jobs([trained_stage(each, 0, store) for each in members], "trained")
    batches, read = learning.prefetched, []

    def counted(*arguments: Any) -> Generator[Any, None, None]:
        for each in batches(*arguments):
            read.append(each[1].n_read_rows // 32)
            if len(read) == 3:
                signal.raise_signal(signal.SIGTERM)
            yield each

    monkeypatch.setattr(learning, "prefetched", counted)
    with pytest.raises(KeyboardInterrupt):
        made(job, tmp_path / "a")
    assert len(list((tmp_path / "a" / ".partial").iterdir())) == 2
    found = made(job, tmp_path / "a")
    assert read == [1, 2, 3, 4, 5, 6]
    for one, expected in zip(found, made(job, tmp_path / "b"), strict=True):
        assert weights(one.path) == weights(expected.path)


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
