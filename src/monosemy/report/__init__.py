"""Pages and figures, made of artifacts' files alone."""

from monosemy.report.case_charts import (
    activation_chart,
    effect_chart,
    pattern_chart,
    token_code,
    token_label,
)
from monosemy.report.case_page import (
    write_case_page,
)
from monosemy.report.case_reading import (
    CasePage,
    ShownCase,
    StudiedCase,
    agreement_words,
    case_sentence,
    read_cases,
    read_search,
)
from monosemy.report.case_section import (
    case_section,
)
from monosemy.report.circuit_section import circuit_section, circuit_sentence
from monosemy.report.describe_page import write_describe_page
from monosemy.report.dictionary_answer import answers, question, verdict
from monosemy.report.dictionary_charts import (
    density_charts,
    has_collapsed,
    layer_charts,
    methods_chart,
    sparsity_charts,
)
from monosemy.report.dictionary_groups import Group, compared, groups, label_of, natural
from monosemy.report.dictionary_latents import chosen_latents, random_latents
from monosemy.report.dictionary_page import write_dictionary_page
from monosemy.report.dictionary_reading import (
    DictionaryEvaluation,
    DictionaryRun,
    DictionaryRunFiles,
    read_dictionary_evaluation,
    read_dictionary_run,
)
from monosemy.report.dictionary_tables import alive_share
from monosemy.report.erasure_charts import pareto_chart
from monosemy.report.erasure_page import write_erasure_page
from monosemy.report.erasure_reading import ErasedBy, ErasedConcept, read_erasures
from monosemy.report.feature_view import (
    FeatureContext,
    LatentCard,
    LatentContexts,
    LatentExplanation,
    context_line,
    explanation_line,
    latent_card,
    visible,
)
from monosemy.report.figures import (
    Axis,
    Cloud,
    Dot,
    Line,
    bar_chart,
    dot_chart,
    line_chart,
    scatter_chart,
)
from monosemy.report.fragment_reading import read_latent_contexts
from monosemy.report.ground_page import write_ground_page
from monosemy.report.interpretation_answer import interpretation_answer
from monosemy.report.interpretation_charts import (
    bits_chart,
    layer_score_charts,
    methods_score_chart,
    score_by,
    size_score_charts,
    top_k_score_chart,
)
from monosemy.report.interpretation_page import write_interpretation_page
from monosemy.report.interpretation_reading import (
    InterpretationRun,
    InterpretedGroup,
    InterpretedScore,
    read_interpretation,
)
from monosemy.report.interpretation_section import (
    best_middle_worst,
    explained_latents,
    interpretation_section,
    interpretation_sections,
    judge_note,
)
from monosemy.report.interpretation_tables import (
    control_differences_table,
    every_moment_table,
    every_score_table,
    first_features,
    first_features_table,
    moments_table,
    score_differences_table,
    skipped_table,
)
from monosemy.report.language_model_charts import (
    GATE,
    induction_charts,
    labels_chart,
    loss_chart,
    position_chart,
    tasks_chart,
)
from monosemy.report.numbers import count, decimals, interval, percent, significant
from monosemy.report.page import Chart, Column, Markup, Section, page, table
from monosemy.report.patching_charts import (
    areas_chart,
    coefficients_chart,
    compared_curves,
    entries_chart,
    kl_chart,
    layers_chart,
    order_charts,
    task_charts,
)
from monosemy.report.patching_page import patching_section, write_patching_page
from monosemy.report.patching_reading import PatchCurve, PatchingRun, area_verdict, read_patching
from monosemy.report.patching_tables import areas_table, claim_answer, differences_table, orders_table
from monosemy.report.reading import (
    DescriptionFiles,
    EvaluationFiles,
    read_description_files,
    read_evaluation,
    read_json_object,
)
from monosemy.report.steering_charts import strength_chart, tradeoff_chart
from monosemy.report.steering_page import write_steering_page
from monosemy.report.steering_reading import Steered, SteeredBy, read_steered
from monosemy.report.style import DARK, HEAT, LIGHT, SERIES, contrast
from monosemy.report.task_view import marked_difference, tasks_answer, tasks_section
from monosemy.report.training_charts import shown_groups, training_charts
from monosemy.report.tree_chart import TreeRow, tree_chart, tree_rows
from monosemy.report.tree_page import tree_answer, write_tree_page
from monosemy.report.tree_reading import TreeFiles, read_explanations, read_tree_files

