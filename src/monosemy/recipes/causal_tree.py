"""`monosemy tree`: the causal tree of a latent, and which latents of all layers carry whole tasks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tyro

from monosemy.causal import TargetCriterion, TreeConfig
from monosemy.core import Artifact, UserError, read_results, write_results
from monosemy.corpus.tasks import task_named
from monosemy.dictionaries import DictionaryCard
from monosemy.experiments import (
    RESULTS_FILE,
    CausalTreeConfig,
    TaskCircuitConfig,
    causal_tree_job,
    has_labels,
    task_circuit_job,
)
from monosemy.lm import RESIDUAL_LOCATIONS, Site
from monosemy.pipeline import Job, Stage
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.study import Study, Target
from monosemy.report import read_json_object, write_tree_page

DEFAULT_TASKS = ("C1", "E2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """Which latents of earlier layers a latent falls without, and theirs, drawn as a tree; and graphs of whole tasks.

    Of a run's folder, whose dictionaries at earlier layers are those made in the same way as the target's, unless
    --below names others.
    """

    target: tyro.conf.OmitArgPrefixes[Target]
    dictionary: str | None = None  # the target's; none: of the headline's kind, at the last layer that has one
    latent: int | None = None  # none: one that stands for a closing bracket or quote
    below: tuple[str, ...] = ()  # dictionaries of the earlier layers; none: those of the target's kind
    contexts: int = 20  # windows on which a latent is ablated
    window: int = 48  # tokens of a window, which begins fresh
    children: int = 3  # of each latent
    depth: int = 3
    candidates: int = 200  # latents ablated exactly, those with the largest attribution
    exact: bool = False  # ablate all latents exactly
    min_share: float = 0.05  # a child that lowers its parent by less is not drawn
    tasks: tuple[str, ...] | None = None  # of the graphs; none: C1 and E2 with the embedded model's tokens, else no one
    pairs: int = 100  # of a task, half to choose nodes and half to report
    refresh: bool = False  # make again what is there already
    criterion: TargetCriterion = field(default_factory=TargetCriterion)


def tree(options: Tree, study: Study) -> list[str]:
    """Grow the tree, make the graphs, write tree.html and tree-results.jsonl; the lines to print at the end.

    Raises UserError where no dictionary of an earlier layer is there, for a latent that does not exist, never fires or
    has no context, and for a task that does not exist.
    """
    chain = dictionary_chain(study.cards(), study.headline, options.dictionary, options.below)
    check_latent(study.cards()[chain[-1]], options.latent)
    dictionaries = [study.dictionary(name) for name in chain]
    jobs = [
        causal_tree_job(tree_config(options, study.seed), dictionaries, study.validation, study.test, study.source),
        *_circuits(options, study, dictionaries),
    ]
    stages = [job.stages[0] for job in jobs]

    def plan(missing: Sequence[Stage]) -> list[Job]:
        wanted = {stage.key for stage in missing}
        return [job for job in jobs if job.stages[0].key in wanted]

    made = study.run.stages(stages, plan, study.workers, name="causal tree", unit="steps", refresh=options.refresh)
    return _written(study, chain, made)


def tree_config(options: Tree, seed: int) -> CausalTreeConfig:
    """The options as the stage's configuration. Raises UserError for numbers that make no sense."""
    return CausalTreeConfig(
        latent=options.latent,
        criterion=options.criterion,
        tree=TreeConfig(
            n_contexts=options.contexts,
            window_tokens=options.window,
            n_children=options.children,
            depth=options.depth,
            n_candidates=options.candidates,
            exact=options.exact,
            min_share=options.min_share,
            seed=seed,
        ),
    )


def dictionary_chain(
    cards: dict[str, DictionaryCard], headline: str, name: str | None, below: Sequence[str]
) -> list[str]:
    """The names of the dictionaries from the lowest layer to the target's.

    name None: of the headline's kind at the last site that has one. below: instead of those of the target's kind.
    Raises UserError where a name is unknown, a site is not of the residual stream, two dictionaries are of one site or
    none is of an earlier one, saying what is needed.
    """
    for each in (*([] if name is None else [name]), *below):
        if each not in cards:
            raise UserError(f"there is no dictionary {each!r}; there are: {', '.join(cards)}")
    target = max(_alike(cards, headline), key=lambda each: _site(cards[each])) if name is None else name
    if _site(cards[target]).location not in RESIDUAL_LOCATIONS:
        raise UserError(f"{target} is of {cards[target].site}; a causal tree goes through residual sites only")
    earlier = below or [each for each in _alike(cards, target) if _site(cards[each]) < _site(cards[target])]
    chain = sorted(earlier, key=lambda each: _site(cards[each]))
    sites = [_site(cards[each]) for each in (*chain, target)]
    if not chain:
        raise UserError(_what_is_needed(cards, target))
    for site, each in zip(sites, (*chain, target), strict=True):
        if site.location not in RESIDUAL_LOCATIONS or sites.count(site) > 1 or site > sites[-1]:
            raise UserError(
                f"{each} is of {site}; --below takes one dictionary for each residual site before {sites[-1]}"
            )
    return [*chain, target]


