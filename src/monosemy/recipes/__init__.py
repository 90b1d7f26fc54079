"""Runs by name: a recipe is a function that returns the frozen configuration of a run."""

from monosemy.recipes.embedded_lm import EmbeddedLM, train_embedded_lm, write_embedded_lm
from monosemy.recipes.harvest import Harvest, run_harvest
from monosemy.recipes.stdlib import StdlibRun, run_stdlib, stdlib

RECIPES = {"stdlib": stdlib}

__all__ = [
    "RECIPES",
    "EmbeddedLM",
    "Harvest",
    "StdlibRun",
    "run_harvest",
    "run_stdlib",
    "stdlib",
    "train_embedded_lm",
    "write_embedded_lm",
]
