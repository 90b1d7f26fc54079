"""Activations of a language model at its sites: sequences, moments, description."""

from monosemy.activations.describe import (
    DEFINITIONS,
    Coverage,
    Description,
    Lengths,
    NormByPosition,
    SiteDescription,
    describe,
)
from monosemy.activations.description_files import read_description, write_description
from monosemy.activations.moments import Moments, merged, moments_of, no_moments
from monosemy.activations.sequences import PackedSequences, pack

__all__ = [
    "DEFINITIONS",
    "Coverage",
    "Description",
    "Lengths",
    "Moments",
    "NormByPosition",
    "PackedSequences",
    "SiteDescription",
    "describe",
    "merged",
    "moments_of",
    "no_moments",
    "pack",
    "read_description",
    "write_description",
]
