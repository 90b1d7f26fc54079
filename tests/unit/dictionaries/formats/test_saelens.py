"""SAELens folders.

Oracles: what SAELens 6.54.12 computed from the folders that it wrote (tests/data/saelens, made by
benchmarks/make_saelens_fixtures.py); the formulas of its architectures in float64, written down here a second time.
"""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from monosemy.core import DamagedArtifact, UserError
from monosemy.dictionaries import AbsTopK, Dictionary, Identity, JumpReLU, ReLU, Sparsifier, TopK
from monosemy.dictionaries.formats import SaelensInfo, is_saelens_folder, read_saelens, write_saelens
from tests.unit.dictionaries.formats.folders import CASES, SAELENS, copied, expected, with_tensors

WEIGHTS = "sae_weights.safetensors"
TOLERANCE = 2e-6  # float32 sums of ten terms near 10 in another order; found: 1e-6
INFO = SaelensInfo(model_name="m", hook_name="blocks.3.hook_resid_post", context_size=128, prepend_bos=True)


def dictionary(sparsifier: Sparsifier, d_out: int = 5) -> Dictionary:
    generator = torch.Generator().manual_seed(3)
    return Dictionary(
        W_enc=torch.randn(8, 5, generator=generator),
        b_enc=torch.randn(8, generator=generator),
        W_dec=torch.randn(8, d_out, generator=generator),
        b_dec=torch.randn(d_out, generator=generator),
        sparsifier=sparsifier,
    )


def one_line(caught: pytest.ExceptionInfo[UserError], *parts: str) -> None:
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_every_architecture_of_the_issue_was_written() -> None:
    architectures = {json.loads((SAELENS / case / "cfg.json").read_text()).get("architecture") for case in CASES}
    assert {"standard", "topk", "jumprelu", "gated", None} <= architectures  # None: the old layout


@pytest.mark.parametrize("case", CASES)
def test_read_is_the_function_of_saelens(case: str) -> None:
    x, z, x_hat = expected(case)
    assert 0 < (z != 0).double().mean() < 1 and not x_hat.isnan().any()
    read, _ = read_saelens(SAELENS / case)
    assert torch.equal(read.encode(x) != 0, z != 0)
    torch.testing.assert_close(read.encode(x), z, rtol=TOLERANCE, atol=TOLERANCE * 10)
    torch.testing.assert_close(read.reconstruct(x), x_hat, rtol=TOLERANCE, atol=TOLERANCE * 10)


@pytest.mark.parametrize(
    ("case", "sparsifier", "dtype"),
    [
        ("standard", ReLU, torch.float32),
        ("standard_bfloat16", ReLU, torch.float32),
        ("standard_float64", ReLU, torch.float64),
        ("topk_rescaled", TopK, torch.float32),
        ("abstopk", AbsTopK, torch.float32),
        ("gated", JumpReLU, torch.float32),
        ("batchtopk", JumpReLU, torch.float32),
        ("old_topk", TopK, torch.float32),
    ],
)
def test_sparsifier_and_precision(case: str, sparsifier: type, dtype: torch.dtype) -> None:
    read, _ = read_saelens(SAELENS / case)
    assert type(read.sparsifier) is sparsifier and read.W_enc.dtype == dtype


def test_half_precision_is_widened_to_the_same_numbers(tmp_path: Path) -> None:
    folder = copied("standard_no_pre_bias", tmp_path / "half")
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    with_tensors(folder, **{name: tensor.half() for name, tensor in tensors.items()})
    read, _ = read_saelens(folder)
    assert torch.equal(read.W_enc, tensors["W_enc"].half().float().T)
    assert torch.equal(read.b_dec, tensors["b_dec"].half().float())


def test_thresholds_below_0_are_0_because_saelens_has_a_relu_first() -> None:
    stored = safetensors.torch.load_file(SAELENS / "jumprelu" / WEIGHTS)["threshold"]
    sparsifier = read_saelens(SAELENS / "jumprelu")[0].sparsifier
    assert isinstance(sparsifier, JumpReLU) and (stored < 0).any()
    assert torch.equal(sparsifier.theta, stored.clamp_min(0))


def test_a_logarithmic_threshold_of_an_old_checkpoint(tmp_path: Path) -> None:
    folder, theta = copied("jumprelu", tmp_path / "old"), torch.linspace(0.1, 1, 10)
    read, _ = read_saelens(with_tensors(folder, threshold=None, log_threshold=theta.log()))
    assert isinstance(read.sparsifier, JumpReLU)
    torch.testing.assert_close(read.sparsifier.theta, theta)


