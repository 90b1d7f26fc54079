"""Activations that are made of known features: the truth that a dictionary should find."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import scipy.special
from jaxtyping import Float32, Float64

from monosemy.core import numpy_generator

Draw = Literal["uncorrelated", "correlated", "legacy"]


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class PlantedConfig:
    """d: width of the activations; n_features: known directions, the first ones the most frequent.

    mean_active: features a sample, before the decay thins them out where `draw` is "uncorrelated", after it otherwise.
    decay: feature i is decay^i times as probable as the first. draw: see `PlantedData`. noise: standard deviation of
    what is added to each dimension.
    """

    d: int = 256
    n_features: int = 512
    mean_active: float = 5.0
    decay: float = 0.99
    draw: Draw = "correlated"
    noise: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.d, self.n_features) < 1 or not 0 < self.mean_active <= self.n_features:
            raise ValueError(
                "d and n_features must be at least 1 and mean_active in (0, n_features], got "
                f"{self.d}, {self.n_features} and {self.mean_active}"
            )
        if not 0 < self.decay <= 1 or self.noise < 0:
            raise ValueError(f"decay must be in (0, 1] and noise at least 0, got {self.decay} and {self.noise}")


@final
class PlantedData:
    """Endless batches of sparse combinations of known directions; batch number b is the same whenever it is asked for.

        x = codes features + noise N(0, 1)       features: uniform on the sphere; a code is 0, or uniform in (0, 1)

        uncorrelated    feature i is active with probability p_i = decay^i mean_active / n_features
        correlated      z ~ N(0, C), p_i = Phi(z_i) decay^i, set to a sum of mean_active in each sample; a sample
                        without any feature has one at random, with the value 1
        legacy          the same with one z for all samples of a batch, so that within a batch features are independent

    C is symmetric with off-diagonal entries between 0 and 1, and its diagonal raised until it is positive definite.
    Source: Sharkey, Braun and Millidge 2022 ("Taking features out of superposition with sparse autoencoders") and the
    code of Cunningham et al. 2023 (arXiv 2309.08600), whose draws are the first and the last. What differs:
    `correlated` draws z for each sample, as was meant; a value is one uniform number (an older file of that code
    multiplies two); the Cholesky factor is made once.
    """

    def __init__(self, config: PlantedConfig) -> None:
        self.config = config
        rng = numpy_generator(config.seed, "planted-features")
        rows = rng.standard_normal((config.n_features, config.d))
        self.features: Float64[np.ndarray, "n_features d"] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        self._decay = config.decay ** np.arange(config.n_features)
        self._root = None if config.draw == "uncorrelated" else np.linalg.cholesky(self.covariance())

    def covariance(self) -> Float64[np.ndarray, "n_features n_features"]:
        """C, of the normal variables behind the probabilities."""
        n = self.config.n_features
        uniform = numpy_generator(self.config.seed, "planted-covariance").random((n, n))
        symmetric = (uniform + uniform.T) / 2
        lowest = float(np.linalg.eigvalsh(symmetric)[0])
        return symmetric - min(0.0, 1.001 * lowest) * np.eye(n)

    def codes(self, batch: int, n_samples: int) -> Float64[np.ndarray, "n_samples n_features"]:
        """How active each feature is in each sample of a batch."""
        rng = numpy_generator(self.config.seed, "planted-codes", batch)
        shape = (n_samples, self.config.n_features)
        probability = self._probabilities(rng, n_samples)
        codes = np.where(rng.random(shape) <= probability, rng.random(shape), 0.0)
        if self.config.draw != "uncorrelated":
            empty = np.flatnonzero(~codes.any(axis=1))
            codes[empty, rng.integers(self.config.n_features, size=len(empty))] = 1.0
        return codes

    def batch(self, batch: int, n_samples: int) -> Float32[np.ndarray, "n_samples d"]:
        """The activations of a batch."""
        x = self.codes(batch, n_samples).astype(np.float32) @ self.features.astype(np.float32)
        if self.config.noise > 0:
            rng = numpy_generator(self.config.seed, "planted-noise", batch)
            x += self.config.noise * rng.standard_normal(x.shape, dtype=np.float32)
        return x

    def batches(self, n_samples: int, first: int = 0) -> Iterator[Float32[np.ndarray, "n_samples d"]]:
        """Batch after batch without end, from number `first` on."""
        while True:
            yield self.batch(first, n_samples)
            first += 1

    def _probabilities(self, rng: np.random.Generator, n_samples: int) -> Float64[np.ndarray, "rows n_features"]:
        """Of each feature to be active: one row for each sample, or one for all."""
        fraction = self.config.mean_active / self.config.n_features
        if self._root is None:
            return fraction * self._decay[None]
        n_draws = n_samples if self.config.draw == "correlated" else 1
        z = rng.standard_normal((n_draws, self.config.n_features)) @ self._root.T
        probability = scipy.special.ndtr(z) * self._decay
        return probability * (fraction / probability.mean(axis=1, keepdims=True))
