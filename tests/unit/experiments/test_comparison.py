"""What a run says as a whole, from the files of evaluations.

Oracles: the scores before they were written, closed forms of cosines, counts by hand.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monosemy.core import Artifact, Workers, numpy_generator, open_artifact, read_results, write_artifact
from monosemy.corpus import frozen_labels
from monosemy.evaluation import (
    LabelScores,
    alive_paper_result,
    detector_scores,
    label_differences,
    random_null,
    score,
    select_latents,
)
from monosemy.experiments import COMPARISON_FILE, ComparisonConfig, comparison_stage
from monosemy.experiments.comparison import N_NULL, read_evaluation
from monosemy.experiments.evaluations import ARRAYS_FILE, RESULTS_FILE, Evaluated
from monosemy.pipeline import run_stage
from tests.unit.evaluation.labelled import codes_of, labels, noisy_codes
from tests.unit.experiments.stores_of_experiments import card_of, linear, write_dictionary

N_LATENTS = 20
NAMES = ("in_loop", "comma", "if_test", "white_space", "docstring", "in_try")  # the even ones are contextual


@cache
def label_scores(seed: int) -> LabelScores:
    """Six labels of the catalogue on invented rows, of the last of which there are too few."""
    of_name = {label.name: label for label in frozen_labels().labels}
    real = tuple(of_name[name] for name in NAMES)
    validation = replace(labels(0, rare=True), labels=real)
    test = replace(labels(1, "test", rare=True), labels=real)
    z_validation, z = (noisy_codes(data, signed=True, sparse=False, seed=seed) for data in (validation, test))
    detectors = select_latents(codes_of(z_validation), validation)
    return score(detector_scores(codes_of(z), detectors), test, detectors)


def evaluation(
    folder: Path,
    name: str,
    *,
    scores: LabelScores | None = None,
    alive: Mapping[str, int] | None = None,
    **changed: Any,
) -> Artifact:
    """The evaluation of a dictionary; alive: of each split, how many of 20 latents fire more than 10 times."""
    card = card_of(linear(torch.ones(N_LATENTS, 2)), name, **changed)
    out = Evaluated(card=card, config="c", seed=0)
    if scores is not None:
        out.add_labels(scores)
    for split, n in (alive or {}).items():
        fired = np.array([11.0] * n + [10.0] * (N_LATENTS - n))
        out.results.append(alive_paper_result(fired, 777, out.subject(split)))  # type: ignore
        out.add_arrays(split, ["a", "b"], {"fired": np.stack([fired, fired]), "n_tokens": np.array([3.0, 4.0])})  # type: ignore
    with write_artifact(folder / name, kind="evaluation", config={"name": name}) as path:
        out.write(path)
    return open_artifact(folder / name, kind="evaluation")


def compared(
    root: Path,
    evaluations: Sequence[Artifact],
    dictionaries: Mapping[str, Artifact] | None = None,
    *,
    headline: tuple[str, ...] = (),
    rule: tuple[str, ...] = (),
) -> tuple[Artifact, dict[str, Any]]:
    config = ComparisonConfig(headline=headline, rule=rule, seed=5)
    with Workers(1) as workers:
        found = run_stage(comparison_stage(config, evaluations, dictionaries or {}, workers), root)
    return found, json.loads(found.file(COMPARISON_FILE).read_text())


def test_differences_read_back_are_those_of_the_scores(tmp_path: Path) -> None:
    headline = ("topk-k2-seed0", "tied_l1-2-seed0")
    evaluations = [
        evaluation(tmp_path, headline[0], scores=label_scores(1)),
        evaluation(tmp_path, headline[1], scores=label_scores(2), method="tied_l1"),
        evaluation(tmp_path, "topk-k2-seed1", scores=label_scores(3)),  # trained, and no headline
        evaluation(tmp_path, "pca-seed0", scores=label_scores(4), method="pca", n_steps=0),
        evaluation(tmp_path, "pca_topk-k4-seed0", method="pca_topk", n_steps=0),  # without labels
        evaluation(tmp_path, "control-topk-k2-seed0", scores=label_scores(5), lm_kind="random"),
    ]
    _, about = compared(tmp_path, evaluations, headline=headline)
    seeds = {headline[0]: 1, headline[1]: 2, "pca-seed0": 4, "control-topk-k2-seed0": 5}
    wanted = {(head, other) for head in headline for other in seeds if other != head}
    assert {(d["method"], d["against"]) for d in about["differences"]} == wanted
    assert about["headline"] == {"topk": headline[0], "tied_l1": headline[1]}
    for head, other in wanted:
        direct = label_differences(
            label_scores(seeds[head]),
            label_scores(seeds[other]),
            numpy_generator(5, f"bootstrap/difference/{head}/{other}"),
        )
        found = [d for d in about["differences"] if (d["method"], d["against"]) == (head, other)]
        assert len(found) == len(direct) == 4
        for read, difference in zip(found, direct, strict=True):
            interval = difference.interval
            assert (read["metric"], read["value"]) == (difference.metric, interval.value)
            assert (read["low"], read["high"]) == (interval.low, interval.high)
            assert read["smallest_detectable"] == difference.smallest_detectable
    assert {label_scores(1).why_not[y] == "" for y in range(5)} == {True} and label_scores(1).why_not[5]


def test_arrays_are_merged_under_the_names_of_their_dictionaries(tmp_path: Path) -> None:
    alive = {"validation": 4, "test": 5}
    evaluations = [
        evaluation(tmp_path, "topk-seed0", scores=label_scores(1), alive={"validation": 4}),
        evaluation(tmp_path, "control-topk-seed0", alive=alive, lm_kind="random"),
    ]
    found, _ = compared(tmp_path, evaluations)
    with np.load(found.file(ARRAYS_FILE)) as merged:
        keys = set(merged)
        for each, prefix in zip(evaluations, ("topk-seed0", "control/control-topk-seed0"), strict=True):
            with np.load(each.file(ARRAYS_FILE)) as own:
                assert any(key.endswith("/fired") for key in own)
                for key in own:
                    if key.endswith("/fired"):
                        assert f"{prefix}/{key}" not in keys
                    else:
                        assert np.array_equal(merged[f"{prefix}/{key}"], own[key])
                        keys.remove(f"{prefix}/{key}")
    assert keys == set()


def test_all_results_stand_in_one_file(tmp_path: Path) -> None:
    evaluations = [evaluation(tmp_path, f"topk-seed{i}", alive={"test": i}) for i in range(3)]
    found, _ = compared(tmp_path, evaluations)
    parts = [result for each in evaluations for result in read_results(each.file(RESULTS_FILE))]
    assert list(read_results(found.file(RESULTS_FILE))) == parts and len(parts) == 15
    first = read_evaluation(evaluations[1].path)
    assert (first.value("alive_paper", "test"), first.value("alive_paper", "validation")) == (1, None)


def rule_of(tmp_path: Path, alive: Mapping[str, int]) -> dict[str, Any]:
    """Dictionaries by falling coefficient with so many of 20 latents alive on validation, all of them on test."""
    evaluations = [
        evaluation(tmp_path, name, alive={"validation": n, "test": N_LATENTS}, method="tied_l1")
        for name, n in alive.items()
    ]
    return compared(tmp_path, evaluations[::-1], rule=(*alive, "tied_l1-0.1-seed0"))[1]["paper_rule"]


@pytest.mark.parametrize(
    ("alive", "chosen"),
    [
        ((0, 18, 19, 20), "tied_l1-2-seed0"),  # 95 % of 20 are 19
        ((20, 20, 20, 20), "tied_l1-4-seed0"),
        ((0, 18, 18, 18), None),
        ((0, 19, 18, 20), "tied_l1-3-seed0"),
    ],
)
def test_the_papers_rule(tmp_path: Path, alive: tuple[int, ...], chosen: str | None) -> None:
    names = [f"tied_l1-{coefficient}-seed0" for coefficient in (4, 3, 2, 1)]
    rule = rule_of(tmp_path, dict(zip(names, alive, strict=True)))
    assert rule == {"chosen": chosen, "required_alive": 0.95, "n_tokens": 777, "split": "validation"}


def test_without_candidates_the_rule_chooses_none(tmp_path: Path) -> None:
    _, about = compared(tmp_path, [evaluation(tmp_path, "topk-seed0")], rule=())
    assert about["paper_rule"]["chosen"] is None and about["differences"] == []


def test_only_dictionaries_that_differ_in_the_seed_alone_are_compared(tmp_path: Path) -> None:
    """The same directions in another order; half of them negated: cosines 1, and then 1 and 0."""
    eye = torch.eye(6)
    half = eye * torch.tensor([1, 1, 1, -1, -1, -1])[:, None]
    directions = {
        "topk-k2-r1-a-seed0": eye,
        "topk-k2-r1-a-seed1": 3 * eye.flip(0),
        "topk-k2-r1-a-seed2": half,
        "topk-k4-r1-a-seed0": eye,
        "topk-k2-r1-b-seed1": eye,
        "topk-k2-r2-a-seed1": torch.cat([eye, eye]),
    }
    dictionaries = {name: write_dictionary(tmp_path / name, linear(W), name) for name, W in directions.items()}
    found, about = compared(tmp_path, [evaluation(tmp_path, "topk-seed0")], dictionaries)
    pairs = {(pair["a"], pair["b"]): pair for pair in about["agreement"]}
    a, b, c = list(directions)[:3]
    assert set(pairs) == {(a, b), (a, c), (b, c)}
    expected = {(a, b): 1.0, (a, c): 0.5, (b, c): 0.5}
    null = random_null(6, 6, 6, 5, N_NULL)
    for names, value in expected.items():
        assert (pairs[names]["mmcs"], pairs[names]["matched_cosine"]) == pytest.approx((value, value))
        assert pairs[names]["mmcs_random"] == null.mmcs
        assert pairs[names]["matched_cosine_random"] == null.matched_cosine
    results = [r for r in read_results(found.file(RESULTS_FILE)) if r.metric in ("mmcs", "matched_cosine")]
    assert len(results) == 12
    own = {(r.dictionary, r.metric, r.value) for r in results if r.variant is None and r.reason == f"with {c}"}
    assert {(name, metric) for name, metric, _ in own} == {(n, m) for n in (a, b) for m in ("mmcs", "matched_cosine")}
    assert {r.n for r in results} == {6} and {r.seed for r in results} == {0, 1}
    assert {r.value for r in results if r.variant == "random"} == {null.mmcs, null.matched_cosine}


def test_a_key_is_of_what_is_compared(tmp_path: Path) -> None:
    one, two = (evaluation(tmp_path, f"topk-seed{i}") for i in range(2))
    config = ComparisonConfig(headline=("topk-seed0",), rule=(), seed=0)
    with Workers(1) as workers:
        keys = [
            comparison_stage(each, [one, two], {}, workers).key
            for each in (config, replace(config, headline=()), replace(config, rule=("x",)), replace(config, seed=1))
        ]
        keys += [comparison_stage(config, [one], {}, workers).key]
        keys += [comparison_stage(config, [one, two], {"topk-seed0": one}, workers).key]
    assert len(set(keys)) == len(keys)
