"""Independent components: the linear, invertible decomposition whose sources are as far from normal as possible."""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64

from monosemy.baselines.moments import Batches, check_n_latents, first_rows, float32, oriented
from monosemy.core import UserError
from monosemy.dictionaries import Dictionary, Identity

MAX_ROWS = 100_000
"""Rows that the components are fitted on unless told otherwise; a pass over them costs 0.8 s at 160 dimensions."""

MAX_ITERATIONS = 200
TOLERANCE = 1e-4
"""sklearn's: the fit stops when no unmixing direction turned by a cosine of more than this from its last place."""

_RANK = 1e-10  # eigenvalues of the covariance below this share of the largest are rounding


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class IcaFit:
    """Independent components as a dictionary, and how the search for them ended.

    n_rows: activations fitted on. n_iterations: passes over them. converged: whether the last pass turned every
    direction by no more than the tolerance; where it did not, the components are those of the last pass, and the
    dictionary is still an exact inverse.
    """

    dictionary: Dictionary
    n_rows: int
    n_iterations: int
    converged: bool


def fit_ica(
    batches: Batches,
    n_latents: int,
    generator: torch.Generator,
    *,
    max_rows: int = MAX_ROWS,
    max_iterations: int = MAX_ITERATIONS,
    tolerance: float = TOLERANCE,
) -> IcaFit:
    """z = W (x - mean) with sources z of unit variance; x_hat = mean + z A, A the pseudo-inverse of W: decoding mixes.

    FastICA (Hyvarinen 1999; sklearn's: symmetric, log cosh) in float64 on the first `max_rows` rows, started from a
    matrix drawn from `generator`. All d_site components reconstruct exactly; fewer are searched for in the space of the
    first n_latents principal components. Latents stand by falling |A_i|, which is the variance they explain, and the
    entry of A_i of largest magnitude is positive. The top-k form ranks the unit-variance sources |z_i| as they are, not
    |z_i| |A_i|: what is unusual for a source, not what is large in the activation.

    Raises UserError as `second_moments`, when n_latents > d_site, and when the activations span fewer dimensions.
    Differs from the paper's code, which decodes with the rows of W, and so has no meaningful reconstruction.
    """
    x = first_rows(batches, max_rows).to(torch.float64).numpy()
    check_n_latents("ICA", n_latents, range(1, x.shape[1] + 1), "a site has as many components as dimensions")
    mean = x.mean(axis=0)
    x -= mean
    whitening = _whitening(x, n_latents)
    start = torch.randn(n_latents, n_latents, generator=generator, dtype=torch.float64, device=generator.device)
    rotation, n_iterations, converged = _fast_ica(x @ whitening.T, start.cpu().numpy(), max_iterations, tolerance)
    unmixing = rotation @ whitening
    mixing = np.linalg.pinv(unmixing).T
    order = np.argsort(-np.linalg.norm(mixing, axis=1), kind="stable")
    unmixing = unmixing[order] * oriented(mixing[order])[:, None]
    W_enc = float32(unmixing)
    dictionary = Dictionary(
        W_enc=W_enc,
        b_enc=float32(-unmixing @ mean),
        W_dec=float32(np.linalg.pinv(W_enc.numpy().astype(np.float64)).T),  # the inverse of what was rounded to float32
        b_dec=float32(mean),
        sparsifier=Identity(),
    )
    return IcaFit(dictionary=dictionary, n_rows=len(x), n_iterations=n_iterations, converged=converged)


def _whitening(
    deviation: Float64[np.ndarray, "rows d_site"], n_latents: int
) -> Float64[np.ndarray, "n_latents d_site"]:
    """The map to the first n_latents principal components, each divided by its standard deviation.

    Raises UserError when the activations span fewer dimensions.
    """
    values, vectors = np.linalg.eigh(deviation.T @ deviation / len(deviation))
    rank = int((values > _RANK * values[-1]).sum())
    if rank < n_latents:
        raise UserError(
            f"the activations vary in {rank} of {deviation.shape[1]} dimensions only, too few for {n_latents}"
            f" independent components; ask for at most {rank}"
        )
    first = slice(None, -n_latents - 1, -1)  # eigenvalues come in rising order
    return (vectors[:, first] / np.sqrt(values[first])).T


def _fast_ica(
    white: Float64[np.ndarray, "rows n_latents"],
    start: Float64[np.ndarray, "n_latents n_latents"],
    max_iterations: int,
    tolerance: float,
) -> tuple[Float64[np.ndarray, "n_latents n_latents"], int, bool]:
    """Rotation to the sources, number of iterations, and whether it converged, which sklearn says by a warning."""
    from sklearn.decomposition import FastICA  # importing it takes a second, which only this baseline should cost
    from sklearn.exceptions import ConvergenceWarning

    ica = FastICA(
        # sklearn's own whitening by covariance warns, and divides by rounding, where one is singular
        whiten=False,  # pyright: ignore[reportArgumentType]
        max_iter=max_iterations,
        tol=tolerance,
        w_init=start,
        random_state=0,  # unused where w_init is given, but the default would be numpy's global generator
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", category=ConvergenceWarning)
        ica.fit(white)
    for warning in caught:
        if not issubclass(warning.category, ConvergenceWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return ica.components_, int(ica.n_iter_), converged
