"""The one sampler of contexts: fragments of 64 tokens for every latent of a dictionary, in one pass over a store.

Report, interpretation and viewer read what it leaves. Its memory does not grow with the text.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64
from torch import Tensor

from monosemy.activations import ActivationStore, StoredDocument, StoredSequences
from monosemy.activations.harvest_plan import is_recorded
from monosemy.core import Advance, UserError, ignore_advance, numpy_generator
from monosemy.dictionaries import Dictionary, DictionaryCard
from monosemy.evaluation.fragment_parts import FRAGMENT_LENGTH, FragmentPart, FragmentTable, Group, KeptFragments
from monosemy.evaluation.fragment_statistics import StatisticsSum
from monosemy.evaluation.sparse_rows import joined, sparse_rows
from monosemy.evaluation.streaming import check_fits

P = TypeVar("P", bound=FragmentPart)

_BLOCK_POSITIONS = 2048
_BLOCK_VALUES = 1 << 24


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class FragmentConfig:
    """How many fragments of each kind are kept, and of which latents (None: of all).

    one_a_document_from: a split of so many documents or more enters with one window of each, as the paper's texts
    do; one of fewer with all its windows, which do not overlap. Raises UserError for a count below 1, and for
    latents that repeat or do not ascend.
    """

    n_top: int = 20
    n_firing: int = 40
    n_near_misses: int = 10
    n_uniform: int = 4000
    latents: tuple[int, ...] | None = None
    one_a_document_from: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("n_top", "n_firing", "n_near_misses", "n_uniform", "one_a_document_from"):
            if getattr(self, name) < 1:
                raise UserError(f"fragments: {name} is {getattr(self, name)}; give at least 1")
        latents = self.latents
        if latents is not None and (not latents or list(latents) != sorted({*latents}) or latents[0] < 0):
            raise UserError("fragments: name the latents once each, in ascending order, from 0 on, and at least one")


def sample_fragments(
    part: type[P],
    dictionary: Dictionary,
    store: ActivationStore,
    site: str,
    vocabulary: Sequence[str],
    config: FragmentConfig,
    *,
    card: DictionaryCard | None = None,
    advance: Advance = ignore_advance,
) -> P:
    """The fragments of one split (`FitFragments` or `ScoreFragments`) for a dictionary, in one pass over its store.

    vocabulary: the text of each token id; bytes that are no UTF-8 by themselves are best given as surrogates
    (`errors="surrogateescape"`), which survive. `card`, where given, is checked against site and store. Raises
    UserError when the dictionary does not fit, when the store is of another split or not in the order of the text, and
    as `FragmentSampler` does.
    """
    check_fits(dictionary, store, site, card)
    path, split = store.artifact.path, store.config["split"]
    if split != part.split():
        raise UserError(f"{part.__name__} are drawn from {part.split()}; {path} is of {split}, give the other store")
    if store.order != "text":
        raise UserError(f"{path} is {store.order}; fragments need a store in the order of the text")
    sampler = FragmentSampler(part, dictionary, store.sequences(), config)
    for chunk in store.chunks((site,)):
        sampler.add(chunk.place, chunk.x[site])
        advance(len(chunk.place))
    return sampler.finish(vocabulary, store.documents)


@final
class LargestKeys:
    """For each latent the m fragments of largest key in a stream of fragments, with their values; of equals the first.

    Keys of -inf are no candidates.
    """

    def __init__(self, n_latents: int, m: int) -> None:
        self.key = np.full((n_latents, m), -np.inf)  # descending
        self.fragment = np.full((n_latents, m), -1, dtype=np.int64)
        self.values = np.zeros((n_latents, m, FRAGMENT_LENGTH), dtype=np.float32)

    @property
    def n_bytes(self) -> int:
        """The size of the state, which does not depend on the length of the stream."""
        return self.key.nbytes + self.fragment.nbytes + self.values.nbytes

    def offer(
        self,
        key: Float64[np.ndarray, "fragment n_latents"],
        number: Int64[np.ndarray, " fragment"],
        values: Float32[np.ndarray, "fragment position n_latents"],
    ) -> None:
        """Take in the next fragments of the stream."""
        touched = np.flatnonzero((key > self.key[:, -1]).any(axis=0))
        if len(touched) == 0:
            return
        m = self.key.shape[1]
        both = np.concatenate([self.key[touched], key[:, touched].T], axis=1)
        order = np.argsort(-both, axis=1, kind="stable")[:, :m]  # what was here before is in front among equals
        at = touched[:, None]
        kept_slot = np.minimum(order, m - 1)
        came = np.maximum(order - m, 0)
        is_new = (order >= m) & (np.take_along_axis(both, order, axis=1) > -np.inf)
        self.key[touched] = np.take_along_axis(both, order, axis=1)
        self.fragment[touched] = np.where(is_new, number[came], self.fragment[at, kept_slot])
        moved = self.values[at, kept_slot]
        row, slot = np.nonzero(is_new)
        moved[row, slot] = values[came[row, slot], :, touched[row]]
        self.values[touched] = moved


@final
class FragmentSampler(Generic[P]):
    """One pass over the recorded activations of a text, in its order and in chunks of any size.

    The text's rows of `context_length` positions are cut into windows of 64; of a length that 64 does not divide the
    rest is in no window (it does count in the statistics). Blocks of rows that depend on nothing but the shapes are
    encoded, so that chunks do not matter, not even in the last bit. A fragment's random number for a latent is drawn
    from (seed, split, its number): the same sample whatever else is sampled. The uniform fragments depend on the seed,
    the split and the number of windows only. Raises UserError when a row is shorter than a window, when the dictionary
    has not the latents asked for or its activations are not finite, and when rows come out of order or are others than
    those of all positions but the first of each row and the separators.
    """

    def __init__(
        self, part: type[P], dictionary: Dictionary, sequences: StoredSequences, config: FragmentConfig
    ) -> None:
        context_length = sequences.tokens.shape[1]
        self._windows = context_length // FRAGMENT_LENGTH  # a sequence
        if self._windows == 0:
            raise UserError(
                f"rows of {context_length} positions are shorter than a fragment; "
                f"harvest with a context length of at least {FRAGMENT_LENGTH}"
            )
        self._latents = _kept_latents(config.latents, dictionary.n_latents)
        self._part, self._dictionary, self._sequences, self._config = part, dictionary, sequences, config
        self._enters = _entering(part.split(), sequences, self._windows, config)
        n_windows = len(sequences.tokens) * self._windows
        entering = np.arange(n_windows) if self._enters is None else np.flatnonzero(self._enters)
        drawn = numpy_generator(config.seed, f"fragments/uniform/{part.split()}")
        taken = drawn.choice(len(entering), size=min(config.n_uniform, len(entering)), replace=False)
        self._uniform = np.sort(entering[taken])
        self._uniform_codes = [sparse_rows(np.zeros((0, len(self._latents)), dtype=np.float32), np.float16)]
        n_latents = len(self._latents)
        self._kept: dict[Group, LargestKeys] = {
            "top": LargestKeys(n_latents, config.n_top),
            "firing": LargestKeys(n_latents, config.n_firing),
            "near_misses": LargestKeys(n_latents, config.n_near_misses),
        }
        self._statistics = StatisticsSum(n_latents)
        n_positions = min(_BLOCK_POSITIONS, _BLOCK_VALUES // dictionary.n_latents)
        self._block_sequences = max(1, n_positions // context_length)
        self._x = torch.zeros(self._block_sequences * context_length, dictionary.d_in)
        self._arrived = np.zeros(len(self._x), dtype=np.bool_)
        self._block = 0
        self._last_place = -1

    @property
    def n_bytes(self) -> int:
        """The size of everything that is kept between two calls of `add`."""
        kept = sum(kept.n_bytes for kept in self._kept.values())
        codes = sum(codes.n_bytes for codes in self._uniform_codes)
        buffers = self._x.numel() * 4 + self._arrived.nbytes + self._uniform.nbytes
        buffers += 0 if self._enters is None else self._enters.nbytes
        return kept + codes + buffers + self._statistics.n_bytes

    def add(self, place: Int64[np.ndarray, " row"], x: Float[Tensor, "row d_in"]) -> None:
        """Take in the next recorded tokens: flat positions sequence * context_length + position, and activations."""
        if len(place) == 0:
            return
        if place[0] <= self._last_place or (np.diff(place) <= 0).any():
            raise UserError("the rows do not come in the order of the text; fragments need a store in that order")
        if place[-1] >= self._sequences.tokens.size:
            raise UserError(f"place {place[-1]} is beyond the text of {self._sequences.tokens.size}; harvest it anew")
        self._last_place = int(place[-1])
        block, within = np.divmod(place, len(self._x))
        for number in np.unique(block).tolist():
            while self._block < number:
                self._finish_block()
            rows = block == number
            self._x[within[rows]] = x[torch.from_numpy(rows)].to(self._x)
            self._arrived[within[rows]] = True

    def finish(self, vocabulary: Sequence[str], documents: tuple[StoredDocument, ...]) -> P:
        """What was sampled; nothing may be added after."""
        n_sequences = len(self._sequences.tokens)
        while self._block * self._block_sequences < n_sequences:
            self._finish_block()
        uniform = self._uniform
        numbers = np.unique(np.concatenate([uniform, *(kept.fragment.ravel() for kept in self._kept.values())]))
        numbers = numbers[numbers >= 0]
        return self._part(
            latents=self._latents,
            table=self._table(numbers, vocabulary, documents),
            kept={group: _kept_fragments(kept, numbers) for group, kept in self._kept.items()},
            uniform_row=np.searchsorted(numbers, uniform).astype(np.int32),
            uniform_codes=joined(self._uniform_codes),
            statistics=self._statistics.total(),
        )

    @torch.no_grad()
    def _finish_block(self) -> None:
        """Take in the block that is complete, and begin the next."""
        first = self._block * self._block_sequences
        recorded = is_recorded(self._sequences.index[first : first + self._block_sequences])
        n_sequences, context_length = recorded.shape
        if not np.array_equal(recorded.ravel(), self._arrived[: recorded.size]) or self._arrived[recorded.size :].any():
            raise UserError(
                "the recorded positions are not all but the first of each row and the separators; harvest the text anew"
            )
        pre = self._dictionary.pre_acts(self._x.to(self._dictionary.W_enc.device))
        z = self._dictionary.sparsifier(pre)
        if len(self._latents) < self._dictionary.n_latents:
            chosen = torch.from_numpy(self._latents).to(pre.device)
            pre, z = pre[:, chosen], z[:, chosen]
        shape = (n_sequences, context_length, len(self._latents))
        pre, z = (values.float().cpu().numpy()[: recorded.size].reshape(shape) for values in (pre, z))
        self._take(pre, z, recorded, first)
        self._x.zero_()
        self._arrived[:] = False
        self._block += 1

    def _take(
        self,
        pre: Float32[np.ndarray, "seq position n_latents"],
        z: Float32[np.ndarray, "seq position n_latents"],
        recorded: Bool[np.ndarray, "seq position"],
        first: int,
    ) -> None:
        """Take in whole sequences, the first of them number `first`; pre and z may be one array, and are changed."""
        for values in (pre, z):
            values[~recorded] = -np.inf
        pre_peak, peak = (self._cut(values).max(axis=1).astype(np.float64) for values in (pre, z))
        if np.isnan(pre_peak).any() or max(pre_peak.max(), peak.max()) == np.inf:
            raise UserError("the dictionary's activations are not finite; the dictionary or the store is damaged")
        for values in (pre, z):
            values[~recorded] = 0.0
        pre_FPL, z_FPL, recorded_FP = (self._cut(values) for values in (pre, z, recorded))
        number = first * self._windows + np.arange(len(z_FPL))
        enters = np.ones((len(number), 1), dtype=np.bool_) if self._enters is None else self._enters[number, None]
        fires = (z_FPL != 0).any(axis=1) & enters
        n_latents = len(self._latents)
        n_fragments = int((recorded_FP.any(axis=1) & enters[:, 0]).sum())
        self._statistics.add(z.reshape(-1, n_latents), int(recorded.sum()), fires, n_fragments)
        silent = ~fires & (pre_peak > -np.inf) & enters
        self._kept["top"].offer(np.where(fires, peak, -np.inf), number, z_FPL)
        self._kept["firing"].offer(np.where(fires, self._random(number), -np.inf), number, z_FPL)
        self._kept["near_misses"].offer(np.where(silent, pre_peak, -np.inf), number, pre_FPL)
        start, stop = np.searchsorted(self._uniform, [number[0], number[-1] + 1])
        drawn = self._uniform[start:stop] - number[0]
        self._uniform_codes.append(sparse_rows(z_FPL[drawn][recorded_FP[drawn]], np.float16))

    def _cut(self, values: np.ndarray) -> np.ndarray:
        """The windows of whole sequences, one after the other."""
        whole = values[:, : self._windows * FRAGMENT_LENGTH]
        return whole.reshape(-1, FRAGMENT_LENGTH, *values.shape[2:])

    def _random(self, number: Int64[np.ndarray, " fragment"]) -> Float64[np.ndarray, "fragment n_latents"]:
        """A number in [0, 1) for each fragment and latent, whatever the blocks and the latents that are kept."""
        purpose, n_latents = f"fragments/firing/{self._part.split()}", self._dictionary.n_latents
        drawn = [numpy_generator(self._config.seed, purpose, rank).random(n_latents) for rank in number.tolist()]
        return np.stack(drawn)[:, self._latents]

    def _table(
        self,
        number: Int64[np.ndarray, " n_fragments"],
        vocabulary: Sequence[str],
        documents: tuple[StoredDocument, ...],
    ) -> FragmentTable:
        """What is to be known of the fragments that are kept. Raises UserError when the vocabulary is too short."""
        sequence, window = np.divmod(number, self._windows)
        position = window[:, None] * FRAGMENT_LENGTH + np.arange(FRAGMENT_LENGTH)
        at = sequence[:, None], position
        tokens, document, index = (
            values[at] for values in (self._sequences.tokens, self._sequences.document, self._sequences.index)
        )
        mask = (index >= 0) & (position > 0)  # as is_recorded has it
        used = np.unique(tokens).tolist()
        if used and used[-1] >= len(vocabulary):
            raise UserError(
                f"token {used[-1]} is beyond the vocabulary of {len(vocabulary)}; pass that of the store's LM"
            )
        main = np.array([_most_frequent(d[m], d[0]) for d, m in zip(document, mask, strict=True)], dtype=np.int32)
        of_main = (document == main[:, None]) & (index >= 0)
        return FragmentTable(
            number=number,
            tokens=tokens,
            mask=mask,
            document=document,
            index=index,
            main_document=main,
            start=index[np.arange(len(main)), of_main.argmax(axis=1)],
            text={token: vocabulary[int(token)] for token in used},
            documents=documents,
        )


def _entering(
    split: str, sequences: StoredSequences, windows: int, config: FragmentConfig
) -> Bool[np.ndarray, " n_windows"] | None:
    """Which windows may be sampled: of many documents a random one of those whose first token is in each; None: all."""
    if len(np.unique(sequences.document[sequences.index >= 0])) < config.one_a_document_from:
        return None
    first = sequences.document[:, : windows * FRAGMENT_LENGTH : FRAGMENT_LENGTH].reshape(-1)
    order = numpy_generator(config.seed, f"fragments/documents/{split}").permutation(len(first))
    _, of_document = np.unique(first[order], return_index=True)
    enters = np.zeros(len(first), dtype=np.bool_)
    enters[order[of_document]] = True
    return enters


def _kept_latents(latents: tuple[int, ...] | None, n_latents: int) -> Int64[np.ndarray, " n_kept"]:
    if latents is not None and latents[-1] >= n_latents:
        raise UserError(f"there is no latent {latents[-1]}; the dictionary has {n_latents}, numbered from 0")
    return np.arange(n_latents, dtype=np.int64) if latents is None else np.array(latents, dtype=np.int64)


def _most_frequent(numbers: Int32[np.ndarray, " token"], otherwise: np.int32) -> np.int32:
    """The most frequent number, of equals the lowest."""
    if len(numbers) == 0:
        return otherwise
    distinct, counts = np.unique(numbers, return_counts=True)
    return distinct[counts.argmax()]


def _kept_fragments(kept: LargestKeys, number: Int64[np.ndarray, " n_fragments"]) -> KeptFragments:
    n_latents, m = kept.fragment.shape
    row = np.where(kept.fragment >= 0, np.searchsorted(number, kept.fragment), -1).astype(np.int32)
    values = sparse_rows(kept.values.reshape(n_latents * m, FRAGMENT_LENGTH), np.float32)
    return KeptFragments(row=row, values=joined([values]))
