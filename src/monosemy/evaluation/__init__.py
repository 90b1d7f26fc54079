"""Measurements of language models and dictionaries on held-out text."""

from monosemy.evaluation.language_model import (
    Induction,
    TextLosses,
    induction,
    joined_losses,
    sample_text,
    text_losses,
    token_nats,
)
from monosemy.evaluation.tasks import TaskScore, score_task
from monosemy.evaluation.text_models import NgramModel, gzip_bytes, xz_bytes

__all__ = [
    "Induction",
    "NgramModel",
    "TaskScore",
    "TextLosses",
    "gzip_bytes",
    "induction",
    "joined_losses",
    "sample_text",
    "score_task",
    "text_losses",
    "token_nats",
    "xz_bytes",
]
