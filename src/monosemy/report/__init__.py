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
from monosemy.report.feature_view import FeatureContext, LatentCard, LatentContexts, context_line, latent_card, visible
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
    "LatentCard",
    "LatentContexts",
    "Line",
    "Markup",
    "Section",
    "alive_share",
    "answers",
    "bar_chart",
    "chosen_latents",
    "compared",
    "context_line",
    "contrast",
    "count",
    "decimals",
    "density_charts",
    "dot_chart",
    "groups",
    "has_collapsed",
    "induction_charts",
    "interval",
    "label_of",
    "labels_chart",
    "latent_card",
    "layer_charts",
    "line_chart",
    "loss_chart",
    "marked_difference",
    "methods_chart",
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
    "read_latent_contexts",
    "scatter_chart",
    "shown_groups",
    "significant",
    "sparsity_charts",
    "table",
    "tasks_answer",
    "tasks_chart",
    "tasks_section",
    "training_charts",
    "verdict",
    "visible",
    "write_describe_page",
    "write_dictionary_page",
    "write_ground_page",
]
