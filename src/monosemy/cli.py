"""The command line: `monosemy COMMAND [options]`; every option is a field of the command's frozen configuration."""

import contextlib
import dataclasses
import io
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro

from monosemy import __version__
from monosemy.core import (
    Progress,
    UserError,
    first_difference,
    nearest,
    open_artifact,
    refuse_foreign,
    set_threads,
    to_json,
    write_artifact,
)
from monosemy.lm import Precision
from monosemy.pipeline import RUN_FILE, read_run
from monosemy.recipes import (
    RECIPES,
    Ablate,
    Convert,
    EmbeddedLM,
    Erase,
    Evaluate,
    Harvest,
    Interpret,
    Patch,
    StdlibRun,
    Steer,
    Study,
    Target,
    Tree,
    Until,
    ablate,
    convert,
    erase,
    evaluate_dictionary,
    interpret_dictionary,
    opened_dictionary,
    opened_run,
    patch,
    plan_stdlib,
    run_harvest,
    run_stdlib,
    steer,
    train_embedded_lm,
    tree,
    write_embedded_lm,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What follows `monosemy`: a line of help, and the function that does it with the rest of the arguments."""

    summary: str
    run: Callable[[list[str]], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainLM:
    """Train the embedded language model anew; the same command, corpus and number of threads give the same weights."""

    recipe: tyro.conf.OmitArgPrefixes[EmbeddedLM]
    out: Path = Path("runs/embedded-lm")  # folder of the result; the checkpoint stands beside it until the end
    threads: int = 1  # part of what decides the weights
    device: str = "cpu"
    precision: Precision = "int8"  # of the packed weights


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code: 0 done, 2 an error of the user's making, 130 interrupted."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _dispatch(words)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        again = shlex.join(["monosemy", *words])
        print(f"interrupted; what was finished is kept, `{again}` goes on from there", file=sys.stderr)  # noqa: T201
        return 130
    return 0


def _dispatch(words: list[str]) -> None:
    if not words or words[0] in ("-h", "--help", "help"):
        print(_help())  # noqa: T201
    elif words[0] == "--version":
        print(f"monosemy {__version__}")  # noqa: T201
    elif words[0] in COMMANDS:
        COMMANDS[words[0]].run(words[1:])
    else:
        allowed = ", ".join(COMMANDS)
        raise UserError(f"unknown command {words[0]!r}{nearest(words[0], COMMANDS)}; commands: {allowed}")


def _help() -> str:
    lines = [f"  {name:<10} {command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(
        ["usage: monosemy COMMAND [options]     (monosemy COMMAND --help lists a command's options)", "", *lines]
    )


def _recipe(command: str, until: Until, words: list[str], *, only_cached: bool = False) -> None:
    """`monosemy run [RECIPE] [options]`, and the commands that do it up to one of its stages."""
    config = _recipe_config(command, words)
    with Progress() as progress:
        asked = ["monosemy", command, *words]
        summary = run_stdlib(config, command=asked, progress=progress, until=until, only_cached=only_cached)
    print("\n".join(summary))  # noqa: T201


def _recipe_config(command: str, words: Sequence[str]) -> StdlibRun:
    """The recipe that the first word names (none: the default), with the options that follow."""
    name, options = (words[0], words[1:]) if words and not words[0].startswith("-") else ("stdlib", words)
    if name not in RECIPES:
        raise UserError(f"unknown recipe {name!r}{nearest(name, RECIPES)}; recipes: {', '.join(RECIPES)}")
    recipe = RECIPES[name]()
    return _parse(type(recipe), list(options), f"monosemy {command} {name}", default=recipe)


def _plan(words: list[str]) -> None:
    """`monosemy plan [RECIPE] [options]`: takes the options of `monosemy run`."""
    print("\n".join(plan_stdlib(_recipe_config("plan", words))))  # noqa: T201


def _evaluate(words: list[str]) -> None:
    """`monosemy evaluate RECIPE [options]`, or `monosemy evaluate DICTIONARY [options]` for one dictionary."""
    first = words[0] if words else "-"
    if first in ("-h", "--help"):
        print("monosemy evaluate FOLDER --help lists the options for one dictionary; those of a recipe follow\n")  # noqa: T201
    if first.startswith("-") or first in RECIPES:
        _recipe("evaluate", "evaluate", words)
        return
    wants_help = bool({"-h", "--help"} & set(words))
    if not (wants_help or Path(first).exists()) and Path(first).name == first:  # a word, not a path
        recipes = ", ".join(RECIPES)
        raise UserError(
            f"{first!r} is neither a recipe{nearest(first, RECIPES)} nor a folder with a dictionary; recipes: {recipes}"
        )
    config = _parse(Evaluate, words, "monosemy evaluate", default=tyro.MISSING_NONPROP)
    with Progress() as progress:
        table = evaluate_dictionary(config, command=["monosemy", "evaluate", *words], progress=progress)
    print("\n".join(table))  # noqa: T201


def _interpret(words: list[str]) -> None:
    """`monosemy interpret RUN [options]`, a run's folder, or `monosemy interpret DICTIONARY [options]`."""
    options = _parse(Interpret, words, "monosemy interpret", default=tyro.MISSING_NONPROP)
    command = ["monosemy", "interpret", *words]
    with Progress() as progress:
        if (options.target / RUN_FILE).is_file():
            summary = _interpret_run(options, command, progress)
        else:
            summary = interpret_dictionary(options, command=command, progress=progress)
    print("\n".join(summary))  # noqa: T201


def _interpret_run(options: Interpret, command: list[str], progress: Progress) -> list[str]:
    """The run that the folder records, with these options of interpreting; what it has made already is found again."""
    config = dataclasses.replace(
        _recorded_config(options.target), interpreting=options.interpreting, threads=options.threads
    )
    return run_stdlib(
        config, command=command, progress=progress, judging=options.judging, record_file=INTERPRET_RECORD_FILE
    )


def _recorded_config(folder: Path) -> StdlibRun:
    """The options of the run that a folder records. Raises UserError where no run made it."""
    recorded = read_run(folder / RUN_FILE).command
    if len(recorded) < 2 or recorded[1] not in _RECIPE_COMMANDS:
        allowed = ", ".join(_RECIPE_COMMANDS)
        raise UserError(
            f"{folder} was made by `{shlex.join(recorded)}`; name a folder that one of monosemy {allowed} made, or a "
            "dictionary's"
        )
    return dataclasses.replace(_recipe_config(recorded[1], recorded[2:]), out=folder, refresh=False)


def _study(name: str, options_of: type, do: Callable[[Any, Study], list[str]], words: list[str]) -> None:
    """`monosemy NAME RUN [options]` or `monosemy NAME DICTIONARY [options]`: an experiment on what is there already."""
    options = _parse(options_of, words, f"monosemy {name}", default=tyro.MISSING_NONPROP)
    target: Target = options.target
    command = ["monosemy", name, *words]
    with Progress() as progress:
        if (target.target / RUN_FILE).is_file():
            config, record = _recorded_config(target.target), f"{name}.json"
            opened = opened_run(config, command=command, record_file=record, threads=target.threads, progress=progress)
        else:
            opened = opened_dictionary(target, command=command, progress=progress)
        with opened as study:
            summary = do(options, study)
    print("\n".join(summary))  # noqa: T201


def _harvest(words: list[str]) -> None:
    """`monosemy harvest [RECIPE] [options]`; with --describe a page about any model's activations on a text."""
    if "--describe" not in words:
        _recipe("harvest", "harvest", words)
        return
    config = _parse(Harvest, words, "monosemy harvest --describe", default=Harvest())
    with Progress() as progress:
        summary = run_harvest(config, command=["monosemy", "harvest", *words], progress=progress)
    print("\n".join(summary))  # noqa: T201


def _train_lm(words: list[str]) -> None:
    """`monosemy train-lm [options]`: resumes where an interrupted one of the same settings stopped."""
    config = _parse(TrainLM, words, "monosemy train-lm", default=TrainLM(recipe=EmbeddedLM()))
    # Before hours of training rather than after them.
    refuse_foreign(config.out, "language-model")
    _refuse_another_recipe(config.out, config.recipe)
    set_threads(config.threads)
    checkpoint = config.out.with_name(config.out.name + ".checkpoint")
    with Progress() as progress:
        trained = train_embedded_lm(config.recipe, checkpoint, device=config.device, progress=progress)
    # Where the result was put says nothing of how it was made, and may name a folder of one machine.
    decisive = [word for i, word in enumerate(words) if word != "--out" and words[i - 1 : i] != ["--out"]]
    command = shlex.join(["monosemy", "train-lm", *decisive])
    with write_artifact(config.out, kind="language-model", config=config.recipe) as folder:
        write_embedded_lm(
            folder, config.recipe, trained, command=command, n_threads=config.threads, precision=config.precision
        )
    checkpoint.unlink()
    print(f"wrote {config.out}: model/ for transformers, embedded/ as the package ships it")  # noqa: T201


def _refuse_another_recipe(out: Path, recipe: EmbeddedLM) -> None:
    """Raise UserError where `out` holds a model made by another recipe: hours of work, which this run would replace."""
    if not (out / "manifest.json").is_file():
        return
    difference = first_difference(open_artifact(out, kind="language-model").config, to_json(recipe))
    if difference is not None:
        key, there, here = difference
        raise UserError(f"{out} holds a model whose {key} is {there!r}, not {here!r}; choose another folder with --out")


def _convert(words: list[str]) -> None:
    """`monosemy convert DICTIONARY --to saelens|monosemy --out FOLDER`."""
    config = _parse(Convert, words, "monosemy convert", default=tyro.MISSING_NONPROP)
    print("\n".join(convert(config)))  # noqa: T201


_RECIPE_COMMANDS = ("run", "harvest", "train", "evaluate", "report")
INTERPRET_RECORD_FILE = "interpret.json"
"""What `monosemy interpret RUN` did, beside the record of the run."""

COMMANDS = {
    "run": Command(
        summary=f"everything, from the text to the report; recipes: {', '.join(RECIPES)}",
        run=partial(_recipe, "run", "report"),
    ),
    "plan": Command(summary="what a run would take: memory, disk, time, the largest batch; nothing is made", run=_plan),
    "harvest": Command(summary="record activations, the run's first part; --describe: look at them", run=_harvest),
    "train": Command(summary="the run up to its dictionaries", run=partial(_recipe, "train", "train")),
    "evaluate": Command(
        summary="the run up to its measurements; or, of a dictionary's folder: measure it on any model and text",
        run=_evaluate,
    ),
    "interpret": Command(
        summary="what the latents of a run's folder, or of a dictionary's, respond to: explained and scored, any judge",
        run=_interpret,
    ),
    "patch": Command(
        summary="move latents from one prompt into another: how few make the answer the other's, by method",
        run=partial(_study, "patch", Patch, patch),
    ),
    "ablate": Command(
        summary="case studies: what latents respond to, and what the model says without them",
        run=partial(_study, "ablate", Ablate, ablate),
    ),
    "tree": Command(
        summary="which earlier latents a latent comes from, and which latents of all layers do a task",
        run=partial(_study, "tree", Tree, tree),
    ),
    "erase": Command(
        summary="remove a concept from the activations, and what that costs, beside LEACE",
        run=partial(_study, "erase", Erase, erase),
    ),
    "steer": Command(
        summary="push the model along a latent: effect against damage",
        run=partial(_study, "steer", Steer, steer),
    ),
    "report": Command(
        summary="the run's pages anew, from what is measured already",
        run=partial(_recipe, "report", "report", only_cached=True),
    ),
    "convert": Command(summary="a dictionary into SAELens' files, or SAELens' files into a dictionary", run=_convert),
    "train-lm": Command(summary="train the embedded language model anew", run=_train_lm),
}


def _parse(config: type, words: list[str], program: str, *, default: Any) -> Any:
    """The configuration that the words describe; raises UserError, on one line, where tyro would print a box."""
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(config, args=words, prog=program, default=default)
    except SystemExit as stop:
        if stop.code == 0:  # --help
            raise
        raise UserError(_one_line(complaint.getvalue())) from None


def _one_line(box: str) -> str:
    """What tyro wrote into its box, without the box (drawn in ASCII where the stream knows no better): one line."""
    lines = [line.strip("│| \t") for line in box.splitlines() if not line.startswith(("╭", "╰", "+"))]
    sentences = [line for line in lines if set(line) - set("─- ")]
    return "; ".join(sentence.rstrip(":") for sentence in sentences)
