"""The baselines, and what each gives when it is fitted, fitted again, and fitted on the same data in other forms."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

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
from monosemy.core import UserError, torch_generator
from monosemy.dictionaries import Dictionary
from tests.conformance import dictionary_cases
from tests.conformance.dictionary_cases import DictionaryCase

D, N_ROWS, K = 8, 4000, 3
SHIFT = 25.0

Fit = Callable[[Batches, int, torch.Generator], Dictionary]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineCase:
    """A baseline: `fit(batches, n_latents, generator)`.

    exact: reconstructs the activations. centered: subtracts their mean, so latents do not change when they are moved.
    seeded: another seed gives another dictionary. active: how many latents are: any number, K, or K at most.
    order_free: the order of the dimensions changes nothing but the order of the reconstruction's.
    fitted: looks at the data, not only at their width.
    """

    name: str
    fit: Fit
    n_latents: int
    exact: bool = False
    centered: bool = True
    seeded: bool = False
    active: Literal["any", "k", "at most k"] = "any"
    order_free: bool = True
    fitted: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class BaselineEvidence:
    """What a baseline gave.

    small_batches: fitted on the same rows in small batches. again, other: with the same seed, and another one.
    moved: fitted on activations + SHIFT. mirrored: on activations with their dimensions in reverse order.
    global_state_moved: whether fitting drew from torch's global generator. refusals: the messages of the UserErrors, or
    None, for NaN, constant activations and too few rows.
    """

    case: BaselineCase
    x: Tensor
    x_after: Tensor
    fitted: Dictionary
    small_batches: Dictionary
    again: Dictionary
    other: Dictionary
    moved: Dictionary
    mirrored: Dictionary
    global_state_moved: bool
    refusals: dict[str, str | None]


def activations() -> Tensor:
    """Independent heavy-tailed sources, mixed, and moved away from zero: what every one of the baselines can fit."""
    generator = torch_generator(0, "conformance-baselines")
    sources = torch.distributions.Laplace(0.0, 1.0).icdf(
        torch.rand(N_ROWS, D, generator=generator).clamp(1e-6, 1 - 1e-6)
    )
    mixing = torch.randn(D, D, generator=generator) + 2 * torch.eye(D)
    return sources @ mixing + 3.0


def gather(case: BaselineCase) -> BaselineEvidence:
    """Fit the baseline in every way."""
    x = activations()
    x_after = x.clone()
    before = torch.random.get_rng_state()
    fitted = _fit(case, x_after)
    moved_state = not torch.equal(before, torch.random.get_rng_state())
    nan = x.clone()
    nan[7, 2] = torch.nan
    bad = {"NaN": nan, "constant": torch.full((200, D), 0.1), "too few": x[: D - 1]}
    return BaselineEvidence(
        case=case,
        x=x,
        x_after=x_after,
        fitted=fitted,
        small_batches=_fit(case, x, size=333),
        again=_fit(case, x),
        other=_fit(case, x, seed=1),
        moved=_fit(case, x + SHIFT),
        mirrored=_fit(case, x.flip(1)),
        global_state_moved=moved_state,
        refusals={name: _refusal(case, rows) for name, rows in bad.items()} if case.fitted else {},
    )


def _fit(case: BaselineCase, x: Tensor, *, size: int = N_ROWS, seed: int = 0) -> Dictionary:
    return case.fit(lambda: iter(x.split(size)), case.n_latents, torch_generator(seed, "conformance-fit"))


def _refusal(case: BaselineCase, x: Tensor) -> str | None:
    try:
        _fit(case, x)
    except UserError as error:
        return str(error)
    return None


def _ica(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:
    return fit_ica(batches, n_latents, generator).dictionary


def _top_k(fit: Fit) -> Fit:
    return lambda batches, n_latents, generator: top_k_form(fit(batches, n_latents, generator), K)


def _random_top_k(batches: Batches, n_latents: int, generator: torch.Generator) -> Dictionary:
    return rescaled(top_k_form(fit_random(batches, n_latents, generator), K), batches)


CASES = (
    BaselineCase(name="neurons", fit=fit_neurons, n_latents=D, exact=True, centered=False, fitted=False),
    BaselineCase(name="neurons_relu", fit=fit_neurons_relu, n_latents=D, centered=False, fitted=False),
    BaselineCase(name="neurons_topk", fit=_top_k(fit_neurons), n_latents=D, centered=False, active="k", fitted=False),
    BaselineCase(name="random", fit=fit_random, n_latents=20, exact=True, seeded=True),
    BaselineCase(name="random_few", fit=fit_random, n_latents=5, seeded=True, order_free=False),
    BaselineCase(name="random_relu", fit=fit_random_relu, n_latents=20, seeded=True, order_free=False),
    BaselineCase(name="random_topk", fit=_random_top_k, n_latents=20, seeded=True, active="k", order_free=False),
    BaselineCase(name="pca", fit=fit_pca, n_latents=D, exact=True),
    BaselineCase(name="pca_few", fit=fit_pca, n_latents=3),
    BaselineCase(name="pca_nonneg", fit=fit_pca_nonneg, n_latents=2 * D, exact=True),
    BaselineCase(name="pca_nonneg_topk", fit=_top_k(fit_pca_nonneg), n_latents=2 * D, active="at most k"),
    BaselineCase(name="pca_topk", fit=_top_k(fit_pca), n_latents=D, active="k"),
    BaselineCase(name="ica", fit=_ica, n_latents=D, exact=True, seeded=True),
    BaselineCase(name="ica_few", fit=_ica, n_latents=3, seeded=True),
    BaselineCase(name="ica_topk", fit=_top_k(_ica), n_latents=D, seeded=True, active="k", order_free=False),
)


def _dictionary_case(case: BaselineCase) -> DictionaryCase:
    """The baseline as a dictionary like any other, of the width that the checks of dictionaries use."""

    def make(seed: int) -> Dictionary:
        x = dictionary_cases.activations(n=2000)
        n_latents = case.n_latents + (case.n_latents // D if case.n_latents % D == 0 else 0) * (x.shape[1] - D)
        return case.fit(lambda: iter(x.split(512)), n_latents, torch_generator(seed, "conformance-fit"))

    return DictionaryCase(name=case.name, make=make, seeded=case.seeded)


DICTIONARY_CASES = tuple(_dictionary_case(case) for case in CASES)
