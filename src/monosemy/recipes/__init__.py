"""Runs by name: a recipe is a function that returns the frozen configuration of a run."""

from monosemy.recipes.case_study import (
    SINGLE_MEANING,
    Ablate,
    ablate,
)
from monosemy.recipes.causal_tree import Tree, check_latent, dictionary_chain, tree
from monosemy.recipes.convert import Convert, convert
from monosemy.recipes.dictionary_run import Measuring, Subject, Until, compare_dictionaries
from monosemy.recipes.embedded_lm import EmbeddedLM, train_embedded_lm, write_embedded_lm
from monosemy.recipes.erasing import Erase, default_dictionaries, erase
from monosemy.recipes.estimate import Estimate, Speed, between, estimate, measured_speed
from monosemy.recipes.evaluate import Evaluate, evaluate_dictionary
from monosemy.recipes.given_dictionary import check_readable, given_dictionary, wanted_site
from monosemy.recipes.harvest import Harvest, run_harvest
from monosemy.recipes.interpret import Interpret, interpret_dictionary
from monosemy.recipes.interpreting import Interpreting, interpret_dictionaries
from monosemy.recipes.judging import Judging
from monosemy.recipes.patching import Patch, patch
from monosemy.recipes.patching_dictionaries import Chosen, DictionaryChoice, chosen_dictionaries
from monosemy.recipes.patching_stages import PatchingAmount, PatchingPlan, patched, patching_lines, patching_of_run
from monosemy.recipes.plan import Plan, plan_run, refuse_what_cannot_fit
from monosemy.recipes.stdlib import StdlibRun, parse_layers, plan_stdlib, run_stdlib, stdlib, stdlib_full
from monosemy.recipes.steering import Steer, steer
from monosemy.recipes.study import Study, Target, opened_dictionary, opened_run
from monosemy.recipes.summary import dictionary_summary, interpretation_lines
from monosemy.recipes.sweeps import Place, Training, default_sweep, full_sweep

RECIPES = {"stdlib": stdlib, "stdlib_full": stdlib_full}

__all__ = [
    "RECIPES",
    "SINGLE_MEANING",
    "Ablate",
    "Chosen",
    "Convert",
    "DictionaryChoice",
    "EmbeddedLM",
    "Erase",
    "Estimate",
    "Evaluate",
    "Harvest",
    "Interpret",
    "Interpreting",
    "Judging",
    "Measuring",
    "Patch",
    "PatchingAmount",
    "PatchingPlan",
    "Place",
    "Plan",
    "Speed",
    "StdlibRun",
    "Steer",
    "Study",
    "Subject",
    "Target",
    "Training",
    "Tree",
    "Until",
    "ablate",
    "between",
    "check_latent",
    "check_readable",
    "chosen_dictionaries",
    "compare_dictionaries",
    "convert",
    "default_dictionaries",
    "default_sweep",
    "dictionary_chain",
    "dictionary_summary",
    "erase",
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
    "patch",
    "patched",
    "patching_lines",
    "patching_of_run",
    "plan_run",
    "plan_stdlib",
    "refuse_what_cannot_fit",
    "run_harvest",
    "run_stdlib",
    "stdlib",
    "stdlib_full",
    "steer",
    "train_embedded_lm",
    "tree",
    "wanted_site",
    "write_embedded_lm",
]
