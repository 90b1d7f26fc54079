"""Stages that learn dictionaries: one artifact a member, several members learning from one stream in a process."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from monosemy.activations import ActivationStore
from monosemy.core import Advance, Artifact, atomic_write_text
from monosemy.dictionaries import (
    DICTIONARY_KIND,
    Dictionary,
    DictionaryCard,
    load_dictionary,
    write_card,
)
from monosemy.experiments.baseline_kinds import (
    BaselineConfig,
    FittedBaseline,
    TopKFormConfig,
    fit_baseline,
    fit_top_k_form,
)
from monosemy.pipeline import Job, Stage, Workspace
from monosemy.training import Member, train_members

CURVE_FILE, FACTS_FILE = "curve.json", "fit.json"
LmKind = Literal["trained", "random"]

BASELINE_UNITS = 100
"""What a baseline counts for in the display, whose unit is a training step."""

MEMBERS_A_JOB = 3
"""Few, so that a killed run has lost little; more than one, so that the store is read once for all of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedConfig:
    """What decides a trained dictionary, besides the activations: its member, and the order in which it sees them."""

    member: Member
    stream_seed: int


def trained_stage(member: Member, stream_seed: int, store: Artifact) -> Stage:
    """The stage of one member; who else is trained is no part of it."""
    config = TrainedConfig(member=member, stream_seed=stream_seed)
    return Stage(name=DICTIONARY_KIND, config=config, parents={"activations": store})


def training_jobs(stages: Sequence[Stage], lm_kind: LmKind) -> list[Job]:
    """Members that are to be trained, in threes that read the same batches."""
    groups: dict[tuple[str, str, int, int], list[tuple[Stage, TrainedConfig]]] = {}
    for stage in stages:
        config = stage.config
        assert isinstance(config, TrainedConfig)  # trained_stage made it
        stream = stage.parents["activations"].fingerprint, config.member.site, config.member.batch_size
        groups.setdefault((*stream, config.stream_seed), []).append((stage, config))
    jobs: list[Job] = []
    for group in groups.values():
        for start in range(0, len(group), MEMBERS_A_JOB):
            some, configs = zip(*group[start : start + MEMBERS_A_JOB], strict=True)
            n_steps = sum(config.member.n_steps for config in configs)
            body = partial(_train, some[0].parents["activations"].path, lm_kind, configs)
            jobs.append(Job(stages=some, body=body, n_units=n_steps))
    return jobs


def baseline_job(config: BaselineConfig, store: Artifact, lm_kind: LmKind) -> Job:
    """The job that fits one dense baseline."""
    stage = Stage(name=DICTIONARY_KIND, config=config, parents={"activations": store})
    return Job(stages=(stage,), body=partial(_fit, store.path, lm_kind, config), n_units=BASELINE_UNITS)


def top_k_form_job(config: TopKFormConfig, base: Artifact, store: Artifact, lm_kind: LmKind) -> Job:
    """The job that makes one baseline's top-k form."""
    stage = Stage(name=DICTIONARY_KIND, config=config, parents={"activations": store, "dictionary": base})
    return Job(stages=(stage,), body=partial(_fit_top_k, store.path, base.path, lm_kind, config))


@cache
def opened_store(path: Path) -> ActivationStore:
    """The store in a folder of a run, opened once a process: its files are checked when they are first read."""
    return ActivationStore.open(path)


def _train(
    store_path: Path,
    lm_kind: LmKind,
    configs: Sequence[TrainedConfig],
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    """Train the members, which are of one site, together on one stream and fill their folders."""
    store = opened_store(store_path)
    members = [config.member for config in configs]
    ((site, batch_size, seed),) = {(c.member.site, c.member.batch_size, c.stream_seed) for c in configs}
    normalization = {site: (store.mean(site), store.scale(site))}
    trained = train_members(members, store.batches([site], batch_size, seed), normalization, advance)
    for one, workspace in zip(trained, workspaces, strict=True):
        card = _trained_card(one.member, store, lm_kind)
        _write(workspace.folder, one.dictionary, card)
        curve = [asdict(point) for point in one.curve]
        atomic_write_text(workspace.folder / CURVE_FILE, json.dumps(curve, allow_nan=False) + "\n")


def _trained_card(member: Member, store: ActivationStore, lm_kind: LmKind) -> DictionaryCard:
    return DictionaryCard(
        name=member.name,
        method=member.method,
        lm=store.config["lm"],
        lm_kind=lm_kind,
        site=member.site,
        seed=member.seed,
        n_latents=member.n_latents,
        expansion_factor=member.n_latents / store.d_site(member.site),
        sparsity=member.architecture.sparsity,
        n_steps=member.n_steps,
        n_tokens=member.n_steps * member.batch_size,
        store=store.artifact.fingerprint,
    )


def _fit(
    store_path: Path, lm_kind: LmKind, config: BaselineConfig, workspaces: Sequence[Workspace], advance: Advance
) -> None:
    """Fit a baseline and fill its folder."""
    store = opened_store(store_path)
    fitted = fit_baseline(config, store)
    card = DictionaryCard(
        name=config.name,
        method=config.method,
        lm=store.config["lm"],
        lm_kind=lm_kind,
        site=config.site,
        seed=config.seed,
        n_latents=fitted.dictionary.n_latents,
        expansion_factor=fitted.dictionary.n_latents / store.d_site(config.site),
        n_steps=0,
        n_tokens=fitted.n_rows,
        store=store.artifact.fingerprint,
    )
    _write_fitted(workspaces[0].folder, fitted, card)
    advance(BASELINE_UNITS)


def _fit_top_k(
    store_path: Path,
    base_path: Path,
    lm_kind: LmKind,
    config: TopKFormConfig,
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> None:
    """Make a baseline's top-k form and fill its folder."""
    base, base_card = load_dictionary(base_path)
    fitted = fit_top_k_form(config, base, base_card.site, opened_store(store_path))
    card = replace(base_card, name=config.name, method=config.method, sparsity=f"k={config.k}", lm_kind=lm_kind)
    _write_fitted(workspaces[0].folder, fitted, card)
    advance(1)


def _write_fitted(folder: Path, fitted: FittedBaseline, card: DictionaryCard) -> None:
    _write(folder, fitted.dictionary, card)
    atomic_write_text(folder / FACTS_FILE, json.dumps(fitted.facts, allow_nan=False) + "\n")


def _write(folder: Path, dictionary: Dictionary, card: DictionaryCard) -> None:
    dictionary.save(folder)
    write_card(folder, card)
