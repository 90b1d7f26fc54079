"""Jobs that grow the causal tree of a latent: tree.json and results.jsonl."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from monosemy.causal.causal_tree import AttributionCheck, CausalTree, LayerTexts, TreeConfig, TreeEdge, grow_tree
from monosemy.causal.logit_lens import logit_lens
from monosemy.causal.site_text import Contexts, SiteText, read_site_text
from monosemy.causal.tree_target import TargetCriterion, choose_target
from monosemy.core import Advance, Artifact, Result, atomic_write_text, fingerprint, write_results
from monosemy.dictionaries import DictionaryCard, load_dictionary
from monosemy.experiments.contexts import vocabulary
from monosemy.experiments.evaluations import RESULTS_FILE
from monosemy.experiments.learning import opened_store
from monosemy.lm import LanguageModel, ModelSource, Site
from monosemy.pipeline import Job, Stage, Workspace

TREE_KIND, TREE_FILE = "causal-tree", "tree.json"
N_MEANING_TOKENS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class CausalTreeConfig:
    """The tree of a latent of the last dictionary; latent None: the one that the criterion gives."""

    latent: int | None
    criterion: TargetCriterion
    tree: TreeConfig


def causal_tree_job(
    config: CausalTreeConfig,
    dictionaries: Sequence[Artifact],
    validation: Artifact,
    test: Artifact,
    source: ModelSource,
) -> Job:
    """The job that grows a tree from the last of the dictionaries down, which come in the order of the forward pass.

    It writes tree.json (what was asked, `layers`, `nodes`, `edges`, `check`) and results.jsonl.
    """
    stage = Stage(
        name=TREE_KIND,
        config=config,
        parents={**numbered(dictionaries), "validation": validation, "test": test},
    )
    paths = tuple(dictionary.path for dictionary in dictionaries)
    body = partial(_grow, config, source, paths, validation.path, test.path)
    return Job(stages=(stage,), body=body, n_units=n_units(config.tree, len(dictionaries)))


def numbered(dictionaries: Sequence[Artifact]) -> dict[str, Artifact]:
    """Parents of a stage, the lowest dictionary first."""
    return {f"dictionary-{i}": dictionary for i, dictionary in enumerate(dictionaries)}


def n_units(config: TreeConfig, n_layers: int) -> int:
    """The most nodes that a tree can have, and as many texts to read as there are layers, twice."""
    levels = min(config.depth, n_layers - 1)
    return sum(config.n_children**level for level in range(levels + 1)) + 2 * n_layers


def meaning(lm: LanguageModel, words: Sequence[str], text: SiteText, latent: int) -> dict[str, Any]:
    """What a latent stands for, by two computations: its most frequent tokens, and those that its direction promotes.

    tokens: [token, share] of the positions at half of its peak or more. lens: tokens by the logit lens.
    """
    lens = logit_lens(lm, text.site, text.dictionary.W_dec[latent : latent + 1])[0]
    return {
        "tokens": [[words[token], share] for token, share in text.frequent_tokens(latent, N_MEANING_TOKENS)],
        "lens": [words[token] for token in lens[: len(words)].topk(N_MEANING_TOKENS).indices.tolist()],
    }


def _grow(
    config: CausalTreeConfig,
    source: ModelSource,
    dictionaries: Sequence[Path],
    validation: Path,
    test: Path,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    lm = source.load()
    words = vocabulary(lm)
    loaded = [load_dictionary(path) for path in dictionaries]
    cards = [card for _, card in loaded]
    fit, score = opened_store(validation), opened_store(test)
    layers: list[LayerTexts] = []
    for dictionary, card in loaded:
        site = Site.parse(card.site)
        texts = [read_site_text(card.name, dictionary.to(lm.device), store, site) for store in (fit, score)]
        layers.append(LayerTexts(fit=texts[0], score=texts[1]))
        advance(2)
    latent = config.latent
    if latent is None:
        latent = choose_target(layers[-1].fit, words, config.criterion)
    n_done = 0

    def count(n: int | float) -> None:
        nonlocal n_done
        n_done += int(n)
        advance(n)

    tree = grow_tree(lm, layers, latent, config.tree, count)
    advance(n_units(config.tree, len(layers)) - 2 * len(layers) - n_done)  # for the nodes that were not found
    content = _content(config, lm, words, layers, tree)
    folder = workspaces[0].folder
    atomic_write_text(folder / TREE_FILE, json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_results(folder / RESULTS_FILE, _results(config, cards, layers, tree))


def _content(
    config: CausalTreeConfig, lm: LanguageModel, words: Sequence[str], layers: Sequence[LayerTexts], tree: CausalTree
) -> dict[str, Any]:
    """The content of tree.json."""
    nodes = []
    for node in tree.nodes:
        texts = layers[node.layer]
        nodes.append(
            {
                **{"layer": node.layer, "latent": node.latent, "why_leaf": node.why_leaf},
                **_counted(node.contexts),
                "n_score_contexts": len(node.score_contexts),
                **meaning(lm, words, texts.fit, node.latent),
                "contexts": _shown(node.contexts, words),
            }
        )
    return {
        "chosen": config.latent is None,
        "criterion": asdict(config.criterion),
        "config": asdict(config.tree),
        "n_tokens": layers[-1].fit.n_tokens,
        "n_score_tokens": layers[-1].score.n_tokens,
        "layers": [
            {"name": each.fit.name, "site": str(each.fit.site), "n_latents": each.fit.dictionary.n_latents}
            for each in layers
        ],
        "nodes": nodes,
        "edges": [_edge(edge) for edge in tree.edges],
        "check": asdict(tree.check),
    }


def _counted(contexts: Contexts) -> dict[str, Any]:
    mean = float(contexts.activation.mean()) if len(contexts) else None
    counts = {key: getattr(contexts, key) for key in ("peak", "n_firing", "n_in_range", "n_dropped")}
    return {**counts, "n_contexts": len(contexts), "mean_activation": mean}


def _shown(contexts: Contexts, words: Sequence[str]) -> list[dict[str, Any]]:
    """Each window as its tokens, the last one being the one on which the latent is active."""
    rows = zip(contexts.tokens.tolist(), contexts.last.tolist(), contexts.activation.tolist(), strict=True)
    return [{"tokens": [words[id_] for id_ in row[: last + 1]], "activation": value} for row, last, value in rows]


def _edge(edge: TreeEdge) -> dict[str, Any]:
    score = edge.score
    return {
        **{"parent": edge.parent, "child": edge.child, "fit": edge.fit, "rank": edge.rank},
        "score": None if score is None else score.value,
        "low": None if score is None else score.low,
        "high": None if score is None else score.high,
        "drops": edge.drops.tolist(),
    }


def _results(
    config: CausalTreeConfig, cards: Sequence[DictionaryCard], layers: Sequence[LayerTexts], tree: CausalTree
) -> list[Result]:
    """The check of the root and the effect of every edge, on the text that did not choose it."""
    root = tree.nodes[0]
    common: dict[str, Any] = {
        **{"method": cards[-1].method, "lm": cards[-1].lm_kind, "dictionary": cards[-1].name},
        **{"site": cards[-1].site, "seed": config.tree.seed, "config": fingerprint(config)},
    }
    results = _check_results(tree.check, f"latent_{root.latent}", common)
    for edge in tree.edges:
        parent, child = tree.nodes[edge.parent], tree.nodes[edge.child]
        names = [f"{layers[node.layer].fit.site}/{node.latent}" for node in (child, parent)]
        share = edge.score
        results.append(
            Result(
                metric="causal_tree_effect",
                value=None if share is None else share.value,
                unit="share of the parent's mean activation",
                ci_low=None if share is None else share.low,
                ci_high=None if share is None else share.high,
                n=len(parent.score_contexts),
                n_unit="contexts",
                status="not_applicable" if share is None else "ok",
                reason="the test text has no context of the parent" if share is None else None,
                variant="->".join(names),
                split="test",
                definition="causal_tree_effect",
                **common,
            )
        )
    return results


def _check_results(check: AttributionCheck, variant: str, common: Mapping[str, Any]) -> list[Result]:
    rows: list[tuple[str, float | None, str, str]] = [
        ("causal_tree_recall", check.recall, "share", variant),
        ("causal_tree_rank_correlation", check.correlation, "correlation", variant),
        ("causal_tree_rank_correlation", check.correlation_active, "correlation", f"{variant}/active"),
    ]
    return [
        Result(
            metric=metric,
            value=value,
            unit=unit,
            n=check.n_active if which.endswith("/active") else check.n_latents,
            n_unit="latents",
            status="not_applicable" if value is None else "ok",
            reason="one of the two is constant" if value is None else None,
            variant=which,
            split="validation",
            definition=metric,
            **common,
        )
        for metric, value, unit, which in rows
    ]
