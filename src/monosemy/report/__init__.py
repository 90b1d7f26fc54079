"""Pages and figures, made of artifacts' files alone."""

from monosemy.report.describe_page import write_describe_page
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
from monosemy.report.style import DARK, LIGHT, SERIES, contrast
from monosemy.report.task_view import marked_difference, tasks_answer, tasks_section

__all__ = [
    "DARK",
    "GATE",
    "LIGHT",
    "SERIES",
    "Axis",
    "Chart",
    "Cloud",
    "Column",
    "DescriptionFiles",
    "Dot",
    "EvaluationFiles",
    "Line",
    "Markup",
    "Section",
    "bar_chart",
    "contrast",
    "count",
    "decimals",
    "dot_chart",
    "induction_charts",
    "interval",
    "labels_chart",
    "line_chart",
    "loss_chart",
    "marked_difference",
    "page",
    "percent",
    "position_chart",
    "read_description_files",
    "read_evaluation",
    "scatter_chart",
    "significant",
    "table",
    "tasks_answer",
    "tasks_chart",
    "tasks_section",
    "write_describe_page",
    "write_ground_page",
]
