"""Oracle: what the stages leave; of the real model a few pairs, of a perfect dictionary."""

from pathlib import Path

import pytest
import torch

from monosemy.core import Artifact, Workers, open_artifact, read_results
from monosemy.dictionaries import Dictionary, Identity
from monosemy.lm import ModelSource
from monosemy.pipeline import Run
from monosemy.recipes import PatchingAmount, PatchingPlan, patched
from monosemy.recipes.patching_stages import patching_config
from monosemy.report import read_patching
from tests.unit.recipes.test_evaluate import saved

FEW = PatchingAmount(n_pairs=2, n_selection_pairs=2, n_search_pairs=1, n_greedy=2, n_thresholds=2, n_sweeps=1)


@pytest.fixture(scope="module")
def dictionaries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """Twelve neurons as a dictionary, by two names."""
    found = {}
    for name in ("one", "two"):
        eye, d = torch.eye(160)[:12].clone(), 160
        dictionary = Dictionary(
            W_enc=eye, b_enc=torch.zeros(12), W_dec=eye.clone(), b_dec=torch.zeros(d), sparsifier=Identity()
        )
        folder = tmp_path_factory.mktemp("dictionaries") / name
        fingerprint = ModelSource().load().fingerprint()
        found[f"{name}-seed0"] = open_artifact(
            saved(folder, dictionary, fingerprint, "resid_post.3"), kind="dictionary"
        )
    return found


def plan(**changes: object) -> PatchingPlan:
    given = {"tasks": ("C1",), "orders": ("attribution",), "headline": ("one-seed0",), "gate": None, "amount": FEW}
    return PatchingPlan(**{**given, "seed": 0, **changes})  # pyright: ignore[reportArgumentType]


def run_plan(folder: Path, made_with: PatchingPlan, dictionaries: dict[str, Artifact]) -> Artifact:
    with Workers(1) as workers, Run(folder, command=("test",), seed=0, n_threads=1) as run:
        return patched(run, workers, ModelSource(), dictionaries, made_with)


def test_every_dictionary_and_the_searched_in_every_order(tmp_path: Path, dictionaries: dict[str, Artifact]) -> None:
    made_with = plan(orders=("attribution", "greedy", "threshold_sweep"), searched=("one-seed0",))
    summary = run_plan(tmp_path, made_with, dictionaries)
    found = {(c["dictionary"], c["order"], c["which"]) for c in read_patching(summary.path).curves}
    wanted = {("one-seed0", order, "all") for order in ("attribution", "greedy", "threshold_sweep")}
    assert wanted | {("two-seed0", "attribution", "all"), ("one-seed0", "threshold_sweep", "paper")} <= found
    assert not {each for each in found if each[0] == "two-seed0" and each[1] != "attribution"}


def test_a_task_below_the_gate_is_not_patched(tmp_path: Path, dictionaries: dict[str, Artifact]) -> None:
    # The model gets at most two of two pairs right, and no share of pairs is above 1.
    results = read_results(run_plan(tmp_path, plan(gate=1.1), dictionaries).file("results.jsonl"))
    assert [(r.metric, r.status) for r in results] == [("patching_kl_area/C1", "not_applicable")]
    assert not list(tmp_path.glob("patching-0*/curve.npz"))


def test_a_configuration_holds_what_it_depends_on() -> None:
    every = {
        order: patching_config("C1", order, "lm", plan()) for order in ("attribution", "greedy", "threshold_sweep")
    }
    numbers = {order: (c.n_selection_pairs, c.n_greedy, c.n_thresholds, c.n_sweeps) for order, c in every.items()}
    assert numbers == {
        "attribution": (2, None, None, None),
        "greedy": (1, 2, None, None),
        "threshold_sweep": (1, None, 2, 1),
    }
