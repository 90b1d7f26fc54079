"""Activations of a language model at its sites: sequences, moments, description, and the store on disk."""

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
from monosemy.activations.harvest import harvest
from monosemy.activations.harvest_chunk import capture_chunk
from monosemy.activations.harvest_plan import HarvestConfig, HarvestEstimate, estimate_harvest
from monosemy.activations.moments import Moments, merged, moments_of, no_moments
from monosemy.activations.sequences import PackedSequences, pack
from monosemy.activations.store import (
    ActivationStore,
    ReaderState,
    StoredChunk,
    StoredDocument,
    StoredSequences,
    StoreOrder,
)
from monosemy.activations.store_writer import ShardLayout

__all__ = [
    "DEFINITIONS",
    "ActivationStore",
    "Coverage",
    "Description",
    "HarvestConfig",
    "HarvestEstimate",
    "Lengths",
    "Moments",
    "NormByPosition",
    "PackedSequences",
    "ReaderState",
    "ShardLayout",
    "SiteDescription",
    "StoreOrder",
    "StoredChunk",
    "StoredDocument",
    "StoredSequences",
    "capture_chunk",
    "describe",
    "estimate_harvest",
    "harvest",
    "merged",
    "moments_of",
    "no_moments",
    "pack",
    "read_description",
    "write_description",
]
