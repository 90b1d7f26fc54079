"""Runs by name: a recipe is a function that returns the frozen configuration of a run."""

from monosemy.recipes.dictionary_run import Measuring, Subject, Until, compare_dictionaries
from monosemy.recipes.embedded_lm import EmbeddedLM, train_embedded_lm, write_embedded_lm
from monosemy.recipes.estimate import Estimate, estimate
from monosemy.recipes.harvest import Harvest, run_harvest
from monosemy.recipes.stdlib import StdlibRun, parse_layers, run_stdlib, stdlib, stdlib_full
from monosemy.recipes.summary import dictionary_summary
from monosemy.recipes.sweeps import Place, Training, default_sweep, full_sweep

RECIPES = {"stdlib": stdlib, "stdlib_full": stdlib_full}

__all__ = [
    "RECIPES",
    "EmbeddedLM",
    "Estimate",
    "Harvest",
    "Measuring",
    "Place",
    "StdlibRun",
    "Subject",
    "Training",
    "Until",
    "compare_dictionaries",
    "default_sweep",
    "dictionary_summary",
    "estimate",
    "full_sweep",
    "parse_layers",
    "run_harvest",
    "run_stdlib",
    "stdlib",
    "stdlib_full",
    "train_embedded_lm",
    "write_embedded_lm",
]
