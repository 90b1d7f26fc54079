"""Which dictionaries a recipe makes: one point that everything turns around, and the axes that leave it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from monosemy.dictionaries import TiedL1Config, TopKConfig
from monosemy.experiments import BaselineConfig, TopKFormConfig
from monosemy.training import Member

L1_COEFFICIENTS = (0.6, 1.0, 2.0, 3.0)
"""|x - x_hat|^2 + coefficient * |z|_1 on activations of unit mean square a dimension (the paper's equation 4)."""

L1_HEADLINE = 2.0
"""The coefficient whose L0 on validation is nearest to TopK's k; found as docs/log.md tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """How every dictionary of a run is trained."""

    n_steps: int = 1_000
    batch_size: int = 512  # activations
    expansion_factor: int | float = 4  # latents for each dimension of the site
    k: int = 16  # latents that TopK keeps of each activation
    l1_coefficients: tuple[float, ...] = L1_COEFFICIENTS
    l1_headline: float = L1_HEADLINE  # of the tied SAE that stands beside TopK
    n_seeds: int = 3  # of the two headline dictionaries
    topk_learning_rate: float = 5e-3
    l1_learning_rate: float = 3e-3
    warm_up_steps: int = 50
    decay_fraction: float = 0.2  # of the steps, at the end
    dead_after_tokens: int = 200_000  # without firing


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A site that dictionaries are trained at, and its width."""

    site: str
    d_site: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """What a recipe trains: members on the trained model's activations, and on those of the control."""

    members: tuple[Member, ...]
    control: tuple[Member, ...] = field(default=())


def topk(
    training: Training,
    place: Place,
    *,
    k: int | None = None,
    expansion: int | float | None = None,
    seed: int = 0,
    control: bool = False,
    frozen_decoder: bool = False,
) -> Member:
    """A TopK member at the recipe's point but for what is given; with directions that stay random, a control."""
    k = training.k if k is None else k
    name = f"topk-k{k}" + ("-frozen_decoder" if frozen_decoder else "")
    architecture, rate = TopKConfig(k=k, frozen_decoder=frozen_decoder), training.topk_learning_rate
    member = _member(training, place, architecture, name, rate, expansion, seed, control)
    return replace(member, variant="frozen_decoder") if frozen_decoder else member


def tied_l1(
    training: Training,
    place: Place,
    *,
    coefficient: float | None = None,
    expansion: int | float | None = None,
    seed: int = 0,
    control: bool = False,
) -> Member:
    """A tied ReLU + L1 member at the recipe's point but for what is given."""
    coefficient = training.l1_headline if coefficient is None else coefficient
    architecture = TiedL1Config(coefficient=coefficient, reduction="sum")
    rate = training.l1_learning_rate
    return _member(training, place, architecture, f"tied_l1-{coefficient:g}", rate, expansion, seed, control)


def default_sweep(training: Training, middle: Place, others: Sequence[Place]) -> Sweep:
    """Seeds and coefficients at the middle layer, one TopK on each other, both methods at R=2; the controls.

    These are a TopK whose directions stay random, and one on the activations of the model with random weights.
    """
    seeds = range(training.n_seeds)
    headline = training.l1_headline
    members = [
        *(topk(training, middle, seed=seed) for seed in seeds),
        *(tied_l1(training, middle, seed=seed) for seed in seeds),
        *(tied_l1(training, middle, coefficient=c) for c in training.l1_coefficients if c != headline),
        topk(training, middle, expansion=2),
        tied_l1(training, middle, expansion=2),
        *(topk(training, place) for place in others),
        topk(training, middle, frozen_decoder=True),
    ]
    return Sweep(members=_distinct(members), control=(topk(training, middle, control=True),))


def full_sweep(training: Training, middle: Place, residual: Sequence[Place], mlp: Sequence[Place]) -> Sweep:
    """One axis at a time around the default point: layer and location, coefficient, k, size, seed."""
    seeds = range(training.n_seeds)
    coefficients = [c for c in FULL_COEFFICIENTS if c != training.l1_headline]
    members = [
        *(make(training, place, seed=seed) for make in (topk, tied_l1) for place in residual for seed in seeds),
        *(make(training, place) for make in (topk, tied_l1) for place in mlp),
        *(topk(training, middle, k=k) for k in FULL_K if k != training.k),
        *(tied_l1(training, middle, coefficient=c) for c in coefficients),
        *(make(training, middle, expansion=r) for make in (topk, tied_l1) for r in (1, 2, 8)),
        topk(training, middle, frozen_decoder=True),
    ]
    control = [make(training, middle, seed=seed, control=True) for make in (topk, tied_l1) for seed in seeds]
    return Sweep(members=_distinct(members), control=_distinct(control))


FULL_K = (4, 8, 32, 64)
FULL_COEFFICIENTS = (0.3, 0.6, 1.0, 1.5, 2.0, 3.0, 4.0, 8.0)
"""Eight, the last ones of which collapse."""

DENSE = ("neurons", "neurons_relu", "random", "random_relu", "pca", "pca_nonneg", "ica")
CONTROL_DENSE = ("random", "ica")
PCA_K = (4, 8, 32, 64)
"""Further sizes of PCA's top-k form, for the curve of reconstruction against sparsity."""


def dense_baselines(
    methods: Sequence[str], place: Place, *, expansion: int | float, n_rows: int, seed: int, control: bool
) -> list[BaselineConfig]:
    """Dense baselines at a site; random directions in the number of the dictionary's latents."""
    sizes = {"random": expansion, "random_relu": expansion, "pca_nonneg": 2}
    return [
        BaselineConfig(
            name=f"{_prefix(control)}{method}-{place.site}-seed{seed}",
            method=method,  # pyright: ignore[reportArgumentType]
            site=place.site,
            n_latents=round(sizes.get(method, 1) * place.d_site),
            n_rows=n_rows,
            seed=seed,
        )
        for method in methods
    ]


def top_k_forms(bases: Sequence[BaselineConfig], *, k: int, pca_k: Sequence[int]) -> list[tuple[str, TopKFormConfig]]:
    """(name of the base, its top-k form): neurons, random, PCA and ICA at the dictionary's k, PCA at others too."""
    forms: list[tuple[str, TopKFormConfig]] = []
    for base in bases:
        if base.method not in ("neurons", "random", "pca", "ica"):
            continue
        further = [other for other in pca_k if other != k and base.method == "pca"]
        for each in (size for size in (k, *further) if size <= base.n_latents):
            form = TopKFormConfig(
                name=base.name.replace(base.method, f"{base.method}_topk-k{each}", 1),
                method=f"{base.method}_topk",  # pyright: ignore[reportArgumentType]
                k=each,
                n_rows=base.n_rows,
            )
            forms.append((base.name, form))
    return forms


def _distinct(members: Sequence[Member]) -> tuple[Member, ...]:
    """Without repetitions: two axes may lead to one point, as R = 2 does from R = 2."""
    return tuple(dict.fromkeys(members))


def _prefix(control: bool) -> str:
    return "control-" if control else ""


def _member(
    training: Training,
    place: Place,
    architecture: TopKConfig | TiedL1Config,
    name: str,
    learning_rate: float,
    expansion: int | float | None,
    seed: int,
    control: bool,
) -> Member:
    expansion = training.expansion_factor if expansion is None else expansion
    return Member(
        name=f"{_prefix(control)}{name}-r{expansion:g}-{place.site}-seed{seed}",
        method="topk" if isinstance(architecture, TopKConfig) else "tied_l1",
        site=place.site,
        architecture=architecture,
        n_latents=round(expansion * place.d_site),
        seed=seed,
        learning_rate=learning_rate,
        n_steps=training.n_steps,
        batch_size=training.batch_size,
        warm_up_steps=training.warm_up_steps,
        decay_fraction=training.decay_fraction,
        dead_after_tokens=training.dead_after_tokens,
    )
