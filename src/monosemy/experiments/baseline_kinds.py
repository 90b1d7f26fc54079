"""The baselines of a dictionary run by their methods' names, each fitted on the same activations."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from monosemy.activations import ActivationStore
from monosemy.baselines import (
    Batches,
    fit_ica,
    fit_neurons,
    fit_neurons_relu,
    fit_pca,
    fit_pca_nonneg,
    fit_random,
    fit_random_relu,
    rescaled,
    top_k_form,
)
from monosemy.core import torch_generator
from monosemy.dictionaries import Dictionary

ICA_ITERATIONS = 30
"""Passes over 100,000 rows, .8 s each. It converges after about 150; the results say that it did not. F1 on contextual
labels of validation: .266 after 50 passes over 30,000 rows, .267 at convergence there (141); .271 after these 30."""

DenseMethod = Literal["neurons", "neurons_relu", "random", "random_relu", "pca", "pca_nonneg", "ica"]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineConfig:
    """A baseline: its method, its site, its size, and the rows of the shuffled store that it is fitted on."""

    name: str
    method: DenseMethod
    site: str
    n_latents: int
    n_rows: int
    seed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TopKFormConfig:
    """The top-k form of a dense baseline, its parent; n_rows tell the scale of random directions' decoder."""

    name: str
    method: Literal["neurons_topk", "random_topk", "pca_topk", "ica_topk"]
    k: int
    n_rows: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FittedBaseline:
    """The dictionary, the rows it was fitted on, and what the fit says of itself (of ICA: whether it converged)."""

    dictionary: Dictionary
    n_rows: int
    facts: dict[str, Any]


def fit_baseline(config: BaselineConfig, store: ActivationStore) -> FittedBaseline:
    """Fit a baseline on the first rows of a store. Raises UserError as the fits do."""
    batches = _batches(store, config.site, config.n_rows)
    generator = torch_generator(config.seed, f"baseline/{config.method}")
    n_latents, facts = config.n_latents, {}
    match config.method:
        case "neurons":
            dictionary = fit_neurons(batches, n_latents, generator)
        case "neurons_relu":
            dictionary = fit_neurons_relu(batches, n_latents, generator)
        case "random":
            dictionary = fit_random(batches, n_latents, generator)
        case "random_relu":
            dictionary = fit_random_relu(batches, n_latents, generator)
        case "pca":
            dictionary = fit_pca(batches, n_latents, generator)
        case "pca_nonneg":
            dictionary = fit_pca_nonneg(batches, n_latents, generator)
        case "ica":
            ica = fit_ica(batches, n_latents, generator, max_iterations=ICA_ITERATIONS)
            dictionary = ica.dictionary
            facts = {"n_rows": ica.n_rows, "n_iterations": ica.n_iterations, "converged": ica.converged}
    return FittedBaseline(dictionary=dictionary, n_rows=min(config.n_rows, store.n_rows), facts=facts)


def fit_top_k_form(config: TopKFormConfig, base: Dictionary, site: str, store: ActivationStore) -> FittedBaseline:
    """The k largest responses of a dense baseline. Raises UserError as `top_k_form` does."""
    dictionary = top_k_form(base, config.k)
    if config.method == "random_topk":
        # The others' decoders are inverses; an overcomplete frame's, made for all responses, is wrong for a few.
        dictionary = rescaled(dictionary, _batches(store, site, config.n_rows))
    return FittedBaseline(dictionary=dictionary, n_rows=min(config.n_rows, store.n_rows), facts={})


def _batches(store: ActivationStore, site: str, n_rows: int) -> Batches:
    def batches() -> Iterator[Tensor]:
        for chunk in store.chunks([site], n_rows=n_rows):
            yield chunk.x[site]

    return batches
