"""Jobs that erase. Oracle: planted stores, one direction of which shows the label, and dictionaries that have it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monosemy.core import UserError, read_results
from monosemy.dictionaries import Dictionary, ReLU
from monosemy.experiments import (
    ERASURE_FILE,
    ERASURE_RESULTS,
    ErasureConfig,
    ErasureStores,
    RowCounts,
    erasure_config,
    erasure_job,
)
from monosemy.lm import ModelSource
from tests.unit.experiments.stores_of_experiments import (
    PLANTED,
    SITE,
    labelled_store,
    made,
    write_dictionary,
)

SOURCE = ModelSource(device="cpu")
D = 160


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> ErasureStores:
    root = tmp_path_factory.mktemp("stores")
    train, validation, test = (labelled_store(root / s, s, d=D) for s in ("train", "validation", "test"))
    return ErasureStores(train=train, validation=validation, test=test)


def config(**options: object) -> ErasureConfig:
    few = {
        "rows": RowCounts(fit=300, probe=300, choose=200, report=2000),
        "n_latents": (1, 2),
        "n_sequences": 2,
        "n_draws": 2,
    }
    return erasure_config(PLANTED, SITE, **(few | options))


def axes(n: int = 12) -> Dictionary:
    """Latent i reads and writes dimension i."""
    w = torch.eye(D)[:n].contiguous()
    b_enc, b_dec = torch.full((n,), 0.05), torch.zeros(D)
    return Dictionary(W_enc=w, b_enc=b_enc, W_dec=w.clone(), b_dec=b_dec, sparsifier=ReLU())


def edits(folder: Path) -> list[dict]:
    return json.loads((folder / ERASURE_FILE).read_text())["edits"]


def test_without_a_dictionary(stores: ErasureStores, tmp_path: Path) -> None:
    (found,) = made(erasure_job(config(), stores, SOURCE, None), tmp_path)
    by = {(each["method"], each["variant"], each["n_removed"]): each for each in edits(found.path)}
    assert set(by) == {
        ("lm", None, 0),
        ("leace", None, 1),
        ("mean_difference", None, 1),
        ("mean_difference", "origin", 1),
        ("random", "directions", 1),
        ("random", "directions", 2),
    }
    assert by["lm", None, 0]["linear_accuracy"]["value"] > 0.98
    assert by["leace", None, 1]["linear_accuracy"]["value"] < 0.6
    assert by["leace", None, 1]["hidden_accuracy"]["value"] < 0.65
    assert by["random", "directions", 2]["linear_accuracy"]["value"] > 0.95
    assert by["leace", None, 1]["kl"]["value"] > 0
    assert by["leace", None, 1]["edit_norm"]["value"] > 0
    results = read_results(found.file(ERASURE_RESULTS))
    named = {(each.metric, each.method, each.variant) for each in results}
    assert (f"erasure_kl/{PLANTED}", "random", "directions/k=2") in named
    assert (f"erasure_linear_accuracy/{PLANTED}", "leace", None) in named
    assert {each.split for each in results} == {"test"}


def test_with_a_dictionary_the_planted_latent_goes_first(stores: ErasureStores, tmp_path: Path) -> None:
    dictionary = write_dictionary(tmp_path / "dictionary", axes())
    (found,) = made(erasure_job(config(), stores, SOURCE, dictionary), tmp_path)
    rows = edits(found.path)
    for way in ("projection", "ablation", "origin"):
        of_way = [each for each in rows if each["variant"] == way]
        assert [each["n_removed"] for each in of_way] == [1, 2]
        assert of_way[0]["latents"] == [0]
    assert next(each for each in rows if each["variant"] == "projection")["linear_accuracy"]["value"] < 0.6
    drawn = [each for each in rows if each["variant"] == "random_latents"]
    assert [each["latents"] for each in drawn] == [[], []]
    arrays = np.load(found.path / "per_unit.npz")
    assert arrays["0/linear"].shape[1] == 4
    assert {each.dictionary for each in read_results(found.file(ERASURE_RESULTS))} == {"topk-seed0"}


def test_a_dictionary_of_another_site_is_refused(stores: ErasureStores, tmp_path: Path) -> None:
    dictionary = write_dictionary(tmp_path / "dictionary", axes(), site="resid_post.2")
    with pytest.raises(UserError, match=r"trained on resid_post\.2"):
        made(erasure_job(config(), stores, SOURCE, dictionary), tmp_path)


@pytest.mark.parametrize("n_latents", [(), (0, 1), (2, 1), (1, 1)], ids=str)
def test_numbers_of_latents_rise_from_one_on(n_latents: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="rising, from 1 on"):
        config(n_latents=n_latents)
