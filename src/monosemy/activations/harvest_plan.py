"""What a harvest will do, known to the last row before it starts: sequences, chunks, shards, bytes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int32, Int64

from monosemy.activations.sequences import PackedSequences, pack
from monosemy.activations.store import PLACE, StoreOrder
from monosemy.activations.store_writer import ShardLayout
from monosemy.core import UserError, numpy_generator
from monosemy.corpus import Split, TokenizedDocument
from monosemy.lm import LanguageModel, Site

EXCLUDED = "the first position of every sequence and every separator between documents are not recorded"
CHUNK_BYTES = 128_000_000
"""Most that a worker holds of one chunk, in memory, when there are many or wide sites."""

StoreDtype = Literal["bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HarvestConfig:
    """What a store is made from; model and corpus by their fingerprints, sites as `str(site)`.

    max_sequences: a random sample of so many of the rows that the documents pack into, one or more of every unit; None:
    all of them.
    batch_tokens: what the model reads at once; on a CPU, 2,048 is quickest for the embedded model.
    chunk_tokens: what a worker finishes at a time. shard_bytes: size of the widest site's shards.
    """

    lm: str
    corpus: str
    split: Split
    sites: tuple[str, ...]
    context_length: int
    max_sequences: int | None = None
    dtype: StoreDtype = "bfloat16"
    order: StoreOrder = "shuffled"
    seed: int = 0
    batch_tokens: int = 2048
    chunk_tokens: int = 65_536
    shard_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        if not self.sites or len(set(self.sites)) < len(self.sites):
            raise UserError(f"sites: expected at least one and each once, got {', '.join(self.sites) or 'none'}")
        for site in self.sites:
            Site.parse(site)
        for name in ("max_sequences", "batch_tokens", "chunk_tokens", "shard_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name}: expected at least 1, got {value}")


@dataclass(frozen=True, kw_only=True, slots=True)
class HarvestEstimate:
    """What a harvest will take: known exactly before it starts, but for some kilobytes.

    stored_bytes: the finished store. peak_bytes: most that lies on the disk while it is made.
    """

    n_sequences: int
    n_tokens: int
    n_rows: int
    stored_bytes: int
    peak_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HarvestPlan:
    """What all workers agree on, kept in the scratch folder.

    sequences: the sha256 of the tokens and their places, so that what is left of another text is not used.
    chunk_sequences: sequences a chunk. chunk_rows: recorded rows of each chunk. d_sites: width of each site.
    """

    config: HarvestConfig
    sequences: str
    n_sequences: int
    chunk_sequences: int
    chunk_rows: tuple[int, ...]
    d_sites: tuple[int, ...]
    n_shards: int

    @property
    def layout(self) -> ShardLayout:
        """Which rows go where."""
        return ShardLayout(
            chunk_rows=self.chunk_rows, n_shards=self.n_shards, order=self.config.order, seed=self.config.seed
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that is kept in shards: the sites, and the rows' places."""
        return (*self.config.sites, PLACE)

    def estimate(self) -> HarvestEstimate:
        """What it takes."""
        n_rows, n_tokens = sum(self.chunk_rows), self.n_sequences * self.config.context_length
        sizes = [2 * d * n_rows for d in self.d_sites] + [8 * n_rows]
        stored = sum(sizes) + 12 * n_tokens
        # A site's shards are put together while its chunks are still there; then they go, and the next site follows.
        return HarvestEstimate(
            n_sequences=self.n_sequences,
            n_tokens=n_tokens,
            n_rows=n_rows,
            stored_bytes=stored,
            peak_bytes=stored + max(sizes),
        )


def estimate_harvest(
    config: HarvestConfig, lm: LanguageModel, documents: Sequence[TokenizedDocument]
) -> HarvestEstimate:
    """Rows, and bytes on the disk, of the store that `harvest` would write. Raises UserError as it does."""
    return plan_harvest(config, lm, sample_sequences(config, lm, documents)).estimate()


def sample_sequences(
    config: HarvestConfig, lm: LanguageModel, documents: Sequence[TokenizedDocument]
) -> PackedSequences:
    """The sequences that will be read, in the order of the text: all that the documents pack into, or a sample.

    Raises UserError when the context does not suit the model, or the documents do not fill one sequence.
    """
    if not 2 <= config.context_length <= lm.context_length:
        raise UserError(
            f"a context of {config.context_length} tokens does not suit {lm.name}; give 2 to {lm.context_length}"
        )
    packed = pack(documents, config.context_length, lm.bos_id)
    n_rows = len(packed.tokens)
    if n_rows == 0:
        raise UserError(
            f"the {config.split} text has {packed.n_dropped_tokens} tokens, less than one row of "
            f"{config.context_length}; give more text or a shorter context"
        )
    if config.max_sequences is None or config.max_sequences >= n_rows:
        return packed
    drawn = np.sort(_drawn(packed, [document.unit for document in documents], config.max_sequences, config.seed))
    return PackedSequences(
        tokens=packed.tokens[drawn],
        document=packed.document[drawn],
        index=packed.index[drawn],
        n_dropped_tokens=packed.n_dropped_tokens,
    )


def _drawn(packed: PackedSequences, units: Sequence[str], n: int, seed: int) -> Int64[np.ndarray, " drawn"]:
    """n rows in a random order: first, as far as n goes, one of every unit, so that all are there to be resampled.

    A row counts for the unit of its first token. Which of a unit's rows comes first, and all the others, is random.
    """
    order = numpy_generator(seed, "harvest-sequences").permutation(len(packed.tokens))
    unit_of_document = np.unique(units, return_inverse=True)[1]
    unit = unit_of_document[packed.document[order, 0]]
    is_first = np.zeros(len(order), dtype=bool)
    is_first[np.unique(unit, return_index=True)[1]] = True
    return np.concatenate([order[is_first], order[~is_first]])[:n]


def plan_harvest(config: HarvestConfig, lm: LanguageModel, packed: PackedSequences) -> HarvestPlan:
    """How the sequences are divided into chunks and shards. Raises UserError when a site does not exist."""
    sites = [Site.parse(site) for site in config.sites]
    for site in sites:
        lm.check(site)
    d_sites = tuple(lm.d_site(site) for site in sites)
    n_sequences, context_length = packed.tokens.shape
    chunk_tokens = min(config.chunk_tokens, CHUNK_BYTES // (2 * sum(d_sites)))
    chunk_sequences = max(1, chunk_tokens // context_length)
    recorded = is_recorded(packed.index).sum(axis=1)
    starts = np.arange(0, n_sequences, chunk_sequences)
    n_rows = int(recorded.sum())
    if n_rows == 0:
        raise UserError(f"{EXCLUDED}, and the {config.split} text has no other; give more text")
    digest = hashlib.sha256()
    for array in (packed.tokens, packed.document, packed.index):
        digest.update(array.tobytes())
    return HarvestPlan(
        config=config,
        sequences=digest.hexdigest(),
        n_sequences=n_sequences,
        chunk_sequences=chunk_sequences,
        chunk_rows=tuple(np.add.reduceat(recorded, starts).tolist()),
        d_sites=d_sites,
        n_shards=max(1, round(n_rows * 2 * max(d_sites) / config.shard_bytes)),
    )


def is_recorded(index: Int32[np.ndarray, "n_sequences seq"]) -> Bool[np.ndarray, "n_sequences seq"]:
    """True where a position's activation is kept; see EXCLUDED."""
    recorded = index >= 0
    recorded[:, 0] = False
    return recorded
