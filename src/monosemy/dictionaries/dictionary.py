"""The one object that is saved, evaluated, converted and served, whatever architecture or baseline it came from."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

import safetensors
import safetensors.torch
import torch
from jaxtyping import Float
from torch import Tensor

from monosemy.core import DamagedArtifact, UserError, from_json, full_disk_is_user_error, to_json
from monosemy.dictionaries.sparsifiers import AbsTopK, Identity, JumpReLU, ReLU, Sparsifier, TopK

WEIGHTS_FILE = "dictionary.safetensors"
CONFIG_FILE = "config.json"
_WEIGHTS = ("W_enc", "b_enc", "W_dec", "b_dec")
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dictionary:
    """A sparse code of raw activations, ready for use.

        pre   = x W_enc^T + b_enc
        z     = sparsifier(pre)
        x_hat = z W_dec + b_dec

    W_enc `[n_latents d_in]`, b_enc `[n_latents]`, W_dec `[n_latents d_out]` (rows are directions, not always of unit
    norm), b_dec `[d_out]`: float32 or float64, all alike, contiguous, without gradient. x is the activation as the LM
    has it: every centering and scaling of the training was folded in. Raises UserError when a shape does not fit the
    others, a number is not finite, or the sparsifier asks for more latents than there are.
    """

    W_enc: Float[Tensor, "_ _"]  # that the sizes agree is checked below, with a line for the user
    b_enc: Float[Tensor, " _"]
    W_dec: Float[Tensor, "_ _"]
    b_dec: Float[Tensor, " _"]
    sparsifier: Sparsifier

    def __post_init__(self) -> None:
        for name in _WEIGHTS:
            object.__setattr__(self, name, getattr(self, name).detach().contiguous())
        _check_shapes(self)
        _check_values(self)

    @property
    def n_latents(self) -> int:
        """How many latents there are."""
        return self.W_enc.shape[0]

    @property
    def d_in(self) -> int:
        """The width of the activations that are encoded."""
        return self.W_enc.shape[1]

    @property
    def d_out(self) -> int:
        """The width of the reconstructions."""
        return self.W_dec.shape[1]

    @torch.no_grad()
    def pre_acts(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch n_latents"]:
        """x W_enc^T + b_enc, in the dictionary's precision; raises UserError on x of another width or not finite."""
        if x.shape[1] != self.d_in:
            raise UserError(
                f"the dictionary takes activations of width {self.d_in} and was given width {x.shape[1]}; "
                "use a dictionary trained on this model and site"
            )
        x = x.to(self.W_enc.dtype)
        # One sum tells nearly always: it is finite unless a number is not, or the numbers are astronomically large.
        if not torch.isfinite(x.sum()) and not torch.isfinite(x).all():
            row = int(torch.isfinite(x).all(dim=1).logical_not().nonzero()[0])
            raise UserError(f"activation {row} of the batch holds NaN or infinity; harvest the activations anew")
        return torch.addmm(self.b_enc, x, self.W_enc.T)

    @torch.no_grad()
    def encode(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch n_latents"]:
        """The latents of activations; raises UserError as `pre_acts` does."""
        return self.sparsifier(self.pre_acts(x))

    @torch.no_grad()
    def decode(self, z: Float[Tensor, "batch n_latents"]) -> Float[Tensor, "batch d_out"]:
        """z W_dec + b_dec: the activations that latents stand for; raises UserError on another number of latents."""
        if z.shape[1] != self.n_latents:
            raise UserError(
                f"the dictionary has {self.n_latents} latents and was given {z.shape[1]}; encode with it too"
            )
        return torch.addmm(self.b_dec, z, self.W_dec)

    def reconstruct(self, x: Float[Tensor, "batch d_in"]) -> Float[Tensor, "batch d_out"]:
        """decode(encode(x))."""
        return self.decode(self.encode(x))

    def with_sparsifier(self, sparsifier: Sparsifier) -> "Dictionary":
        """The same weights with another rule of which latents are active."""
        return replace(self, sparsifier=sparsifier)

    def to(self, device: torch.device | str) -> "Dictionary":
        """The same dictionary on another device."""
        moved = {name: getattr(self, name).to(device) for name in _WEIGHTS}
        sparsifier = self.sparsifier
        if isinstance(sparsifier, JumpReLU):
            sparsifier = JumpReLU(sparsifier.theta.to(device))
        return Dictionary(**moved, sparsifier=sparsifier)

    def save(self, folder: Path) -> None:
        """Write `dictionary.safetensors` and `config.json` into an existing folder; `load` gives back the same bits."""
        tensors = {name: getattr(self, name).cpu() for name in _WEIGHTS}
        if isinstance(self.sparsifier, JumpReLU):
            tensors["theta"] = self.sparsifier.theta.cpu()
        config = SavedDictionary(
            d_in=self.d_in,
            d_out=self.d_out,
            n_latents=self.n_latents,
            dtype="float64" if self.W_enc.dtype == torch.float64 else "float32",
            sparsifier=_NAMES[type(self.sparsifier)],
            k=self.sparsifier.k if isinstance(self.sparsifier, TopK | AbsTopK) else None,
        )
        with full_disk_is_user_error(folder):
            safetensors.torch.save_file(tensors, folder / WEIGHTS_FILE)
            text = json.dumps(to_json(config), indent=2) + "\n"
            (folder / CONFIG_FILE).write_text(text, encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> "Dictionary":
        """The dictionary that `save` wrote into a folder, on the CPU.

        Raises UserError, in one line, when a file is missing, a key unknown or absent, a shape or precision not what
        the configuration says, or a number not finite; DamagedArtifact when a file cannot be read at all.
        """
        saved = _read_config(folder / CONFIG_FILE)
        tensors = _read_weights(folder / WEIGHTS_FILE, saved)
        theta = tensors.pop("theta", None)
        try:
            return Dictionary(**tensors, sparsifier=_sparsifier(saved, theta))
        except UserError as error:
            raise UserError(f"{folder}: {error}") from error


_Name = Literal["identity", "relu", "topk", "abs_topk", "jumprelu"]
_NAMES: dict[type, _Name] = {
    Identity: "identity",
    ReLU: "relu",
    TopK: "topk",
    AbsTopK: "abs_topk",
    JumpReLU: "jumprelu",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedDictionary:
    """What config.json says."""

    d_in: int
    d_out: int
    n_latents: int
    dtype: Literal["float32", "float64"]
    sparsifier: _Name
    k: int | None


def _sparsifier(saved: SavedDictionary, theta: Tensor | None) -> Sparsifier:
    match saved.sparsifier:
        case "identity":
            return Identity()
        case "relu":
            return ReLU()
        case "topk":
            return TopK(saved.k or 0)
        case "abs_topk":
            return AbsTopK(saved.k or 0)
        case "jumprelu":
            assert theta is not None  # _read_weights has looked
            return JumpReLU(theta)


def _read_config(path: Path) -> SavedDictionary:
    if not path.is_file():
        raise UserError(f"{path} is missing; name a folder that holds a dictionary")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArtifact(f"{path} is damaged ({error}); make the dictionary anew") from error
    try:
        saved: SavedDictionary = from_json(SavedDictionary, data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if (saved.k is not None) != (saved.sparsifier in ("topk", "abs_topk")):
        raise UserError(
            f"{path}: k is {saved.k} with the sparsifier {saved.sparsifier!r}; only topk and abs_topk have a k"
        )
    return saved


def _read_weights(path: Path, saved: SavedDictionary) -> dict[str, Tensor]:
    if not path.is_file():
        raise DamagedArtifact(f"{path} is missing; make the dictionary anew")
    try:
        tensors = safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        raise DamagedArtifact(f"{path} is damaged ({error}); make the dictionary anew") from error
    n_latents = saved.n_latents
    shapes = dict(
        W_enc=(n_latents, saved.d_in), b_enc=(n_latents,), W_dec=(n_latents, saved.d_out), b_dec=(saved.d_out,)
    )
    if saved.sparsifier == "jumprelu":
        shapes["theta"] = (n_latents,)
    if tensors.keys() != shapes.keys():
        raise UserError(f"{path} holds {', '.join(sorted(tensors))}; expected {', '.join(sorted(shapes))}")
    for name, shape in shapes.items():
        tensor = tensors[name]
        if tuple(tensor.shape) != shape or tensor.dtype != _DTYPES[saved.dtype]:
            raise UserError(
                f"{path}: {name} is {tensor.dtype} {list(tensor.shape)}; {CONFIG_FILE} says {saved.dtype} {list(shape)}"
            )
    return tensors


def _check_shapes(dictionary: Dictionary) -> None:
    shapes = {name: tuple(getattr(dictionary, name).shape) for name in _WEIGHTS}
    if len(shapes["W_enc"]) != 2 or len(shapes["W_dec"]) != 2:
        raise UserError(f"W_enc and W_dec of a dictionary are matrices, a row a latent; got the shapes {shapes}")
    n_latents, d_out = shapes["W_enc"][0], shapes["W_dec"][1]
    if shapes["b_enc"] != (n_latents,) or shapes["W_dec"][0] != n_latents or shapes["b_dec"] != (d_out,):
        raise UserError(f"the weights of a dictionary do not fit each other: {shapes}; give all of one dictionary")
    if 0 in (*shapes["W_enc"], d_out):
        raise UserError(f"a dictionary needs at least one latent and one dimension; got the shapes {shapes}")
    sparsifier = dictionary.sparsifier
    if isinstance(sparsifier, TopK | AbsTopK) and sparsifier.k > n_latents:
        raise UserError(f"k is {sparsifier.k} and there are only {n_latents} latents; choose k of at most {n_latents}")
    if isinstance(sparsifier, JumpReLU) and sparsifier.theta.shape != (n_latents,):
        raise UserError(f"JumpReLU has {len(sparsifier.theta)} thresholds for {n_latents} latents; give one a latent")


def _check_values(dictionary: Dictionary) -> None:
    dtypes = {getattr(dictionary, name).dtype for name in _WEIGHTS}
    if isinstance(dictionary.sparsifier, JumpReLU):
        dtypes.add(dictionary.sparsifier.theta.dtype)
    if len(dtypes) != 1 or not dtypes <= set(_DTYPES.values()):
        raise UserError(f"the weights of a dictionary are all float32 or all float64, not {sorted(map(str, dtypes))}")
    for name in _WEIGHTS:
        if not torch.isfinite(getattr(dictionary, name)).all():
            raise UserError(f"{name} of the dictionary holds NaN or infinity; train or fit it anew")
