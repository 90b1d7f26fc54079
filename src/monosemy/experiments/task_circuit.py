"""Jobs that make a task's graph over all dictionaries of a model: circuit.json and results.jsonl."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from monosemy.causal.circuit import NodeGraph, first_nodes, node_effects, node_site, prompt_metric
from monosemy.causal.circuit_curve import GOAL, CircuitCurve, circuit_curve
from monosemy.causal.site_text import SiteText, read_site_text
from monosemy.core import (
    Advance,
    Artifact,
    Interval,
    Result,
    UserError,
    atomic_write_text,
    bootstrap_mean,
    fingerprint,
    numpy_generator,
    wilson,
    write_results,
)
from monosemy.corpus.tasks import Pair, Task, task_named
from monosemy.dictionaries import DictionaryCard, load_dictionary
from monosemy.evaluation import score_task
from monosemy.experiments.causal_tree import meaning, numbered
from monosemy.experiments.contexts import vocabulary
from monosemy.experiments.evaluations import RESULTS_FILE
from monosemy.experiments.learning import opened_store
from monosemy.experiments.texts import backend_tokenizer
from monosemy.lm import ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace

CIRCUIT_KIND, CIRCUIT_FILE = "task-circuit", "circuit.json"
N_SHOWN_NODES = 16
TASK_GATE = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskCircuitConfig:
    """A task's graph. n_pairs: half of the selection templates, half held-out. n_points: of integrated gradients.

    sizes: numbers of nodes of the curve; all of them are added. Raises UserError for sizes or pairs that make no sense.
    """

    task: str
    n_pairs: int = 100
    n_points: int = 10
    sizes: tuple[int, ...] = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 128, 256, 384, 512, 768, 1024)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_pairs < 4 or self.n_pairs % 2:
            raise UserError(f"a task's graph from {self.n_pairs} pairs; give an even number from 4 on")
        if not self.sizes or list(self.sizes) != sorted({*self.sizes}) or self.sizes[0] < 0:
            raise UserError("the numbers of nodes of a curve ascend, from 0 on")


def task_circuit_job(
    config: TaskCircuitConfig, dictionaries: Sequence[Artifact], validation: Artifact, source: ModelSource
) -> Job:
    """The job that makes a task's graph of dictionaries that come in the order of the forward pass, one a site.

    It writes circuit.json (the task, what the model does, `curves`, `nodes`) and results.jsonl.
    """
    stage = Stage(name=CIRCUIT_KIND, config=config, parents={**numbered(dictionaries), "validation": validation})
    paths = tuple(dictionary.path for dictionary in dictionaries)
    n_units = len(dictionaries) + 2 * (len(config.sizes) + 1) + 2
    return Job(stages=(stage,), body=partial(_make, config, source, paths, validation.path), n_units=n_units)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Found:
    """What a task's graph is made of. effects: on the selection pairs and on the held-out ones, a matrix a site."""

    task: Task
    graph: NodeGraph
    texts: tuple[SiteText, ...]
    pairs: tuple[Sequence[Pair], Sequence[Pair]]
    right: Interval
    effects: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    curves: tuple[CircuitCurve, ...]


