"""What is measured of a dictionary. Oracles: closed forms, counts by numpy, a planted detector."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monosemy.core import Artifact, Result, UserError, read_results
from monosemy.corpus import frozen_labels
from monosemy.dictionaries import TopK
from monosemy.evaluation import LABEL_METRICS, alive_paper_result
from monosemy.experiments import EvaluationConfig, HeldOut, ReferenceConfig, evaluation_job, reference_job
from monosemy.experiments.evaluations import ARRAYS_FILE, EVALUATION_FILE, RESULTS_FILE, Evaluated
from monosemy.experiments.learning import opened_store
from monosemy.lm import ModelSource
from tests.unit.experiments.stores_of_experiments import (
    PLANTED,
    SITE,
    artifact,
    card_of,
    labelled_store,
    linear,
    made,
    random_store,
    write_dictionary,
)

SOURCE = ModelSource(name="nowhere", device="cpu")  # without splicing nobody loads it
D = 6


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("stores")
    validation = random_store(folder / "validation", D, split="validation", seed=1)
    return HeldOut(validation=validation, test=random_store(folder / "test", D), labels=None)


def evaluated(dictionary: Artifact, held_out: HeldOut, root: Path, **changed: Any) -> Artifact:
    fields: dict[str, Any] = {"labels": True, "of_latents": False, "reference": None, "source": SOURCE, "seed": 0}
    (found,) = made(evaluation_job(dictionary, held_out, **(fields | changed)), root)
    return found


def results_of(found: Artifact) -> dict[tuple[str, str | None], Result]:
    results = {(r.metric, r.split): r for r in read_results(found.file(RESULTS_FILE))}
    assert len(results) == len(read_results(found.file(RESULTS_FILE)))
    return results


def about(found: Artifact) -> dict[str, Any]:
    return json.loads(found.file(EVALUATION_FILE).read_text())


def test_the_coordinates_themselves(held_out: HeldOut, tmp_path: Path) -> None:
    """x_hat = x with every latent active: fvu 0, l0 = d, every density 1; fitted, so nothing on validation."""
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(D)), "neurons-seed0", method="neurons", n_steps=0)
    found = evaluated(dictionary, held_out, tmp_path)
    results = results_of(found)
    assert {split for _, split in results} == {"test"}
    assert results["fvu", "test"].value == pytest.approx(0, abs=1e-10)
    assert results["l0", "test"].value == D
    assert results["dead_eval", "test"].value == 0
    assert about(found)["density"] == [1.0] * D
    assert {r.dictionary for r in results.values()} == {"neurons-seed0"}
    assert {results[metric, "test"].status for metric in LABEL_METRICS} == {"not_applicable"}


def test_a_trained_one_is_measured_on_both_splits(held_out: HeldOut, tmp_path: Path) -> None:
    W = torch.eye(D)[:3]
    curve = [{"step": 0, "n_tokens": 0, "loss": {"auxk": 0.0}, "l0": 2.0, "fvu": 0.5, "n_dead": 0}]
    found = evaluated(write_dictionary(tmp_path / "d", linear(W, TopK(2)), curve=curve), held_out, tmp_path)
    results = results_of(found)
    for split, store in (("validation", held_out.validation), ("test", held_out.test)):
        x = torch.cat([chunk.x[SITE] for chunk in opened_store(store.path).chunks([SITE])]).double().numpy()
        z = np.maximum(x[:, :3], 0)
        z[np.arange(len(z)), 2 - z[:, ::-1].argmin(axis=1)] = 0  # the two largest are kept, of equals the first ones
        x_hat = np.concatenate([z, np.zeros((len(x), 3))], axis=1)
        fvu = ((x - x_hat) ** 2).sum() / ((x - x.mean(axis=0)) ** 2).sum()
        assert results["fvu", split].value == pytest.approx(fvu, rel=1e-5)
        assert results["l0", split].value == pytest.approx((z > 0).sum(axis=1).mean())
        alive = int(((z > 0).sum(axis=0) > 10).sum())
        assert (results["alive_paper", split].value, results["alive_paper", split].n) == (alive, len(x))
    details = about(found)
    assert details["curve"] == curve
    assert details["density"] == pytest.approx((z > 0).mean(axis=0).tolist())
    assert details["alive_paper"] == alive


def test_what_stands_beside_the_figures(held_out: HeldOut, tmp_path: Path) -> None:
    found = evaluated(write_dictionary(tmp_path / "d", linear(torch.eye(D), TopK(2)), curve=[]), held_out, tmp_path)
    expected = {"name": "topk-seed0", "method": "topk", "variant": None, "lm": "trained", "site": SITE, "seed": 0}
    expected |= {"n_latents": D, "expansion_factor": 1.0, "sparsity": "k=2", "n_steps": 3, "n_tokens": 96, "labels": []}
    details = about(found)
    assert {key: details[key] for key in expected} == expected
    assert found.config == {"type": "EvaluationConfig", "labels": None, "of_latents": False, "seed": 0}
    with np.load(found.file(ARRAYS_FILE)) as arrays:
        for split, store in (("validation", held_out.validation), ("test", held_out.test)):
            units = sorted({document.unit for document in opened_store(store.path).documents})
            assert arrays[f"{split}/unit"].tolist() == units
            assert {len(arrays[key]) for key in arrays if key.startswith(split)} == {len(units)}
            assert arrays[f"{split}/n_tokens"].sum() == opened_store(store.path).n_rows


def test_intervals_of_two_dictionaries_resample_the_same_units(held_out: HeldOut, tmp_path: Path) -> None:
    """With all weights doubled l0 is the same, and so has to be its interval."""
    intervals = []
    for name, scale in (("topk-seed0", 1.0), ("topk-seed1", 2.0)):
        dictionary = write_dictionary(tmp_path / name, linear(scale * torch.eye(D)[:3], TopK(2)), name)
        result = results_of(evaluated(dictionary, held_out, tmp_path))["l0", "test"]
        intervals.append((result.ci_low, result.value, result.ci_high))
    assert intervals[0] == intervals[1] and intervals[0][0] != intervals[0][1]


BAD = {
    "width": ({"d": D - 1}, r"reads 5 and writes 5 dimensions, the store's resid_post.1 has 6; "),
    "model": ({"lm": "lm-b"}, r"topk-seed0 was trained on language model lm-b, the activations are of lm-a; "),
    "site": ({"site": "mlp_out.0"}, r"no activations at 'mlp_out.0'.*it has: resid_post.1$"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_dictionary_of_other_activations_is_one_line(held_out: HeldOut, tmp_path: Path, bad: str) -> None:
    changed, message = BAD[bad]
    changed = dict(changed)
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(changed.pop("d", D))), **changed)
    with pytest.raises(UserError, match=message) as caught:
        evaluated(dictionary, held_out, tmp_path)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("evaluation-*"))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> HeldOut:
    folder = tmp_path_factory.mktemp("labelled")
    validation, test = (labelled_store(folder / split, split) for split in ("validation", "test"))
    return HeldOut(validation=validation, test=test, labels=frozen_labels().fingerprint)


def test_a_planted_detector_is_found(labelled: HeldOut, tmp_path: Path) -> None:
    """Latent 2 reads the dimension that shows the label."""
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(4)[[1, 2, 0, 3]]))
    found = evaluated(dictionary, labelled, tmp_path, of_latents=True)
    rows = {row["label"]: row for row in about(found)["labels"]}
    assert list(rows) == [label.name for label in frozen_labels().labels]
    assert (rows[PLANTED]["latent"], rows[PLANTED]["sign"]) == (2, 1)
    # Candidate thresholds are quantiles, none of which need lie exactly between the two groups.
    assert rows[PLANTED]["f1"] > 0.95 and 0.3 < rows[PLANTED]["threshold"] < 1
    best = about(found)["best_labels"]
    assert len(best) == 4 and best[2]["label"] == PLANTED and best[2]["f1"] == pytest.approx(rows[PLANTED]["f1"])
    results = results_of(found)
    f1 = [row["f1"] for row in rows.values() if row["status"] == "ok"]
    assert len(f1) > 50 and results["label_f1", "test"].value == pytest.approx(np.mean(f1))
    with np.load(found.file(ARRAYS_FILE)) as arrays:
        tp, fp, fn = (arrays[f"test/label_{name}"].sum(axis=0) for name in ("tp", "fp", "fn"))
    y = list(rows).index(PLANTED)
    assert 2 * tp[y] / (2 * tp[y] + fp[y] + fn[y]) == pytest.approx(rows[PLANTED]["f1"])


def test_labels_are_not_scored_where_they_are_not_asked_for(labelled: HeldOut, tmp_path: Path) -> None:
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(4)))
    found = evaluated(dictionary, labelled, tmp_path, labels=False)
    assert about(found)["labels"] == []
    assert found.config["labels"] is None


def test_the_reason_for_no_score_is_the_reason(labelled: HeldOut, tmp_path: Path) -> None:
    dictionary = write_dictionary(tmp_path / "d", linear(torch.eye(4)))
    result = results_of(evaluated(dictionary, labelled, tmp_path, labels=False))["label_f1", "test"]
    assert "embedded corpus only" not in (result.reason or "")  # it is the embedded corpus


def test_a_key_is_of_the_dictionary_the_rows_and_what_is_measured() -> None:
    held_out = HeldOut(validation=artifact("v"), test=artifact("t"), labels="l")

    def key(dictionary: str = "d", rows: HeldOut = held_out, **changed: Any) -> str:
        fields: dict[str, Any] = {"labels": True, "of_latents": False, "reference": None, "source": SOURCE, "seed": 0}
        return evaluation_job(artifact(dictionary), rows, **(fields | changed)).stages[0].key

    other_test = HeldOut(validation=artifact("v"), test=artifact("t2"), labels="l")
    other_labels = HeldOut(validation=artifact("v"), test=artifact("t"), labels="l2")
    keys = [
        key(),
        key("d2"),
        key(rows=other_test),
        key(rows=other_labels),
        key(labels=False),
        key(of_latents=True),
        key(reference=artifact("r")),
        key(seed=1),
    ]
    assert len(set(keys)) == len(keys)
    assert key(source=ModelSource(name="elsewhere")) == key()  # what it is, its fingerprint tells, by the stores


def test_the_job_of_a_reference_has_the_means_of_train_and_the_sequences_of_test() -> None:
    config = ReferenceConfig(lm="lm-a", sites=(SITE,), n_sequences=4, seed=0)
    job = reference_job(config, SOURCE, artifact("a"), artifact("t"))
    assert job.stages[0].parent_fingerprints == {"activations": "a", "test": "t"}
    assert (job.stages[0].name, job.n_units) == ("splice-reference", 100)


def test_what_is_no_dictionary_has_no_size(tmp_path: Path) -> None:
    """A table of tokens: neither site nor model in its results."""
    card = card_of(linear(torch.eye(2)), "token_table-seed0", method="token_table", site="", n_steps=0)
    out = Evaluated(card=card, config="c", seed=0, in_dictionary=False)
    out.results.append(alive_paper_result(np.array([11.0, 10.0]), 30, out.subject("test")))
    out.write(tmp_path)
    details = json.loads((tmp_path / EVALUATION_FILE).read_text())
    assert (details["n_latents"], details["expansion_factor"], details["site"]) == (None, None, None)
    result = read_results(tmp_path / RESULTS_FILE)[0]
    assert (result.dictionary, result.site, result.lm, result.value) == (None, None, None, 1)
    assert len(read_results(tmp_path / RESULTS_FILE)) == 1 + len(LABEL_METRICS)


def test_the_config_says_which_labels() -> None:
    held_out = HeldOut(validation=artifact("v"), test=artifact("t"), labels="l")
    job = evaluation_job(artifact("d"), held_out, labels=True, of_latents=True, reference=None, source=SOURCE, seed=4)
    assert job.stages[0].config == EvaluationConfig(labels="l", of_latents=True, seed=4)
    assert held_out.parents == {"validation": held_out.validation, "test": held_out.test}
