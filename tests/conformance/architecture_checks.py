"""What every trainable architecture must do. Each function is a check: evidence in, faults out."""

import torch
from torch import Tensor

from tests.conformance.architecture_evidence import FACTOR, ArchitectureEvidence

RECOVERED = 0.9


def _far(found: Tensor, expected: Tensor, tolerance: float = 1e-10) -> bool:
    """Whether two arrays of float64 differ by more than rounding."""
    return found.shape != expected.shape or bool(
        (found - expected).abs().max() > tolerance * (1 + expected.abs().max())
    )


def terms_are_those_of_the_formula(evidence: ArchitectureEvidence) -> list[str]:
    faults = []
    for name, losses in evidence.losses.items():
        if losses.terms.keys() != losses.expected_terms.keys():
            faults.append(f"{name} dead: terms {list(losses.terms)}, expected {list(losses.expected_terms)}")
            continue
        faults += [
            f"{name} dead: {term} is {value.item()}, expected {losses.expected_terms[term].item()}"
            for term, value in losses.terms.items()
            if _far(value, losses.expected_terms[term])
        ]
    return faults


def each_term_has_the_gradient_of_the_formula(evidence: ArchitectureEvidence) -> list[str]:
    return [
        f"{name} dead: {term} has another gradient for {weight}"
        for name, losses in evidence.losses.items()
        for term, gradients in losses.expected_gradients.items()
        for weight, expected in gradients.items()
        if _far(losses.gradients.get(term, {}).get(weight, torch.zeros(())), expected)
    ]


def each_term_moves_what_it_should(evidence: ArchitectureEvidence) -> list[str]:
    """A weight that a term must move has a gradient, and in a term for dead latents exactly their rows have one."""
    faults = []
    for name, losses in evidence.losses.items():
        for term, weights in evidence.case.moves.items():
            only_dead = term in evidence.case.only_dead
            for weight, gradient in losses.gradients[term].items():
                moved = (gradient.reshape(len(gradient), -1) != 0).any(dim=1).nonzero().flatten().tolist()
                wanted = losses.dead if only_dead else None
                if weight not in weights:
                    wanted = []
                if wanted is None and not moved:
                    faults.append(f"{name} dead: {term} does not move {weight}")
                if wanted is not None and moved != wanted:
                    faults.append(f"{name} dead: {term} moves the rows {moved} of {weight}, expected {wanted}")
    return faults


def the_loss_changes_nothing(evidence: ArchitectureEvidence) -> list[str]:
    before, after = evidence.states
    first, second = evidence.repeated
    same = len(before) == len(after) and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    faults = [] if same else ["weights, buffers, activations or the random state changed"]
    return faults + [f"{term} differs the second time" for term in first if not torch.equal(first[term], second[term])]


def the_schedule_weighs_the_penalty_only(evidence: ArchitectureEvidence) -> list[str]:
    return [
        f"{name} dead: {term} is {losses.scheduled[term].item()} at {factor} of {value.item()}"
        for name, losses in evidence.losses.items()
        for term, value in losses.terms.items()
        for factor in [FACTOR if term == evidence.case.penalty else 1.0]
        if _far(losses.scheduled[term], factor * value)
    ]


def exactly_k_are_active(evidence: ArchitectureEvidence) -> list[str]:
    k, rows = evidence.case.k, evidence.n_active
    if k is None:
        return []
    if evidence.case.selected_in == "batch":
        total = int(rows.sum())
        return [] if total == k * len(rows) else [f"{total} in the batch, expected {k * len(rows)}"]
    return [f"row {i}: {n}, expected {k}" for i, n in enumerate(rows.tolist()) if n != k]


def the_exported_dictionary_is_the_trained_one(evidence: ArchitectureEvidence) -> list[str]:
    return [
        f"scale {scale}: other {what}"
        for scale, (by_training, by_dictionary) in evidence.folded.items()
        for what, a, b in zip(("latents", "reconstructions"), by_training, by_dictionary, strict=True)
        if _far(b, a)
    ]


def activations_in_another_unit_give_the_same_dictionary(evidence: ArchitectureEvidence) -> list[str]:
    return [
        f"{factor} times as large: other {what}"
        for factor, (by_small, by_large) in evidence.scaled.items()
        for what, a, b in zip(("latents", "reconstructions"), by_small, by_large, strict=True)
        if _far(b, a)
    ]


def the_sparse_form_says_the_loss(evidence: ArchitectureEvidence) -> list[str]:
    if evidence.by_sparse_form is None:
        return []
    by_form, terms = evidence.by_sparse_form
    if by_form.keys() != terms.keys():
        return [f"terms {list(by_form)} by the form, {list(terms)} by the loss"]
    return [f"{term} by the form: {by_form[term].item()}" for term in terms if _far(by_form[term], terms[term])]


def latents_start_anew_where_they_are_told(evidence: ArchitectureEvidence) -> list[str]:
    restart = evidence.restart
    faults = [] if sorted(restart.named) == sorted(restart.expected_names) else [f"it names {restart.named}"]
    for name, rows in restart.changed.items():
        allowed = restart.latents if name in restart.named else []
        faults += [] if set(rows) <= set(allowed) else [f"the rows {rows} of {name} changed"]
    if not any(rows == restart.latents for rows in restart.changed.values()):
        faults.append("nothing changed")
    if evidence.case.trains_decoder and _far(restart.cosines, torch.ones_like(restart.cosines)):
        faults.append(f"cosines to the directions {restart.cosines.tolist()}")
    return faults


def odd_batches_train(evidence: ArchitectureEvidence) -> list[str]:
    return [f"{name}: {message}" for name, message in evidence.edges.items() if message is not None]


def nan_is_refused_with_member_and_step(evidence: ArchitectureEvidence) -> list[str]:
    message = evidence.nan or "accepted"
    return [] if evidence.case.name in message and "step 3" in message and "\n" not in message else [message]


def the_seed_decides_and_company_does_not(evidence: ArchitectureEvidence) -> list[str]:
    runs, faults = evidence.runs, []
    for name in ("again", "in_company"):
        for weight in ("W_enc", "b_enc", "W_dec", "b_dec"):
            found, expected = (getattr(runs[each].dictionary, weight) for each in (name, "alone"))
            faults += [] if torch.equal(found, expected) else [f"{name}: another {weight}"]
        faults += [] if runs[name].curve == runs["alone"].curve else [f"{name}: another curve"]
    other, alone = runs["other"].dictionary, runs["alone"].dictionary
    if other is None or alone is None:
        return [*faults, "no dictionary"]
    same = torch.equal(other.W_enc, alone.W_enc)
    return [*faults, "another seed gives the same dictionary"] if same else faults


def planted_directions_are_found(evidence: ArchitectureEvidence) -> list[str]:
    recovered, random = evidence.recovered, evidence.random
    if not evidence.case.trains_decoder:
        near = abs(recovered - random) < 0.1
        return [] if near else [f"frozen directions have the cosine {recovered:.3f}, random ones {random:.3f}"]
    found = recovered >= RECOVERED and recovered > random + 0.2
    return [] if found else [f"mean largest cosine {recovered:.3f}, random directions {random:.3f}"]
