"""The architectures that can be trained, the float64 formulas of their losses, and what each does in training."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from monosemy.core import numpy_generator, torch_generator
from monosemy.dictionaries import Architecture, Dictionary, LossContext, TiedL1Config, TopKConfig, TrainableDictionary
from monosemy.training import Member, TrainedMember, train_members
from tests.conformance.dictionary_cases import refusal

D, N_LATENTS, BATCH, SITE = 12, 24, 40, "resid_post.0"
DEAD = {"none": [], "few": [1, 7, 20], "many": list(range(0, 24, 2))}  # more than k_aux = 6 of them in the last

Terms = dict[str, Tensor]
Weights = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureCase:
    """An architecture and what it must do, written down without it.

    reference: its loss terms from (weights, x, is_dead) in plain dense float64. moves: which weights each term must
    move, and whether it moves those of dead latents only. k: active latents of each row; None: as many as are positive.
    learning_rate: to recover a planted dictionary.
    """

    name: str
    config: Architecture
    reference: Callable[[Weights, Tensor, Tensor], Terms]
    moves: Mapping[str, tuple[str, ...]]
    only_dead: tuple[str, ...] = ()
    k: int | None = None
    learning_rate: float
    recovery_config: Architecture


@dataclass(frozen=True, kw_only=True, slots=True)
class LossEvidence:
    """The terms of a loss and their gradients, by the code and by the reference, for one set of dead latents."""

    dead: list[int]
    terms: Terms
    expected_terms: Terms
    gradients: dict[str, Weights]
    expected_gradients: dict[str, Weights]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureEvidence:
    """What an architecture gave.

    losses: for each set of dead latents. states: everything it holds before and after its loss was taken twice, and the
    global random state; repeated: the terms of both times. n_active: active latents of each row of float32 activations.
    folded: scale -> (latents, reconstructions) by the normalized path and by the exported dictionary.
    edges: shapes of batches that must train -> what went wrong. nan: the message of training on NaN.
    runs: members trained: twice alone, from another seed, and in company.
    recovered, random: mean largest cosine of planted directions to the trained and to as many random ones.
    """

    case: ArchitectureCase
    losses: dict[str, LossEvidence]
    states: tuple[list[Tensor], list[Tensor]]
    repeated: tuple[Terms, Terms]
    n_active: Tensor
    folded: dict[float, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]
    edges: dict[str, str | None]
    nan: str | None
    runs: dict[str, TrainedMember]
    recovered: float
    random: float


def gather(case: ArchitectureCase) -> ArchitectureEvidence:
    """Train it, take its losses, export it."""
    recovered, random = _recovery(case)
    states, repeated = _loss_twice(case)
    return ArchitectureEvidence(
        case=case,
        losses={name: _losses(case, dead) for name, dead in DEAD.items()},
        states=states,
        repeated=repeated,
        n_active=torch.count_nonzero(build(case).encode_train(normalized(torch.float32)).z, dim=1),
        folded={scale: _folded(case, scale) for scale in (0.01, 1.0, 37.0)},
        edges=_edges(case),
        nan=refusal(lambda: train([member(case)], spoil=lambda x, step: x.fill_(torch.nan) if step == 3 else x)),
        runs=_runs(case),
        recovered=recovered,
        random=random,
    )


def normalized(dtype: torch.dtype = torch.float64, n: int = BATCH) -> Tensor:
    """Activations as an architecture in training gets them."""
    return torch.randn(n, D, generator=torch_generator(0, "conformance-normalized"), dtype=torch.float64).to(dtype)


def build(case: ArchitectureCase, d: int = D, n_latents: int = N_LATENTS) -> TrainableDictionary:
    """A module off its starting point, where biases are zero and encoder and decoder equal."""
    module = case.config.build(d, n_latents, torch_generator(0, "conformance-build"))
    generator = torch_generator(0, "conformance-perturbation")
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return module


def context(dead: list[int], n_latents: int = N_LATENTS) -> LossContext:
    is_dead = torch.zeros(n_latents, dtype=torch.bool)
    is_dead[dead] = True
    return LossContext(fraction_done=0.5, is_dead=is_dead)


def terms_of(module: TrainableDictionary, x: Tensor, given: LossContext) -> Terms:
    encoding = module.encode_train(x)
    return dict(module.loss(x, encoding, module.decode_train(encoding), given))


def _gradients(terms: Terms, weights: Mapping[str, Tensor]) -> dict[str, Weights]:
    """Term -> weight -> gradient, zero where the term does not know the weight."""
    found: dict[str, Weights] = {}
    for term, value in terms.items():
        if value.requires_grad:
            inputs = list(weights.values())
            given = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True, materialize_grads=True)
        else:
            given = [torch.zeros_like(weight) for weight in weights.values()]
        found[term] = dict(zip(weights, given, strict=True))
    return found


def _losses(case: ArchitectureCase, dead: list[int]) -> LossEvidence:
    module, x, given = build(case).double(), normalized(), context(dead)
    weights = dict(module.named_parameters())
    copies = {name: weight.detach().clone().requires_grad_() for name, weight in weights.items()}
    terms, expected = terms_of(module, x, given), case.reference(copies, x, given.is_dead)
    return LossEvidence(
        dead=dead,
        terms=terms,
        expected_terms=expected,
        gradients=_gradients(terms, weights),
        expected_gradients=_gradients(expected, copies),
    )


def _loss_twice(case: ArchitectureCase) -> tuple[tuple[list[Tensor], list[Tensor]], tuple[Terms, Terms]]:
    module, x, given = build(case), normalized(torch.float32), context(DEAD["few"])

    def state() -> list[Tensor]:
        return [*(value.clone() for value in module.state_dict().values()), x.clone(), torch.get_rng_state()]

    before = state()
    first = terms_of(module, x, given)
    sum(first.values(), start=torch.zeros(())).backward()
    second = terms_of(module, x, given)
    return (before, state()), (first, second)


def _folded(case: ArchitectureCase, scale: float) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    module, x = build(case).double(), normalized()
    mean = torch.linspace(-5, 9, D, dtype=torch.float64) if case.config.centered else torch.zeros(D).double()
    raw = x * scale + mean
    with torch.no_grad():
        encoding = module.encode_train(x)
        by_training = (encoding.z, module.decode_train(encoding) * scale + mean)
    dictionary = module.export(mean, scale)
    return by_training, (dictionary.encode(raw), dictionary.reconstruct(raw))


def member(case: ArchitectureCase, **changes: object) -> Member:
    wanted = Member(
        name=case.name,
        method="topk",
        site=SITE,
        architecture=case.config,
        n_latents=N_LATENTS,
        seed=0,
        learning_rate=1e-2,
        n_steps=20,
        batch_size=BATCH,
        warm_up_steps=3,
        decay_fraction=0.2,
        dead_after_tokens=2 * BATCH,
    )
    return replace(wanted, **changes)


def train(members: list[Member], *, spoil: Callable[[Tensor, int], Tensor] = lambda x, _: x) -> list[TrainedMember]:
    """Members trained on random activations, which `spoil` may change."""
    mean, shape = np.linspace(-1, 1, D), (members[0].batch_size, D)

    def batches() -> Iterator[tuple[dict[str, Tensor], object]]:
        generator = torch_generator(0, "conformance-batches")
        for step in range(1000):
            x = torch.randn(shape, generator=generator) * 2.0 + torch.from_numpy(mean).float()
            yield {SITE: spoil(x, step)}, None

    return train_members(members, batches(), {SITE: (mean, 2.0)})


def _runs(case: ArchitectureCase) -> dict[str, TrainedMember]:
    alone, other = member(case), member(case, seed=1, name="other")
    company = [replace(other, n_steps=7), alone, replace(other, name="longer", n_steps=30)]
    return {
        "alone": train([alone])[0],
        "again": train([alone])[0],
        "other": train([other])[0],
        "in_company": train(company)[1],
    }


def _edges(case: ArchitectureCase) -> dict[str, str | None]:
    one_latent = replace(case.config, k=1) if isinstance(case.config, TopKConfig) else case.config
    wanted = {
        "one latent": (member(case, architecture=one_latent, n_latents=1), lambda x, _: x),
        "one row": (member(case, batch_size=1), lambda x, _: x),
        "zero rows": (member(case), lambda x, _: x.zero_()),
        "equal rows": (member(case), lambda x, _: x[:1].repeat(BATCH, 1)),
    }
    return {
        name: refusal(lambda each=each, spoil=spoil: train([each], spoil=spoil))
        for name, (each, spoil) in wanted.items()
    }


def _recovery(case: ArchitectureCase) -> tuple[float, float]:
    """Train on sparse combinations of planted directions, and look for them among the decoder's rows."""
    n_planted, d, n_latents = 20, 16, 32
    rng = numpy_generator(0, "conformance-planted")
    planted = _unit(rng.normal(size=(n_planted, d)))

    def batches() -> Iterator[tuple[dict[str, Tensor], object]]:
        while True:
            codes = rng.uniform(0.5, 1.5, size=(256, n_planted)) * (rng.random((256, n_planted)) < 0.1)
            yield {SITE: torch.from_numpy(codes @ planted).float()}, None

    first = torch.cat([batch[SITE] for batch, _ in (next(batches()) for _ in range(20))]).double()
    normalization = {SITE: (first.mean(dim=0).numpy(), float(first.square().mean().sqrt()))}
    wanted = member(
        case,
        architecture=case.recovery_config,
        n_latents=n_latents,
        n_steps=800,
        batch_size=256,
        learning_rate=case.learning_rate,
        dead_after_tokens=5_000,
    )
    trained = train_members([wanted], batches(), normalization)[0].dictionary
    return _found(planted, trained), float((planted @ _unit(rng.normal(size=(n_latents, d))).T).max(axis=1).mean())


