"""`monosemy patch`: how few latents move the model's answer from one prompt's to the other's (Figures 3 and 17)."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field

import tyro

from monosemy.core import UserError
from monosemy.dictionaries import read_card
from monosemy.experiments import RESULTS_FILE, PatchingOrder, task_words
from monosemy.lm import EMBEDDED_LM
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.patching_dictionaries import Chosen, DictionaryChoice, chosen_dictionaries
from monosemy.recipes.patching_stages import PatchingAmount, PatchingPlan, patched, patching_lines
from monosemy.recipes.study import Study, Target
from monosemy.report import write_patching_page

EMBEDDED_TASKS, ENGLISH_TASKS = ("E1", "E2", "C1", "A2"), ("IOI",)
PAGE, RESULTS = "patching.html", "patching-results.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """Patch latents of one prompt into another, n at a time: how near does the prediction come, and by which method?

    Of a run's folder: dictionaries of several methods side by side, those made that the run lacks. Of a dictionary's
    folder: that one, and baselines beside it.
    """

    target: tyro.conf.OmitArgPrefixes[Target]
    tasks: tuple[str, ...] = ()  # such as E2 C1, IOI of English models; none: E1 E2 C1 A2, or IOI of other models
    methods: tuple[str, ...] = ("topk", "tied_l1", "pca", "pca_nonneg", "random")
    orders: tuple[PatchingOrder, ...] = ("attribution",)  # in which latents are patched; also greedy, threshold_sweep
    search_all: bool = False  # greedy and threshold_sweep for every dictionary, not only the headline's and PCA
    layers: str | None = None  # of a run: "all", "0-2" or "1,3"; none: the layer where methods are compared
    extra_coefficients: tuple[float, ...] = ()  # of tied L1, trained besides the run's: 0 is the paper's
    all_seeds: bool = False  # all seeds of a run's headline dictionaries, not only the first
    amount: tyro.conf.OmitArgPrefixes[PatchingAmount] = field(default_factory=PatchingAmount)


def patch(options: Patch, study: Study) -> list[str]:
    """Do what the options say; the lines to print at the end. Writes report/patching.html and patching-results.jsonl.

    Tasks below the gate are drawn too, with the accuracy beside them. Raises UserError for an unknown task, method or
    layer, and as the parts do.
    """
    tasks = options.tasks or (EMBEDDED_TASKS if study.source.name == EMBEDDED_LM else ENGLISH_TASKS)
    for task in tasks:
        task_words(task)
    _check(options)
    choice = DictionaryChoice(
        methods=options.methods,
        layers=options.layers,
        extra_coefficients=options.extra_coefficients,
        all_seeds=options.all_seeds,
    )
    chosen = chosen_dictionaries(study, choice)
    plan = PatchingPlan(
        tasks=tuple(dict.fromkeys(tasks)),
        orders=options.orders,
        headline=chosen.headline,
        searched=None if options.search_all else _searched(chosen),
        gate=None,
        amount=options.amount,
        seed=study.seed,
    )
    summary = patched(study.run, study.workers, study.source, chosen.dictionaries, plan)
    folder = study.run.folder
    page = folder / "report" / PAGE
    made = {key: words for key, words in how_it_was_made(study.run).items() if key != "stages"}  # those of many runs
    write_patching_page(page, summary.path, made)
    shutil.copyfile(summary.file(RESULTS_FILE), folder / RESULTS)
    return [*patching_lines(summary), f"results: {folder / RESULTS}", f"page: {page}"]


def _searched(chosen: Chosen) -> tuple[str, ...]:
    """The headlines and PCA: a search runs the model for every latent."""
    pca = [name for name, artifact in chosen.dictionaries.items() if read_card(artifact.path).method == "pca"]
    return (*chosen.headline, *pca)


def _check(options: Patch) -> None:
    amount = options.amount
    counts: Sequence[tuple[str, int]] = (
        ("n-pairs", amount.n_pairs),
        ("n-selection-pairs", amount.n_selection_pairs),
        ("n-search-pairs", amount.n_search_pairs),
        ("n-greedy", amount.n_greedy),
        ("n-thresholds", amount.n_thresholds),
        ("n-sweeps", amount.n_sweeps),
    )
    for name, n in counts:
        if n < 1:
            raise UserError(f"--{name} is {n}; give at least 1")
    if not options.orders:
        raise UserError("--orders names no order; give attribution, greedy or threshold_sweep")
