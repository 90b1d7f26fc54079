"""The latents of one dictionary on a whole text, kept as their non-zero values, and windows of text where one fires."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from monosemy.core import UserError, numpy_generator
from monosemy.dictionaries import Dictionary
from monosemy.evaluation import SparseRows, TextOrderRows, check_fits, sparse_rows
from monosemy.evaluation.sparse_rows import joined
from monosemy.lm import LanguageModel, Site

STORED_ROUNDING = 0.02
"""By this share the activation of a latent may change where what it is computed from was kept in 16 bits."""

_WINDOWS_AT_ONCE = 32
_ROWS_AT_ONCE = 8192


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SiteText:
    """What a dictionary's latents are on every recorded position of a text.

    name: the dictionary's. tokens: the rows that the model read. is_recorded: positions at which dictionaries are
    learned and read: neither the first of a row, where attention sinks, nor separators. place: the flat position in
    `tokens` of each row of `codes`.
    """

    name: str
    site: Site
    dictionary: Dictionary
    tokens: Int64[np.ndarray, "sequences seq"]
    is_recorded: Bool[np.ndarray, "sequences seq"]
    place: Int64[np.ndarray, " rows"]
    codes: SparseRows

    @property
    def n_tokens(self) -> int:
        """The number of recorded positions."""
        return len(self.place)

    def check_latent(self, latent: int) -> None:
        """Raise UserError when the dictionary has no such latent."""
        if not 0 <= latent < self.dictionary.n_latents:
            raise UserError(f"latent {latent} does not exist: {self.name} has 0 to {self.dictionary.n_latents - 1}")

    def activations(self, latent: int) -> Float32[np.ndarray, " rows"]:
        """The latent at every recorded position."""
        self.check_latent(latent)
        return self.codes.column(latent)

    def mean_latents(self) -> Float64[np.ndarray, " n_latents"]:
        """The mean of each latent over the recorded positions."""
        total = np.zeros(self.dictionary.n_latents)
        for start in range(0, self.n_tokens, _ROWS_AT_ONCE):
            rows = self.codes.dense(start, min(start + _ROWS_AT_ONCE, self.n_tokens))
            total += rows.sum(axis=0, dtype=np.float64)
        return total / max(1, self.n_tokens)

    def frequent_tokens(self, latent: int, n: int) -> list[tuple[int, float]]:
        """The n most frequent tokens on which the latent is at half of its peak or more, each with its share of them.

        Of equally frequent ones the lowest number first; fewer where there are no more; none where it never fires.
        """
        values = self.activations(latent)
        peak = values.max(initial=0.0)
        tokens = self.tokens_at(np.flatnonzero((values > 0) & (values >= peak / 2)))
        found, counts = np.unique(tokens, return_counts=True)
        best = np.argsort(-counts, kind="stable")[:n]
        return [(int(found[i]), float(counts[i] / len(tokens))) for i in best]

    def tokens_at(self, rows: Int64[np.ndarray, " some"]) -> Int64[np.ndarray, " some"]:
        """The token at recorded positions, given by their number."""
        return self.tokens.ravel()[self.place[rows]]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Contexts:
    """Windows of text on whose last token a latent is active, between half of its peak and its peak.

    peak: M, the latent's largest activation on the text that fixed it; 0.0 where it never fires. tokens: padded on the
    right, which no real position sees. last: where each window ends. edited: positions at which interventions act, the
    real ones of `SiteText.is_recorded` but the window's first. activation: computed anew on the window. place: the
    flat position in the text where the window ends. n_in_range: positions of the text with an activation in [M/2, M].
    n_dropped: of those that were tried, the windows whose activation left that range, as they begin fresh.
    """

    peak: float
    tokens: Int64[Tensor, "contexts width"]
    last: Int64[Tensor, " contexts"]
    edited: Bool[Tensor, "contexts width"]
    activation: Float64[Tensor, " contexts"]
    place: Int64[np.ndarray, " contexts"]
    n_firing: int
    n_in_range: int
    n_dropped: int

    def __len__(self) -> int:
        return len(self.last)


def read_site_text(name: str, dictionary: Dictionary, store: TextOrderRows, site: Site) -> SiteText:
    """Encode a whole store once. Raises UserError when the dictionary does not fit the store's site."""
    check_fits(dictionary, store, str(site))
    sequences = store.sequences()
    places: list[np.ndarray] = []
    codes: list[SparseRows] = []
    for chunk in store.chunks((str(site),)):
        places.append(chunk.place)
        codes.append(sparse_rows(dictionary.encode(chunk.x[str(site)]).float().numpy(), np.float32))
    place = np.concatenate(places)
    is_recorded = np.zeros(sequences.tokens.shape, dtype=np.bool_)
    is_recorded.ravel()[place] = True
    return SiteText(
        name=name,
        site=site,
        dictionary=dictionary,
        tokens=sequences.tokens.astype(np.int64),
        is_recorded=is_recorded,
        place=place.astype(np.int64),
        codes=joined(codes),
    )