def check_latent(card: DictionaryCard, latent: int | None) -> None:
    """Raise UserError when the dictionary has no such latent."""
    if latent is not None and not 0 <= latent < card.n_latents:
        raise UserError(f"latent {latent} does not exist: {card.name} has 0 to {card.n_latents - 1}")


def _site(card: DictionaryCard) -> Site:
    return Site.parse(card.site)


def _alike(cards: dict[str, DictionaryCard], name: str) -> list[str]:
    """The dictionaries made in the same way at any site of the same location, the named one among them."""
    own = cards[name]

    def kind(card: DictionaryCard) -> tuple[object, ...]:
        site = _site(card)
        how = (card.method, card.variant, card.sparsity, card.n_latents, card.seed, card.lm)
        return (*how, site.location, site.centered)

    return [each for each, card in cards.items() if kind(card) == kind(own)]


def _what_is_needed(cards: dict[str, DictionaryCard], target: str) -> str:
    site = _site(cards[target])
    there = [each for each, card in cards.items() if _site(card) < site]
    layers = f"resid_post.0 to resid_post.{site.layer - 1}" if site.layer > 1 else "resid_post.0"
    if site.layer == 0:
        return f"{target} is of {site}, the lowest layer: it has no earlier one to look at; name one of a later layer"
    choice = f"--below {' '.join(there)}" if there else "make them with monosemy run and its layers"
    return (
        f"a causal tree of {target} needs a dictionary at an earlier site ({layers}), and none is made in the same "
        f"way; there are at earlier sites: {', '.join(there) or 'none'}: {choice}"
    )


def _circuits(options: Tree, study: Study, dictionaries: Sequence[Artifact]) -> list[Job]:
    names = options.tasks
    if names is None:
        names = DEFAULT_TASKS if has_labels(study.lm, study.corpus) else ()
    for name in names:
        task_named(name)
    configs = [TaskCircuitConfig(task=name, n_pairs=options.pairs, seed=study.seed) for name in names]
    return [task_circuit_job(config, dictionaries, study.validation, study.source) for config in configs]


def _written(study: Study, chain: Sequence[str], made: Sequence[Artifact]) -> list[str]:
    """The page, the results, and what to print."""
    folder = study.run.folder
    page = folder / "report" / "tree.html"
    page.parent.mkdir(exist_ok=True)
    paths = [artifact.path for artifact in made]
    write_tree_page(page, paths[0], paths[1:], _interpretations(folder, chain), how_it_was_made(study.run))
    results = [result for path in paths for result in read_results(path / RESULTS_FILE)]
    write_results(folder / "tree-results.jsonl", results)
    check = next(result for result in results if result.metric == "causal_tree_recall")
    ranks = [result for result in results if result.metric == "causal_tree_rank_correlation"]
    lines = [
        f"causal tree of {(check.variant or '').replace('_', ' ')} of {chain[-1]}: recall of the exact top ten "
        f"{check.value:.0%}, rank correlation of attribution and exact ablation "
        + ", ".join(f"{rank.value:.2f}" for rank in ranks if rank.value is not None)
        + " (all latents, active ones)"
    ]
    for result in results:
        if result.metric == "causal_tree_effect" and result.value is not None:
            child, parent = (result.variant or "").split("->")
            lines.append(f"  without {child} {parent} falls by {result.value:.0%}")
        if result.metric.startswith("circuit_"):
            shown = result.reason if result.value is None else f"{result.value:.3g}"
            lines.append(f"{result.metric} {result.variant}: {shown}")
    return [*lines, f"report: {page}"]


def _interpretations(folder: Path, names: Sequence[str]) -> list[Path]:
    """The folders of a run that hold explanations of these dictionaries' latents."""
    about = sorted(folder.glob("interpretation-*/about.json"))
    return [path.parent for path in about if read_json_object(path, ("name",))["name"] in names]
