"""What is measured, wired from the layers below: one file a figure, a table, or a page's worth of them."""

from monosemy.experiments.baseline_kinds import BaselineConfig, TopKFormConfig
from monosemy.experiments.comparison import COMPARISON_FILE, ComparisonConfig, comparison_stage
from monosemy.experiments.contexts import fragments_job
from monosemy.experiments.evaluations import (
    RESULTS_FILE,
    EvaluationConfig,
    HeldOut,
    ReferenceConfig,
    evaluation_job,
    reference_job,
)
from monosemy.experiments.ground import GroundConfig, TextModelsConfig, measure_language_model, measure_text_models
from monosemy.experiments.interpretation_summary import InterpretationSummaryConfig, summary_stage
from monosemy.experiments.interpretations import (
    CALLS_FILE,
    ExplainConfig,
    explain_config,
    interpretation_fragments,
    interpretation_job,
    sampled_latents,
    to_be_asked_again,
)
from monosemy.experiments.learning import (
    MEMBERS_A_JOB,
    LmKind,
    TrainedConfig,
    baseline_job,
    top_k_form_job,
    trained_stage,
    training_jobs,
)
from monosemy.experiments.lookups import ProbeConfig, TableConfig, probe_job, table_job
from monosemy.experiments.stores import Recording, store_stage
from monosemy.experiments.texts import EMBEDDED_CORPUS, corpus_named, documents_for, has_labels
from monosemy.experiments.training_rows import TrainingRows, training_cells

__all__ = [
    "CALLS_FILE",
    "COMPARISON_FILE",
    "EMBEDDED_CORPUS",
    "MEMBERS_A_JOB",
    "RESULTS_FILE",
    "BaselineConfig",
    "ComparisonConfig",
    "EvaluationConfig",
    "ExplainConfig",
    "GroundConfig",
    "HeldOut",
    "InterpretationSummaryConfig",
    "LmKind",
    "ProbeConfig",
    "Recording",
    "ReferenceConfig",
    "TableConfig",
    "TextModelsConfig",
    "TopKFormConfig",
    "TrainedConfig",
    "TrainingRows",
    "baseline_job",
    "comparison_stage",
    "corpus_named",
    "documents_for",
    "evaluation_job",
    "explain_config",
    "fragments_job",
    "has_labels",
    "interpretation_fragments",
    "interpretation_job",
    "measure_language_model",
    "measure_text_models",
    "probe_job",
    "reference_job",
    "sampled_latents",
    "store_stage",
    "summary_stage",
    "table_job",
    "to_be_asked_again",
    "top_k_form_job",
    "trained_stage",
    "training_cells",
    "training_jobs",
]
