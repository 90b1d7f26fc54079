"""What an architecture gives when it is used as the program would: its losses, its export, its training."""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from monosemy.core import numpy_generator, torch_generator
from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    Dictionary,
    LossContext,
    MatryoshkaConfig,
    SparseForm,
    TiedL1Config,
    TopKConfig,
    TrainableDictionary,
)
from monosemy.training import BatchStream, Learner, Member, TrainedMember, calibrate_, train_members
from tests.conformance.architecture_cases import BATCH, COVARIANCE, N_LATENTS, ArchitectureCase, D
from tests.conformance.architecture_formulas import Terms, Weights, in_batch, in_rows, topk
from tests.conformance.dictionary_cases import refusal

SITE = "resid_post.0"
DEAD = {"none": [], "few": [1, 7, 20], "many": list(range(0, 24, 2))}  # more than k_aux = 6 of them in the last
FACTOR = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class LossEvidence:
    """The terms of a loss and their gradients, by the code and by the reference, for one set of dead latents.

    scheduled: the terms where the coefficient of the penalty stands at a quarter.
    """

    dead: list[int]
    terms: Terms
    scheduled: Terms
    expected_terms: Terms
    gradients: dict[str, Weights]
    expected_gradients: dict[str, Weights]


@dataclass(frozen=True, kw_only=True, slots=True)
class RestartEvidence:
    """Latents that started anew along given directions.

    named: the parameters that have a row for each latent; changed: of each parameter, the rows that are another.
    cosines: of the new latents' exported decoder rows to the directions.
    """

    latents: list[int]
    named: list[str]
    expected_names: list[str]
    changed: dict[str, list[int]]
    cosines: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureEvidence:
    """What an architecture gave.

    losses: for each set of dead latents. states: everything it holds before and after its loss was taken twice, and the
    global random state; repeated: the terms of both times. n_active: active latents of each row of float32 activations.
    folded: scale -> (latents, reconstructions) by the normalized path and by the exported dictionary, its threshold
    calibrated on this batch. scaled: factor -> (latents, reconstructions) after a few steps, by the activations and by
    those that many times as large, in one unit. by_sparse_form: the terms by what the sparse form says, and the code's.
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
    scaled: dict[float, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]
    by_sparse_form: tuple[Terms, Terms] | None
    restart: RestartEvidence
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
        scaled={factor: _scaled(case, factor) for factor in (0.2, 10.0)},
        by_sparse_form=_by_sparse_form(case),
        restart=_restart(case),
        edges=_edges(case),
        nan=failing(member(case), lambda x, step: x.fill_(torch.nan) if step == 3 else x),
        runs=_runs(case),
        recovered=recovered,
        random=random,
    )


def normalized(dtype: torch.dtype = torch.float64, n: int = BATCH) -> Tensor:
    """Activations as an architecture in training gets them."""
    return torch.randn(n, D, generator=torch_generator(0, "conformance-normalized"), dtype=torch.float64).to(dtype)


def built(config: Architecture, factor: float = 1.0) -> TrainableDictionary:
    """A module at its starting point, for activations `factor` times as large as the others."""
    generator = torch_generator(0, "conformance-build")
    if isinstance(config, TiedL1Config) and config.whitened:
        return config.build(D, N_LATENTS, generator, torch.from_numpy(COVARIANCE * factor**2))
    return config.build(D, N_LATENTS, generator)


def build(case: ArchitectureCase) -> TrainableDictionary:
    """A module off its starting point, where biases are zero and encoder and decoder equal; no threshold below 0."""
    module = built(case.config)
    generator = torch_generator(0, "conformance-perturbation")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
            if name == "theta":
                parameter.abs_()
    return module


def context(dead: list[int], sparsity_factor: float = 1.0) -> LossContext:
    is_dead = torch.zeros(N_LATENTS, dtype=torch.bool)
    is_dead[dead] = True
    return LossContext(fraction_done=0.5, is_dead=is_dead, sparsity_factor=sparsity_factor)


def terms_of(module: TrainableDictionary, x: Tensor, given: LossContext) -> Terms:
    encoding = module.encode_train(x)
    return dict(module.loss(x, encoding, module.decode_train(encoding), given))


def _gradients(terms: Terms, weights: Mapping[str, Tensor]) -> dict[str, Weights]:
    """Term -> weight -> gradient, zero where the term does not know the weight, or the weight is not trained."""
    found: dict[str, Weights] = {}
    trained = [weight for weight in weights.values() if weight.requires_grad]
    for term, value in terms.items():
        found[term] = {name: torch.zeros_like(weight) for name, weight in weights.items()}
        if value.requires_grad:
            given = torch.autograd.grad(value, trained, retain_graph=True, allow_unused=True, materialize_grads=True)
            names = [name for name, weight in weights.items() if weight.requires_grad]
            found[term] |= dict(zip(names, given, strict=True))
    return found


def _losses(case: ArchitectureCase, dead: list[int]) -> LossEvidence:
    module, x, given = build(case).double(), normalized(), context(dead)
    weights = dict(module.named_parameters())
    copies = {name: weight.detach().clone().requires_grad_(weight.requires_grad) for name, weight in weights.items()}
    terms, expected = terms_of(module, x, given), case.reference(copies, x, given.is_dead)
    by_hand = None if case.gradients is None else case.gradients(copies, x, given.is_dead)
    return LossEvidence(
        dead=dead,
        terms=terms,
        scheduled=terms_of(module, x, context(dead, FACTOR)),
        expected_terms=expected,
        gradients=_gradients(terms, weights),
        expected_gradients=_gradients(expected, copies) if by_hand is None else by_hand,
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
    calibrate_(module, lambda: [x])
    dictionary = module.export(mean, scale)
    return by_training, (dictionary.encode(raw), dictionary.reconstruct(raw))


def _scaled(case: ArchitectureCase, factor: float) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Five steps of plain gradient descent, and the same with activations, weights and rates in another unit."""
    small, large, x = build(case).double(), built(case.config_for(factor), factor).double(), normalized()
    with torch.no_grad():
        for (name, parameter), other in zip(small.named_parameters(), large.parameters(), strict=True):
            other.copy_(parameter * factor ** case.powers.get(name, 0))
    for _ in range(5):
        for module, unit in ((small, 1.0), (large, factor)):
            encoding = module.encode_train(unit * x)
            terms = module.loss(unit * x, encoding, module.decode_train(encoding), context(DEAD["few"]))
            module.zero_grad()
            sum(terms.values(), start=torch.zeros(())).backward()
            with torch.no_grad():
                for name, parameter in module.named_parameters():
                    if parameter.grad is not None:
                        rate = 0.01 * unit ** (2 * case.powers.get(name, 0) - case.loss_power)
                        parameter -= rate * parameter.grad
            module.after_step_(encoding)
    with torch.no_grad():
        encoding, other = small.encode_train(x), large.encode_train(factor * x)
        by_large = (other.z / factor**case.latent_power, large.decode_train(other) / factor)
        return (encoding.z, small.decode_train(encoding)), by_large


