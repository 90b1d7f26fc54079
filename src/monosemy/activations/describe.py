"""What a text and the activations it causes look like, before any dictionary is trained on them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float64, Int64

from monosemy.activations.moments import Moments, merged, moments_of, no_moments
from monosemy.activations.sequences import pack
from monosemy.core import SILENT, Progress, UserError, numpy_generator
from monosemy.corpus import TokenizedDocument
from monosemy.lm import LanguageModel, Site

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
CONTEXT_LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384)
OUTLIER_FACTOR = 10.0
BATCH_SEQUENCES = 16

DEFINITIONS: Mapping[str, str] = MappingProxyType(
    {
        "characters": "characters of the document's tokens, decoded",
        "covered": "share of all tokens that are among the first C of their document",
        "utilization": "share of real tokens in a batch of one row of C tokens a document, cut or padded to C",
        "packed": "documents joined in order, a beginning-of-sequence token between them, cut into full rows",
        "activations": "every position of the sampled rows but the first, which is like no other; norms: all",
        "mean_share": "|E x|^2 / E|x|^2",
        "outlier_dimensions": f"dimensions with E x_i^2 above {OUTLIER_FACTOR:g} times the median over dimensions",
        "excess_kurtosis": "E (x_i - E x_i)^4 / variance_i^2 - 3, per dimension; 0 for a normal distribution",
        "eigenvalue_shares": "eigenvalues of the covariance, falling, over their sum",
        "participation_ratio": "(sum of eigenvalues)^2 / sum of squared eigenvalues: how many share the variance",
        "n_components": "fewest leading eigenvalues that hold the given share of the variance",
    }
)
"""What the figures of a description mean; it travels with them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Lengths:
    """Lengths of the documents in one unit: quantiles at QUANTILES, and how many fall between which edges."""

    mean: float
    quantiles: tuple[float, ...]
    edges: Float64[np.ndarray, " edges"]
    counts: Int64[np.ndarray, " bins"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """For one context length C: what one row of C tokens a document would see (`covered`) and waste (`utilization`)."""

    context_length: int
    covered: float
    utilization: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class NormByPosition:
    """|x| at each position of the sequences: mean and the 5, 50 and 95 % quantiles."""

    mean: Float64[np.ndarray, " seq"]
    low: Float64[np.ndarray, " seq"]
    median: Float64[np.ndarray, " seq"]
    high: Float64[np.ndarray, " seq"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SiteDescription:
    """The activations at one site beyond the first position; `norm` has every position. Terms: DEFINITIONS."""

    site: Site
    n_tokens: int
    norm: NormByPosition
    mean: Float64[np.ndarray, " d_site"]
    variance: Float64[np.ndarray, " d_site"]
    skewness: Float64[np.ndarray, " d_site"]
    excess_kurtosis: Float64[np.ndarray, " d_site"]
    eigenvalues: Float64[np.ndarray, " d_site"]

    @property
    def mean_square(self) -> Float64[np.ndarray, " d_site"]:
        """E x_i^2."""
        return self.variance + self.mean**2

    @property
    def mean_share(self) -> float:
        """|E x|^2 / E|x|^2: how much of the activations' size is one constant vector."""
        return float((self.mean**2).sum() / self.mean_square.sum())

    @property
    def outlier_dimensions(self) -> tuple[int, ...]:
        """Dimensions with E x_i^2 > OUTLIER_FACTOR * median_j E x_j^2, the largest first."""
        is_outlier = self.mean_square > OUTLIER_FACTOR * np.median(self.mean_square)
        return tuple(int(i) for i in np.argsort(-self.mean_square, kind="stable") if is_outlier[i])

    @property
    def participation_ratio(self) -> float:
        """(sum of eigenvalues)^2 / sum of their squares: between 1 and d_site."""
        return float(self.eigenvalues.sum() ** 2 / (self.eigenvalues**2).sum())

    def n_components(self, share: float) -> int:
        """The fewest principal components that hold `share` of the variance."""
        held = np.cumsum(self.eigenvalues) / self.eigenvalues.sum()
        return min(int(np.searchsorted(held, share - 1e-12)) + 1, len(held))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Description:
    """A text's lengths and what a language model makes of a sample of it.

    n_rows: full rows that the documents pack into, of which `n_sequences` were sampled with `seed` and run.
    """

    lm_name: str
    lm_fingerprint: str
    context_length: int
    seed: int
    n_documents: int
    n_rows: int
    n_sequences: int
    n_dropped_tokens: int
    characters: Lengths
    n_bytes: Lengths
    n_tokens: Lengths
    coverage: tuple[Coverage, ...]
    sites: tuple[SiteDescription, ...]


def describe(
    lm: LanguageModel,
    documents: Iterable[TokenizedDocument],
    sites: Sequence[Site],
    *,
    context_length: int,
    n_sequences: int,
    seed: int,
    bos_id: int | None,
    progress: Progress = SILENT,
) -> Description:
    """Measure documents' lengths, and activations on `n_sequences` of the rows they pack into (all, where fewer).

    bos_id: the token that starts each row, None where the model wants none. Rows are drawn without replacement.
    Raises UserError when the model's context is shorter, or the documents do not fill one row.
    """
    documents = tuple(documents)
    if not 2 <= context_length <= lm.context_length:
        raise UserError(f"a context of {context_length} tokens does not suit {lm.name}; give 2 to {lm.context_length}")
    packed = pack(documents, context_length, bos_id)
    n_rows = len(packed.tokens)
    if n_rows == 0:
        raise UserError(
            f"the text has {packed.n_dropped_tokens} tokens, less than one row of {context_length}; give more text"
        )
    chosen = numpy_generator(seed, "describe").choice(n_rows, size=min(n_sequences, n_rows), replace=False)
    tokens = torch.from_numpy(packed.tokens[np.sort(chosen)].astype(np.int64))
    n_tokens = np.array([len(document.tokens) for document in documents])
    n_characters = [len(lm.tokenizer.decode(document.tokens.tolist())) for document in documents]
    return Description(
        lm_name=lm.name,
        lm_fingerprint=lm.fingerprint(),
        context_length=context_length,
        seed=seed,
        n_documents=len(documents),
        n_rows=n_rows,
        n_sequences=len(tokens),
        n_dropped_tokens=packed.n_dropped_tokens,
        characters=lengths(np.array(n_characters)),
        n_bytes=lengths(np.array([document.n_bytes for document in documents])),
        n_tokens=lengths(n_tokens),
        coverage=tuple(coverage(n_tokens, length) for length in CONTEXT_LENGTHS),
        sites=_describe_sites(lm, tokens, sites, progress),
    )


def lengths(values: Int64[np.ndarray, " documents"]) -> Lengths:
    """Mean, quantiles, and a histogram with two bins to each doubling; an empty document falls in the first bin."""
    doublings = np.log2(max(2, int(values.max())))
    edges = 2.0 ** (np.arange(2 * int(np.floor(doublings)) + 3) / 2)
    return Lengths(
        mean=float(values.mean()),
        quantiles=tuple(float(q) for q in np.quantile(values, QUANTILES)),
        edges=edges,
        counts=np.histogram(np.maximum(values, 1), bins=edges)[0],
    )


def coverage(n_tokens: Int64[np.ndarray, " documents"], context_length: int) -> Coverage:
    """covered = sum_d min(n_d, C) / sum_d n_d; utilization = sum_d min(n_d, C) / (C * number of documents)."""
    seen = float(np.minimum(n_tokens, context_length).sum())
    return Coverage(
        context_length=context_length,
        covered=seen / float(n_tokens.sum()),
        utilization=seen / (context_length * len(n_tokens)),
    )


def _describe_sites(
    lm: LanguageModel, tokens: Int64[torch.Tensor, "n_sequences seq"], sites: Sequence[Site], progress: Progress
) -> tuple[SiteDescription, ...]:
    moments = {site: no_moments(lm.d_site(site)) for site in sites}
    norms = {site: np.empty(tokens.shape) for site in sites}
    with progress.task("describe activations", len(tokens), "sequences") as task:
        for start in range(0, len(tokens), BATCH_SEQUENCES):
            rows = slice(start, start + BATCH_SEQUENCES)
            activations = lm.capture(tokens[rows].to(lm.device), sites)
            for site, x in activations.items():
                moments[site] = merged(moments[site], moments_of(x[:, 1:].flatten(0, 1)))
                norms[site][rows] = x.float().norm(dim=-1).cpu().numpy()
            task.advance(len(tokens[rows]))
    return tuple(_site_description(site, moments[site], norms[site]) for site in sites)


def _site_description(site: Site, moments: Moments, norms: Float64[np.ndarray, "n_sequences seq"]) -> SiteDescription:
    eigenvalues = (
        np.maximum(np.linalg.eigvalsh(moments.covariance)[::-1], 0.0) if np.isfinite(norms).all() else np.zeros(1)
    )
    if eigenvalues[0] == 0:
        raise UserError(f"the activations at {site} are not finite or do not vary; is the model damaged?")
    low, median, high = np.quantile(norms, (0.05, 0.5, 0.95), axis=0)
    return SiteDescription(
        site=site,
        n_tokens=moments.n,
        norm=NormByPosition(mean=norms.mean(axis=0), low=low, median=median, high=high),
        mean=moments.mean,
        variance=moments.variance,
        skewness=moments.skewness,
        excess_kurtosis=moments.excess_kurtosis,
        eigenvalues=eigenvalues,
    )
