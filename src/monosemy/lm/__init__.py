"""Frozen causal language models: reading, editing and continuing their forward passes at named sites."""

from monosemy.lm.embedded import (
    Precision,
    embedded_provenance,
    load_embedded,
    read_packed,
    wrap,
    write_packed,
)
from monosemy.lm.families import FAMILIES, Family
from monosemy.lm.initialization import initialize_
from monosemy.lm.interventions import Edit, ablate, add, replace
from monosemy.lm.loading import load, quiet_transformers
from monosemy.lm.model import LanguageModel, Run
from monosemy.lm.prefix import Kept, Prefix, kept
from monosemy.lm.random_control import random_control
from monosemy.lm.sites import CENTERABLE_LOCATIONS, LOCATIONS, RESIDUAL_LOCATIONS, Location, Site
from monosemy.lm.source import EMBEDDED_LM, ModelSource
from monosemy.lm.train import Architecture, CurvePoint, LMTraining, TrainedLM, build, train

__all__ = [
    "CENTERABLE_LOCATIONS",
    "EMBEDDED_LM",
    "FAMILIES",
    "LOCATIONS",
    "RESIDUAL_LOCATIONS",
    "Architecture",
    "CurvePoint",
    "Edit",
    "Family",
    "Kept",
    "LMTraining",
    "LanguageModel",
    "Location",
    "ModelSource",
    "Precision",
    "Prefix",
    "Run",
    "Site",
    "TrainedLM",
    "ablate",
    "add",
    "build",
    "embedded_provenance",
    "initialize_",
    "kept",
    "load",
    "load_embedded",
    "quiet_transformers",
    "random_control",
    "read_packed",
    "replace",
    "train",
    "wrap",
    "write_packed",
]
