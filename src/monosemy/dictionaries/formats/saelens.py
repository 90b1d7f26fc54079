"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, of version 6 and of the flat layout before it."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from monosemy.core import DamagedArtifact, UserError, full_disk_is_user_error
from monosemy.dictionaries.dictionary import Dictionary
from monosemy.dictionaries.formats.saelens_config import (
    BATCH_TOP_K,
    CONFIG_FILE,
    JUMP,
    REFUSED_NORMALIZATIONS,
    TOP_K,
    SaelensConfig,
    SaelensInfo,
    read_config,
)
from monosemy.dictionaries.sparsifiers import AbsTopK, JumpReLU, ReLU, Sparsifier, TopK

WEIGHTS_FILE = "sae_weights.safetensors"
SCALER_FILE = "activation_scaler.json"
WHITENING_FILE = "activation_whitening.safetensors"
WRITTEN_VERSION = "6.54.12"  # whose layout is written; without a version of 6 or later SAELens takes it for an old one


def is_saelens_folder(folder: Path) -> bool:
    """Whether a folder holds what SAELens writes, by its configuration's name."""
    return (folder / CONFIG_FILE).is_file()


def read_saelens(folder: Path, *, scaling_factor: int | float | None = None) -> tuple[Dictionary, SaelensInfo]:
    """The dictionary in a SAELens folder, as the equal function of raw activations, and what the folder says of it.

    Its latents are those of SAELens' `encode`, its reconstructions those of `decode`. Folded in float64, then rounded
    to the file's precision (half precisions are widened to float32):

        b_dec subtracted from the input      b_enc <- b_enc - W_enc b_dec
        input multiplied by s                W_enc <- s W_enc, W_dec <- W_dec / s, b_dec <- b_dec / s
        input whitened, (x - mu) M           W_enc <- W_enc M^T, b_enc <- b_enc - W_enc M^T mu,
                                             W_dec <- W_dec M^-1, b_dec <- b_dec M^-1 + mu
        top-k of n_i pre_i, n_i = |W_dec_i|  W_enc_i <- n_i W_enc_i, b_enc_i <- n_i b_enc_i, W_dec_i <- W_dec_i / n_i
        gated                                JumpReLU with W_enc e^r, b_mag and theta = max(0, b_mag - e^r b_gate)
        jumprelu                             theta <- max(0, theta), as SAELens has a ReLU before the threshold

    The top-k line changes neither the choice nor the latents, which SAELens too counts in units of n_i: it is no
    rescaling. Checkpoints of batchtopk become the JumpReLU that SAELens makes of them. scaling_factor: s, where
    normalize_activations is expected_average_only_in and no `activation_scaler.json` holds it. hook_z activations are
    the heads end to end. Raises UserError, in one line, for what no Dictionary can be (a normalization token by token,
    a skip connection, a scale of finetuning, latents that depend on each other or on other tokens), for a missing,
    unknown or misshapen tensor and for numbers that are not finite; DamagedArtifact where a file cannot be read.
    Source: SAELens 6.54.12, with which it is compared.
    """
    config = read_config(folder / CONFIG_FILE)
    tensors = _read_weights(folder / WEIGHTS_FILE, config)
    dtype = torch.float64 if tensors["W_enc"].dtype == torch.float64 else torch.float32
    form = _form(config, {name: tensor.double() for name, tensor in tensors.items()})
    form = _normalization_folded(form, folder, config, scaling_factor)
    theta = form.theta
    try:
        dictionary = Dictionary(
            W_enc=form.W_enc.to(dtype),
            b_enc=form.b_enc.to(dtype),
            W_dec=form.W_dec.to(dtype),
            b_dec=form.b_dec.to(dtype),
            sparsifier=_sparsifier(config, None if theta is None else theta.to(dtype)),
        )
    except UserError as error:
        raise UserError(f"{folder}: {error}") from error
    return dictionary, config.info