def test_the_latents_of_a_rescaled_top_k_are_in_units_of_the_decoders_norm() -> None:
    """Oracle: pre_i n_i, the k largest, z / n decoded, in float64."""
    tensors = {n: t.double() for n, t in safetensors.torch.load_file(SAELENS / "topk_rescaled" / WEIGHTS).items()}
    x = expected("topk_rescaled")[0].double()
    norms = tensors["W_dec"].norm(dim=1)
    weighed = ((x - tensors["b_dec"]) @ tensors["W_enc"] + tensors["b_enc"]) * norms
    values, index = weighed.topk(3, dim=1)
    z = torch.zeros_like(weighed).scatter_(1, index, values.relu())
    read, _ = read_saelens(SAELENS / "topk_rescaled")
    torch.testing.assert_close(read.encode(x.float()).double(), z, rtol=1e-5, atol=1e-5)
    x_hat = (z / norms) @ tensors["W_dec"] + tensors["b_dec"]
    torch.testing.assert_close(read.reconstruct(x.float()).double(), x_hat, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(read.W_dec.norm(dim=1), torch.ones(10))


def test_a_decoder_row_of_zeros_is_no_nan(tmp_path: Path) -> None:
    folder = copied("topk_rescaled", tmp_path / "zero")
    W_dec = safetensors.torch.load_file(folder / WEIGHTS)["W_dec"]
    W_dec[4] = 0
    read, _ = read_saelens(with_tensors(folder, W_dec=W_dec))
    assert (read.encode(expected("topk")[0])[:, 4] == 0).all()


@pytest.mark.parametrize("case", ["standard_scaled", "batchtopk"])
def test_the_scaling_factor_can_be_given(case: str, tmp_path: Path) -> None:
    folder = copied(case, tmp_path / "scaled")
    (folder / "activation_scaler.json").unlink()
    with pytest.raises(UserError) as caught:
        read_saelens(folder)
    one_line(caught, "expected_average_only_in", "scaling factor")
    read, _ = read_saelens(folder, scaling_factor=0.4)
    assert torch.equal(read.W_enc, read_saelens(SAELENS / case)[0].W_enc)


@pytest.mark.parametrize("factor", [0.0, -1, float("nan"), float("inf")])
def test_a_scaling_factor_that_cannot_be(factor: int | float) -> None:
    with pytest.raises(UserError) as caught:
        read_saelens(SAELENS / "standard_scaled", scaling_factor=factor)
    one_line(caught, str(factor), "positive")


def test_a_scaling_factor_where_nothing_was_scaled() -> None:
    with pytest.raises(UserError) as caught:
        read_saelens(SAELENS / "standard", scaling_factor=2)
    one_line(caught, "none", "leave it out")


@pytest.mark.parametrize("name", ["layer_norm", "constant_norm_rescale"])
def test_what_depends_on_the_token_is_refused_by_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_saelens(copied("standard", tmp_path / "x", normalize_activations=name))
    one_line(caught, name, "each token")


def test_whitening_without_its_matrix_is_refused(tmp_path: Path) -> None:
    folder = copied("topk_whitened", tmp_path / "x")
    (folder / "activation_whitening.safetensors").unlink()
    with pytest.raises(UserError) as caught:
        read_saelens(folder)
    one_line(caught, "covariance_whitening", "activation_whitening.safetensors")
    safetensors.torch.save_file({"mean": torch.zeros(6)}, folder / "activation_whitening.safetensors")
    with pytest.raises(UserError) as caught:
        read_saelens(folder)
    one_line(caught, "inverse_matrix")


def test_a_transcoder_with_a_normalization_is_refused(tmp_path: Path) -> None:
    folder = copied("transcoder", tmp_path / "x", normalize_activations="expected_average_only_in")
    with pytest.raises(UserError) as caught:
        read_saelens(folder, scaling_factor=2)
    one_line(caught, "transcoder", "expected_average_only_in")


def test_a_scale_of_finetuning_that_is_not_1_is_refused(tmp_path: Path) -> None:
    folder = copied("old_standard", tmp_path / "x")
    scale = torch.ones(10)
    read_saelens(with_tensors(folder, scaling_factor=None, finetuning_scaling_factor=scale))
    scale[3] = 1.5
    with pytest.raises(UserError) as caught:
        read_saelens(with_tensors(folder, finetuning_scaling_factor=scale))
    one_line(caught, "finetuning_scaling_factor", "not 1")


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"b_enc": None}, "b_enc"),
        ({"W_skip": torch.zeros(6, 6)}, "W_skip"),
        ({"W_enc": torch.zeros(10, 6)}, "[10, 6]"),
        ({"b_enc": torch.zeros(10, dtype=torch.int64)}, "int64"),
        ({"b_enc": torch.full((10,), torch.nan)}, "b_enc holds NaN"),
        ({"W_dec": torch.full((10, 6), torch.inf)}, "W_dec holds NaN or infinity"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(changed: dict, part: str, tmp_path: Path) -> None:
    folder = with_tensors(copied("standard", tmp_path / "x"), **changed)
    with pytest.raises(UserError) as caught:
        read_saelens(folder)
    one_line(caught, str(folder), part)


def test_more_latents_asked_than_there_are(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_saelens(copied("topk", tmp_path / "x", k=11))
    one_line(caught, str(tmp_path / "x"), "k is 11")


@pytest.mark.parametrize("n_bytes", [0, 5, 300, -1])
def test_a_truncated_file_is_damaged(n_bytes: int, tmp_path: Path) -> None:
    file = copied("standard", tmp_path / "x") / WEIGHTS
    file.write_bytes(file.read_bytes()[:n_bytes])
    with pytest.raises(DamagedArtifact) as caught:
        read_saelens(tmp_path / "x")
    one_line(caught, WEIGHTS, "damaged")


def test_missing_and_damaged_files_are_named(tmp_path: Path) -> None:
    folder = copied("standard_scaled", tmp_path / "x")
    (folder / "activation_scaler.json").write_text("{")
    with pytest.raises(DamagedArtifact, match=r"activation_scaler\.json is damaged"):
        read_saelens(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(DamagedArtifact, match=f"{WEIGHTS} is missing"):
        read_saelens(folder)
    assert is_saelens_folder(folder) and not is_saelens_folder(tmp_path)


@pytest.mark.parametrize(
    "sparsifier", [ReLU(), TopK(3), AbsTopK(3), JumpReLU(torch.linspace(0, 1, 8))], ids=lambda each: type(each).__name__
)
@pytest.mark.parametrize("double", [False, True])
def test_written_and_read_is_the_same_dictionary(sparsifier: Sparsifier, double: bool, tmp_path: Path) -> None:
    """What SAELens computes from such folders is compared in benchmarks/saelens_equality.py: the same bits."""
    one = dictionary(sparsifier)
    if double:
        weights = {name: getattr(one, name).double() for name in ("W_enc", "b_enc", "W_dec", "b_dec")}
        kept = JumpReLU(sparsifier.theta.double()) if isinstance(sparsifier, JumpReLU) else sparsifier
        one = Dictionary(**weights, sparsifier=kept)
    write_saelens(one, tmp_path / "new" / "written", INFO)
    back, info = read_saelens(tmp_path / "new" / "written")
    for name in ("W_enc", "b_enc", "W_dec", "b_dec"):
        assert torch.equal(getattr(back, name), getattr(one, name))
    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(1))
    assert torch.equal(back.encode(x), one.encode(x))
    assert (info.model_name, info.hook_name, info.site) == ("m", "blocks.3.hook_resid_post", "resid_post.3")
    assert (info.context_size, info.prepend_bos, info.version) == (128, True, "6.54.12")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["written"]


def test_what_is_written_has_no_bias_before_the_encoder_and_a_version(tmp_path: Path) -> None:
    """Without a version SAELens takes a configuration for one of before 6, whose defaults differ."""
    write_saelens(dictionary(TopK(3)), tmp_path / "a", SaelensInfo(hook_name="blocks.1.attn.hook_z"))
    config = json.loads((tmp_path / "a" / "cfg.json").read_text())
    assert config["apply_b_dec_to_input"] is False and config["normalize_activations"] == "none"
    assert (config["architecture"], config["k"], config["rescale_acts_by_decoder_norm"]) == ("topk", 3, False)
    assert config["reshape_activations"] == "hook_z" and config["metadata"]["sae_lens_version"] == "6.54.12"


@pytest.mark.parametrize(
    ("one", "info", "parts"),
    [
        (dictionary(Identity()), INFO, ("Identity", "ReLU, TopK, AbsTopK and JumpReLU")),
        (dictionary(JumpReLU(torch.linspace(-1, 1, 8))), INFO, ("4 thresholds", "below 0")),
        (dictionary(ReLU(), d_out=6), INFO, ("width 5 to 6",)),
        (dictionary(ReLU()), SaelensInfo(hook_name_out="blocks.3.hook_mlp_out"), ("blocks.3.hook_mlp_out",)),
    ],
    ids=["identity", "negative", "width", "transcoder"],
)
def test_what_saelens_does_not_have_is_refused(
    one: Dictionary, info: SaelensInfo, parts: tuple, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        write_saelens(one, tmp_path / "a", info)
    one_line(caught, *parts)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError) as caught:
        write_saelens(dictionary(ReLU()), tmp_path, INFO)
    one_line(caught, "not empty", "choose another folder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    (tmp_path / "empty").mkdir()
    write_saelens(dictionary(ReLU()), tmp_path / "empty", INFO)
    assert is_saelens_folder(tmp_path / "empty")


def test_a_failure_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(UserError, match="no space left"):
        write_saelens(dictionary(ReLU()), tmp_path / "a", INFO)
    assert list(tmp_path.iterdir()) == []
