"""`monosemy ablate`: single latents looked at closely, named by the user or proposed by a search."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import tyro

from monosemy.causal import LatentReader, LatentScan, SearchCriteria, compiled_pattern, flipped, is_dense
from monosemy.core import Artifact, UserError, write_results
from monosemy.dictionaries import DictionaryCard, load_dictionary, read_card
from monosemy.experiments import (
    ActivityConfig,
    Case,
    CaseConfig,
    CaseGroup,
    CaseSide,
    EffectConfig,
    SearchConfig,
    SweepConfig,
    backend_tokenizer,
    case_jobs,
    case_stage,
    found_by_search,
    group_results,
    interpretation_of,
    read_scan,
    scan_job,
    search_job,
)
from monosemy.lm import Site
from monosemy.recipes.dictionary_run import done
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.study import Study, Target
from monosemy.report import CasePage, StudiedCase, case_sentence, write_case_page

SINGLE_MEANING = SearchCriteria(
    share_of="mass",
    min_token_share=0.5,
    max_density=0.05,
    min_fired=50,
    min_spearman=0.3,
    min_precision=0.3,
    min_rule_score=0.5,
    max_rule_bits=80.0,
)
"""What `monosemy ablate` takes for a single meaning, chosen before any latent was looked at on test."""

N_SUGGESTED = 8
MAX_TEXT_DENSITY = 0.1
"""The paper's search on a text leaves out what fires on a tenth of all tokens or more (appendix D.3)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablate:
    """Look at single latents: what each fires on, what ablating it does, which words it needs (Figures 4, 11-15).

    With --latents, --neurons or --neurons-of these, on validation text. With --text alone, the latents that fire on its
    last token. Without any of them a search proposes latents of a single meaning on validation text and shows them
    beside as many random ones, on test text. Writes report/ablate.html and ablate-results.jsonl into the run's folder.
    """

    target: tyro.conf.OmitArgPrefixes[Target]
    dictionary: str | None = None  # by name; none: the run's headline dictionary
    latents: tuple[int, ...] = ()  # by number; of a dense dictionary their positive side
    side: CaseSide = "positive"  # of the latents named: the negative one is of a dense dictionary (PCA, neurons) only
    neurons: tuple[int, ...] = ()  # basis dimensions of the same site
    neurons_of: tuple[int, ...] = ()  # latents of whose direction a basis dimension is looked at, on its weight's side
    neuron_rank: int = 10  # the dimension of this rank among the weights' magnitudes; the paper's is the 10th
    text: str | None = None  # on whose last token latents are tried; none: each one's strongest example
    tokens: tuple[str, ...] = ()  # each one token, with its space: how ablation changes it is told beside the others
    regex: str | None = None  # a pattern over the decoded text whose matches are set against the latent
    n_shown: int = 8  # latents that the search proposes, and random ones
    n_positions: int = 200  # where a latent is ablated: drawn among those where it fires
    edited: Literal["position", "row"] = "position"  # ablated at that position alone, or in the row up to it
    max_activations: int | None = 5_000  # activating tokens in a histogram, drawn; none: all
    max_sweep_tokens: int | None = None  # tokens of the vocabulary that are put before and behind; none: all
    search_positions: int = 50  # where the search ablates each candidate
    max_candidates: int = 40  # that the search ablates at most
    criteria: tyro.conf.OmitArgPrefixes[SearchCriteria] = field(default_factory=lambda: SINGLE_MEANING)

    def __post_init__(self) -> None:
        if self.neuron_rank < 1:
            raise UserError(f"neuron-rank is {self.neuron_rank}; 1 is the largest weight")
        if self.regex is not None:
            compiled_pattern(self.regex)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """A latent to study: of which dictionary, which side of it, why, and its rule score that chose nothing."""

    dictionary: Artifact
    latent: int
    side: CaseSide
    group: CaseGroup
    rule_score: float | None = None


def ablate(options: Ablate, study: Study) -> list[str]:
    """Do what the options say; the lines to print at the end.

    Raises UserError, naming it, for a latent that does not exist or never fires, a text that is empty, too long, or on
    whose last token a named latent does not fire, a token that the tokenizer splits, a dictionary that is not there.
    """
    text = None if options.text is None else _tokens_of_text(options.text, study)
    watched = tuple(_one_token(token, study) for token in options.tokens)
    chosen = _named(options, study) or ([] if text is None else _firing_on(text, options, study))
    search: Artifact | None = None
    if not chosen:
        chosen, search = _searched(options, study)
    split: Literal["validation", "test"] = "validation" if search is None else "test"
    for each in chosen if text is not None else ():
        _check_fires_on(text or (), each, study)
    configs = [
        CaseConfig(
            latent=each.latent,
            side=each.side,
            split=split,
            activity=ActivityConfig(regex=options.regex, max_activations=options.max_activations),
            effect=EffectConfig(n_positions=options.n_positions, edited=options.edited, watched=watched),
            sweep=SweepConfig(text=text, max_tokens=options.max_sweep_tokens),
            seed=study.seed,
        )
        for each in chosen
    ]
    store = study.validation if search is None else study.test
    stages = [case_stage(config, each.dictionary, store) for config, each in zip(configs, chosen, strict=True)]
    made = study.run.stages(
        stages,
        lambda missing: case_jobs(missing, study.source, study.run.record.n_threads),
        study.workers,
        name="case studies",
        unit="steps",
    )
    cases = [
        Case(group=each.group, folder=artifact.path, rule_score=each.rule_score)
        for each, artifact in zip(chosen, made, strict=True)
    ]
    return _reported(study, chosen, cases, search, split)