def _by_sparse_form(case: ArchitectureCase) -> tuple[Terms, Terms] | None:
    """The terms of the loss as the sparse form's docstring has them; the other way round is what `losses` tests."""
    module, x = build(case).double(), normalized()
    form, given = module.sparse_form(), context(DEAD["few"], FACTOR)
    return None if form is None else (_terms_of_form(form, x, given), terms_of(module, x, given))


@torch.no_grad()
def _terms_of_form(form: SparseForm, x: Tensor, given: LossContext) -> Terms:
    rows = torch.stack([row / row.norm() for row in (form.W_enc if form.W_dec is None else form.W_dec)])
    encoder = rows if form.W_dec is None else form.W_enc
    bias = torch.zeros(D) if form.b_dec is None else form.b_dec
    pre = x @ encoder.T + form.b_enc
    z = pre.clamp_min(0)
    if form.k is not None:
        z = z * (in_rows if form.selected_in == "row" else in_batch)(pre, form.k)
    error = ((x - z @ rows - bias) ** 2).sum(dim=1).mean()
    terms = {"reconstruction": form.error_weight * error}
    if form.penalty is not None:
        terms["l1"] = given.sparsity_factor * form.penalty * z.sum(dim=1).mean()
    if form.auxk is not None:
        assert form.k is not None
        weights = {"W_enc": encoder, "b_enc": form.b_enc, "W_dec": rows, "b_dec": bias}
        select = in_rows if form.selected_in == "row" else in_batch
        reference = topk(form.k, form.auxk.k, form.auxk.coefficient, select)
        terms["auxk"] = reference(weights, x, given.is_dead)["auxk"]
    return terms


def _restart(case: ArchitectureCase) -> RestartEvidence:
    module, latents = build(case).double(), torch.tensor([2, 9])
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    trained = [name for name, each in module.named_parameters() if each.requires_grad and len(each) == N_LATENTS]
    before = {name: each.detach().clone() for name, each in module.named_parameters()}
    directions = 3.0 * normalized(n=2)
    module.reset_latents_(latents, directions)
    calibrate_(module, lambda: [normalized()])
    rows = module.export(torch.zeros(D).double(), 1.0).W_dec[latents]
    return RestartEvidence(
        latents=latents.tolist(),
        named=[names[id(parameter)] for parameter in module.latent_parameters()],
        expected_names=trained,
        changed={
            name: (each.detach() != before[name]).reshape(len(each), -1).any(dim=1).nonzero().flatten().tolist()
            for name, each in module.named_parameters()
        },
        cosines=torch.cosine_similarity(rows, directions),
    )