def _found(planted: np.ndarray, dictionary: Dictionary) -> float:
    return float((planted @ _unit(dictionary.W_dec.double().numpy()).T).max(axis=1).mean())


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _tied_l1(coefficient: float, d_divides: bool) -> Callable[[Weights, Tensor, Tensor], Terms]:
    def reference(weights: Weights, x: Tensor, _is_dead: Tensor) -> Terms:
        rows = torch.stack([row / row.dot(row).sqrt() for row in weights["M"]])
        c = torch.einsum("bd,ld->bl", x, rows) + weights["b"]
        c = torch.where(c > 0, c, 0.0)
        error = ((x - torch.einsum("bl,ld->bd", c, rows)) ** 2).sum(dim=1).mean()
        return {"reconstruction": error / x.shape[1] if d_divides else error, "l1": coefficient * c.sum(dim=1).mean()}

    return reference


def _kept(values: Tensor, k: int) -> Tensor:
    """1 on the k largest of each row, 0 elsewhere."""
    kept = torch.zeros_like(values)
    for row, numbers in enumerate(values.tolist()):
        kept[row, sorted(range(len(numbers)), key=lambda i: (-numbers[i], i))[:k]] = 1.0
    return kept


def _topk(k: int, k_aux: int, coefficient: float) -> Callable[[Weights, Tensor, Tensor], Terms]:
    def reference(weights: Weights, x: Tensor, is_dead: Tensor) -> Terms:
        rows = torch.stack([row / row.dot(row).sqrt() for row in weights["W_dec"]])
        pre = torch.einsum("bd,ld->bl", x, weights["W_enc"]) + weights["b_enc"]
        z = torch.where(pre > 0, pre, 0.0) * _kept(pre, k)
        x_hat = torch.einsum("bl,ld->bd", z, rows) + weights["b_dec"]
        terms = {"reconstruction": ((x - x_hat) ** 2).mean(), "auxk": torch.zeros(())}
        if is_dead.any():
            e = (x - x_hat).detach()
            of_dead = torch.where(is_dead, pre, -torch.inf)
            used = pre * _kept(of_dead, min(k_aux, int(is_dead.sum())))
            left = ((e - used @ rows) ** 2).sum() / ((e - e.mean(dim=0)) ** 2).sum()
            terms["auxk"] = coefficient * left
        return terms

    return reference


_TIED = {"reconstruction": ("M", "b"), "l1": ("M", "b")}
CASES = (
    ArchitectureCase(
        name="tied_l1_sum",
        config=TiedL1Config(coefficient=0.7),
        reference=_tied_l1(0.7, d_divides=False),
        moves=_TIED,
        learning_rate=1e-2,
        recovery_config=TiedL1Config(coefficient=1.5),
    ),
    ArchitectureCase(
        name="tied_l1_mean",
        config=TiedL1Config(coefficient=0.05, reduction="mean"),
        reference=_tied_l1(0.05, d_divides=True),
        moves=_TIED,
        learning_rate=1e-2,
        recovery_config=TiedL1Config(coefficient=1.5 / 16, reduction="mean"),
    ),
    ArchitectureCase(
        name="topk",
        config=TopKConfig(k=4),
        reference=_topk(4, k_aux=6, coefficient=1 / 32),
        moves={"reconstruction": ("W_enc", "b_enc", "W_dec", "b_dec"), "auxk": ("W_enc", "b_enc", "W_dec")},
        only_dead=("auxk",),
        k=4,
        learning_rate=3e-3,
        recovery_config=TopKConfig(k=3),
    ),
)
