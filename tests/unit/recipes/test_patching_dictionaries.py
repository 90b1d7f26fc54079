"""Oracle: the recipe's own members by name; nothing is trained here, what is asked for is there or cannot be had."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.core import UserError, Workers
from monosemy.dictionaries import TopK
from monosemy.experiments import HeldOut
from monosemy.pipeline import Run
from monosemy.recipes import DictionaryChoice, Study, chosen_dictionaries
from monosemy.recipes.dictionary_run import Side
from tests.unit.experiments.stores_of_experiments import artifact, linear, write_dictionary
from tests.unit.recipes.subjects import SUBJECT

HERE, THERE = "resid_post.0", "resid_post.1"
METHODS = ("topk", "tied_l1", "pca", "random")


def study_of(folder: Path, *, with_subject: bool = True) -> Study:
    """A run that has the recipe's members and baselines at both sites, and a tied L1 of coefficient 0 at the first."""
    names = [member.name for member in SUBJECT.members] + ["tied_l1-0-r4-resid_post.0-seed0"]
    names += [
        f"tied_l1-2-r4-{THERE}-seed0",
        *(f"{m}-{place}-seed0" for m in ("pca", "random") for place in (HERE, THERE)),
    ]
    dictionaries = {name: artifact(name) for name in names}
    one = linear(torch.eye(4), TopK(2))
    dictionaries["gated-r4-resid_post.0-seed0"] = write_dictionary(
        folder / "gated", one, "gated-r4-resid_post.0-seed0", method="gated", site=HERE
    )
    held_out = HeldOut(validation=artifact("validation"), test=artifact("test"), labels=None)
    side = Side(
        kind="trained",
        source=SUBJECT.source,
        train=artifact("train"),
        held_out=held_out,
        members=SUBJECT.members,
        dense=(),
        made=dictionaries,
    )
    return Study(
        run=Run(folder / "run", command=("test",), seed=0, n_threads=1),
        workers=Workers(1),
        source=SUBJECT.source,
        corpus=SUBJECT.corpus,
        context_length=64,
        dictionaries=dictionaries,
        headline=SUBJECT.members[0].name,
        validation=held_out.validation,
        test=held_out.test,
        seed=0,
        side=side if with_subject else None,
        subject=SUBJECT if with_subject else None,
    )


def test_the_runs_coefficients_and_further_ones(tmp_path: Path) -> None:
    choice = DictionaryChoice(methods=METHODS, extra_coefficients=(0.0,))
    chosen = chosen_dictionaries(study_of(tmp_path), choice)
    assert list(chosen.dictionaries) == [
        "topk-k4-r4-resid_post.0-seed0",
        *(f"tied_l1-{c}-r4-resid_post.0-seed0" for c in ("0", "0.6", "1", "2", "3")),
        *("pca-resid_post.0-seed0", "random-resid_post.0-seed0"),
    ]
    assert chosen.headline == ("topk-k4-r4-resid_post.0-seed0", "tied_l1-2-r4-resid_post.0-seed0")


def test_layers_and_seeds(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    layers = chosen_dictionaries(study, DictionaryChoice(methods=METHODS, layers="0-1"))
    assert [name for name in layers.dictionaries if THERE in name] == [
        *(f"{name}-resid_post.1-seed0" for name in ("topk-k4-r4", "tied_l1-2-r4", "pca", "random")),
    ]
    assert len(layers.headline) == 4
    seeds = chosen_dictionaries(study, DictionaryChoice(methods=("topk",), all_seeds=True))
    assert list(seeds.dictionaries) == [f"topk-k4-r4-resid_post.0-seed{seed}" for seed in range(3)]
    assert seeds.headline == ("topk-k4-r4-resid_post.0-seed0",)


def test_what_the_run_has_besides(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    gated = "gated-r4-resid_post.0-seed0"
    study = replace(study, dictionaries={gated: study.dictionaries[gated]})  # the others are names alone
    assert list(chosen_dictionaries(study, DictionaryChoice(methods=("gated",))).dictionaries) == [
        "gated-r4-resid_post.0-seed0"
    ]
    with pytest.raises(UserError, match=r"the run has no dictionary of jumprelu at resid_post\.0; made here are only"):
        chosen_dictionaries(study, DictionaryChoice(methods=("jumprelu",)))


def test_what_cannot_be_is_said(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    for choice, words in (
        (DictionaryChoice(methods=("tpk",)), "unknown method 'tpk'"),
        (DictionaryChoice(methods=("pca",), extra_coefficients=(0.0,)), "--extra-coefficients are of tied L1"),
        (DictionaryChoice(methods=METHODS, layers="3"), "no activations of layer 3; it has 0, 1"),
        (DictionaryChoice(methods=()), "there is no dictionary of the methods none to patch"),
    ):
        with pytest.raises(UserError, match=words):
            chosen_dictionaries(study, choice)


def test_one_dictionary_alone(tmp_path: Path) -> None:
    study = study_of(tmp_path, with_subject=False)
    study = replace(study, headline="gated-r4-resid_post.0-seed0")
    chosen = chosen_dictionaries(study, DictionaryChoice(methods=("topk", "tied_l1")))
    assert list(chosen.dictionaries) == [study.headline] and chosen.headline == (study.headline,)
    with pytest.raises(UserError, match="are for a run's folder; leave them out"):
        chosen_dictionaries(study, DictionaryChoice(methods=METHODS, layers="all"))
