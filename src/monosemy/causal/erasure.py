"""What an erasing edit leaves of a concept, and what it costs: probes trained anew after it, and neutral text."""

from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from monosemy.causal.erasing_latents import ConceptRows
from monosemy.causal.interventions import Intervention
from monosemy.causal.leace import AffineEdit, affine_projection, concept_moments, leace
from monosemy.causal.neutral_text import DAMAGE_COLUMNS, NeutralText
from monosemy.causal.probes import PROBE_KINDS, accuracy_counts, fit_probe
from monosemy.core import torch_generator


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Erased:
    """Sums of one edit (or of several draws of a random one, added up).

    accuracy: of each kind of probe, by its name, what `balanced_accuracy` is made of, a row a unit of the reported
    rows. damage: a row a unit of the neutral text, columns DAMAGE_COLUMNS.
    """

    accuracy: dict[str, Float64[np.ndarray, "units 4"]]
    damage: Float64[np.ndarray, "text_units columns"]

    def __add__(self, other: "Erased") -> "Erased":
        """The sums of both."""
        both = {kind: counts + other.accuracy[kind] for kind, counts in self.accuracy.items()}
        return Erased(accuracy=both, damage=self.damage + other.damage)


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ErasureTest:
    """Measures edits: probes are trained on the edited rows of `probing` and counted on the edited rows of `report`.

    fit: the rows that erasers are fitted to, others than those of `probing`: on its own rows an eraser has taken away
    what chance had put there too.

    outside: the positions of the neutral text at which the concept does not hold, None where that is not known.
    """

    fit: ConceptRows
    probing: ConceptRows
    report: ConceptRows
    text: NeutralText
    outside: Bool[np.ndarray, "sequences seq"] | None = None
    seed: int = 0
    zeros: Float64[np.ndarray, "units columns"] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zeros", np.zeros((len(self.text.units), len(DAMAGE_COLUMNS))))

    def probed(self, edit: Intervention) -> dict[str, Float64[np.ndarray, "units 4"]]:
        """What each kind of probe, trained after the edit, still tells of the concept."""
        fitted, reported = _edited(edit, self.probing.x), _edited(edit, self.report.x)
        found: dict[str, Float64[np.ndarray, "units 4"]] = {}
        for kind in PROBE_KINDS:
            probe = fit_probe(kind, fitted, self.probing.holds, seed=self.seed)
            found[kind] = accuracy_counts(probe(reported), self.report.holds, self.report.unit, len(self.report.units))
        return found

    def measured(self, edit: Intervention) -> Erased:
        """Both: what is left, and what it costs."""
        return Erased(accuracy=self.probed(edit), damage=self.text.damage(edit, self.outside))

    def costed(self, edit: Intervention, other: Erased) -> Erased:
        """An edit that is a constant away from another one, which no retrained probe can tell: its own cost alone."""
        return Erased(accuracy=other.accuracy, damage=self.text.damage(edit, self.outside))


def leace_of(rows: ConceptRows) -> AffineEdit:
    """LEACE of the rows' concept."""
    return leace(concept_moments(rows.x, torch.from_numpy(rows.holds)[:, None].double()))


def mean_difference_edit(rows: ConceptRows, *, centered: bool) -> AffineEdit:
    """The projection off mu_1 - mu_0, of rank one: about the rows' mean, or through the origin as the paper's code."""
    mean = rows.mean
    return affine_projection(rows.mean_difference[None], mean if centered else torch.zeros_like(mean))


def random_directions(n: int, d_site: int, seed: int, draw: int) -> Float[Tensor, "n d_site"]:
    """n directions drawn from a standard normal distribution; the same for equal arguments."""
    return torch.randn(n, d_site, generator=torch_generator(seed, f"erasure-directions/{draw}/{n}"))


def _edited(edit: Intervention, x: Tensor) -> Tensor:
    return edit(x.unsqueeze(0)).squeeze(0)
