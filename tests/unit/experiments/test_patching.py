"""Oracle: patching one pair at a time with `with_values` and the last token's KL written out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.causal import encoded, with_values
from monosemy.core import SILENT, Artifact, Workers, open_artifact
from monosemy.dictionaries import Dictionary, Identity, load_dictionary
from monosemy.experiments import PatchingConfig, TaskConfig, patching_job, read_patched, task_job, task_pairs
from monosemy.lm import Edit, LanguageModel, ModelSource, Site
from monosemy.pipeline import Job, find_stage, run_jobs
from tests.unit.recipes.test_evaluate import saved

SITE, N_PAIRS = "resid_post.2", 3


@pytest.fixture(scope="module")
def lm() -> LanguageModel:
    return ModelSource().load()


@pytest.fixture(scope="module")
def rotation(tmp_path_factory: pytest.TempPathFactory, lm: LanguageModel) -> Artifact:
    """A perfect dictionary: 160 orthogonal directions."""
    return orthogonal(tmp_path_factory.mktemp("dictionaries") / "rotation", lm, 160)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory, lm: LanguageModel) -> Artifact:
    """Twelve of them."""
    return orthogonal(tmp_path_factory.mktemp("dictionaries") / "few", lm, 12)


def orthogonal(folder: Path, lm: LanguageModel, n: int) -> Artifact:
    """Some directions of a random rotation."""
    q = torch.linalg.qr(torch.randn(160, 160, generator=torch.Generator().manual_seed(0)))[0][:n].contiguous()
    dictionary = Dictionary(
        W_enc=q, b_enc=torch.zeros(n), W_dec=q.clone(), b_dec=torch.zeros(160), sparsifier=Identity()
    )
    return open_artifact(saved(folder, dictionary, lm.fingerprint(), SITE), kind="dictionary")


def config(lm: LanguageModel, **changes: object) -> PatchingConfig:
    given = {"task": "C1", "lm": lm.fingerprint(), "order": "attribution", "n_selection_pairs": 2, "n_pairs": N_PAIRS}
    return PatchingConfig(**{**given, "seed": 0, **changes})  # pyright: ignore[reportArgumentType]


def made(job: Job, root: Path) -> Path:
    with Workers(1) as workers:
        run_jobs(job.stages, lambda _: [job], root, workers, SILENT, name="patch", unit="steps")
    artifact = find_stage(job.stages[0], root)
    assert artifact is not None
    return artifact.path


def direct_kl(lm: LanguageModel, dictionary: Dictionary, number: int, latents: np.ndarray) -> float:
    """KL(patched || target) of one pair, all of it run from the tokens, logits in float64."""
    pair = task_pairs("C1", lm, N_PAIRS, seed=0, split="held_out")[number]
    clean, corrupt = (torch.tensor([ids]) for ids in (pair.clean_ids, pair.corrupt_ids))
    site = Site.parse(SITE)
    z = encoded(dictionary, lm.capture(corrupt, [site])[site])
    edit = Edit(site, with_values(dictionary, torch.from_numpy(latents), z[..., latents]))
    patched, target = (
        logits[0, -1].double().log_softmax(0) for logits in (lm.splice(clean, [edit]), lm.logits(corrupt))
    )
    return float((patched.exp() * (patched - target)).sum())


def test_the_curve_is_that_of_single_passes(tmp_path: Path, lm: LanguageModel, rotation: Artifact) -> None:
    path = made(patching_job(config(lm), ModelSource(), rotation), tmp_path)
    found, (dictionary, _) = read_patched(path), load_dictionary(rotation.path)
    curve = found.curve("held_out")
    assert curve.n_patched[0] == 0 and curve.n_patched[-1] == 160 and curve.kl.shape == (len(curve.n_patched), N_PAIRS)
    for point in (0, 1, 4):
        latents = curve.order[: curve.n_patched[point]]
        for number in range(N_PAIRS):
            assert curve.kl[point, number] == pytest.approx(direct_kl(lm, dictionary, number, latents), abs=1e-5)
    # Everything of a perfect dictionary is the whole activation, which is the other prompt's own prediction.
    assert np.abs(curve.kl[-1]).max() < 1e-5 and np.abs(found.per_pair["oracle"]).max() < 1e-5
    assert found.per_pair["error_only"] == pytest.approx(curve.kl[0], abs=1e-5)
    assert found.per_pair["n_changed"].tolist() == [160] * N_PAIRS
    assert found.about["n_selection_pairs"] == 2 and found.about["d_site"] == 160 and found.about["site"] == SITE
    assert len(found.about["templates"]) == N_PAIRS


def test_a_rerun_is_found(tmp_path: Path, lm: LanguageModel, rotation: Artifact) -> None:
    job = patching_job(config(lm, n_pairs=1, n_selection_pairs=1), ModelSource(), rotation)
    path = made(job, tmp_path)
    before = (path / "curve.npz").stat().st_mtime_ns
    assert made(job, tmp_path) == path and (path / "curve.npz").stat().st_mtime_ns == before


def test_the_greedy_order_comes_first_and_the_others_follow(
    tmp_path: Path, lm: LanguageModel, rotation: Artifact
) -> None:
    plain = made(patching_job(config(lm), ModelSource(), rotation), tmp_path)
    path = made(patching_job(config(lm, order="greedy", n_greedy=3), ModelSource(), rotation), tmp_path)
    greedy, attribution = (read_patched(each).curve("held_out").order for each in (path, plain))
    assert sorted(greedy) == list(range(160))
    assert greedy[3:].tolist() == [latent for latent in attribution if latent not in greedy[:3]]


def test_a_sweep_has_a_curve_each_and_those_of_the_selection(tmp_path: Path, lm: LanguageModel, few: Artifact) -> None:
    changes = {"order": "threshold_sweep", "n_thresholds": 3, "n_sweeps": 2, "n_selection_pairs": 1, "n_pairs": 2}
    path = made(patching_job(config(lm, **changes), ModelSource(), few), tmp_path)
    found = read_patched(path)
    assert [len(found.curves[split]) for split in ("held_out", "selection")] == [2, 2]
    for chosen, measured in zip(found.curves["selection"], found.curves["held_out"], strict=True):
        assert chosen.kl.shape[1] == 1 and measured.kl.shape[1] == 2
        assert np.array_equal(chosen.n_patched, measured.n_patched) and {0, 12} <= set(chosen.n_patched.tolist())
    assert len(found.about["n_visits"]) == len(found.about["n_skipped"]) == 2
    assert not np.array_equal(found.curves["held_out"][0].order, found.curves["held_out"][1].order)


def test_the_accuracy_of_a_task(tmp_path: Path, lm: LanguageModel) -> None:
    asked = TaskConfig(task="C1", lm=lm.fingerprint(), n_pairs=10, seed=0)
    path = made(task_job(asked, ModelSource()), tmp_path)
    about = json.loads((path / "about.json").read_text(encoding="utf-8"))
    with np.load(path / "right.npz") as arrays:
        assert about["n_right"] == arrays["right"].sum() and about["accuracy"] == arrays["right"].mean()
    assert about["low"] <= about["accuracy"] <= about["high"] and about["n_pairs"] == 10
    assert (about["answer"], about["wrong"]) == ("'", '"') and about["clean"] != about["corrupt"]
