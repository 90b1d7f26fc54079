"""The job of a task's graph on the embedded model. Oracle: laws that hold for any dictionaries, and its own files."""

import json
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import UserError, read_results
from monosemy.experiments import TaskCircuitConfig, task_circuit_job
from tests.unit.experiments.stores_of_experiments import made
from tests.unit.experiments.tree_world import N_LATENTS, SITES, SOURCE, write_dictionaries, write_texts

N_NODES = len(SITES) * (N_LATENTS + 1)


@pytest.mark.slow
def test_the_files_hold_the_curve_the_nodes_and_the_sites(tmp_path: Path) -> None:
    dictionaries, texts = write_dictionaries(tmp_path), write_texts(tmp_path)
    config = TaskCircuitConfig(task="C1", n_pairs=8, n_points=2, sizes=(0, 2))
    [artifact] = made(task_circuit_job(config, dictionaries, texts[0], SOURCE), tmp_path)
    content = json.loads((artifact.path / "circuit.json").read_text())
    with_errors, latents = content["curves"]
    assert [point["n_nodes"] for point in with_errors["points"]] == [0, 2, N_NODES]
    assert [point["n_nodes"] for point in latents["points"]] == [0, 2, N_NODES - len(SITES)]
    assert with_errors["points"][0]["faithfulness"]["value"] == 0.0
    assert with_errors["points"][2]["faithfulness"]["value"] == 1.0
    assert with_errors["points"][2]["completeness"]["value"] == 0.0
    assert with_errors["chosen"] in (1, 2)
    assert len(content["nodes"]) == 16 and any(node["latent"] is None for node in content["nodes"])
    sizes = [abs(node["fit"]) for node in content["nodes"]]
    assert sizes == sorted(sizes, reverse=True)
    assert [share["layer"] for share in content["shares"]] == [0, 1, 2]
    assert content["n_pairs"] == 4 and content["passes"] == (content["right"] >= 0.9)
    results = read_results(artifact.path / "results.jsonl")
    assert [(r.metric, r.variant) for r in results] == [
        (f"circuit_{what}/C1", variant)
        for variant in ("with_errors", "without_errors")
        for what in ("faithfulness", "completeness", "nodes")
    ]
    assert all(r.n == 4 for r in results)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"n_pairs": 3}, "an even number from 4 on"), ({"sizes": ()}, "ascend"), ({"sizes": (2, 1)}, "ascend")],
    ids=["pairs", "none", "order"],
)
def test_refusals(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TaskCircuitConfig(task="C1", **changed)