__all__ = [
    "DARK",
    "GATE",
    "HEAT",
    "LIGHT",
    "SERIES",
    "Axis",
    "CasePage",
    "Chart",
    "Cloud",
    "Column",
    "DescriptionFiles",
    "DictionaryEvaluation",
    "DictionaryRun",
    "DictionaryRunFiles",
    "Dot",
    "ErasedBy",
    "ErasedConcept",
    "EvaluationFiles",
    "FeatureContext",
    "Group",
    "InterpretationRun",
    "InterpretedGroup",
    "InterpretedScore",
    "LatentCard",
    "LatentContexts",
    "LatentExplanation",
    "Line",
    "Markup",
    "PatchCurve",
    "PatchingRun",
    "Section",
    "ShownCase",
    "Steered",
    "SteeredBy",
    "StudiedCase",
    "TreeFiles",
    "TreeRow",
    "activation_chart",
    "agreement_words",
    "alive_share",
    "answers",
    "area_verdict",
    "areas_chart",
    "areas_table",
    "bar_chart",
    "best_middle_worst",
    "bits_chart",
    "case_section",
    "case_sentence",
    "chosen_latents",
    "circuit_section",
    "circuit_sentence",
    "claim_answer",
    "coefficients_chart",
    "compared",
    "compared_curves",
    "context_line",
    "contrast",
    "control_differences_table",
    "count",
    "decimals",
    "density_charts",
    "differences_table",
    "dot_chart",
    "effect_chart",
    "entries_chart",
    "every_moment_table",
    "every_score_table",
    "explained_latents",
    "explanation_line",
    "first_features",
    "first_features_table",
    "groups",
    "has_collapsed",
    "induction_charts",
    "interpretation_answer",
    "interpretation_section",
    "interpretation_sections",
    "interval",
    "judge_note",
    "kl_chart",
    "label_of",
    "labels_chart",
    "latent_card",
    "layer_charts",
    "layer_score_charts",
    "layers_chart",
    "line_chart",
    "loss_chart",
    "marked_difference",
    "methods_chart",
    "methods_score_chart",
    "moments_table",
    "natural",
    "order_charts",
    "orders_table",
    "page",
    "pareto_chart",
    "patching_section",
    "pattern_chart",
    "percent",
    "position_chart",
    "question",
    "random_latents",
    "read_cases",
    "read_description_files",
    "read_dictionary_evaluation",
    "read_dictionary_run",
    "read_erasures",
    "read_evaluation",
    "read_explanations",
    "read_interpretation",
    "read_json_object",
    "read_latent_contexts",
    "read_patching",
    "read_search",
    "read_steered",
    "read_tree_files",
    "scatter_chart",
    "score_by",
    "score_differences_table",
    "shown_groups",
    "significant",
    "size_score_charts",
    "skipped_table",
    "sparsity_charts",
    "strength_chart",
    "table",
    "task_charts",
    "tasks_answer",
    "tasks_chart",
    "tasks_section",
    "token_code",
    "token_label",
    "top_k_score_chart",
    "tradeoff_chart",
    "training_charts",
    "tree_answer",
    "tree_chart",
    "tree_rows",
    "verdict",
    "visible",
    "write_case_page",
    "write_describe_page",
    "write_dictionary_page",
    "write_erasure_page",
    "write_ground_page",
    "write_interpretation_page",
    "write_patching_page",
    "write_steering_page",
    "write_tree_page",
]
