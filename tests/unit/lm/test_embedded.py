"""The packed form of the embedded model: the bound on its rounding, and the model that comes back."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.torch import load_file
from tokenizers import Tokenizer

from monosemy.core import UserError
from monosemy.lm import (
    Architecture,
    Precision,
    build,
    embedded,
    embedded_provenance,
    load_embedded,
    read_packed,
    wrap,
    write_packed,
)
from monosemy.lm.embedded import pack, quantize_rows, unpack
from tests.unit.lm.tiny_models import VOCAB, tiny_tokenizer

ARCHITECTURE = Architecture(n_layers=2, d_model=32, n_heads=2, context_length=16, vocabulary_size=VOCAB)
PROVENANCE = {"command": "train", "curve": [{"step": 1}]}
FINITE = st.floats(-(2.0**100), 2.0**100, width=32)


@settings(max_examples=100, deadline=None)
@given(hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FINITE))
def test_the_rounding_of_a_row_is_at_most_half_a_step(values: np.ndarray) -> None:
    """|W - s q| <= s / 2 with s = max |W| / 127, in float64 up to float32's rounding of s and of W / s."""
    matrix = torch.from_numpy(values)
    q, scale = quantize_rows(matrix)
    largest = matrix.double().abs().amax(dim=1)
    tiny = largest / 127 < torch.finfo(torch.float32).tiny
    expected = torch.where(tiny, torch.ones_like(largest), largest / 127)
    torch.testing.assert_close(scale.double(), expected, rtol=1e-6, atol=0.0)
    error = (matrix.double() - scale.double()[:, None] * q.double()).abs()
    assert (error <= scale.double()[:, None] * (0.5 + 127 * 2.0**-22)).all()
    assert (q[tiny] == 0).all()
    assert (q[~tiny].abs().amax(dim=1) == 127).all()


def test_a_row_of_whole_steps_comes_back_exactly() -> None:
    matrix = torch.tensor([[127.0, -3.0, 0.0], [0.0, 0.0, 0.0], [-0.5 * 127, 0.5, 1.0]])
    q, scale = quantize_rows(matrix)
    assert q.tolist() == [[127, -3, 0], [0, 0, 0], [-127, 1, 2]]
    assert scale.tolist() == [1.0, 1.0, 0.5]


def test_what_is_packed_and_how() -> None:
    weights = build(ARCHITECTURE, 0).state_dict()
    packed = pack(weights)
    for name, value in weights.items():
        assert packed[name].dtype == (torch.int8 if value.ndim == 2 else torch.float32)
        assert (f"{name}.scale" in packed) == (value.ndim == 2)
    unpacked = unpack(packed)
    assert unpacked.keys() == weights.keys()
    for name, value in weights.items():
        step = value.abs().amax(dim=-1, keepdim=True) / 127 if value.ndim == 2 else torch.zeros(1)
        assert ((unpacked[name] - value).abs() <= 0.5001 * step).all()
    assert {value.dtype for value in pack(weights, "float16").values()} == {torch.float16, torch.float32}


@pytest.mark.parametrize(("precision", "tolerance"), [("int8", 0.02), ("float16", 0.001)])
def test_a_model_comes_back_from_its_folder(tmp_path: Path, precision: Precision, tolerance: float) -> None:
    """The same weights to the bit as unpacking gives, and logits near those of the unpacked model."""
    model = build(ARCHITECTURE, 0).eval()
    write_packed(model, tmp_path / "lm", PROVENANCE, precision)
    loaded = read_packed(tmp_path / "lm").eval()
    rounded = unpack(pack(model.state_dict(), precision))
    assert loaded.state_dict().keys() == rounded.keys()
    assert all(torch.equal(value, rounded[name]) for name, value in loaded.state_dict().items())
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}
    tokens = torch.arange(32).view(2, 16)
    with torch.no_grad():
        torch.testing.assert_close(loaded(tokens).logits, model(tokens).logits, rtol=0.0, atol=tolerance)
        model.load_state_dict(rounded)
        assert torch.equal(loaded(tokens).logits, model(tokens).logits)  # so the configuration came back too
    assert json.loads((tmp_path / "lm" / "provenance.json").read_text(encoding="utf-8")) == PROVENANCE


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_packed(build(ARCHITECTURE, 0), tmp_path / name, PROVENANCE)
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_reading_leaves_the_global_random_state(tmp_path: Path) -> None:
    write_packed(build(ARCHITECTURE, 0), tmp_path, PROVENANCE)
    before = torch.random.get_rng_state()
    read_packed(tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_missing_weight_is_not_made_up(tmp_path: Path) -> None:
    model = build(ARCHITECTURE, 0)
    write_packed(model, tmp_path, PROVENANCE)
    weights = load_file(tmp_path / "weights.safetensors")
    del weights["gpt_neox.final_layer_norm.bias"]
    (tmp_path / "weights.safetensors").write_bytes(embedded.save(weights))
    with pytest.raises(RuntimeError, match=r"final_layer_norm\.bias"):
        read_packed(tmp_path)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with a tiny embedded model and its tokenizer."""
    write_packed(build(ARCHITECTURE, 0), tmp_path / "data" / "lm", PROVENANCE)
    folder = tmp_path / "data" / "stdlib"
    folder.mkdir()
    (folder / "tokenizer.json").write_text(tiny_tokenizer().backend_tokenizer.to_str(), encoding="utf-8")
    monkeypatch.setattr(embedded, "files", lambda _: tmp_path)
    return tmp_path


def test_the_installed_model_is_loaded(installed: Path) -> None:
    lm = load_embedded()
    assert (lm.name, lm.vocab_size, lm.n_layers, lm.dtype) == ("embedded", VOCAB, 2, torch.float32)
    assert lm.tokenizer.decode(lm.tokenizer.encode("the fox ?! , é")) == "the fox ?! , é"
    assert lm.tokenizer.bos_token_id == 0
    assert load_embedded().fingerprint() == lm.fingerprint()
    assert embedded_provenance() == PROVENANCE


@pytest.mark.parametrize("name", ["lm/weights.safetensors", "lm/config.json", "stdlib/tokenizer.json"])
def test_a_missing_file_is_told_in_one_line(installed: Path, name: str) -> None:
    (installed / "data" / name).unlink()
    with pytest.raises(UserError, match=rf"\({name}\) is missing from this installation; install monosemy again$"):
        load_embedded()


def test_missing_provenance_is_told_in_one_line(installed: Path) -> None:
    (installed / "data" / "lm" / "provenance.json").unlink()
    with pytest.raises(UserError, match=r"provenance\.json\) is missing"):
        embedded_provenance()


def test_a_wrapped_model_begins_sequences_with_its_special_token() -> None:
    tokenizer = Tokenizer.from_str(tiny_tokenizer().backend_tokenizer.to_str())
    lm = wrap(build(ARCHITECTURE, 0), tokenizer, "tiny")
    assert lm.tokenizer.all_special_tokens == ["<|endoftext|>"]
    assert lm.tokenizer.encode("the fox") == tokenizer.encode("the fox").ids
