"""`monosemy steer`: push the model along a latent's direction; what that does for its purpose, and to all else."""

from collections.abc import Sequence
from dataclasses import dataclass

import tyro

from monosemy.causal import STRENGTHS
from monosemy.core import Result, UserError, read_results, write_results
from monosemy.experiments import STEERING_RESULTS, SteeringConfig, has_labels, steering_job
from monosemy.recipes.dictionary_run import done
from monosemy.recipes.harvest import how_it_was_made
from monosemy.recipes.study import Study, Target
from monosemy.report import write_steering_page


@dataclass(frozen=True, kw_only=True, slots=True)
class Steer:
    """Steer with a latent over a range of strengths: the effect that is meant against the damage to neutral text.

    Beside it the difference of means and random directions of the same length. Of a run's folder: its TopK at the
    middle site, where no other is named; of a dictionary's folder: that one.
    """

    target: tyro.conf.OmitArgPrefixes[Target]
    tasks: tuple[str, ...] = ("C1", "A2", "own_tokens")  # counterfactual tasks, and the tokens that a latent raises
    dictionaries: tuple[str, ...] = ()  # by name; none: the headline's
    latent: int | None = None  # its number; none: one is chosen for each task
    strengths: tuple[float, ...] = STRENGTHS  # times the latent's 99 % quantile where it is active
    pairs: int = 60  # of each half of a task's templates
    sequences: int = 24  # rows of validation and of test on which the damage is measured
    draws: int = 3  # of random directions


def steer(options: Steer, study: Study) -> list[str]:
    """Do what the options say; the lines to print at the end.

    Raises UserError for a task, a dictionary or a latent that there is not, a latent that never fires, and a task of
    the embedded model on another one.
    """
    names = options.dictionaries or (study.headline,)
    artifacts = {name: study.dictionary(name) for name in names}
    cards = study.cards()
    if not has_labels(study.lm, study.corpus) and any(task != "own_tokens" for task in options.tasks):
        raise UserError("the tasks are of the embedded model's Python; with another one give --tasks own_tokens")
    jobs = [
        steering_job(
            SteeringConfig(
                task=task,
                site=cards[name].site,
                latent=options.latent,
                strengths=options.strengths,
                n_pairs=options.pairs,
                n_sequences=options.sequences,
                n_draws=options.draws,
                seed=study.seed,
            ),
            artifact,
            study.validation,
            study.test,
            study.source,
        )
        for task in options.tasks
        for name, artifact in artifacts.items()
    ]
    found = done(study.run, study.workers, jobs, name="steer", unit="edits")
    page = study.run.folder / "report" / "steer.html"
    write_steering_page(page, [artifact.path for artifact in found], how_it_was_made(study.run))
    results = [result for artifact in found for result in read_results(artifact.file(STEERING_RESULTS))]
    write_results(study.run.folder / "steer-results.jsonl", results)
    return [*_lines(results), f"report: {page}"]


def _lines(results: Sequence[Result]) -> list[str]:
    """A line an effect."""
    lines: list[str] = []
    for result in results:
        if result.definition != "steering_effect":
            continue
        task = result.metric.split("/", 1)[1]
        name = " ".join(part for part in (result.method, result.variant) if part)
        value = "no effect within the damage" if result.value is None else f"{result.value:+.2f} nats, {result.reason}"
        lines.append(f"{task}: {name}: {value}")
    return lines