def member(case: ArchitectureCase, **changes: object) -> Member:
    wanted = Member(
        name=case.name,
        method="topk",
        site=SITE,
        architecture=case.config,
        n_latents=N_LATENTS,
        seed=0,
        learning_rate=1e-2,
        n_steps=12,
        batch_size=BATCH,
        warm_up_steps=3,
        decay_fraction=0.2,
        dead_after_tokens=2 * BATCH,
    )
    return replace(wanted, **changes)


def train(members: list[Member], *, spoil: Callable[[Tensor, int], Tensor] = lambda x, _: x) -> list[TrainedMember]:
    """Members trained on random activations, which `spoil` may change; thresholds calibrated on such, too."""
    mean, shape = np.linspace(-1, 1, D), (members[0].batch_size, D)

    def batches(_: Mapping[str, int] | None) -> Generator[tuple[dict[str, Tensor], dict[str, int]], None, None]:
        generator = torch_generator(0, "conformance-batches")
        for step in range(1000):
            x = torch.randn(shape, generator=generator) * 2.0 + torch.from_numpy(mean).float()
            yield {SITE: spoil(x, step)}, {}

    normalization = {SITE: (mean, 2.0, 4.0 * np.eye(D))}
    return train_members(members, BatchStream(open=batches), normalization, before_export=_calibrate)


def _calibrate(learner: Learner) -> None:
    calibrate_(learner.module, lambda: [normalized(torch.float32)])


def failing(member: Member, spoil: Callable[[Tensor, int], Tensor]) -> str | None:
    """Why a member could not be trained, refused or failed; None where it went well."""
    found: list[TrainedMember] = []
    message = refusal(lambda: found.extend(train([member], spoil=spoil)))
    return message or next((each.failure.message for each in found if each.failure is not None), None)


def _runs(case: ArchitectureCase) -> dict[str, TrainedMember]:
    alone, other = member(case), member(case, seed=1, name="other")
    company = [replace(other, n_steps=5), alone, replace(other, name="longer", n_steps=20)]
    return {
        "alone": train([alone])[0],
        "again": train([alone])[0],
        "other": train([other])[0],
        "in_company": train(company)[1],
    }


def _edges(case: ArchitectureCase) -> dict[str, str | None]:
    wanted = {
        "one latent": (member(case, architecture=_of_one_latent(case.config), n_latents=1), lambda x, _: x),
        "one row": (member(case, batch_size=1), lambda x, _: x),
        "zero rows": (member(case), lambda x, _: x.zero_()),
        "equal rows": (member(case), lambda x, _: x[:1].repeat(BATCH, 1)),
    }
    return {name: failing(each, spoil) for name, (each, spoil) in wanted.items()}


def _of_one_latent(config: Architecture) -> Architecture:
    match config:
        case MatryoshkaConfig():
            return replace(config, k=1, prefix_fractions=(1.0,))
        case TopKConfig() | BatchTopKConfig():
            return replace(config, k=1)
        case _:
            return config


def _recovery(case: ArchitectureCase) -> tuple[float, float]:
    """Train on sparse combinations of planted directions, and look for them among the decoder's rows."""
    n_planted, d, n_latents = 20, 16, 32
    rng = numpy_generator(0, "conformance-planted")
    planted = _unit(rng.normal(size=(n_planted, d)))

    def batches(_: Mapping[str, int] | None) -> Generator[tuple[dict[str, Tensor], dict[str, int]], None, None]:
        while True:
            codes = rng.uniform(0.5, 1.5, size=(256, n_planted)) * (rng.random((256, n_planted)) < 0.1)
            yield {SITE: torch.from_numpy(codes @ planted).float()}, {}

    first = torch.cat([batch[SITE] for batch, _ in (next(batches(None)) for _ in range(20))]).double()
    scale = float(first.square().mean().sqrt())
    normalization = {SITE: (first.mean(dim=0).numpy(), scale, first.T.cov(correction=0).numpy())}
    wanted = member(
        case,
        architecture=case.recovery_config,
        n_latents=n_latents,
        n_steps=300,
        batch_size=256,
        learning_rate=case.learning_rate,
        dead_after_tokens=5_000,
    )
    trained = train_members([wanted], BatchStream(open=batches), normalization, before_export=_threshold_of_zero)
    assert trained[0].dictionary is not None
    random = float((planted @ _unit(rng.normal(size=(n_latents, d))).T).max(axis=1).mean())
    return _found(planted, trained[0].dictionary), random


def _threshold_of_zero(learner: Learner) -> None:
    """The directions are all that is looked at."""
    calibrate_(learner.module, lambda: [torch.zeros(1, 16)])


def _found(planted: np.ndarray, dictionary: Dictionary) -> float:
    return float((planted @ _unit(dictionary.W_dec.double().numpy()).T).max(axis=1).mean())


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
