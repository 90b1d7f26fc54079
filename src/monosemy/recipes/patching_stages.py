"""The stages of patching: tasks scored, dictionaries patched side by side, all of it summed up."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from monosemy.core import Artifact, Result, Workers, read_results
from monosemy.experiments import (
    RESULTS_FILE,
    PatchingConfig,
    PatchingOrder,
    PatchingSummaryConfig,
    TaskConfig,
    patching_job,
    patching_summary_stage,
    task_job,
)
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Run
from monosemy.recipes.dictionary_run import done

GATE = 0.9
"""A causal experiment needs a task of which the model gets at least this share of pairs right."""

RUN_TASKS = ("E2", "C1")
"""What `monosemy run` patches: the model's analogue of the paper's task, and one that a single token decides."""

ORDERS: tuple[PatchingOrder, ...] = ("threshold_sweep", "greedy", "attribution")
"""The longest first: what is left at the end is short."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchingAmount:
    """On how much patching is chosen and measured."""

    n_pairs: int = 200  # held-out pairs of each task, which give the figures
    n_selection_pairs: int = 200  # pairs of the other templates, on which attribution chooses the order
    n_search_pairs: int = 50  # of those, the ones on which the greedy order and the sweep run the model
    n_greedy: int = 32  # latents that the greedy order chooses; the others follow by attribution
    n_thresholds: int = 50  # of the sweep, from 1e-5 to 1 nat
    n_sweeps: int = 3  # each in another random order of latents


RUN_AMOUNT = PatchingAmount(n_pairs=200, n_selection_pairs=100)
"""What fits into the 40 seconds of `monosemy run`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchingPlan:
    """What is patched.

    headline: dictionaries that are set against the others. searched: those that the orders which run the model for
    every latent are made for; none: all. gate: none draws tasks below it too.
    """

    tasks: tuple[str, ...]
    orders: tuple[PatchingOrder, ...]
    headline: tuple[str, ...]
    searched: tuple[str, ...] | None = None
    gate: float | None
    amount: PatchingAmount
    seed: int


def patching_of_run(
    run: Run,
    workers: Workers,
    source: ModelSource,
    dictionaries: Mapping[str, Artifact],
    names: Sequence[str],
    seed: int,
) -> Artifact:
    """The part of `monosemy run`: E2 and C1 in attribution order, the dictionaries `names`, learned ones first.

    A task of which the model gets too few pairs right is not patched; the results say so.
    """
    plan = PatchingPlan(
        tasks=RUN_TASKS, orders=("attribution",), headline=tuple(names[:2]), gate=GATE, amount=RUN_AMOUNT, seed=seed
    )
    return patched(run, workers, source, {name: dictionaries[name] for name in names}, plan)


def patched(
    run: Run, workers: Workers, source: ModelSource, dictionaries: Mapping[str, Artifact], plan: PatchingPlan
) -> Artifact:
    """Score the tasks, patch every dictionary in every order, sum up."""
    lm = source.load().fingerprint()
    asked = [TaskConfig(task=task, lm=lm, n_pairs=plan.amount.n_pairs, seed=plan.seed) for task in plan.tasks]
    scores = done(run, workers, [task_job(config, source) for config in asked], name="tasks", unit="tasks")
    passed = [
        task
        for task, score in zip(plan.tasks, scores, strict=True)
        if plan.gate is None or _accuracy(score) >= plan.gate
    ]
    jobs: list[Job] = [
        patching_job(patching_config(task, order, lm, plan), source, dictionary)
        for order in ORDERS
        if order in plan.orders
        for task in passed
        for name, dictionary in dictionaries.items()
        if order == "attribution" or plan.searched is None or name in plan.searched
    ]
    found = done(run, workers, jobs, name="patch", unit="steps")
    config = PatchingSummaryConfig(headline=plan.headline, gate=plan.gate, seed=plan.seed)
    return run.stage(patching_summary_stage(config, scores, found))


def patching_lines(summary: Artifact) -> list[str]:
    """A line for each curve over all held-out pairs: its area, and what half of the way takes."""
    results = read_results(summary.file(RESULTS_FILE))
    areas = [r for r in results if r.metric.startswith("patching_kl_area/")]
    shown = [r for r in areas if r.variant is None or "right_pairs" not in r.variant]
    by_key = {(r.metric, r.dictionary, r.variant): r for r in results}
    lines = ["area under KL / KL(0 patched) over log2(1 + n), held-out pairs (less is better); latents for half of it:"]
    for result in shown:
        task = result.metric.partition("/")[2]
        half = by_key.get((f"patching_half_n/{task}", result.dictionary, result.variant))
        lines.append(f"  {task:<9} {_line(result, half)}")
    return lines


def _line(result: Result, half: Result | None) -> str:
    if result.value is None:
        return f"{result.status}: {result.reason}"
    who = f"{result.dictionary}{f' ({result.variant})' if result.variant else ''}"
    n = "never" if half is None or half.value is None else f"{half.value:.1f}"
    return f"{who:<62} {result.value:.3f} [{result.ci_low:.3f}, {result.ci_high:.3f}]  {n:>6}"


def patching_config(task: str, order: PatchingOrder, lm: str, plan: PatchingPlan) -> PatchingConfig:
    """The configuration of one task and order, with only those numbers in it that it depends on."""
    amount, is_sweep = plan.amount, order == "threshold_sweep"
    n_selection = amount.n_selection_pairs if order == "attribution" else amount.n_search_pairs
    return PatchingConfig(
        task=task,
        lm=lm,
        order=order,
        n_selection_pairs=n_selection,
        n_pairs=amount.n_pairs,
        n_greedy=amount.n_greedy if order == "greedy" else None,
        n_thresholds=amount.n_thresholds if is_sweep else None,
        n_sweeps=amount.n_sweeps if is_sweep else None,
        seed=plan.seed,
    )


def _accuracy(score: Artifact) -> float:
    return float(json.loads(score.file("about.json").read_text(encoding="utf-8"))["accuracy"])
