"""Stages that learn dictionaries: one artifact a member, several members learning from one stream in a process."""

import contextlib
import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Literal

from torch import Tensor

from monosemy.activations import ActivationStore, ReaderState, merged, moments_of, no_moments, prefetched
from monosemy.core import Advance, Artifact, atomic_write_text
from monosemy.dictionaries import (
    DICTIONARY_KIND,
    Architecture,
    BatchTopKConfig,
    Dictionary,
    DictionaryCard,
    MatryoshkaConfig,
    TiedL1Config,
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
from monosemy.experiments.training_rows import TrainingRows
from monosemy.pipeline import Job, JobReport, Stage, Workspace
from monosemy.training import (
    CURVE_FILE,
    STEPS_FOLDER,
    Batch,
    BatchStream,
    Learner,
    Member,
    Normalization,
    StreamState,
    TrainedMember,
    calibrate_,
    train_members,
)

FACTS_FILE = "fit.json"
LmKind = Literal["trained", "random"]

BASELINE_UNITS = 100
"""What a baseline counts for in the display, whose unit is a training step."""

MEMBERS_A_JOB = 3
"""More than one, so that the store is read once for all of them; few, so that all processes have work to the end."""

CALIBRATION_ROWS = 131_072
"""Validation tokens, at most and evenly spread, on which a threshold is calibrated: both its passes encode them all."""

COVARIANCE_ROWS = 131_072
"""Tokens, at most and evenly spread over the store, of the covariance that whitens."""

MAX_LOADER_SHARE = 0.05
"""The part of a training's time that may go into waiting for activations before it is told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedConfig:
    """What decides a trained dictionary, besides the activations: its member, and the order in which it sees them."""

    member: Member
    stream_seed: int


def trained_stage(member: Member, stream_seed: int, store: Artifact, validation: Artifact | None = None) -> Stage:
    """The stage of one member; who else is trained is no part of it.

    validation: a parent of those members only whose threshold is calibrated on it. Raises ValueError when one of these
    is given none.
    """
    config, parents = TrainedConfig(member=member, stream_seed=stream_seed), {"activations": store}
    if needs_threshold(member.architecture):
        if validation is None:
            raise ValueError(f"{member.name}: its threshold is calibrated on validation activations; give their store")
        parents["validation"] = validation
    return Stage(name=DICTIONARY_KIND, config=config, parents=parents)


def needs_threshold(architecture: Architecture) -> bool:
    """Whether training leaves open at which threshold the dictionary infers."""
    return isinstance(architecture, BatchTopKConfig | MatryoshkaConfig)


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
            validation = [stage.parents["validation"].path for stage in some if "validation" in stage.parents]
            stores = some[0].parents["activations"].path, *validation[:1]
            body = partial(_train, stores, lm_kind, configs)
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
    store_paths: Sequence[Path],
    lm_kind: LmKind,
    configs: Sequence[TrainedConfig],
    workspaces: Sequence[Workspace],
    advance: Advance,
) -> JobReport:
    """Train the members, which are of one site, together on one stream and fill their folders.

    store_paths: of the train split, and of the validation split where a member has a threshold to be calibrated. The
    checkpoints lie in the members' scratch folders, and are taken up there.
    """
    store, *validation = [opened_store(path) for path in store_paths]
    members = [config.member for config in configs]
    ((site, batch_size, seed),) = {(c.member.site, c.member.batch_size, c.stream_seed) for c in configs}
    scratch = {member.name: workspace.scratch() for member, workspace in zip(members, workspaces, strict=True)}
    rows, l0_inference = TrainingRows(members, workspaces[0].show), dict[str, float]()

    def calibrate(learner: Learner) -> None:
        if needs_threshold(learner.member.architecture):
            batches = partial(_spread_rows, validation[0], site, CALIBRATION_ROWS)
            found = calibrate_(learner.module, lambda: map(learner.normalize, batches()))
            if found is not None:
                l0_inference[learner.member.name] = found.l0

    trained = train_members(
        members,
        store_stream(store, [site], batch_size, seed),
        _normalization(store, site, members),
        folders=scratch,
        advance=advance,
        observe=rows.observe,
        before_export=calibrate,
    )
    failures: dict[int, str] = {}
    for i, (one, workspace) in enumerate(zip(trained, workspaces, strict=True)):
        rows.end(one)
        if one.dictionary is None:
            assert one.failure is not None
            failures[i] = one.failure.message
            continue
        _write(workspace.folder, one.dictionary, _trained_card(one, l0_inference.get(one.member.name), store, lm_kind))
        shutil.copyfile(workspace.scratch_path / CURVE_FILE, workspace.folder / CURVE_FILE)
        shutil.copytree(workspace.scratch_path / STEPS_FOLDER, workspace.folder / STEPS_FOLDER)
    return JobReport(failures=failures, messages=_messages(trained))


def store_stream(store: ActivationStore, sites: Sequence[str], batch_size: int, seed: int) -> BatchStream:
    """The store's batches, read ahead, as what members learn from."""

    def batches(state: StreamState | None) -> Generator[tuple[Batch, StreamState], None, None]:
        start = None if state is None else ReaderState(**state)
        with contextlib.closing(prefetched(store, sites, batch_size, seed, start)) as read:
            for batch, after in read:
                yield batch, asdict(after)

    return BatchStream(open=batches)


def _normalization(store: ActivationStore, site: str, members: Sequence[Member]) -> Normalization:
    """Mean and scale of the store; the covariance, over some of its rows, where a member whitens."""
    mean, scale = store.mean(site), store.scale(site)
    if not any(isinstance(m.architecture, TiedL1Config) and m.architecture.whitened for m in members):
        return {site: (mean, scale)}
    moments = no_moments(len(mean))
    for x in _spread_rows(store, site, COVARIANCE_ROWS):
        moments = merged(moments, moments_of(x))
    return {site: (mean, scale, moments.covariance)}


def _spread_rows(store: ActivationStore, site: str, n_rows: int) -> Iterator[Tensor]:
    """At most n_rows rows, evenly spread over the store: in the order of the text its beginning is no sample."""
    every, first = -(-store.n_rows // n_rows), 0
    for chunk in store.chunks([site]):
        x = chunk.x[site]
        yield x[-first % every :: every]
        first += len(x)


def _messages(trained: Sequence[TrainedMember]) -> tuple[str, ...]:
    notes = [note for one in trained for note in one.notes]
    share = max((one.loader_share for one in trained), default=0.0)
    if share > MAX_LOADER_SHARE:
        notes.append(f"{trained[0].member.name}: {100 * share:.0f} % of the time went into waiting for activations")
    return tuple(notes)


def _trained_card(
    trained: TrainedMember, l0_inference: float | None, store: ActivationStore, lm_kind: LmKind
) -> DictionaryCard:
    member = trained.member
    return DictionaryCard(
        name=member.name,
        method=member.method,
        variant=member.variant,
        lm=store.config["lm"],
        lm_kind=lm_kind,
        site=member.site,
        seed=member.seed,
        n_latents=member.n_latents,
        expansion_factor=member.n_latents / store.d_site(member.site),
        sparsity=member.architecture.sparsity,
        n_steps=trained.n_steps_done,
        n_tokens=trained.n_steps_done * member.batch_size,
        store=store.artifact.fingerprint,
        l0_train=trained.l0_train,
        l0_inference=l0_inference,
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
