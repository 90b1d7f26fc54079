"""Oracle: the planted folders themselves: what they hold must all be there, under the names that pages read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import Artifact, Workers, numpy_generator, read_results
from monosemy.experiments import InterpretationSummaryConfig, summary_stage
from monosemy.experiments.interpretation_folders import read_interpreted
from monosemy.experiments.interpretation_moments import mean_correlations
from monosemy.experiments.interpretation_summary import SUMMARY_FILE, correlation_results, interpretation_summary
from monosemy.pipeline import run_stage
from tests.unit.experiments.interpreted_folders import (
    N_LATENTS,
    N_UNITS,
    TIED,
    TOPK,
    Interpretation,
    write_interpretation,
)

ICA = Interpretation(method="ica", score=0.3, r=1)
CONFIG = InterpretationSummaryConfig(headline=(TOPK.name, "absent-seed0"), n_resamples=50)


def summed_up(root: Path, *interpretations: Interpretation) -> tuple[Artifact, dict[str, Any], list[Artifact]]:
    artifacts = [write_interpretation(root, each) for each in interpretations]
    with Workers(1) as workers:
        found = run_stage(summary_stage(CONFIG, artifacts, workers), root / "summary")
    return found, json.loads(found.file(SUMMARY_FILE).read_text()), artifacts


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, dict[str, Any], list[Artifact]]:
    return summed_up(tmp_path_factory.mktemp("summary"), TOPK, ICA, replace(TOPK, seed=1), TIED)


def test_all_results_and_all_latents_stand_in_one_file_each(
    one: tuple[Artifact, dict[str, Any], list[Artifact]],
) -> None:
    found, about, parents = one
    results = read_results(found.file("results.jsonl"))
    own = [result for parent in parents for result in read_results(parent.file("results.jsonl"))]
    assert list(results[: len(own)]) == own
    assert {result.metric for result in results[len(own) :]} == {
        f"autointerp_correlation/{moment}" for moment in ("mean", "variance", "skewness", "excess_kurtosis")
    }
    rows = [json.loads(line) for line in found.file("latents.jsonl").read_text().splitlines()]
    for parent in parents:
        name = json.loads(parent.file("about.json").read_text())["name"]
        those = [{k: v for k, v in row.items() if k != "dictionary"} for row in rows if row["dictionary"] == name]
        assert those == list(read_interpreted(parent.path).rows)
    assert len(rows) == 4 * (2 * N_LATENTS + 3)
    assert [each["name"] for each in about["dictionaries"]] == [
        *(TIED.name, TOPK.name, TOPK.name.replace("seed0", "seed1"), ICA.name)
    ]


def test_what_the_summary_says(one: tuple[Artifact, dict[str, Any], list[Artifact]]) -> None:
    _, about, _ = one
    assert about["headline"] == [TOPK.name]
    assert about["judges"] == [{"name": "rules", "revision": "1", "settings": "max_rules 8"}]
    assert about["n_units"] == N_UNITS
    assert [each["stem"] for each in about["methods"]] == [
        each.name.removesuffix("-seed0") for each in (TIED, TOPK, ICA)
    ]
    topk = about["methods"][1]
    assert {len(row["seeds"]) for row in topk["scores"]} == {2}
    assert topk["curve"]["n"] == 2 * N_LATENTS
    first = about["dictionaries"][1]
    assert (first["n_looked_at"], first["n_scored"]) == (N_LATENTS + 3, N_LATENTS)
    assert {row["moment"] for row in first["correlations"]} == {"mean", "variance", "skewness", "excess_kurtosis"}
    assert {row["method"] for row in about["correlations"]} == {"tied_l1", "topk"}  # of baselines no mean is taken
    heads = {row["head"] for row in about["differences"] if row["kind"] == "methods"}
    assert heads == {each.name.removesuffix("-seed0") for each in (TOPK, TIED)}


def test_correlations_as_results_name_their_variant(tmp_path: Path) -> None:
    found = read_interpreted(write_interpretation(tmp_path, TOPK).path)
    rows = [{"method": "topk"} | row for row in mean_correlations([found], numpy_generator(0, "test"))]
    results = correlation_results(rows, "c")
    assert len(results) == 2 * 4 * 4
    assert {result.variant for result in results} == {
        *(None, "spearman", "pooled", "pooled_spearman"),
        *("uniform", "spearman_uniform", "pooled_uniform", "pooled_spearman_uniform"),
    }
    assert {result.n for result in results} == {1}
    skew = next(r for r in results if r.metric.endswith("skewness") and r.variant is None)
    assert skew.value is not None and skew.value > 0.8  # planted: it grows with the score
    undefined = correlation_results([rows[0] | {"value": None, "low": None, "high": None}], "c")[0]
    assert (undefined.status, undefined.value) == ("not_applicable", None)


def test_a_dictionary_of_which_nothing_could_be_scored(tmp_path: Path) -> None:
    """It stands there with its reasons, and with no number."""
    artifact = write_interpretation(tmp_path, TOPK)
    path = artifact.path / "latents.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    none = [row for row in rows if row["status"] == "skipped"]
    found = replace(read_interpreted(artifact.path), rows=tuple(none), results=())
    about = interpretation_summary(CONFIG, [(found,)], {found.name: {}})
    (each,) = about["dictionaries"]
    assert (each["n_scored"], each["skipped_share"], each["scores"]) == (0, 1.0, [])
    assert about["methods"][0]["scores"] == [] and about["methods"][0]["curve"] is None
    assert about["differences"] == []
    assert all(row["value"] is None for row in about["correlations"])
    json.dumps(about, allow_nan=False)


def test_a_key_is_of_what_is_summed_up(tmp_path: Path) -> None:
    artifacts = [write_interpretation(tmp_path, each) for each in (TOPK, TIED)]
    with Workers(1) as workers:
        keys = [
            summary_stage(config, some, workers).key
            for config in (CONFIG, replace(CONFIG, seed=1), replace(CONFIG, headline=()))
            for some in (artifacts, artifacts[:1])
        ]
    assert len(set(keys)) == len(keys)
