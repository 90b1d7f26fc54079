"""Exact labels of Python source, token by token: what a causal model can know of a token, decided by a program."""

from monosemy.corpus.labels.catalogue import CATALOGUE, CATALOGUE_VERSION, Family, Label
from monosemy.corpus.labels.labelling import LabelStatus, TokenLabels, label_tokens

__all__ = [
    "CATALOGUE",
    "CATALOGUE_VERSION",
    "Family",
    "Label",
    "LabelStatus",
    "TokenLabels",
    "label_tokens",
]