def _reported(
    study: Study,
    chosen: Sequence[_Chosen],
    cases: Sequence[Case],
    search: Artifact | None,
    split: Literal["validation", "test"],
) -> list[str]:
    """Write the results and the page; the lines that say where they are and what they say."""
    results = []
    for path in dict.fromkeys(each.dictionary.path for each in chosen):
        own = [case for case, each in zip(cases, chosen, strict=True) if each.dictionary.path == path]
        results += group_results(own, read_card(path), split)
    results_file, page = study.run.folder / "ablate-results.jsonl", study.run.folder / "report" / "ablate.html"
    write_results(results_file, results)
    page.parent.mkdir(parents=True, exist_ok=True)
    studied = [StudiedCase(group=case.group, folder=case.folder, rule_score=case.rule_score) for case in cases]
    about = CasePage(
        cases=tuple(studied),
        results=tuple(results),
        search=None if search is None else search.path,
        made=how_it_was_made(study.run),
    )
    write_case_page(page, about)
    lines = [f"{case.group}: {case_sentence(case.record)}" for case in cases]
    return [*lines, f"page: {page}", f"results: {results_file}"]


# --- which latents ------------------------------------------------------------------------------------------------


def _named(options: Ablate, study: Study) -> list[_Chosen]:
    """The latents and basis dimensions that the options name; each exists and fires on validation."""
    dictionary = study.dictionary(options.dictionary)
    wanted: list[tuple[Artifact, int, CaseSide]] = [(dictionary, latent, options.side) for latent in options.latents]
    if options.neurons or options.neurons_of:
        neurons = _neurons(dictionary, study)
        wanted.extend((neurons, neuron, options.side) for neuron in options.neurons)
        for latent in options.neurons_of:
            dimension, side = _neuron_of(dictionary, latent, options)
            wanted.append((neurons, dimension, side))
    for artifact, latent, side in dict.fromkeys((a.path, n, s) for a, n, s in wanted):
        _check_exists(read_card(artifact), latent)
        if side == "negative":
            flipped(load_dictionary(artifact)[0], latent)  # refuses a latent that has no negative side
    for artifact in {artifact.path: artifact for artifact, _, _ in wanted}.values():
        scan = _scanned(artifact, study)
        for latent in [latent for a, latent, side in wanted if a.path == artifact.path and side == "positive"]:
            _check_fires(scan, latent)
    kept: dict[tuple[Path, int, CaseSide], Artifact] = {
        (artifact.path, latent, side): artifact for artifact, latent, side in wanted
    }
    return [
        _Chosen(dictionary=artifact, latent=latent, side=side, group="named")
        for (_, latent, side), artifact in kept.items()
    ]


def _firing_on(text: tuple[int, ...], options: Ablate, study: Study) -> list[_Chosen]:
    """The latents that fire on the last token of a text, the strongest first: the paper's search (appendix D.3)."""
    artifact = study.dictionary(options.dictionary)
    dictionary, card = load_dictionary(artifact.path)
    reader = LatentReader(lm=study.lm, site=Site.parse(card.site), dictionary=dictionary, latent=0)
    z = reader.all_latents(text)
    density = _scanned(artifact, study).density
    order = [int(i) for i in (-z).argsort(kind="stable") if z[i] > 0 and 0 < density[i] < MAX_TEXT_DENSITY]
    if not order:
        raise UserError(
            f"no latent that fires on less than {MAX_TEXT_DENSITY:.0%} of tokens fires on the last token of the text; "
            "give another text, or --latents"
        )
    return [_Chosen(dictionary=artifact, latent=n, side="positive", group="named") for n in order[: options.n_shown]]


