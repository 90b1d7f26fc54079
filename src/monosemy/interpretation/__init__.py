"""What latents respond to: explanations from one split of the text, scored on another."""

from monosemy.interpretation.bits_curve import bits_curve, bits_to_share
from monosemy.interpretation.calls import CallRecord, CallStore, CallTotals
from monosemy.interpretation.correlation import UnitSums, correlation_status, pearson
from monosemy.interpretation.costs import Estimate, Workload, estimate_cost
from monosemy.interpretation.detection import Cutoffs, ap_lift, balanced_accuracy, choose_cutoffs, f1
from monosemy.interpretation.dry_run import DryRunJudge
from monosemy.interpretation.evidence import BUDGETS, TOP_LEVEL, Budget, Evidence, Sample
from monosemy.interpretation.fit_view import FitView, TokenMeans
from monosemy.interpretation.interpret import Interpretation, InterpretationConfig, interpret_latents
from monosemy.interpretation.interpretation_files import (
    INTERPRETATION_KIND,
    LATENTS_FILE,
    has_failures,
    write_interpretation,
)
from monosemy.interpretation.interpretation_results import INTERPRETATION_METRICS, interpretation_results
from monosemy.interpretation.intruder import (
    IntruderPick,
    IntruderResult,
    IntruderTrial,
    detect_intruders,
    intruder_result,
    intruder_trial,
)
from monosemy.interpretation.judge import Explanation, Judge, JudgeIdentity, Simulation
from monosemy.interpretation.judges import JudgeConfig, judge_from
from monosemy.interpretation.latent_order import LatentChoice, Order, choose_latents, latent_order
from monosemy.interpretation.latent_scores import SCORES, Score
from monosemy.interpretation.local_judge import LocalConfig, LocalJudge
from monosemy.interpretation.local_model import LocalModel
from monosemy.interpretation.openai_judge import OpenAIJudge
from monosemy.interpretation.openai_questions import OpenAIConfig
from monosemy.interpretation.pace import Pace
from monosemy.interpretation.picker import Picker
from monosemy.interpretation.predicates import AnyPredicate, Predicate
from monosemy.interpretation.prompts import PROMPT_HASH
from monosemy.interpretation.questions import Reply
from monosemy.interpretation.replay_judge import ReplayConfig, ReplayJudge
from monosemy.interpretation.rule_search import fit_rules
from monosemy.interpretation.rule_sentence import rule_sentence
from monosemy.interpretation.rules import Rule, RuleList, rule_list_json
from monosemy.interpretation.rules_config import RulesConfig
from monosemy.interpretation.rules_judge import RULES_VERSION, RulesJudge
from monosemy.interpretation.score_intervals import (
    interval_around,
    mean_pearson,
    mean_statistic,
    resamples,
    value_and_interval,
)
from monosemy.interpretation.score_view import N_PAPER_FRAGMENTS, Scored, ScoreView
from monosemy.interpretation.text import Text, TextLabels, text_of

__all__ = [
    "BUDGETS",
    "INTERPRETATION_KIND",
    "INTERPRETATION_METRICS",
    "LATENTS_FILE",
    "N_PAPER_FRAGMENTS",
    "PROMPT_HASH",
    "RULES_VERSION",
    "SCORES",
    "TOP_LEVEL",
    "AnyPredicate",
    "Budget",
    "CallRecord",
    "CallStore",
    "CallTotals",
    "Cutoffs",
    "DryRunJudge",
    "Estimate",
    "Evidence",
    "Explanation",
    "FitView",
    "Interpretation",
    "InterpretationConfig",
    "IntruderPick",
    "IntruderResult",
    "IntruderTrial",
    "Judge",
    "JudgeConfig",
    "JudgeIdentity",
    "LatentChoice",
    "LocalConfig",
    "LocalJudge",
    "LocalModel",
    "OpenAIConfig",
    "OpenAIJudge",
    "Order",
    "Pace",
    "Picker",
    "Predicate",
    "ReplayConfig",
    "ReplayJudge",
    "Reply",
    "Rule",
    "RuleList",
    "RulesConfig",
    "RulesJudge",
    "Sample",
    "Score",
    "ScoreView",
    "Scored",
    "Simulation",
    "Text",
    "TextLabels",
    "TokenMeans",
    "UnitSums",
    "Workload",
    "ap_lift",
    "balanced_accuracy",
    "bits_curve",
    "bits_to_share",
    "choose_cutoffs",
    "choose_latents",
    "correlation_status",
    "detect_intruders",
    "estimate_cost",
    "f1",
    "fit_rules",
    "has_failures",
    "interpret_latents",
    "interpretation_results",
    "interval_around",
    "intruder_result",
    "intruder_trial",
    "judge_from",
    "latent_order",
    "mean_pearson",
    "mean_statistic",
    "pearson",
    "resamples",
    "rule_list_json",
    "rule_sentence",
    "text_of",
    "value_and_interval",
    "write_interpretation",
]