def _make(
    config: TaskCircuitConfig,
    source: ModelSource,
    dictionaries: Sequence[Path],
    validation: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    lm, store = source.load(), opened_store(validation)
    loaded = [load_dictionary(path) for path in dictionaries]
    texts: list[SiteText] = []
    for dictionary, card in loaded:
        texts.append(read_site_text(card.name, dictionary.to(lm.device), store, Site.parse(card.site)))
        advance(1)
    task = task_named(config.task)
    scored = score_task(lm, backend_tokenizer(lm), task, n_pairs=config.n_pairs, seed=config.seed)
    half = config.n_pairs // 2
    pairs = (scored.pairs[:half], scored.pairs[half:])
    graph = NodeGraph(lm=lm, sites=tuple(node_site(text, store.mean(str(text.site))) for text in texts))
    chosen, again = (node_effects(graph, some, config.n_points) for some in pairs)
    advance(2)
    order = [effect.mean(dim=0) for effect in chosen]
    sizes = [*config.sizes, sum(each.n_nodes for each in graph.sites)]
    curves = tuple(
        circuit_curve(graph, order, pairs, sizes, errors=errors, seed=config.seed, advance=advance)
        for errors in (True, False)
    )
    found = _Found(
        task=task,
        graph=graph,
        texts=tuple(texts),
        pairs=pairs,
        right=wilson(int(scored.right[half:].sum()), half),
        effects=(chosen, again),
        curves=curves,
    )
    folder = workspaces[0].folder
    content = _content(config, found)
    atomic_write_text(folder / CIRCUIT_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_results(folder / RESULTS_FILE, _results(config, loaded[-1][1], found))


def _content(config: TaskCircuitConfig, found: _Found) -> dict[str, Any]:
    """The content of circuit.json; figures of the held-out pairs, but for what says `fit`."""
    graph, held_out = found.graph, found.pairs[1]
    full, empty = (prompt_metric(graph, held_out, graph.all(kept)) for kept in (True, False))
    return {
        **{"task": config.task, "description": found.task.description, "n_pairs": len(held_out)},
        **{"right": found.right.value, "right_low": found.right.low, "right_high": found.right.high},
        **{"passes": found.right.value >= TASK_GATE, "gate": TASK_GATE, "goal": GOAL},
        **{"n_points": config.n_points, "metric_full": float(full.mean()), "metric_empty": float(empty.mean())},
        "n_mean_tokens": found.texts[0].n_tokens,
        "layers": [{"name": text.name, "site": str(text.site)} for text in found.texts],
        "curves": [_curve(curve) for curve in found.curves],
        "nodes": _nodes(config, found),
        "shares": _shares(found),
    }


def _curve(curve: CircuitCurve) -> dict[str, Any]:
    chosen = curve.chosen
    return {
        "errors": curve.errors,
        "chosen": None if chosen is None else curve.points.index(chosen),
        "points": [asdict(point) for point in curve.points],
    }


def _nodes(config: TaskCircuitConfig, found: _Found) -> list[dict[str, Any]]:
    """The nodes of the largest effect; latent None: the error of the site."""
    words = vocabulary(found.graph.lm)
    kept = first_nodes(found.graph, [each.mean(dim=0) for each in found.effects[0]], N_SHOWN_NODES, errors=True)
    rows = []
    for layer, (mask, text) in enumerate(zip(kept, found.texts, strict=True)):
        for node in mask.nonzero().flatten().tolist():
            is_error = node == text.dictionary.n_latents
            again = found.effects[1][layer][:, node].numpy()
            interval = bootstrap_mean(again, numpy_generator(config.seed, f"circuit-effect/{layer}/{node}"))
            rows.append(
                {
                    **{"layer": layer, "latent": None if is_error else node},
                    "fit": float(found.effects[0][layer][:, node].mean()),
                    **{"effect": interval.value, "low": interval.low, "high": interval.high},
                    **({} if is_error else meaning(found.graph.lm, words, text, node)),
                }
            )
    return sorted(rows, key=lambda row: -abs(row["fit"]))


def _shares(found: _Found) -> list[dict[str, Any]]:
    """Of each site: the sum of the effects of its latents, and the effect of its error, on the held-out pairs."""
    means = [each.mean(dim=0) for each in found.effects[1]]
    return [{"layer": i, "latents": float(m[:-1].sum()), "error": float(m[-1])} for i, m in enumerate(means)]


def _results(config: TaskCircuitConfig, card: DictionaryCard, found: _Found) -> list[Result]:
    """Faithfulness and completeness of the chosen set, and its size, with error terms and without."""
    common: dict[str, Any] = {
        **{"method": card.method, "lm": card.lm_kind, "dictionary": None, "site": None, "split": None},
        **{"seed": config.seed, "config": fingerprint(config), "n": len(found.pairs[1]), "n_unit": "pairs"},
    }
    results = []
    for curve in found.curves:
        variant, point = "with_errors" if curve.errors else "without_errors", curve.chosen
        reason = None
        if found.right.value < TASK_GATE:
            reason = f"only {found.right.value:.0%} of pairs are right, below {TASK_GATE:.0%}"
        elif point is None:
            reason = f"no set of the curve reaches a faithfulness of {GOAL:g} on the selection pairs"
        rows: list[tuple[str, Interval | None, str]] = [
            ("circuit_faithfulness", None if point is None else point.faithfulness, "share"),
            ("circuit_completeness", None if point is None else point.completeness, "share"),
            ("circuit_nodes", None if point is None else _exact(point.n_nodes), "nodes"),
        ]
        for metric, interval, unit in rows:
            shown = None if reason is not None else interval
            results.append(
                Result(
                    metric=f"{metric}/{config.task}",
                    value=None if shown is None else shown.value,
                    unit=unit,
                    ci_low=None if shown is None or unit == "nodes" else shown.low,
                    ci_high=None if shown is None or unit == "nodes" else shown.high,
                    status="ok" if shown is not None else "not_applicable",
                    reason=reason,
                    variant=variant,
                    definition=metric,
                    **common,
                )
            )
    return results


def _exact(n: int) -> Interval:
    return Interval(value=float(n), low=float(n), high=float(n))
