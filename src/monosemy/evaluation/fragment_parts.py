"""Fragments of text that were sampled for the latents of a dictionary, and how one looks at them latent by latent.

What fits an explanation takes `FitFragments`, what scores it `ScoreFragments`: two types, so that the one cannot see
the other.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Float32, Int32, Int64

from monosemy.activations import StoredDocument
from monosemy.core import UserError
from monosemy.evaluation.fragment_statistics import LatentStatistics
from monosemy.evaluation.sparse_rows import SparseRows

FRAGMENT_LENGTH = 64
"""Positions of a fragment, as in the paper."""

Group = Literal["top", "firing", "near_misses"]
GROUPS: tuple[Group, ...] = ("top", "firing", "near_misses")


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fragment:
    """One window of text: `number` in its store, and for each position token id, text, document and place in it.

    A position that was not recorded (`mask` False: the first of a packed row, separators) has no activation. `document`
    counts the part's documents; `index` is the token's number in its document, -1 at a separator. `document_id` and
    `unit` are those of the document that has most of the recorded tokens (the earlier one of equals); `start` is the
    number in it of its first token here.
    """

    number: int
    tokens: Int32[np.ndarray, " position"]
    text: tuple[str, ...]
    mask: Bool[np.ndarray, " position"]
    document: Int32[np.ndarray, " position"]
    index: Int32[np.ndarray, " position"]
    document_id: str
    unit: str
    start: int


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Example:
    """A fragment and a latent's activations z on it, 0 where nothing was recorded.

    `peak` is the largest activation over its recorded tokens. A near miss has no activation; it has the `pre_acts`, the
    values before the sparsifier (0 where nothing was recorded), and their largest as `peak`.
    """

    fragment: Fragment
    activations: Float32[np.ndarray, " position"]
    pre_acts: Float32[np.ndarray, " position"] | None
    peak: float


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FragmentTable:
    """Fragments in the order of the text, each once, their documents, and the text of every token id that occurs.

    The fields of a fragment are `Fragment`'s; `main_document` is the number of the document of its `document_id`.
    """

    number: Int64[np.ndarray, " n_fragments"]
    tokens: Int32[np.ndarray, "n_fragments position"]
    mask: Bool[np.ndarray, "n_fragments position"]
    document: Int32[np.ndarray, "n_fragments position"]
    index: Int32[np.ndarray, "n_fragments position"]
    main_document: Int32[np.ndarray, " n_fragments"]
    start: Int32[np.ndarray, " n_fragments"]
    text: Mapping[int, str]
    documents: tuple[StoredDocument, ...]

    def __len__(self) -> int:
        return len(self.number)

    def take(self, rows: Int32[np.ndarray, " n_taken"]) -> "FragmentTable":
        """The table of some of the fragments."""
        return FragmentTable(
            number=self.number[rows],
            tokens=self.tokens[rows],
            mask=self.mask[rows],
            document=self.document[rows],
            index=self.index[rows],
            main_document=self.main_document[rows],
            start=self.start[rows],
            text=self.text,
            documents=self.documents,
        )

    def units(self) -> tuple[str, ...]:
        """The unit of each fragment's main document: what a bootstrap resamples."""
        return tuple(self.documents[number].unit for number in self.main_document)

    def fragment(self, row: int) -> Fragment:
        """One fragment with everything that is known of it."""
        document = self.documents[self.main_document[row]]
        return Fragment(
            number=int(self.number[row]),
            tokens=self.tokens[row],
            text=tuple(self.text[token] for token in self.tokens[row].tolist()),
            mask=self.mask[row],
            document=self.document[row],
            index=self.index[row],
            document_id=document.id,
            unit=document.unit,
            start=int(self.start[row]),
        )


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class KeptFragments:
    """Up to m fragments a latent: `row` in the part's table (-1 beyond the last), and the values on each.

    Row i * m + slot of `values` (64 wide) belongs to the i-th latent: activations, or pre-activations of near misses.
    """

    row: Int32[np.ndarray, "n_latents m"]
    values: SparseRows


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class UniformFragments:
    """Fragments drawn uniformly, the same for all latents, with every latent's activations on them.

    Row r of `codes` (one column a latent that was kept) is the r-th recorded token of the fragments put end to end. Its
    values are 16 bits wide: relative error 2^-11, magnitudes outside of 6e-8 to 65504 set to the nearer end, so that
    what fires is exact.
    """

    fragments: FragmentTable
    latents: Int64[np.ndarray, " n_latents"]
    codes: SparseRows

    def __len__(self) -> int:
        return len(self.fragments)

    def activations(self, latent: int) -> Float32[np.ndarray, "n_fragments position"]:
        """A latent's activations on all fragments, 0 where nothing was recorded. Raises UserError as `top` does."""
        activations = np.zeros(self.fragments.mask.shape, dtype=np.float32)
        activations[self.fragments.mask] = self.codes.column(position_of(latent, self.latents))
        return activations


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FragmentPart(ABC):
    """What was sampled of one split: for every kept latent its fragments, for all of them the uniform ones."""

    latents: Int64[np.ndarray, " n_latents"]  # ascending numbers of the dictionary's latents that were kept
    table: FragmentTable
    kept: Mapping[Group, KeptFragments]
    uniform_row: Int32[np.ndarray, " n_uniform"]
    uniform_codes: SparseRows
    statistics: LatentStatistics

    @staticmethod
    @abstractmethod
    def split() -> Literal["validation", "test"]:
        """The split that fragments of this type come from."""

    def top(self, latent: int) -> tuple[Example, ...]:
        """The fragments of highest peak among those on which the latent fires, highest first; of equals the earlier.

        Raises UserError when nothing was kept of this latent.
        """
        return self._examples("top", latent)

    def firing(self, latent: int) -> tuple[Example, ...]:
        """A uniform sample of the fragments on which the latent fires, in random order. Raises as `top`."""
        return self._examples("firing", latent)

    def near_misses(self, latent: int) -> tuple[Example, ...]:
        """The fragments of highest pre-activation among those on which the latent is silent. Raises as `top`."""
        return self._examples("near_misses", latent)

    def uniform(self) -> UniformFragments:
        """The fragments drawn uniformly, in the order of the text."""
        table = self.table.take(self.uniform_row)
        return UniformFragments(fragments=table, latents=self.latents, codes=self.uniform_codes)

    def _examples(self, group: Group, latent: int) -> tuple[Example, ...]:
        kept, place = self.kept[group], position_of(latent, self.latents)
        rows = kept.row[place]
        rows = rows[rows >= 0]
        first = place * kept.row.shape[1]
        values = kept.values.dense(first, first + len(rows))
        return tuple(self._example(group, row, of_row) for row, of_row in zip(rows.tolist(), values, strict=True))

    def _example(self, group: Group, row: int, values: Float32[np.ndarray, " position"]) -> Example:
        fragment = self.table.fragment(row)
        missed = group == "near_misses"
        return Example(
            fragment=fragment,
            activations=np.zeros_like(values) if missed else values,
            pre_acts=values if missed else None,
            peak=float(values[fragment.mask].max()),
        )


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FitFragments(FragmentPart):
    """Fragments of the validation split: for fitting explanations and for every choice."""

    @staticmethod
    def split() -> Literal["validation", "test"]:
        """validation."""
        return "validation"


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ScoreFragments(FragmentPart):
    """Fragments of the test split: for scoring only."""

    @staticmethod
    def split() -> Literal["validation", "test"]:
        """test."""
        return "test"


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Fragments:
    """The fragments of one dictionary.

    Raises UserError when the two parts are not of the same latents, or have a document in common.
    """

    fit: FitFragments
    score: ScoreFragments

    def __post_init__(self) -> None:
        if not np.array_equal(self.fit.latents, self.score.latents):
            raise UserError(
                f"the fragments to fit are of {len(self.fit.latents)} latents, those to score of "
                f"{len(self.score.latents)} others; sample both parts for the same latents"
            )
        common = {d.id for d in self.fit.table.documents} & {d.id for d in self.score.table.documents}
        if common:
            raise UserError(
                f"{len(common)} documents are in the fragments to fit and in those to score, as {min(common)!r}; "
                "sample them from two splits of the text"
            )


def strata(firing: tuple[Example, ...], n: int) -> tuple[Example, ...]:
    """The middles of n equal parts of a sample of firing fragments ranked by peak, highest first (equals: the earlier).

    Of N fragments, rank floor((i + 1/2) N / n) for i = 0..n-1; all of them where N <= n. As the sample is uniform over
    the fragments on which the latent fires, its ranks estimate theirs. Raises ValueError when n < 1.
    """
    if n < 1:
        raise ValueError(f"{n} strata")
    ranked = sorted(firing, key=lambda example: (-example.peak, example.fragment.number))
    if len(ranked) <= n:
        return tuple(ranked)
    return tuple(ranked[(2 * i + 1) * len(ranked) // (2 * n)] for i in range(n))


def position_of(latent: int, latents: Int64[np.ndarray, " n_latents"]) -> int:
    """Where a latent stands among those that were kept. Raises UserError when it is not there."""
    place = int(np.searchsorted(latents, latent))
    if place < len(latents) and latents[place] == latent:
        return place
    known = f"{latents[0]} to {latents[-1]}" if len(latents) else "none"
    raise UserError(f"there are no fragments of latent {latent}; {len(latents)} latents were kept ({known})")