def write_saelens(dictionary: Dictionary, folder: Path, info: SaelensInfo) -> None:
    """Write a new SAELens folder that is the same function: standard, topk, abstopk or jumprelu, by the sparsifier.

    Of `info` go in what SAELens keeps as metadata; architecture and version are those of what is written. hook_z: with
    an axis of heads, as SAELens has it. Raises UserError where SAELens has no such function (Identity, JumpReLU with a
    threshold below 0, which lets negative latents pass, a d_out that is not d_in), and when the folder exists.
    """
    config = _written_config(dictionary, info)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not empty; it is left as it is: choose another folder")
    tensors = {
        "W_enc": dictionary.W_enc.T.contiguous().cpu(),
        "b_enc": dictionary.b_enc.cpu(),
        "W_dec": dictionary.W_dec.cpu(),
        "b_dec": dictionary.b_dec.cpu(),
    }
    if isinstance(dictionary.sparsifier, JumpReLU):
        tensors["threshold"] = dictionary.sparsifier.theta.cpu()
    with full_disk_is_user_error(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            safetensors.torch.save_file(tensors, temporary / WEIGHTS_FILE)
            (temporary / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
            temporary.chmod(0o755)
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _written_config(dictionary: Dictionary, info: SaelensInfo) -> dict[str, object]:
    sparsifier = dictionary.sparsifier
    if dictionary.d_in != dictionary.d_out or info.hook_name_out is not None:
        raise UserError(
            f"the dictionary maps width {dictionary.d_in} to {dictionary.d_out}"
            + ("" if info.hook_name_out is None else f" at {info.hook_name_out}")
            + "; only dictionaries that reconstruct their own input are written for SAELens"
        )
    own: dict[str, object] = {}
    match sparsifier:
        case ReLU():
            architecture = "standard"
        case TopK() | AbsTopK():
            architecture = "topk" if isinstance(sparsifier, TopK) else "abstopk"
            own = {"k": sparsifier.k, "rescale_acts_by_decoder_norm": False}
        case JumpReLU() if bool((sparsifier.theta >= 0).all()):
            architecture = "jumprelu"
        case JumpReLU():
            raise UserError(
                f"{int((sparsifier.theta < 0).sum())} thresholds of the dictionary are below 0 and let negative "
                "latents pass, which SAELens' jumprelu cannot; clamp them at 0 where that is meant"
            )
        case _:
            raise UserError(
                f"SAELens has no architecture with the sparsifier {type(sparsifier).__name__}; "
                "it has those of ReLU, TopK, AbsTopK and JumpReLU"
            )
    metadata = {name: getattr(info, name) for name in _METADATA if getattr(info, name) is not None}
    is_hook_z = info.hook_name is not None and info.hook_name.endswith("hook_z") and info.hook_head_index is None
    return {
        "architecture": architecture,
        "d_in": dictionary.d_in,
        "d_sae": dictionary.n_latents,
        "dtype": str(dictionary.W_enc.dtype).removeprefix("torch."),
        "device": "cpu",
        "apply_b_dec_to_input": False,
        "normalize_activations": "none",
        "reshape_activations": "hook_z" if is_hook_z else "none",
        **own,
        "metadata": {"sae_lens_version": WRITTEN_VERSION, **metadata},
    }


_METADATA = (
    *("training_architecture", "model_name", "hook_name", "hook_head_index"),
    *("dataset_path", "context_size", "prepend_bos", "neuronpedia_id"),
)


def _read_weights(path: Path, config: SaelensConfig) -> dict[str, Tensor]:
    """The tensors of the architecture, at least float32, checked."""
    architecture = config.info.architecture
    d_in, d_sae, d_out = config.d_in, config.d_sae, config.d_out
    shapes: dict[str, tuple[int, ...]] = dict(W_enc=(d_in, d_sae), W_dec=(d_sae, d_out), b_dec=(d_out,))
    shapes |= dict.fromkeys(("b_gate", "b_mag", "r_mag") if architecture == "gated" else ("b_enc",), (d_sae,))
    tensors = _load(path)
    if architecture in JUMP:
        shapes["log_threshold" if "log_threshold" in tensors else "threshold"] = (d_sae,)
    if architecture in BATCH_TOP_K:
        shapes["topk_threshold"] = ()
    for name in ("scaling_factor", "finetuning_scaling_factor"):
        scale = tensors.pop(name, None)
        if scale is not None and not torch.allclose(scale.double(), torch.ones_like(scale, dtype=torch.float64)):
            raise UserError(f"{path}: {name} of a finetuning is not 1; only dictionaries without such a scale are read")
    if tensors.keys() != shapes.keys():
        raise UserError(
            f"{path} holds {', '.join(sorted(tensors))}; {architecture} has {', '.join(sorted(shapes))}: "
            f"correct {CONFIG_FILE} or get the folder anew"
        )
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shapes[name]:
            raise UserError(
                f"{path}: {name} has the shape {list(tensor.shape)}, {CONFIG_FILE} says {list(shapes[name])}"
            )
        if not tensor.is_floating_point():
            raise UserError(f"{path}: {name} holds {tensor.dtype}; weights are floating-point numbers")
        if not torch.isfinite(tensor).all():
            raise UserError(f"{path}: {name} holds NaN or infinity; get the folder anew")
    return tensors


def _load(path: Path) -> dict[str, Tensor]:
    if not path.is_file():
        raise DamagedArtifact(f"{path} is missing; get the folder anew")
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        raise DamagedArtifact(f"{path} is damaged ({error}); get the folder anew") from error


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Form:
    """pre = W_enc x + b_enc, x_hat = z W_dec + b_dec, in float64; theta where pre is compared with a threshold."""

    W_enc: Tensor
    b_enc: Tensor
    W_dec: Tensor
    b_dec: Tensor
    theta: Tensor | None


def _form(config: SaelensConfig, tensors: Mapping[str, Tensor]) -> _Form:
    """The weights in our layout, gates and thresholds said in theta, the input's bias folded in."""
    W_enc, b_dec, theta = tensors["W_enc"].T, tensors["b_dec"], tensors.get("threshold")
    if "log_threshold" in tensors:
        theta = tensors["log_threshold"].exp()
    elif "topk_threshold" in tensors:
        theta = tensors["topk_threshold"].expand(config.d_sae)
    if config.info.architecture == "gated":
        gain, b_enc = tensors["r_mag"].exp(), tensors["b_mag"]
        W_enc, theta = gain[:, None] * W_enc, b_enc - gain * tensors["b_gate"]
    else:
        b_enc = tensors["b_enc"]
    if config.apply_b_dec_to_input and "transcoder" not in config.info.architecture:
        b_enc = b_enc - W_enc @ b_dec
    return _Form(W_enc=W_enc, b_enc=b_enc, W_dec=tensors["W_dec"], b_dec=b_dec, theta=theta)


def _normalization_folded(form: _Form, folder: Path, config: SaelensConfig, given: int | float | None) -> _Form:
    """The form of raw activations, and of top-k without the decoder's norms."""
    name = config.normalize_activations
    if name in REFUSED_NORMALIZATIONS:
        raise UserError(
            f"{folder}: no dictionary can have normalize_activations {name}: {REFUSED_NORMALIZATIONS[name]}"
        )
    if name not in ("none", "expected_average_only_in", "covariance_whitening"):
        raise UserError(f"{folder}: unknown normalize_activations {name!r}; none and expected_average_only_in are read")
    if name != "none" and "transcoder" in config.info.architecture:
        raise UserError(f"{folder}: a transcoder with normalize_activations {name} is not read, only one with none")
    if given is not None and name != "expected_average_only_in":
        raise UserError(f"{folder}: normalize_activations is {name} and takes no scaling factor; leave it out")
    if name == "expected_average_only_in":
        # As SAELens folds it: before the decoder's norms, which are then those of the scaled rows.
        scale = _scaling_factor(folder, given)
        form = replace(form, W_enc=form.W_enc * scale, W_dec=form.W_dec / scale, b_dec=form.b_dec / scale)
        if form.theta is not None and config.info.architecture in BATCH_TOP_K and config.rescale_acts_by_decoder_norm:
            form = replace(form, theta=form.theta / scale)
    if config.rescale_acts_by_decoder_norm and config.info.architecture in (*TOP_K, *BATCH_TOP_K):
        norms = torch.linalg.vector_norm(form.W_dec, dim=1).clamp_min(1e-8)  # a row of zeros stays one
        W_enc, W_dec = form.W_enc * norms[:, None], form.W_dec / norms[:, None]
        form = replace(form, W_enc=W_enc, b_enc=form.b_enc * norms, W_dec=W_dec)
    return _whitening_folded(form, folder, config) if name == "covariance_whitening" else form


def _scaling_factor(folder: Path, given: int | float | None) -> float:
    """The number by which SAELens multiplied the activations: the one given, else that of the checkpoint's scaler."""
    path = folder / SCALER_FILE
    found: object = given
    if given is None and path.is_file():
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DamagedArtifact(f"{path} is damaged ({error}); get the folder anew") from error
        found = data.get("scaling_factor") if isinstance(data, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < float("inf"):
        raise UserError(
            f"{folder}: normalize_activations is expected_average_only_in and its scaling factor is {found}; "
            "give the positive number by which SAELens multiplied the activations"
        )
    return float(found)


def _whitening_folded(form: _Form, folder: Path, config: SaelensConfig) -> _Form:
    path, d = folder / WHITENING_FILE, config.d_in
    if not path.is_file():
        raise UserError(
            f"{folder}: normalize_activations is covariance_whitening and {WHITENING_FILE} is missing; add it"
        )
    tensors = {name: tensor.double() for name, tensor in _load(path).items()}
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if shapes != {"mean": [d], "matrix": [d, d], "inverse_matrix": [d, d]}:
        raise UserError(f"{path} holds {shapes}; expected mean, matrix and inverse_matrix of width {d}")
    W_enc = form.W_enc @ tensors["matrix"].T
    return replace(
        form,
        W_enc=W_enc,
        b_enc=form.b_enc - W_enc @ tensors["mean"],
        W_dec=form.W_dec @ tensors["inverse_matrix"],
        b_dec=form.b_dec @ tensors["inverse_matrix"] + tensors["mean"],
    )


def _sparsifier(config: SaelensConfig, theta: Tensor | None) -> Sparsifier:
    if theta is not None:
        return JumpReLU(theta.clamp_min(0.0))
    match config.info.architecture:
        case "topk":
            return TopK(config.k or 0)
        case "abstopk":
            return AbsTopK(config.k or 0)
    return ReLU()
