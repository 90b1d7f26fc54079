"""What an experiment on dictionaries is made on: the model, the text, the dictionaries and their held-out activations.

Opened from a run's folder, where all of it lies already, or from the folder of one dictionary.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import tyro

from monosemy.core import Artifact, Progress, UserError, Workers, nearest, set_threads
from monosemy.corpus import Corpus
from monosemy.dictionaries import DictionaryCard, load_dictionary, read_card
from monosemy.experiments import EMBEDDED_CORPUS, Recording, corpus_named, store_stage
from monosemy.lm import EMBEDDED_LM, LanguageModel, ModelSource
from monosemy.pipeline import Run
from monosemy.recipes.dictionary_run import Side, Subject, at_point, learn, recorded_sides
from monosemy.recipes.given_dictionary import check_readable, given_dictionary, wanted_site
from monosemy.recipes.stdlib import StdlibRun, subject_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A run's folder or a dictionary's; the options from --model on are for a dictionary's alone."""

    target: tyro.conf.Positional[Path]  # a run's folder, or a dictionary's (of a run, or what SAELens wrote)
    threads: int | None = None  # processes of one thread each; none: every core
    model: str = EMBEDDED_LM  # "embedded", a folder, or a Hugging Face id
    corpus: str = EMBEDDED_CORPUS  # "stdlib", a folder, a .jsonl or .parquet file, or a Hugging Face data set
    text_field: str = "text"  # the column or key that holds the text
    site: str | None = None  # such as resid_post.2, where the folder does not say it
    layer: int | None = None  # for short: resid_post of this layer
    scaling_factor: float | None = None  # by which SAELens multiplied the activations, where it says only that it did
    out: Path | None = None  # folder of what is made; none: runs/studies/ and the folder's name
    context_length: int = 256
    max_sequences: int = 300  # of validation and of test
    dtype: Literal["bfloat16", "float16"] = "bfloat16"  # of the stored activations
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """Everything that is there before an experiment begins.

    dictionaries: by name; of a run, all that were learned from the trained model, whatever their method. headline: the
    name of the one that experiments are made on where none is named (of a run, its TopK at the middle site). validation
    and test: stores in the order of the text, that hold the sites of all dictionaries. side and subject: of a run only;
    side.train holds the training activations.
    """

    run: Run
    workers: Workers
    source: ModelSource
    corpus: Corpus
    context_length: int
    dictionaries: dict[str, Artifact]
    headline: str
    validation: Artifact
    test: Artifact
    seed: int
    side: Side | None = None
    subject: Subject | None = None

    @property
    def lm(self) -> LanguageModel:
        """The model, loaded once a process."""
        return self.source.load()

    def dictionary(self, name: str | None = None) -> Artifact:
        """The dictionary of that name, the headline's where it is None. Raises UserError where there is none."""
        if name is None:
            return self.dictionaries[self.headline]
        if name not in self.dictionaries:
            raise UserError(
                f"there is no dictionary {name!r}{nearest(name, self.dictionaries)}; there are: "
                f"{', '.join(self.dictionaries)}"
            )
        return self.dictionaries[name]

    def cards(self) -> dict[str, DictionaryCard]:
        """What each dictionary is, by its name."""
        return {name: read_card(artifact.path) for name, artifact in self.dictionaries.items()}


@contextmanager
def opened_run(
    config: StdlibRun, *, command: Sequence[str], record_file: str, threads: int | None, progress: Progress
) -> Iterator[Study]:
    """A run's folder, `config` being the options that made it; what it lacks of activations and dictionaries is made.

    record_file: where it is recorded what was done, beside the record of the run.
    """
    n_workers = set_threads(threads)
    source = ModelSource(name=config.model, device=config.device)
    corpus = corpus_named(config.corpus, config.text_field)
    subject = subject_of(config, source, source.load(), corpus)
    with (
        Workers(n_workers) as workers,
        Run(
            config.out,
            command=tuple(command),
            seed=config.seed,
            n_threads=n_workers,
            progress=progress,
            record_file=record_file,
        ) as run,
    ):
        sides = recorded_sides(run, workers, subject)
        learn(run, workers, subject, sides)
        trained = sides[0]
        headline = next(m.name for m in trained.members if m.method == "topk" and at_point(m, subject))
        yield Study(
            run=run,
            workers=workers,
            source=source,
            corpus=corpus,
            context_length=subject.context_length,
            dictionaries=trained.made,
            headline=headline,
            validation=trained.held_out.validation,
            test=trained.held_out.test,
            seed=config.seed,
            side=trained,
            subject=subject,
        )


@contextmanager
def opened_dictionary(target: Target, *, command: Sequence[str], progress: Progress) -> Iterator[Study]:
    """One dictionary's folder; its held-out activations are recorded. Raises UserError as `given_dictionary` does."""
    n_workers = set_threads(target.threads)
    source = ModelSource(name=target.model, device=target.device)
    site = wanted_site(target.site, target.layer)
    check_readable(target.target)
    lm, corpus = source.load(), corpus_named(target.corpus, target.text_field)
    out = target.out or Path("runs/studies") / target.target.resolve().name
    artifact = given_dictionary(target.target, site, target.scaling_factor, target.seed, lm, out)
    card = load_dictionary(artifact.path)[1]
    length = min(target.context_length, lm.context_length)
    with (
        Workers(n_workers) as workers,
        Run(out, command=tuple(command), seed=target.seed, n_threads=n_workers, progress=progress) as run,
    ):
        validation, test = (
            run.stage(
                store_stage(
                    Recording(
                        split=split,
                        sites=(card.site,),
                        context_length=length,
                        max_sequences=target.max_sequences,
                        dtype=target.dtype,
                        seed=target.seed,
                    ),
                    source,
                    corpus,
                    workers,
                )
            )
            for split in _HELD_OUT
        )
        yield Study(
            run=run,
            workers=workers,
            source=source,
            corpus=corpus,
            context_length=length,
            dictionaries={card.name: artifact},
            headline=card.name,
            validation=validation,
            test=test,
            seed=target.seed,
        )


_HELD_OUT: tuple[Literal["validation", "test"], ...] = ("validation", "test")
