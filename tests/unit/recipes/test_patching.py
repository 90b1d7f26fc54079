"""Oracle: the planted dictionary's files; what is wrong is said before anything is run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.core import UserError, Workers, open_artifact, read_results
from monosemy.corpus import StdlibCorpus
from monosemy.dictionaries import Dictionary, Identity
from monosemy.lm import ModelSource
from monosemy.pipeline import Run
from monosemy.recipes import Patch, PatchingAmount, Study, Target, patch
from tests.unit.experiments.stores_of_experiments import artifact
from tests.unit.recipes.test_evaluate import saved

FEW = PatchingAmount(n_pairs=3, n_selection_pairs=2)


def study_of(folder: Path) -> Study:
    """One dictionary of the embedded model: its neurons."""
    eye, none = torch.eye(160), torch.zeros(160)
    dictionary = Dictionary(W_enc=eye, b_enc=none, W_dec=eye.clone(), b_dec=none.clone(), sparsifier=Identity())
    path = saved(folder / "eye", dictionary, ModelSource().load().fingerprint(), "resid_post.3")
    name = "eye-seed0"
    return Study(
        run=Run(folder / "run", command=("monosemy", "patch"), seed=0, n_threads=1),
        workers=Workers(1),
        source=ModelSource(),
        corpus=StdlibCorpus(),
        context_length=64,
        dictionaries={name: open_artifact(path, kind="dictionary")},
        headline=name,
        validation=artifact("validation"),
        test=artifact("test"),
        seed=0,
    )


def options(folder: Path, **changes: object) -> Patch:
    given = {"target": Target(target=folder), "tasks": ("A_list_4",), "methods": (), "amount": FEW}
    return Patch(**{**given, **changes})  # pyright: ignore[reportArgumentType]


def test_a_page_and_results_of_a_task_below_the_gate(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    lines = patch(options(tmp_path), study)
    folder = study.run.folder
    assert lines[-2:] == [f"results: {folder / 'patching-results.jsonl'}", f"page: {folder / 'report/patching.html'}"]
    (area, *_) = [r for r in read_results(folder / "patching-results.jsonl") if r.metric == "patching_kl_area/A_list_4"]
    assert area.status == "ok" and area.n == 3 and area.dictionary == "eye-seed0" and area.value is not None
    assert any(f"{area.value:.3f} [" in line and "eye-seed0" in line for line in lines)
    html = (folder / "report" / "patching.html").read_text(encoding="utf-8")
    assert "A_list_4 (" in html and "monosemy patch" in html and "whole activation" in html


def test_what_is_wrong_is_said_first(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    for changes, words in (
        ({"tasks": ("E9",)}, "there is no task 'E9'"),
        ({"methods": ("tpok",)}, "unknown method 'tpok'"),
        ({"amount": replace(FEW, n_pairs=0)}, "--n-pairs is 0; give at least 1"),
        ({"orders": ()}, "--orders names no order"),
    ):
        with pytest.raises(UserError, match=words):
            patch(options(tmp_path, **changes), study)
    assert not (study.run.folder / "report").exists()
