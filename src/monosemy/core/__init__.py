"""What every other layer stands on: configurations, artifacts, random streams, results, statistics, progress."""

from monosemy.core.artifact import (
    Artifact,
    FileRecord,
    artifact_fingerprint,
    atomic_write_bytes,
    atomic_write_text,
    file_sha256,
    full_disk_is_user_error,
    open_artifact,
    refuse_foreign,
    remove_leftovers,
    write_artifact,
)
from monosemy.core.config import canonical_json, fingerprint, first_difference, from_json, to_json
from monosemy.core.errors import DamagedArtifact, UserError, nearest
from monosemy.core.interruption import held_interruptions, sigterm_as_interrupt
from monosemy.core.memory import available_memory, keep_freed_memory
from monosemy.core.progress import SILENT, Progress, TaskHandle, silent
from monosemy.core.results import METHODS, STATUSES, Result, read_results, write_results
from monosemy.core.rng import numpy_generator, torch_generator
from monosemy.core.row_table import NAME_COLUMN, Row, RowTable, Show, ignore_row, shortened
from monosemy.core.shapes import Activations, Directions, Latents, Logits, Tokens
from monosemy.core.statistics import (
    MIN_UNITS,
    Interval,
    Intervals,
    bootstrap,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_ratios,
    smallest_detectable_difference,
    wilson,
)
from monosemy.core.threads import available_cores, set_threads
from monosemy.core.workers import Advance, Teller, Workers, ignore_advance

__all__ = [
    "METHODS",
    "MIN_UNITS",
    "NAME_COLUMN",
    "SILENT",
    "STATUSES",
    "Activations",
    "Advance",
    "Artifact",
    "DamagedArtifact",
    "Directions",
    "FileRecord",
    "Interval",
    "Intervals",
    "Latents",
    "Logits",
    "Progress",
    "Result",
    "Row",
    "RowTable",
    "Show",
    "TaskHandle",
    "Teller",
    "Tokens",
    "UserError",
    "Workers",
    "artifact_fingerprint",
    "atomic_write_bytes",
    "atomic_write_text",
    "available_cores",
    "available_memory",
    "bootstrap",
    "bootstrap_difference",
    "bootstrap_mean",
    "bootstrap_ratio",
    "bootstrap_ratios",
    "canonical_json",
    "file_sha256",
    "fingerprint",
    "first_difference",
    "from_json",
    "full_disk_is_user_error",
    "held_interruptions",
    "ignore_advance",
    "ignore_row",
    "keep_freed_memory",
    "nearest",
    "numpy_generator",
    "open_artifact",
    "read_results",
    "refuse_foreign",
    "remove_leftovers",
    "set_threads",
    "shortened",
    "sigterm_as_interrupt",
    "silent",
    "smallest_detectable_difference",
    "to_json",
    "torch_generator",
    "wilson",
    "write_artifact",
    "write_results",
]
