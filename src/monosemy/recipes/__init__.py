"""Runs by name: a recipe is a function that returns the frozen configuration of a run."""

from monosemy.recipes.convert import Convert, convert
from monosemy.recipes.dictionary_run import Measuring, Subject, Until, compare_dictionaries
from monosemy.recipes.embedded_lm import EmbeddedLM, train_embedded_lm, write_embedded_lm
from monosemy.recipes.estimate import Estimate, Speed, between, estimate, measured_speed
from monosemy.recipes.evaluate import Evaluate, evaluate_dictionary
from monosemy.recipes.given_dictionary import check_readable, given_dictionary, wanted_site
from monosemy.recipes.harvest import Harvest, run_harvest
from monosemy.recipes.interpret import Interpret, interpret_dictionary
from monosemy.recipes.interpreting import Interpreting, interpret_dictionaries
from monosemy.recipes.judging import Judging
from monosemy.recipes.plan import Plan, plan_run, refuse_what_cannot_fit
from monosemy.recipes.stdlib import StdlibRun, parse_layers, plan_stdlib, run_stdlib, stdlib, stdlib_full
from monosemy.recipes.study import Study, Target, opened_dictionary, opened_run
from monosemy.recipes.summary import dictionary_summary, interpretation_lines
from monosemy.recipes.sweeps import Place, Training, default_sweep, full_sweep

RECIPES = {"stdlib": stdlib, "stdlib_full": stdlib_full}

__all__ = [
    "RECIPES",
    "Convert",
    "EmbeddedLM",
    "Estimate",
    "Evaluate",
    "Harvest",
    "Interpret",
    "Interpreting",
    "Judging",
    "Measuring",
    "Place",
    "Plan",
    "Speed",
    "StdlibRun",
    "Study",
    "Subject",
    "Target",
    "Training",
    "Until",
    "between",
    "check_readable",
    "compare_dictionaries",
    "convert",
    "default_sweep",
    "dictionary_summary",
    "estimate",
    "evaluate_dictionary",
    "full_sweep",
    "given_dictionary",
    "interpret_dictionaries",
    "interpret_dictionary",
    "interpretation_lines",
    "measured_speed",
    "opened_dictionary",
    "opened_run",
    "parse_layers",
    "plan_run",
    "plan_stdlib",
    "refuse_what_cannot_fit",
    "run_harvest",
    "run_stdlib",
    "stdlib",
    "stdlib_full",
    "train_embedded_lm",
    "wanted_site",
    "write_embedded_lm",
]
