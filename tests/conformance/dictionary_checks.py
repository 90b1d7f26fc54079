"""What every Dictionary must do. Each function is a check: evidence in, faults out."""

import numpy as np
import torch

from monosemy.dictionaries import AbsTopK, Dictionary, Identity, JumpReLU, ReLU, TopK
from tests.conformance.dictionary_cases import DictionaryEvidence

WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")


def _pre(dictionary: Dictionary, x: torch.Tensor) -> np.ndarray:
    return x.double().numpy() @ dictionary.W_enc.double().numpy().T + dictionary.b_enc.double().numpy()


def _latents(dictionary: Dictionary, x: torch.Tensor) -> np.ndarray:
    """The definition, in numpy and float64, row by row."""
    pre = _pre(dictionary, x)
    sparsifier = dictionary.sparsifier
    match sparsifier:
        case Identity():
            return pre
        case ReLU():
            return np.maximum(pre, 0)
        case JumpReLU():
            return pre * (pre > sparsifier.theta.double().numpy())
        case TopK() | AbsTopK():
            size = np.abs(pre) if isinstance(sparsifier, AbsTopK) else pre
            z = np.zeros_like(pre)
            for row, sizes in enumerate(size):
                kept = sorted(range(len(sizes)), key=lambda i: (-sizes[i], i))[: sparsifier.k]
                z[row, kept] = pre[row, kept]
            return z if isinstance(sparsifier, AbsTopK) else np.maximum(z, 0)


def _far(found: torch.Tensor, expected: np.ndarray | torch.Tensor, what: str) -> list[str]:
    """A fault where two arrays differ by more than float32 leaves of numbers of this size."""
    expected = torch.as_tensor(expected).double()
    if found.shape != expected.shape:
        return [f"{what}: shape {tuple(found.shape)}, expected {tuple(expected.shape)}"]
    if found.numel() == 0:
        return []
    difference = float((found.double() - expected).abs().max())
    allowed = 2e-5 * float(expected.abs().max() + 1)
    return [] if difference <= allowed else [f"{what}: differs by {difference:g}, allowed {allowed:g}"]


def _unlike(left: Dictionary, right: Dictionary) -> list[str]:
    names = [name for name in WEIGHTS if not torch.equal(getattr(left, name), getattr(right, name))]
    a, b = left.sparsifier, right.sparsifier
    same = torch.equal(a.theta, b.theta) if isinstance(a, JumpReLU) and isinstance(b, JumpReLU) else a == b
    return names if same else [*names, "sparsifier"]


def latents_are_what_the_formula_says(evidence: DictionaryEvidence) -> list[str]:
    return _far(evidence.z, _latents(evidence.dictionary, evidence.x), "z")


def reconstructions_are_what_the_formula_says(evidence: DictionaryEvidence) -> list[str]:
    z, dictionary = _latents(evidence.dictionary, evidence.x), evidence.dictionary
    return _far(evidence.x_hat, z @ dictionary.W_dec.double().numpy() + dictionary.b_dec.double().numpy(), "x_hat")


def no_more_than_k_are_active(evidence: DictionaryEvidence) -> list[str]:
    """TopK: k where k pre-activations are positive, else those; AbsTopK: k."""
    sparsifier = evidence.dictionary.sparsifier
    if not isinstance(sparsifier, TopK | AbsTopK):
        return []
    pre = _pre(evidence.dictionary, evidence.x)
    candidates = ((pre > 0) if isinstance(sparsifier, TopK) else (pre != 0)).sum(axis=1)
    active = np.count_nonzero(evidence.z.numpy(), axis=1)
    expected = np.minimum(candidates, sparsifier.k)
    return [f"row {i}: {active[i]} active, expected {expected[i]}" for i in np.flatnonzero(active != expected)]


def a_row_does_not_depend_on_its_batch(evidence: DictionaryEvidence) -> list[str]:
    equal = evidence.equal_rows
    faults = _far(evidence.alone, evidence.z, "rows encoded one by one")
    return faults + _far(equal, evidence.z[:1].expand(len(equal), -1), "equal rows")


def zero_rows_and_no_rows_are_encoded(evidence: DictionaryEvidence) -> list[str]:
    zeros = torch.zeros(len(evidence.zero_rows), evidence.dictionary.d_in)
    faults = _far(evidence.zero_rows, _latents(evidence.dictionary, zeros), "zero rows")
    shape = (0, evidence.dictionary.n_latents)
    return faults + ([] if tuple(evidence.no_rows.shape) == shape else ["no rows give another shape"])


def what_is_used_is_left_as_it_was(evidence: DictionaryEvidence) -> list[str]:
    faults = [] if torch.equal(evidence.x, evidence.x_after) else ["the activations were changed"]
    return faults + [f"{name} was changed by its use" for name in _unlike(evidence.dictionary, evidence.again)]


def weights_are_contiguous_without_gradient(evidence: DictionaryEvidence) -> list[str]:
    weights = {name: getattr(evidence.dictionary, name) for name in WEIGHTS}
    return [name for name, weight in weights.items() if weight.requires_grad or not weight.is_contiguous()]


def saving_and_loading_keeps_every_bit(evidence: DictionaryEvidence) -> list[str]:
    faults = _unlike(evidence.dictionary, evidence.loaded)
    faults += [] if torch.equal(evidence.loaded.encode(evidence.x), evidence.z) else ["other latents"]
    faults += [] if torch.equal(evidence.loaded.reconstruct(evidence.x), evidence.x_hat) else ["other reconstructions"]
    return faults + ([] if evidence.bytes_saved[0] == evidence.bytes_saved[1] else ["saved again, other bytes"])


def whatever_is_wrong_is_refused_in_one_line(evidence: DictionaryEvidence) -> list[str]:
    accepted = [name for name, message in evidence.refusals.items() if message is None]
    return accepted + [f"{name}: {text!r}" for name, text in evidence.refusals.items() if text and "\n" in text]


def the_seed_decides(evidence: DictionaryEvidence) -> list[str]:
    faults = [f"{name} differs between two of one seed" for name in _unlike(evidence.dictionary, evidence.again)]
    unlike = _unlike(evidence.dictionary, evidence.other)
    if evidence.seeded and not unlike:
        faults.append("another seed makes the same dictionary")
    return faults + ([f"{name} depends on the seed" for name in unlike] if not evidence.seeded else [])


def latents_have_no_order(evidence: DictionaryEvidence) -> list[str]:
    z = evidence.permuted.encode(evidence.x)
    faults = _far(z, evidence.z[:, evidence.permutation], "latents in another order")
    return faults + _far(evidence.permuted.decode(z), evidence.x_hat, "reconstructions from another order")
