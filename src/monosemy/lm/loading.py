"""Loading a language model from a local folder or from the Hugging Face hub, safetensors only."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from monosemy.core import UserError
from monosemy.lm.families import family_of
from monosemy.lm.model import LanguageModel

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?", re.ASCII)
_WEIGHTS = "model*.safetensors"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
_HUB_FILES = ["*.json", "*.txt", "tokenizer.model", _WEIGHTS]


def load(
    path_or_id: str | Path,
    *,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    dtype: torch.dtype | None = None,
    revision: str | None = None,
) -> LanguageModel:
    """The language model in a local folder, or of a hub id such as "EleutherAI/pythia-70m".

    device: "auto" is CUDA where there is one, else the CPU. dtype: None is float32 on every device, whatever the files
    hold, so that numbers agree between machines; give torch.bfloat16 for large models on a GPU. revision: a branch,
    tag or commit of the hub id. Only safetensors are read, and no code that comes with a model is ever run.
    Raises UserError, with what to do, when the model cannot be loaded.
    """
    target = resolve_device(device)
    name = str(path_or_id) if revision is None else f"{path_or_id}@{revision}"
    local = Path(path_or_id).expanduser()
    if local.is_dir():
        if revision is not None:
            raise UserError(f"{local} is a local folder, which has no revisions; leave revision out")
        folder, name = local, local.resolve().name
        _check_config(folder / "config.json", name)
    else:
        if local.is_file():
            raise UserError(f"{local} is a file; give the folder that holds config.json and model.safetensors")
        if not _HUB_ID.fullmatch(str(path_or_id)):
            raise UserError(
                f"no folder {path_or_id}; give an existing folder or a hub id such as EleutherAI/pythia-70m"
            )
        folder = _download(str(path_or_id), revision, name)
    _check_files(folder, name)
    with quiet_transformers():
        model = _model(folder, name, dtype or torch.float32, target)
        tokenizer = _tokenizer(folder, name)
    if len(tokenizer) > model.config.vocab_size:
        raise UserError(
            f"the tokenizer of {name} has {len(tokenizer)} tokens, its model only {model.config.vocab_size};"
            " they do not belong together"
        )
    return LanguageModel(model, tokenizer, name)


def resolve_device(device: str) -> torch.device:
    """The device that auto, cpu or cuda names here. Raises UserError where there is no CUDA but it was asked for."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda was asked for, but PyTorch sees no CUDA device here; use cpu or auto")
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


def _download(hub_id: str, revision: str | None, name: str) -> Path:
    """The folder of the hub's files in its cache; the configuration comes first, so that no unusable weights do."""
    try:
        _check_config(Path(hf_hub_download(hub_id, "config.json", revision=revision)), name)
        return Path(snapshot_download(hub_id, revision=revision, allow_patterns=_HUB_FILES, ignore_patterns=["*/*"]))
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"no folder {name} here, and the Hugging Face hub cannot be reached and {name} is not in its cache;"
            " go online once, or give a local folder"
        ) from error
    except GatedRepoError as error:
        raise UserError(f"{name} is gated: accept its terms on huggingface.co, then run `hf auth login`") from error
    except RevisionNotFoundError as error:
        raise UserError(f"{hub_id} has no revision {revision!r} on the Hugging Face hub") from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"no folder {name} here and no such model on the Hugging Face hub; check the spelling, or for a private"
            " model run `hf auth login`"
        ) from error
    except EntryNotFoundError as error:
        raise UserError(f"{name} has no config.json on the Hugging Face hub; it is not a transformers model") from error
    except (HfHubHTTPError, OSError) as error:
        raise UserError(f"downloading {name} failed: {_brief(error)}") from error


def _check_config(path: Path, name: str) -> None:
    """Raise UserError unless the file is a configuration of a supported family."""
    if not path.is_file():
        raise UserError(f"{name} has no config.json; give a folder written by save_pretrained")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"config.json of {name} is not JSON: {_brief(error)}; write the folder again") from error
    if not isinstance(config, dict) or not isinstance(config.get("model_type"), str):
        raise UserError(f"config.json of {name} names no model_type; give a folder written by save_pretrained")
    family_of(config["model_type"])


def _check_files(folder: Path, name: str) -> None:
    """Raise UserError when weights or tokenizer are missing, or the weights are pickled."""
    if not any(folder.glob(_WEIGHTS)):
        pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
        found = f"; {pickles[0]} is a pickle, which can run code and is never loaded" if pickles else ""
        raise UserError(
            f"{name} has no weights in safetensors ({_WEIGHTS}){found}; load it with transformers where you trust it"
            " and save_pretrained it again"
        )
    if not any((folder / file).is_file() for file in _TOKENIZERS):
        raise UserError(
            f"{name} has no tokenizer ({', '.join(_TOKENIZERS)}); save the model's tokenizer into the same folder"
        )


def _tokenizer(folder: Path, name: str) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:  # damaged files raise many kinds here, the Rust tokenizers bare Exception
        raise UserError(f"the tokenizer of {name} cannot be read: {_brief(error)}; get the files again") from error


def _model(folder: Path, name: str, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder),
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # they are told below, in one line
            output_loading_info=True,
        )
    except Exception as error:  # damaged files raise many kinds here, some of them only Exception
        raise UserError(f"the model {name} cannot be read: {_brief(error)}; get the files again") from error
    model, info = loaded
    # transformers fills what the files lack with random numbers and goes on; a measurement must not.
    wrong = sorted({*info["missing_keys"], *(key for key, *_ in info["mismatched_keys"])})
    if wrong:
        raise UserError(
            f"the weights of {name} do not fit its config.json: {len(wrong)} tensors are missing or of another shape"
            f" ({wrong[0]}, ...); get the files again"
        )
    return model.to(device)


def _brief(error: Exception) -> str:
    """The error's kind and text on one line, the end of a long one left out."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= 200 else text[:197] + "..."


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Without transformers' progress bar and report, which would run into the display of the whole run."""
    was_enabled, verbosity = transformers_logging.is_progress_bar_enabled(), transformers_logging.get_verbosity()
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if was_enabled:
            transformers_logging.enable_progress_bar()