def sample_contexts(
    lm: LanguageModel,
    text: SiteText,
    latent: int,
    *,
    n_contexts: int,
    window_tokens: int,
    seed: int,
    peak: float | None = None,
) -> Contexts:
    """Windows on which a latent is in [M/2, M], in a seeded random order, until there are `n_contexts` or none is left.

    peak: M; None: the largest activation on this text. A window is the last `window_tokens` of the row up to the
    position (fewer where the row begins later), and begins fresh: the model reads nothing before it. Its activation is
    computed anew, and it is kept where that is at least M/2 and at most M, up to the rounding of the stored activations
    (STORED_ROUNDING). Raises UserError when there is no such latent, and as the model does for windows that are too
    long.
    """
    values = text.activations(latent)
    largest = float(values.max(initial=0.0)) if peak is None else peak
    firing = values > 0
    rows = np.flatnonzero(firing & (values >= largest / 2) & (values <= largest))
    order = numpy_generator(seed, f"tree-contexts/{text.name}/{latent}").permutation(rows)
    kept: list[int] = []
    activation: list[float] = []
    n_tried = 0
    while len(kept) < n_contexts and n_tried < len(order):
        tried = order[n_tried : n_tried + _WINDOWS_AT_ONCE]
        anew = latent_at_last(lm, text, latent, *_windows(text, tried, window_tokens)[:2])
        for row, value in zip(tried.tolist(), anew.tolist(), strict=True):
            if len(kept) == n_contexts:
                break
            n_tried += 1
            if largest / 2 <= value <= largest * (1 + STORED_ROUNDING):
                kept.append(row)
                activation.append(value)
    tokens, last, edited = _windows(text, np.array(kept, dtype=np.int64), window_tokens)
    return Contexts(
        peak=largest,
        tokens=tokens,
        last=last,
        edited=edited,
        activation=torch.tensor(activation, dtype=torch.float64),
        place=text.place[kept],
        n_firing=int(firing.sum()),
        n_in_range=len(rows),
        n_dropped=n_tried - len(kept),
    )


def latent_at_last(
    lm: LanguageModel,
    text: SiteText,
    latent: int,
    tokens: Int64[Tensor, "contexts width"],
    last: Int64[Tensor, " contexts"],
) -> Float64[Tensor, " contexts"]:
    """The latent at the last token of each window, with nothing changed."""
    if len(tokens) == 0:
        return torch.zeros(0, dtype=torch.float64)
    x = lm.capture(tokens, [text.site])[text.site].cpu()
    return text.dictionary.encode(x[torch.arange(len(tokens)), last])[:, latent].double()


def _windows(text: SiteText, rows: np.ndarray, window_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """tokens, last and edited, as in `Contexts`, of the windows that end at recorded positions, given by number."""
    sequence, position = np.divmod(text.place[rows], text.tokens.shape[1])
    length = np.minimum(position + 1, window_tokens)
    tokens = np.zeros((len(rows), int(length.max(initial=0))), dtype=np.int64)
    edited = np.zeros(tokens.shape, dtype=np.bool_)
    for i, n in enumerate(length):
        window = slice(position[i] + 1 - n, position[i] + 1)
        tokens[i, :n] = text.tokens[sequence[i], window]
        edited[i, :n] = text.is_recorded[sequence[i], window]
    edited[:, :1] = False
    return torch.from_numpy(tokens), torch.from_numpy(length - 1), torch.from_numpy(edited)
