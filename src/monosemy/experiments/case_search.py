"""The search for latents of a single meaning, and as many random ones to set them against.

Two stages: `case-scan` looks at all latents of a dictionary over one split (`scan.npz`); `case-search` ablates the
candidates of the scan on validation, the largest share of one token first, until enough meet the criteria, and draws
the random ones (`search.jsonl`, one latent a line, and `search.json`).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.causal import (
    LatentFigures,
    LatentScan,
    SearchCriteria,
    candidates,
    figures_of,
    lens_agreement,
    lens_holds,
    meets,
    random_latents_of,
    rules_hold,
    scan_latents,
)
from monosemy.core import Advance, Artifact, DamagedArtifact, UserError, atomic_write_text
from monosemy.dictionaries import load_dictionary
from monosemy.experiments.case_bench import CaseBench, opened_bench
from monosemy.experiments.case_effect import PRECISION_AT, EffectConfig, lens_of, measured_effects
from monosemy.experiments.case_rules import RuleScore, rule_scores
from monosemy.experiments.learning import opened_store
from monosemy.lm import ModelSource
from monosemy.pipeline import Job, Stage, Workspace

SCAN_KIND, SCAN_FILE = "case-scan", "scan.npz"
SEARCH_KIND, SEARCH_FILE, SEARCH_ROWS = "case-search", "search.json", "search.jsonl"
READ_AT_ONCE = 16
"""Latents that are read in one pass over the text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ScanConfig:
    """Nothing but the size of the vocabulary decides what a scan finds, besides dictionary and text."""

    n_vocabulary: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchConfig:
    """What is searched for, how many latents are shown, and how much work goes into it."""

    criteria: SearchCriteria
    n_shown: int
    n_positions: int  # ablated of each candidate
    max_candidates: int  # ablated at most
    seed: int

    def __post_init__(self) -> None:
        for name in ("n_shown", "n_positions", "max_candidates"):
            if getattr(self, name) < 1:
                raise UserError(f"{name.replace('_', '-')} is {getattr(self, name)}; give at least 1")


def scan_job(dictionary: Artifact, store: Artifact, source: ModelSource) -> Job:
    """The job that scans a dictionary's latents over a store."""
    config = ScanConfig(n_vocabulary=source.load().vocab_size)
    stage = Stage(name=SCAN_KIND, config=config, parents={"dictionary": dictionary, "text": store})
    body = partial(_scan, config, dictionary.path, store.path)
    return Job(stages=(stage,), body=body, n_units=opened_store(store.path).n_rows)


def read_scan(folder: Path) -> LatentScan:
    """What a scan found. Raises DamagedArtifact when its file is not there."""
    path = folder / SCAN_FILE
    if not path.is_file():
        raise DamagedArtifact(f"{path} is missing; scan the dictionary anew (--refresh)")
    with np.load(path, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return LatentScan(**{**found, "n_rows": int(found["n_rows"])})


def search_job(
    config: SearchConfig,
    dictionary: Artifact,
    store: Artifact,
    scan: Artifact,
    interpretation: Artifact | None,
    source: ModelSource,
) -> Job:
    """The job that searches one dictionary. store: validation's; interpretation: of this dictionary, by rules."""
    parents = {"dictionary": dictionary, "validation": store, "scan": scan}
    parents |= {"interpretation": interpretation} if interpretation is not None else {}
    stage = Stage(name=SEARCH_KIND, config=config, parents=parents)
    paths = {name: parent.path for name, parent in parents.items()}
    body = partial(_search, config, paths, source)
    return Job(stages=(stage,), body=body, n_units=config.max_candidates + config.n_shown)


def found_by_search(folder: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """search.json and the lines of search.jsonl."""
    about = json.loads((folder / SEARCH_FILE).read_text(encoding="utf-8"))
    lines = (folder / SEARCH_ROWS).read_text(encoding="utf-8").splitlines()
    return about, [json.loads(line) for line in lines]


def _scan(
    config: ScanConfig, dictionary_path: Path, store: Path, workspaces: Sequence[Workspace], advance: Advance
) -> None:
    dictionary, card = load_dictionary(dictionary_path)
    scan = scan_latents(dictionary, opened_store(store), card.site, config.n_vocabulary, advance)
    np.savez_compressed(workspaces[0].folder / SCAN_FILE, **asdict(scan))


def _search(
    config: SearchConfig,
    paths: dict[str, Path],
    source: ModelSource,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    dictionary, card = load_dictionary(paths["dictionary"])
    bench = opened_bench(source, dictionary, card, paths["validation"], config.seed)
    scan = read_scan(paths["scan"])
    rules = rule_scores(paths["interpretation"], config.seed) if "interpretation" in paths else {}
    first = candidates(scan, config.criteria)
    looked_at: list[LatentFigures] = []
    proposed: list[LatentFigures] = []
    for figures in _measured(bench, first[: config.max_candidates], rules, config):
        looked_at.append(figures)
        proposed += [figures] if meets(figures, config.criteria) else []
        advance(1)
        if len(proposed) == config.n_shown:
            break
    advance(config.max_candidates - len(looked_at))
    taken = [figures.latent for figures in proposed]
    drawn = random_latents_of(scan, taken, config.n_shown, config.criteria.min_fired, config.seed)
    plain = [figures_of(scan, latent, config.criteria) for latent in drawn.tolist()]
    random = list(_measured(bench, plain, rules, config))
    advance(config.n_shown)
    about = {
        "criteria": asdict(config.criteria),
        "n_latents": dictionary.n_latents,
        "n_firing": int((scan.fired >= config.criteria.min_fired).sum()),
        "n_candidates": len(first),
        "n_looked_at": len(looked_at),
        "n_without_lens": sum(not lens_holds(f, config.criteria) for f in looked_at),
        "n_without_rules": sum(not rules_hold(f, config.criteria) for f in looked_at),
        "n_explained": len(rules),
        "n_positions": config.n_positions,
        "n_validation": scan.n_rows,
    }
    rows = [
        {"group": group, **asdict(figures), "word": bench.words[figures.token]}
        | {"rule_score_reported": rules[figures.latent].reported if figures.latent in rules else None}
        for group, some in (("proposed", proposed), ("random", random))
        for figures in some
    ]
    atomic_write_text(workspaces[0].folder / SEARCH_FILE, json.dumps(about, allow_nan=False) + "\n")
    atomic_write_text(
        workspaces[0].folder / SEARCH_ROWS, "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    )


def _measured(
    bench: CaseBench, wanted: Sequence[LatentFigures], rules: Mapping[int, RuleScore], config: SearchConfig
) -> Iterator[LatentFigures]:
    """The figures with those that need the language model, on validation, and with those of the rules."""
    for start in range(0, len(wanted), READ_AT_ONCE):
        some = wanted[start : start + READ_AT_ONCE]
        for figures, read in zip(some, bench.read([(f.latent, "positive") for f in some]), strict=True):
            effects = measured_effects(bench, read, EffectConfig(n_positions=config.n_positions), ("latent",))
            change = effects.of["latent"].logits[:, : len(bench.words)].astype(np.float64).mean(axis=0)
            agreement = lens_agreement(lens_of(bench, read), change, PRECISION_AT)
            rule = rules.get(figures.latent)
            yield replace(
                figures,
                spearman=agreement.spearman,
                precision=agreement.precision,
                rule_score=None if rule is None else rule.chosen,
                rule_bits=None if rule is None else rule.bits,
            )
