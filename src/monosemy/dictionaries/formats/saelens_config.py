"""What `cfg.json` of a SAELens folder says, of version 6 and of the flat layout before it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.core import DamagedArtifact, UserError
from monosemy.dictionaries.formats.hook_names import site_of_hook

CONFIG_FILE = "cfg.json"

_RELU = ("standard", "transcoder")
TOP_K = ("topk", "abstopk")
BATCH_TOP_K = ("batchtopk", "matryoshka_batchtopk")  # only checkpoints; SAELens saves their results as jumprelu
JUMP = ("jumprelu", "jumprelu_transcoder")
_READ = (*_RELU, *TOP_K, *BATCH_TOP_K, *JUMP, "gated")
_REFUSED = {
    "skip_transcoder": "it adds a linear map of the input to the output",
    "jumprelu_skip_transcoder": "it adds a linear map of the input to the output",
    "temporal": "its latents depend on other tokens",
    "matching_pursuit": "its latents are found one after the other",
}
REFUSED_NORMALIZATIONS = {
    "layer_norm": "it divides each token by its own standard deviation",
    "constant_norm_rescale": "it divides each token by its own norm",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SaelensInfo:
    """What a SAELens folder says beside the weights; None where it does not say.

    architecture: SAELens' name of it; written is the one that the sparsifier has. training_architecture: the one that
    was trained, where another came out of it. hook_name: TransformerLens' name of the site; hook_name_out: of where a
    transcoder writes. hook_head_index: the one head that was read. version: of the SAELens that wrote it. unit_decoder:
    whether training held the decoder's rows at unit norm, where the old layout tells.
    """

    architecture: str = "standard"
    training_architecture: str | None = None
    model_name: str | None = None
    hook_name: str | None = None
    hook_name_out: str | None = None
    hook_head_index: int | None = None
    dataset_path: str | None = None
    context_size: int | None = None
    prepend_bos: bool | None = None
    neuronpedia_id: str | None = None
    version: str | None = None
    unit_decoder: bool | None = None

    @property
    def site(self) -> str | None:
        """Our name of the site that is read; None where we have none."""
        return None if self.hook_name is None or self.hook_head_index is not None else site_of_hook(self.hook_name)


@dataclass(frozen=True, kw_only=True, slots=True)
class SaelensConfig:
    """What cfg.json says of the function, in either layout; d_out is d_in where the architecture is no transcoder."""

    info: SaelensInfo
    d_in: int
    d_sae: int
    d_out: int
    k: int | None
    apply_b_dec_to_input: bool
    rescale_acts_by_decoder_norm: bool
    normalize_activations: str


def read_config(path: Path) -> SaelensConfig:
    """What a file says; raises UserError on what no Dictionary can be, DamagedArtifact on what is no JSON."""
    if not path.is_file():
        raise UserError(f"{path} is missing; name a folder that SAELens wrote")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArtifact(f"{path} is damaged ({error}); get the folder anew") from error
    if not isinstance(data, dict):
        raise UserError(f"{path} holds no JSON object; name a folder that SAELens wrote")
    metadata = _Fields(path, data).value("metadata", dict, {})
    version = _Fields(path, metadata).value("sae_lens_version", str, None)
    version = _Fields(path, data).value("sae_lens_version", str, version)
    major = re.match("[0-9]+", version or "0")
    if major is None:
        raise UserError(f"{path} was written by SAELens {version!r}, which is no version; correct sae_lens_version")
    if int(major[0]) < 6:
        data = metadata = _of_the_old_layout(path, data)
    elif not isinstance(data.get("architecture"), str):
        raise UserError(f"{path} names no architecture; one of {', '.join(_READ)} is read")
    return _typed(_Fields(path, data), _Fields(path, metadata), version)


def _of_the_old_layout(path: Path, data: Mapping[str, Any]) -> dict[str, Any]:
    """A flat configuration from before version 6 under the names of today, with what SAELens takes where it is silent.

    SAELens drops an activation function that it no longer has; here it is refused.
    """
    names = {
        "hook_point": "hook_name",
        "hook_point_head_index": "hook_head_index",
        "activation_fn_str": "activation_fn",
    }
    new = {names.get(key, key): value for key, value in data.items()}
    new.setdefault("architecture", "standard")
    activation, arguments = new.get("activation_fn") or "relu", new.get("activation_fn_kwargs")
    if activation == "topk" and isinstance(arguments, dict) and "k" in arguments:
        new.update(architecture="topk", k=arguments["k"])
    elif activation != "relu":
        raise UserError(
            f"{path}: the activation function {activation!r} has no dictionary; relu and topk with k are read"
        )
    normalize = new.get("normalize_activations")
    if normalize is None or isinstance(normalize, bool):
        new["normalize_activations"] = "expected_average_only_in" if normalize else "none"
    return new


def _typed(fields: "_Fields", metadata: "_Fields", version: str | None) -> SaelensConfig:
    architecture = fields.value("architecture", str, "standard")
    if architecture in _REFUSED:
        raise UserError(
            f"{fields.path}: no dictionary can be the architecture {architecture}: {_REFUSED[architecture]}"
        )
    if architecture not in _READ:
        raise UserError(f"{fields.path}: unknown architecture {architecture!r}; read are {', '.join(_READ)}")
    info = SaelensInfo(
        architecture=architecture,
        training_architecture=metadata.remark("training_architecture", str),
        model_name=metadata.remark("model_name", str),
        hook_name=metadata.remark("hook_name", str),
        hook_name_out=metadata.remark("hook_name_out", str) if "transcoder" in architecture else None,
        hook_head_index=metadata.remark("hook_head_index", int),
        dataset_path=metadata.remark("dataset_path", str),
        context_size=metadata.remark("context_size", int),
        prepend_bos=metadata.remark("prepend_bos", bool),
        neuronpedia_id=metadata.remark("neuronpedia_id", str),
        version=version,
        unit_decoder=fields.remark("normalize_sae_decoder", bool),
    )
    d_in = fields.count("d_in")
    return SaelensConfig(
        info=info,
        d_in=d_in,
        d_sae=fields.count("d_sae"),
        d_out=fields.count("d_out") if "transcoder" in architecture else d_in,
        k=fields.count("k") if architecture in TOP_K else None,
        apply_b_dec_to_input=fields.value("apply_b_dec_to_input", bool, "transcoder" not in architecture),
        rescale_acts_by_decoder_norm=fields.value("rescale_acts_by_decoder_norm", bool, architecture in BATCH_TOP_K),
        normalize_activations=fields.value("normalize_activations", str, "none"),
    )


@dataclass(frozen=True, slots=True)
class _Fields:
    """The keys of one JSON object, with their types checked."""

    path: Path
    data: Mapping[str, Any]

    def value(self, name: str, kind: type, default: Any) -> Any:
        """The value of a key; the default where it is absent or null."""
        found = self.data.get(name)
        if found is None:
            return default
        if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
            raise UserError(f"{self.path}: {name} is {found!r}, and has to be of type {kind.__name__}; correct it")
        return found

    def remark(self, name: str, kind: type) -> Any:
        """The value of a key that only describes: None where it is absent or of another type."""
        found = self.data.get(name)
        return found if isinstance(found, kind) and (kind is bool or not isinstance(found, bool)) else None

    def count(self, name: str) -> int:
        """A count that has to be there and be at least 1."""
        found = self.value(name, int, None)
        if found is None or found < 1:
            raise UserError(f"{self.path}: {name} is {found!r}, and has to be at least 1; correct it")
        return found