def _searched(options: Ablate, study: Study) -> tuple[list[_Chosen], Artifact]:
    """What the search proposes, and the random latents."""
    artifact = study.dictionary(options.dictionary)
    if is_dense(load_dictionary(artifact.path)[0]):
        raise UserError(
            f"the latents of {read_card(artifact.path).name} take both signs and fire on half of all tokens, so that "
            "none has a single meaning; name some with --latents, or another --dictionary"
        )
    config = SearchConfig(
        criteria=options.criteria,
        n_shown=options.n_shown,
        n_positions=options.search_positions,
        max_candidates=options.max_candidates,
        seed=study.seed,
    )
    scan = _scan_of(artifact, study)
    interpretation = interpretation_of(artifact, study.run.folder)
    job = search_job(config, artifact, study.validation, scan, interpretation, study.source)
    (found,) = done(study.run, study.workers, [job], name="search", unit="latents")
    _, rows = found_by_search(found.path)
    chosen = [
        _Chosen(
            dictionary=artifact,
            latent=row["latent"],
            side="positive",
            group=row["group"],
            rule_score=row["rule_score_reported"],
        )
        for row in rows
    ]
    if not chosen:
        raise UserError(
            f"no latent of {read_card(artifact.path).name} fires on {options.criteria.min_fired} validation tokens; "
            "lower --min-fired"
        )
    return chosen, found


def _scan_of(artifact: Artifact, study: Study) -> Artifact:
    job = scan_job(artifact, study.validation, study.source)
    return done(study.run, study.workers, [job], name="scan", unit="tokens")[0]


def _scanned(artifact: Artifact, study: Study) -> LatentScan:
    return read_scan(_scan_of(artifact, study).path)


def _neurons(dictionary: Artifact, study: Study) -> Artifact:
    """The dictionary of the basis dimensions at the same site."""
    site = read_card(dictionary.path).site
    for name, card in study.cards().items():
        if card.method == "neurons" and card.site == site:
            return study.dictionaries[name]
    raise UserError(f"there is no dictionary of the neurons at {site}; give the folder of a run that has one")


def _neuron_of(dictionary: Artifact, latent: int, options: Ablate) -> tuple[int, CaseSide]:
    """The basis dimension of the wanted rank among the weights of a latent's direction, and the side it points to."""
    loaded, card = load_dictionary(dictionary.path)
    _check_exists(card, latent)
    weights = loaded.W_dec[latent]
    if options.neuron_rank > len(weights):
        raise UserError(f"neuron-rank is {options.neuron_rank}; the site has {len(weights)} dimensions")
    dimension = int(weights.abs().argsort(descending=True, stable=True)[options.neuron_rank - 1])
    return dimension, "positive" if weights[dimension] >= 0 else "negative"


# --- checks, in the user's words ----------------------------------------------------------------------------------


def _check_exists(card: DictionaryCard, latent: int) -> None:
    if not 0 <= latent < card.n_latents:
        raise UserError(f"latent {latent} does not exist: {card.name} has 0 to {card.n_latents - 1}")


def _check_fires(scan: LatentScan, latent: int) -> None:
    if scan.fired[latent] == 0:
        often = (-scan.fired).argsort(kind="stable")[:N_SUGGESTED].tolist()
        raise UserError(
            f"latent {latent} never fires on {scan.n_rows:,} validation tokens; choose one of "
            f"{', '.join(map(str, often))}, which fire most often, or another"
        )


def _check_fires_on(text: tuple[int, ...], each: _Chosen, study: Study) -> None:
    dictionary, card = load_dictionary(each.dictionary.path)
    shown = dictionary if each.side == "positive" else flipped(dictionary, each.latent)
    reader = LatentReader(lm=study.lm, site=Site.parse(card.site), dictionary=shown, latent=each.latent)
    values = reader.everywhere(text)
    if values[-1] > 0:
        return
    if (values > 0).any():
        where = study.lm.tokenizer.decode(list(text[: int(values.argmax()) + 1]))
        raise UserError(
            f"latent {each.latent} does not fire on the last token of the text; end it where it fires most: {where!r}"
        )
    raise UserError(f"latent {each.latent} fires on none of the {len(text)} tokens of the text; give another text")


def _tokens_of_text(text: str, study: Study) -> tuple[int, ...]:
    tokens = tuple(backend_tokenizer(study.lm).encode(text, add_special_tokens=False).ids)
    room = study.lm.context_length - (study.lm.bos_id is not None) - 1  # one more is put before it, or behind
    if not tokens:
        raise UserError("the text is empty; give some words")
    if len(tokens) > room:
        raise UserError(f"the text has {len(tokens)} tokens, the model's context has room for {room}; shorten it")
    return tokens


def _one_token(text: str, study: Study) -> int:
    tokenizer = backend_tokenizer(study.lm)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if len(ids) != 1:
        parts = ", ".join(repr(tokenizer.decode([id_])) for id_ in ids) or "none"
        raise UserError(f"{text!r} is {len(ids)} tokens ({parts}); give one token, with the space before it")
    return ids[0]
