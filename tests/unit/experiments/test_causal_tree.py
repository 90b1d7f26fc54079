"""The job of a causal tree on the embedded model. Oracle: the tree grown directly, and the definition of its files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from monosemy.activations import ActivationStore
from monosemy.causal import LayerTexts, TargetCriterion, TreeConfig, grow_tree, read_site_text
from monosemy.core import Artifact, UserError, read_results
from monosemy.dictionaries import load_dictionary
from monosemy.experiments import CausalTreeConfig, causal_tree_job
from tests.unit.experiments.stores_of_experiments import made
from tests.unit.experiments.tree_world import DEAD, N_LATENTS, SITES, SOURCE, write_dictionaries, write_texts

TREE = TreeConfig(n_contexts=4, window_tokens=8, n_children=2, depth=2, n_candidates=8, min_share=0.0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Artifact], tuple[Artifact, Artifact]]:
    folder = tmp_path_factory.mktemp("world")
    return write_dictionaries(folder), write_texts(folder)


def layers_of(world: tuple[list[Artifact], tuple[Artifact, Artifact]]) -> list[LayerTexts]:
    layers = []
    for site, artifact in zip(SITES, world[0], strict=True):
        dictionary, card = load_dictionary(artifact.path)
        texts = [read_site_text(card.name, dictionary, ActivationStore.open(store.path), site) for store in world[1]]
        layers.append(LayerTexts(fit=texts[0], score=texts[1]))
    return layers


def config(latent: int | None) -> CausalTreeConfig:
    return CausalTreeConfig(latent=latent, criterion=TargetCriterion(), tree=TREE)


def test_the_files_hold_the_tree(world: tuple[list[Artifact], tuple[Artifact, Artifact]], tmp_path: Path) -> None:
    layers = layers_of(world)
    latent = int(np.argmax([(layers[-1].fit.activations(i) > 0).sum() for i in range(N_LATENTS)]))
    [artifact] = made(causal_tree_job(config(latent), world[0], *world[1], SOURCE), tmp_path)
    content = json.loads((artifact.path / "tree.json").read_text())
    tree = grow_tree(SOURCE.load(), layers, latent, TREE)
    assert [(node["layer"], node["latent"]) for node in content["nodes"]] == [(n.layer, n.latent) for n in tree.nodes]
    assert [edge["fit"] for edge in content["edges"]] == [edge.fit for edge in tree.edges]
    assert content["check"]["recall"] == tree.check.recall
    assert not content["chosen"]
    root = content["nodes"][0]
    assert root["n_contexts"] == len(root["contexts"]) == len(tree.nodes[0].contexts)
    assert sum(share for _, share in root["tokens"]) <= 1.0 + 1e-9 and len(root["lens"]) == 3
    results = read_results(artifact.path / "results.jsonl")
    assert [r.metric for r in results[:3]] == ["causal_tree_recall", *["causal_tree_rank_correlation"] * 2]
    effects = [r for r in results if r.metric == "causal_tree_effect"]
    assert len(effects) == len(tree.edges)
    assert effects[0].variant == f"resid_post.1/{tree.nodes[tree.edges[0].child].latent}->resid_post.2/{latent}"
    assert all(r.split == "test" and (r.value is None) == (r.status != "ok") for r in effects)


def test_a_latent_that_never_fires_is_named(
    world: tuple[list[Artifact], tuple[Artifact, Artifact]], tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=re.escape(f"latent {DEAD} of topk-resid_post.2-seed0 never fires on")):
        made(causal_tree_job(config(DEAD), world[0], *world[1], SOURCE), tmp_path)


def test_no_latent_meets_the_criterion(world: tuple[list[Artifact], tuple[Artifact, Artifact]], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name one with --latent"):
        made(causal_tree_job(config(None), world[0], *world[1], SOURCE), tmp_path)
