"""The architectures that can be trained, and what each must do, written down without it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monosemy.dictionaries import (
    Architecture,
    BatchTopKConfig,
    GatedConfig,
    JumpReLUConfig,
    MatryoshkaConfig,
    NormWeightedL1Config,
    ReLUL1Config,
    TiedL1Config,
    TopKConfig,
)
from tests.conformance import architecture_formulas as formulas
from tests.conformance.architecture_formulas import Gradients, Reference

D, N_LATENTS, BATCH = 12, 24, 40
_ROOT = np.random.default_rng(0).normal(size=(D, D))
COVARIANCE = _ROOT @ _ROOT.T / D + 0.2 * np.eye(D)


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchitectureCase:
    """An architecture and what it must do.

    reference: its loss terms from (weights, x, is_dead) in plain dense float64; gradients: theirs, where they are not
    those of the reference. moves: which weights each term must move; only_dead: terms that move rows of dead latents
    only. penalty: the term that the schedule of the coefficient weighs. k: active latents of each row, or k times the
    rows of the batch; None: as many as are positive. scaled: the configuration for activations that are c times as
    large; powers: of c that each weight has then, 0 if not named; latent_power, loss_power: of latents and losses.
    """

    name: str
    config: Architecture
    reference: Reference
    gradients: Gradients | None = None
    moves: Mapping[str, tuple[str, ...]]
    only_dead: tuple[str, ...] = ()
    penalty: str | None
    k: int | None = None
    selected_in: str = "row"
    scaled: Mapping[str, int] = field(default_factory=dict)
    powers: Mapping[str, int]
    latent_power: int = 1
    loss_power: int = 2
    trains_decoder: bool = True
    learning_rate: float = 2e-2
    recovery_config: Architecture

    def config_for(self, c: float) -> Architecture:
        """The configuration for activations that are c times as large, the fields in `scaled` converted."""
        changes = {name: getattr(self.config, name) * c**power for name, power in self.scaled.items()}
        return replace(self.config, **changes)


_TIED = {"reconstruction": ("M", "b"), "l1": ("M", "b")}
_CENTER = {"reconstruction": ("M", "b", "center"), "l1": ("M", "b", "center")}
_ALL = ("W_enc", "b_enc", "W_dec", "b_dec")
_AUXK = {"reconstruction": _ALL, "auxk": ("W_enc", "b_enc", "W_dec")}
_BIASES = {"b_enc": 1, "b_dec": 1}
_PREFIXES = ((1, 0.2), (2, 0.2), (5, 0.2), (11, 0.2), (24, 0.2))


def _jumprelu(
    penalty: str, coefficient: float, recovery: JumpReLUConfig, target: float | None = None
) -> ArchitectureCase:
    """Latents have their penalty through theta alone, but where it is a function of the latents themselves."""
    config = replace(recovery, coefficient=coefficient, target_l0=target)
    given = (coefficient, penalty)
    return ArchitectureCase(
        name=f"jumprelu_{penalty}",
        config=config,
        reference=formulas.jumprelu(*given, target=target or 1.0),
        gradients=formulas.jumprelu_gradients(*given, bandwidth=config.bandwidth, target=target or 1.0),
        moves={
            "reconstruction": (*_ALL, "theta"),
            "sparsity": ("W_enc", "b_enc", "theta") if penalty == "tanh" else ("theta",),
        },
        penalty="sparsity",
        scaled={"coefficient": 2, "sharpness": -1, "bandwidth": 1, "initial_theta": 1},
        powers={**_BIASES, "theta": 1},
        recovery_config=recovery,
    )


CASES = (
    ArchitectureCase(
        name="tied_l1_sum",
        config=TiedL1Config(coefficient=0.7),
        reference=formulas.tied_l1(0.7),
        moves=_TIED,
        penalty="l1",
        scaled={"coefficient": 1},
        powers={"b": 1},
        recovery_config=TiedL1Config(coefficient=1.5),
    ),
    ArchitectureCase(
        name="tied_l1_mean",
        config=TiedL1Config(coefficient=0.05, reduction="mean", centering="mean"),
        reference=formulas.tied_l1(0.05, "mean"),
        moves=_TIED,
        penalty="l1",
        scaled={"coefficient": 1},
        powers={"b": 1},
        recovery_config=TiedL1Config(coefficient=1.5 / 16, reduction="mean", centering="mean"),
    ),
    ArchitectureCase(
        name="tied_l1_learned",
        config=TiedL1Config(coefficient=0.7, centering="learned"),
        reference=formulas.tied_l1(0.7, center="center"),
        moves=_CENTER,
        penalty="l1",
        scaled={"coefficient": 1},
        powers={"b": 1, "center": 1},
        recovery_config=TiedL1Config(coefficient=1.5, centering="learned"),
    ),
    ArchitectureCase(
        name="tied_l1_whitened",
        config=TiedL1Config(coefficient=0.7, centering="whitened"),
        reference=formulas.tied_l1(0.7, covariance=COVARIANCE),
        moves=_TIED,
        penalty="l1",
        powers={},
        latent_power=0,
        loss_power=0,
        recovery_config=TiedL1Config(coefficient=1.5, centering="whitened"),
    ),
    ArchitectureCase(
        name="relu_l1",
        config=ReLUL1Config(coefficient=0.7),
        reference=formulas.relu_l1(0.7),
        moves={"reconstruction": _ALL, "l1": ("W_enc", "b_enc")},
        penalty="l1",
        scaled={"coefficient": 1},
        powers=_BIASES,
        recovery_config=ReLUL1Config(coefficient=1.5),
    ),
    ArchitectureCase(
        name="relu_l1_without_bias",
        config=ReLUL1Config(coefficient=0.05, reduction="mean", decoder_bias=False),
        reference=formulas.relu_l1(0.05, "mean"),
        moves={"reconstruction": ("W_enc", "b_enc", "W_dec"), "l1": ("W_enc", "b_enc")},
        penalty="l1",
        scaled={"coefficient": 1},
        powers={"b_enc": 1},
        recovery_config=ReLUL1Config(coefficient=1.5 / 16, reduction="mean", decoder_bias=False),
    ),
    ArchitectureCase(
        name="norm_weighted_l1",
        config=NormWeightedL1Config(coefficient=0.7),
        reference=formulas.norm_weighted_l1(0.7),
        moves={"reconstruction": _ALL, "l1": ("W_enc", "b_enc", "W_dec")},
        penalty="l1",
        scaled={"coefficient": 1},
        powers=_BIASES,
        recovery_config=NormWeightedL1Config(coefficient=1.5),
    ),
    ArchitectureCase(
        name="topk",
        config=TopKConfig(k=4),
        reference=formulas.topk(4, k_aux=6, coefficient=1 / 32),
        moves=_AUXK,
        only_dead=("auxk",),
        penalty=None,
        k=4,
        scaled={"auxk_coefficient": 2},
        powers=_BIASES,
        recovery_config=TopKConfig(k=3),
    ),
    ArchitectureCase(
        name="topk_frozen_decoder",
        config=TopKConfig(k=4, frozen_decoder=True),
        reference=formulas.topk(4, k_aux=6, coefficient=1 / 32),
        moves={"reconstruction": ("W_enc", "b_enc", "b_dec"), "auxk": ("W_enc", "b_enc")},
        only_dead=("auxk",),
        penalty=None,
        k=4,
        scaled={"auxk_coefficient": 2},
        powers=_BIASES,
        trains_decoder=False,
        recovery_config=TopKConfig(k=3, frozen_decoder=True),
    ),
    ArchitectureCase(
        name="batch_topk",
        config=BatchTopKConfig(k=4),
        reference=formulas.topk(4, k_aux=6, coefficient=1 / 32, select=formulas.in_batch),
        moves=_AUXK,
        only_dead=("auxk",),
        penalty=None,
        k=4,
        selected_in="batch",
        scaled={"auxk_coefficient": 2},
        powers=_BIASES,
        recovery_config=BatchTopKConfig(k=2),
    ),
    ArchitectureCase(
        name="matryoshka",
        config=MatryoshkaConfig(k=4),
        reference=formulas.topk(4, k_aux=6, coefficient=1 / 32, select=formulas.in_batch, prefixes=_PREFIXES),
        moves=_AUXK,
        only_dead=("auxk",),
        penalty=None,
        k=4,
        selected_in="batch",
        scaled={"auxk_coefficient": 2},
        powers=_BIASES,
        recovery_config=MatryoshkaConfig(k=2, prefix_fractions=(0.5, 1.0)),
    ),
    _jumprelu("step", 0.3, JumpReLUConfig(coefficient=1.0)),
    _jumprelu("tanh", 0.3, JumpReLUConfig(coefficient=1.0, penalty="tanh")),
    _jumprelu("quadratic", 2.0, JumpReLUConfig(coefficient=10.0, penalty="quadratic", target_l0=2.0), target=3.0),
    ArchitectureCase(
        name="gated",
        config=GatedConfig(coefficient=0.7),
        reference=formulas.gated(0.7),
        moves={
            "reconstruction": ("W_enc", "r_mag", "b_mag", "W_dec", "b_dec"),
            "l1": ("W_enc", "b_gate"),
            "auxiliary": ("W_enc", "b_gate"),
        },
        penalty="l1",
        scaled={"coefficient": 1},
        powers={"b_gate": 1, "b_mag": 1, "b_dec": 1},
        recovery_config=GatedConfig(coefficient=1.5),
    ),
)
