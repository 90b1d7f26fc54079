"""What is measured, wired from the layers below: one file a figure, a table, or a page's worth of them."""

from monosemy.experiments.baseline_kinds import BaselineConfig, TopKFormConfig
from monosemy.experiments.case_activity import (
    ActivityConfig,
)
from monosemy.experiments.case_bench import CaseSide
from monosemy.experiments.case_effect import (
    EffectConfig,
)
from monosemy.experiments.case_groups import (
    CASE_METRICS,
    Case,
    CaseGroup,
    group_results,
)
from monosemy.experiments.case_rules import (
    interpretation_of,
)
from monosemy.experiments.case_search import (
    SearchConfig,
    found_by_search,
    read_scan,
    scan_job,
    search_job,
)
from monosemy.experiments.case_study import (
    CaseConfig,
    case_jobs,
    case_stage,
)
from monosemy.experiments.case_texts import (
    SweepConfig,
)
from monosemy.experiments.causal_tree import CausalTreeConfig, causal_tree_job
from monosemy.experiments.comparison import COMPARISON_FILE, ComparisonConfig, comparison_stage
from monosemy.experiments.contexts import fragments_job
from monosemy.experiments.erasure import ERASURE_KIND, ErasureConfig, ErasureStores, erasure_config, erasure_job
from monosemy.experiments.erasure_files import (
    ERASURE_ARRAYS,
    ERASURE_FILE,
    ERASURE_RESULTS,
    EditRow,
    ErasureAbout,
    write_erasure,
)
from monosemy.experiments.erasure_rows import RowCounts, balanced_rows, concept_label, outside_concept, sampled_rows
from monosemy.experiments.evaluations import (
    RESULTS_FILE,
    EvaluationConfig,
    HeldOut,
    ReferenceConfig,
    evaluation_job,
    reference_job,
)
from monosemy.experiments.gender_rows import GENDER_CONCEPTS, GENDER_DEFINITION, gender_rows
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
from monosemy.experiments.patching import (
    PatchingConfig,
    PatchingOrder,
    TaskConfig,
    patching_job,
    task_job,
)
from monosemy.experiments.patching_curves import (
    CurveFigures,
    Patched,
    curve_figures,
    half_edit_difference,
    read_patched,
)
from monosemy.experiments.patching_pairs import TaskWords, patching_tasks, right_pairs, task_pairs, task_words
from monosemy.experiments.patching_summary import (
    PatchingSummaryConfig,
    TaskScore,
    patching_results,
    patching_summary,
    patching_summary_stage,
)
from monosemy.experiments.steering import OWN_TOKENS, STEERING_KIND, SteeringConfig, steering_job
from monosemy.experiments.steering_files import (
    STEERING_ARRAYS,
    STEERING_FILE,
    STEERING_RESULTS,
    CurvePair,
    SteeringAbout,
    write_steering,
)
from monosemy.experiments.stores import Recording, store_stage
from monosemy.experiments.task_circuit import TaskCircuitConfig, task_circuit_job
from monosemy.experiments.texts import (
    EMBEDDED_CORPUS,
    backend_tokenizer,
    corpus_named,
    documents_for,
    has_labels,
)
from monosemy.experiments.training_rows import TrainingRows, training_cells

__all__ = [
    "CALLS_FILE",
    "CASE_METRICS",
    "COMPARISON_FILE",
    "EMBEDDED_CORPUS",
    "ERASURE_ARRAYS",
    "ERASURE_FILE",
    "ERASURE_KIND",
    "ERASURE_RESULTS",
    "GENDER_CONCEPTS",
    "GENDER_DEFINITION",
    "MEMBERS_A_JOB",
    "OWN_TOKENS",
    "RESULTS_FILE",
    "STEERING_ARRAYS",
    "STEERING_FILE",
    "STEERING_KIND",
    "STEERING_RESULTS",
    "ActivityConfig",
    "BaselineConfig",
    "Case",
    "CaseConfig",
    "CaseGroup",
    "CaseSide",
    "CausalTreeConfig",
    "ComparisonConfig",
    "CurveFigures",
    "CurvePair",
    "EditRow",
    "EffectConfig",
    "ErasureAbout",
    "ErasureConfig",
    "ErasureStores",
    "EvaluationConfig",
    "ExplainConfig",
    "GroundConfig",
    "HeldOut",
    "InterpretationSummaryConfig",
    "LmKind",
    "Patched",
    "PatchingConfig",
    "PatchingOrder",
    "PatchingSummaryConfig",
    "ProbeConfig",
    "Recording",
    "ReferenceConfig",
    "RowCounts",
    "SearchConfig",
    "SteeringAbout",
    "SteeringConfig",
    "SweepConfig",
    "TableConfig",
    "TaskCircuitConfig",
    "TaskConfig",
    "TaskScore",
    "TaskWords",
    "TextModelsConfig",
    "TopKFormConfig",
    "TrainedConfig",
    "TrainingRows",
    "backend_tokenizer",
    "balanced_rows",
    "baseline_job",
    "case_jobs",
    "case_stage",
    "causal_tree_job",
    "comparison_stage",
    "concept_label",
    "corpus_named",
    "curve_figures",
    "documents_for",
    "erasure_config",
    "erasure_job",
    "evaluation_job",
    "explain_config",
    "found_by_search",
    "fragments_job",
    "gender_rows",
    "group_results",
    "half_edit_difference",
    "has_labels",
    "interpretation_fragments",
    "interpretation_job",
    "interpretation_of",
    "measure_language_model",
    "measure_text_models",
    "outside_concept",
    "patching_job",
    "patching_results",
    "patching_summary",
    "patching_summary_stage",
    "patching_tasks",
    "probe_job",
    "read_patched",
    "read_scan",
    "reference_job",
    "right_pairs",
    "sampled_latents",
    "sampled_rows",
    "scan_job",
    "search_job",
    "steering_job",
    "store_stage",
    "summary_stage",
    "table_job",
    "task_circuit_job",
    "task_job",
    "task_pairs",
    "task_words",
    "to_be_asked_again",
    "top_k_form_job",
    "trained_stage",
    "training_cells",
    "training_jobs",
    "write_erasure",
    "write_steering",
]
