"""Pages and figures, made of artifacts' files alone."""

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
from monosemy.report.reading import DescriptionFiles, EvaluationFiles, read_description_files, read_evaluation
from monosemy.report.style import DARK, HEAT, LIGHT, SERIES, contrast
from monosemy.report.task_view import marked_difference, tasks_answer, tasks_section
from monosemy.report.training_charts import shown_groups, training_charts

__all__ = [
    "DARK",
    "GATE",
    "HEAT",
    "LIGHT",
    "SERIES",
    "Axis",
    "Chart",
    "Cloud",
    "Column",
    "DescriptionFiles",
    "DictionaryEvaluation",
    "DictionaryRun",
    "DictionaryRunFiles",
    "Dot",
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
    "Section",
    "alive_share",
    "answers",
    "bar_chart",
    "best_middle_worst",
    "bits_chart",
    "chosen_latents",
    "compared",
    "context_line",
    "contrast",
    "control_differences_table",
    "count",
    "decimals",
    "density_charts",
    "dot_chart",
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
    "label_of",
    "labels_chart",
    "latent_card",
    "layer_charts",
    "layer_score_charts",
    "line_chart",
    "loss_chart",
    "marked_difference",
    "methods_chart",
    "methods_score_chart",
    "moments_table",
    "natural",
    "page",
    "percent",
    "position_chart",
    "question",
    "random_latents",
    "read_description_files",
    "read_dictionary_evaluation",
    "read_dictionary_run",
    "read_evaluation",
    "read_interpretation",
    "read_latent_contexts",
    "scatter_chart",
    "score_by",
    "score_differences_table",
    "shown_groups",
    "significant",
    "size_score_charts",
    "skipped_table",
    "sparsity_charts",
    "table",
    "tasks_answer",
    "tasks_chart",
    "tasks_section",
    "top_k_score_chart",
    "training_charts",
    "verdict",
    "visible",
    "write_describe_page",
    "write_dictionary_page",
    "write_ground_page",
    "write_interpretation_page",
]
