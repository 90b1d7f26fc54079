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
from monosemy.activations.prefetch import prefetched
from monosemy.activations.sequences import PackedSequences, pack
from monosemy.activations.store import (
    ActivationStore,
    Pick,
    ReaderState,
    StoredChunk,
    StoredDocument,
    StoredSequences,
    StoreOrder,
)
from monosemy.activations.store_writer import ShardLayout
from monosemy.activations.stream import ActivationStream, StreamConfig

__all__ = [
    "DEFINITIONS",
    "ActivationStore",
    "ActivationStream",
    "Coverage",
    "Description",
    "HarvestConfig",
    "HarvestEstimate",
    "Lengths",
    "Moments",
    "NormByPosition",
    "PackedSequences",
    "Pick",
    "ReaderState",
    "ShardLayout",
    "SiteDescription",
    "StoreOrder",
    "StoredChunk",
    "StoredDocument",
    "StoredSequences",
    "StreamConfig",
    "capture_chunk",
    "describe",
    "estimate_harvest",
    "harvest",
    "merged",
    "moments_of",
    "no_moments",
    "pack",
    "prefetched",
    "read_description",
    "write_description",
]
