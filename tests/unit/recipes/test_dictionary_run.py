"""Which jobs a run consists of. Oracles: sets written by hand; what the whole run does is tests/integration's."""

from dataclasses import replace
from pathlib import Path

import pytest

from monosemy.corpus import StdlibCorpus
from monosemy.experiments import EvaluationConfig, HeldOut, ProbeConfig, TableConfig
from monosemy.lm import ModelSource
from monosemy.pipeline import Job
from monosemy.recipes import Measuring, Place, Subject, Training, full_sweep
from monosemy.recipes.dictionary_run import Side, _by_coefficient, _evaluation_jobs, at_point
from tests.unit.experiments.stores_of_experiments import artifact

PLACES = tuple(Place(site=f"resid_post.{layer}", d_site=10) for layer in range(3))
MIDDLE = PLACES[1]


def subject(training: Training | None = None) -> Subject:
    training = training or Training()
    sweep = full_sweep(training, MIDDLE, PLACES, ())
    return Subject(
        source=ModelSource(name="nowhere"),
        corpus=StdlibCorpus(),
        context_length=64,
        places=PLACES,
        middle=MIDDLE,
        members=sweep.members,
        control=sweep.control,
        training=training,
        measuring=Measuring(n_fit_rows=77),
        seed=6,
    )


def side(kind: str, *names: str, labels: str | None = "l") -> Side:
    held_out = HeldOut(validation=artifact(f"{kind}-v"), test=artifact(f"{kind}-t"), labels=labels)
    return Side(
        kind=kind,  # type: ignore
        source=ModelSource(name="nowhere"),
        train=artifact(f"{kind}-train"),
        held_out=held_out,
        members=(),
        dense=(),
        made={name: artifact(name) for name in names},
    )


def test_the_headlines_are_the_recipes_point() -> None:
    of = subject()
    names = ["topk-k16-r4-resid_post.1-seed0", "tied_l1-2-r4-resid_post.1-seed0"]
    assert [member.name for member in of.members if at_point(member, of)] == names
    of = subject(Training(k=8, l1_headline=0.6, expansion_factor=3))
    names = ["topk-k8-r3-resid_post.1-seed0", "tied_l1-0.6-r3-resid_post.1-seed0"]
    assert [member.name for member in of.members if at_point(member, of)] == names


def test_the_rule_looks_at_falling_coefficients() -> None:
    of = subject()
    expected = [f"tied_l1-{c}-r4-resid_post.1-seed0" for c in ("8", "4", "3", "2", "1.5", "1", "0.6", "0.3")]
    assert [member.name for member in _by_coefficient(of)] == expected
    assert [m.name for m in _by_coefficient(replace(of, members=of.members[::-1]))] == expected


def jobs_of(*sides: Side, headline: tuple[str, ...] = ()) -> list[Job]:
    return _evaluation_jobs(subject(), sides, artifact("reference"), headline)


TRAINED = ("topk-k16-r4-resid_post.1-seed0", "pca_topk-k16-resid_post.1-seed0", "pca_topk-k4-resid_post.1-seed0")
CONTROL = ("control-topk-k16-r4-resid_post.1-seed0",)


def test_every_dictionary_is_measured_and_some_without_labels() -> None:
    jobs = jobs_of(side("trained", *TRAINED), side("random", *CONTROL), headline=TRAINED[:1])
    evaluated = {
        job.stages[0].parents["dictionary"].fingerprint: job.stages[0]
        for job in jobs
        if isinstance(job.stages[0].config, EvaluationConfig)
    }
    assert set(evaluated) == {*TRAINED, *CONTROL}
    configs = {name: stage.config for name, stage in evaluated.items()}
    assert configs == {
        TRAINED[0]: EvaluationConfig(labels="l", of_latents=True, seed=6),
        TRAINED[1]: EvaluationConfig(labels="l", of_latents=False, seed=6),
        TRAINED[2]: EvaluationConfig(labels=None, of_latents=False, seed=6),
        CONTROL[0]: EvaluationConfig(labels="l", of_latents=False, seed=6),
    }
    spliced = {name for name, stage in evaluated.items() if "reference" in stage.parents}
    assert spliced == set(TRAINED)  # the reference is of the trained model
    assert evaluated[CONTROL[0]].parent_fingerprints["test"] == "random-t"


def test_a_probe_a_model_and_two_tables() -> None:
    jobs = jobs_of(side("trained", *TRAINED), side("random", *CONTROL))
    probes = [job.stages[0] for job in jobs if isinstance(job.stages[0].config, ProbeConfig)]
    expected = ProbeConfig(site="resid_post.1", labels="l", n_rows=77, lm_kind="trained", seed=6)
    assert [probe.config for probe in probes] == [expected, replace(expected, lm_kind="random")]
    assert [probe.parent_fingerprints["activations"] for probe in probes] == ["trained-train", "random-train"]
    tables = [job.stages[0] for job in jobs if isinstance(job.stages[0].config, TableConfig)]
    methods = [table.config.method for table in tables if isinstance(table.config, TableConfig)]
    assert sorted(methods) == ["bigram_table", "token_table"]
    assert {table.parent_fingerprints["test"] for table in tables} == {"trained-t"}
    assert len(jobs) == 4 + 2 + 2 == len({job.stages[0].key for job in jobs})


def test_without_labels_there_are_dictionaries_alone() -> None:
    jobs = jobs_of(side("trained", *TRAINED, labels=None), side("random", *CONTROL, labels=None))
    assert {type(job.stages[0].config) for job in jobs} == {EvaluationConfig}
    assert len(jobs) == 4


@pytest.mark.parametrize("path", ["", "x"])
def test_where_a_parent_lies_is_no_part_of_a_key(path: str) -> None:
    here, there = side("trained", *TRAINED), side("trained", *TRAINED)
    moved = {name: replace(each, path=Path("elsewhere") / path) for name, each in there.made.items()}
    keys = [[job.stages[0].key for job in jobs_of(each)] for each in (here, replace(there, made=moved))]
    assert keys[0] == keys[1]
