"""Processor seconds of the searches for the latents that matter, on the dictionaries of a finished run.

For each dictionary and task: the attribution order and the curve along it, 16 steps of the greedy search, and the
paper's threshold sweep of one seed (50 thresholds), with how many of its visits needed no pass, how many prompts it ran
and how many the naive sweep would have run. One thread; processor time, so that whoever else is busy counts little.

Run with `python benchmarks/patching.py FOLDER [dictionary ...] [--tasks E2 C1] [--pairs 50]`, FOLDER being what
`monosemy run` wrote. Without names: one dictionary of each kind.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from monosemy.causal import (
    PAPER_THRESHOLDS,
    Patching,
    attribution_order,
    curve_along,
    greedy_order,
    patch_counts,
    threshold_sweep,
)
from monosemy.core import UserError, set_threads
from monosemy.corpus.tasks import generate, task_named
from monosemy.dictionaries import load_dictionary, read_card
from monosemy.experiments import backend_tokenizer
from monosemy.lm import LanguageModel, ModelSource, Site

KINDS = ("topk", "tied_l1", "pca", "pca_nonneg", "random")
GREEDY_STEPS = 16
COLUMNS = ("dictionary", "task", "latents", "order s", "greedy s", "sweep s", "visits", "no pass", "rows", "naive rows")


def dictionaries(folder: Path) -> dict[str, Path]:
    """The folders of the trained model's dictionaries, by name."""
    folders = sorted(path for path in folder.glob("dictionary-*") if path.is_dir())
    cards = {path: read_card(path) for path in folders}
    return {card.name: path for path, card in cards.items() if card.lm_kind == "trained"}


def chosen(found: dict[str, Path], names: Sequence[str]) -> list[str]:
    """The names asked for, or one of each kind."""
    if names:
        for name in names:
            if name not in found:
                raise UserError(f"there is no dictionary {name!r}; there are: {', '.join(found)}")
        return list(names)
    return [next(name for name in sorted(found) if name.startswith(f"{kind}-")) for kind in KINDS]


def seconds(fn: Callable[[], object]) -> float:
    """Processor seconds of one call."""
    start = time.process_time()
    fn()
    return time.process_time() - start


def rows(lm: LanguageModel, folder: Path, names: Sequence[str], tasks: Sequence[str], n: int) -> Iterator[list[str]]:
    """A row of the table for each dictionary and task, as they are measured."""
    found = dictionaries(folder)
    for name in chosen(found, names):
        dictionary, card = load_dictionary(found[name])
        for task in tasks:
            pairs = generate(task_named(task), backend_tokenizer(lm), n, seed=0)
            patching = Patching(lm, Site.parse(card.site), dictionary, pairs)
            counts = patch_counts(patching.n_latents, lm.d_model)
            order = seconds(lambda p=patching, c=counts: curve_along(p, attribution_order(p), c))
            greedy = seconds(lambda p=patching: greedy_order(p, GREEDY_STEPS))
            start = time.process_time()
            sweep = threshold_sweep(patching, PAPER_THRESHOLDS)
            taken = time.process_time() - start
            yield [
                *(name, task, str(patching.n_latents)),
                *(f"{value:.1f}" for value in (order, greedy, taken)),
                *(f"{value:,}" for value in (sweep.n_visits, sweep.n_skipped, sweep.n_rows, sweep.n_visits * n)),
            ]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("dictionaries", nargs="*")
    parser.add_argument("--tasks", nargs="+", default=["E2", "C1"])
    parser.add_argument("--pairs", type=int, default=50)
    given = parser.parse_args(arguments)
    set_threads(1)
    widths = [48, 5, 8, *[9] * 3, *[11] * 4]
    measured = rows(ModelSource().load(), given.folder, given.dictionaries, given.tasks, given.pairs)
    for row in itertools.chain([COLUMNS], measured):
        sys.stdout.write("".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
