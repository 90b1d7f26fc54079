"""What every baseline must do. Each function is a check: evidence in, faults out."""

import torch
from torch import Tensor

from tests.conformance.baseline_cases import SHIFT, BaselineEvidence, K

WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")
TOLERANCE = 2e-3  # of numbers of the size of the activations' spread, after float32 and a second fit of ICA


def _far(found: Tensor, expected: Tensor, what: str) -> list[str]:
    distance = float((found.double() - expected.double()).abs().max())
    return [f"{what}: {distance} away"] if not distance < TOLERANCE * float(expected.double().std()) else []


def it_has_as_many_latents_as_asked_for(evidence: BaselineEvidence) -> list[str]:
    found = evidence.fitted.n_latents
    return [] if found == evidence.case.n_latents else [f"{found}, asked for {evidence.case.n_latents}"]


def the_activations_are_left_as_they_were(evidence: BaselineEvidence) -> list[str]:
    return [] if torch.equal(evidence.x, evidence.x_after) else ["the fit changed them"]


def the_seed_decides(evidence: BaselineEvidence) -> list[str]:
    def same(name: str, other: object) -> bool:
        return torch.equal(getattr(evidence.fitted, name), getattr(other, name))

    faults = [f"{name} differs between two of one seed" for name in WEIGHTS if not same(name, evidence.again)]
    if all(same(name, evidence.other) for name in WEIGHTS) == evidence.case.seeded:
        faults.append("the seed does nothing" if evidence.case.seeded else "the seed makes a difference")
    return faults


def nothing_is_drawn_from_the_global_generator(evidence: BaselineEvidence) -> list[str]:
    return ["its state moved"] if evidence.global_state_moved else []


def batch_boundaries_do_not_matter(evidence: BaselineEvidence) -> list[str]:
    one, other, x = evidence.fitted, evidence.small_batches, evidence.x
    faults = _far(other.pre_acts(x), one.pre_acts(x), "responses")
    return faults + _far(other.W_dec, one.W_dec, "decoder")


def exact_ones_reconstruct_exactly(evidence: BaselineEvidence) -> list[str]:
    if not evidence.case.exact:
        return []
    x = evidence.x.double()
    error = (x - evidence.fitted.reconstruct(evidence.x).double()).square().sum()
    fvu = float(error / (x - x.mean(dim=0)).square().sum())
    return [f"FVU {fvu}"] if not fvu < 1e-9 else []


def top_k_forms_keep_k(evidence: BaselineEvidence) -> list[str]:
    active = (evidence.fitted.encode(evidence.x) != 0).sum(dim=1)
    if evidence.case.active == "k" and bool((active != K).any()):
        return [f"{active.min()} to {active.max()} active"]
    if evidence.case.active == "at most k" and (active.max() > K or active.max() < K):
        return [f"at most {active.max()} active"]
    return []


def moving_the_activations_moves_the_reconstruction_alone(evidence: BaselineEvidence) -> list[str]:
    """Of what subtracts the mean: neither the responses nor the directions know where the data lie."""
    if not evidence.case.centered:
        return []
    x, moved_x = evidence.x, evidence.x + SHIFT
    faults = _far(evidence.moved.pre_acts(moved_x), evidence.fitted.pre_acts(x), "responses")
    faults += _far(evidence.moved.W_dec, evidence.fitted.W_dec, "decoder")
    if evidence.case.active != "any":
        return faults  # rounding may exchange two latents that are equally large
    return faults + _far(evidence.moved.reconstruct(moved_x) - SHIFT, evidence.fitted.reconstruct(x), "reconstruction")


def the_order_of_the_dimensions_does_not_matter(evidence: BaselineEvidence) -> list[str]:
    if not evidence.case.order_free:
        return []
    expected = evidence.fitted.reconstruct(evidence.x).flip(1)
    return _far(evidence.mirrored.reconstruct(evidence.x.flip(1)), expected, "reconstruction")


def what_cannot_be_fitted_is_refused_in_one_line(evidence: BaselineEvidence) -> list[str]:
    accepted = [f"{name} was accepted" for name, message in evidence.refusals.items() if message is None]
    return accepted + [f"{name}: {text!r}" for name, text in evidence.refusals.items() if text and "\n" in text]
