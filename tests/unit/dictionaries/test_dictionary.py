"""Oracles: small dictionaries by hand, and what the errors must say. The formulas stand in tests/conformance."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.core import DamagedArtifact, UserError
from monosemy.dictionaries import Dictionary, JumpReLU, ReLU, TopK


def by_hand(dtype: torch.dtype = torch.float32) -> Dictionary:
    """2 -> 3 latents -> 1."""
    return Dictionary(
        W_enc=torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=dtype),
        b_enc=torch.tensor([0.0, -1.0, 0.5], dtype=dtype),
        W_dec=torch.tensor([[1.0], [10.0], [100.0]], dtype=dtype),
        b_dec=torch.tensor([1000.0], dtype=dtype),
        sparsifier=ReLU(),
    )


def test_encode_and_decode_by_hand() -> None:
    dictionary, x = by_hand(), torch.tensor([[2.0, 3.0], [-1.0, 0.0]])
    assert (dictionary.n_latents, dictionary.d_in, dictionary.d_out) == (3, 2, 1)
    assert dictionary.pre_acts(x).tolist() == [[2.0, 2.0, 5.5], [-1.0, -1.0, -0.5]]
    assert dictionary.encode(x).tolist() == [[2.0, 2.0, 5.5], [0.0, 0.0, 0.0]]
    assert dictionary.reconstruct(x).tolist() == [[1572.0], [1000.0]]


def test_another_sparsifier_on_the_same_weights() -> None:
    dictionary = by_hand().with_sparsifier(TopK(1))
    assert dictionary.encode(torch.tensor([[2.0, 3.0]])).tolist() == [[0.0, 0.0, 5.5]]


def test_activations_are_brought_to_the_precision_of_the_dictionary() -> None:
    x = torch.tensor([[2.0, 3.0]])
    assert by_hand(torch.float64).encode(x).dtype == torch.float64
    assert by_hand().encode(x.bfloat16()).dtype == torch.float32


def test_huge_finite_activations_are_no_nan() -> None:
    """Their sum overflows, they do not."""
    x = torch.full((2, 2), 3e38)
    assert bool(torch.isinf(x.sum()))
    assert bool((by_hand().pre_acts(x)[:, 0] == 3e38).all())


def test_errors_name_what_does_not_fit() -> None:
    with pytest.raises(UserError, match=r"width 2 and was given width 3"):
        by_hand().encode(torch.zeros(1, 3))
    with pytest.raises(UserError, match=r"activation 1 of the batch holds NaN"):
        by_hand().encode(torch.tensor([[0.0, 0.0], [0.0, math.nan]]))
    with pytest.raises(UserError, match=r"3 latents and was given 2"):
        by_hand().decode(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b_enc": torch.zeros(2)}, "do not fit"),
        ({"W_dec": torch.zeros(2, 1)}, "do not fit"),
        ({"b_dec": torch.zeros(2)}, "do not fit"),
        ({"W_enc": torch.zeros(3, 0)}, "at least one"),
        ({"b_dec": torch.tensor([math.inf])}, "NaN or infinity"),
        ({"b_dec": torch.zeros(1, dtype=torch.float64)}, "all float32 or all float64"),
        ({"sparsifier": TopK(4)}, "only 3 latents"),
        ({"sparsifier": JumpReLU(torch.zeros(2))}, "2 thresholds for 3 latents"),
        ({"sparsifier": JumpReLU(torch.zeros(3, dtype=torch.float64))}, "all float32 or all float64"),
    ],
)
def test_weights_that_do_not_fit_are_refused(change: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        replace(by_hand(), **change)


def test_weights_are_made_contiguous_and_without_gradient() -> None:
    dictionary = replace(by_hand(), W_enc=torch.nn.Parameter(torch.ones(2, 3)).T)
    assert dictionary.W_enc.is_contiguous()
    assert not dictionary.W_enc.requires_grad


@pytest.mark.parametrize("sparsifier", [ReLU(), TopK(2), JumpReLU(torch.tensor([0.0, 1.0, 2.0]).double())])
def test_float64_survives_a_folder(sparsifier: TopK, tmp_path: Path) -> None:
    dictionary = replace(by_hand(torch.float64), b_dec=torch.tensor([math.pi]).double(), sparsifier=sparsifier)
    dictionary.save(tmp_path)
    x = torch.tensor([[0.1, 0.2], [3.0, 4.0]]).double()
    assert torch.equal(Dictionary.load(tmp_path).reconstruct(x), dictionary.reconstruct(x))


def test_to_keeps_everything() -> None:
    dictionary = by_hand().with_sparsifier(JumpReLU(torch.ones(3)))
    x = torch.tensor([[2.0, 3.0]])
    assert torch.equal(dictionary.to("cpu").reconstruct(x), dictionary.reconstruct(x))
    meta = dictionary.with_sparsifier(ReLU()).W_enc.to("meta")  # what `to` must do with each weight
    assert meta.device.type == "meta"


def test_a_folder_without_a_dictionary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"config.json is missing"):
        Dictionary.load(tmp_path)
    by_hand().save(tmp_path)
    (tmp_path / "dictionary.safetensors").unlink()
    with pytest.raises(DamagedArtifact, match=r"dictionary.safetensors is missing"):
        Dictionary.load(tmp_path)


def test_a_damaged_configuration(tmp_path: Path) -> None:
    by_hand().save(tmp_path)
    config = tmp_path / "config.json"
    text = config.read_text()
    config.write_text(text[:-10])
    with pytest.raises(DamagedArtifact, match="damaged"):
        Dictionary.load(tmp_path)
    config.write_text(text.replace('"relu"', '"topk"'))
    with pytest.raises(UserError, match="k is None with the sparsifier 'topk'"):
        Dictionary.load(tmp_path)
