"""What spliced forward passes are compared with: the original model's predictions, and ablations of each site.

Made once for a language model, for all its dictionaries. A folder of `reference.json` and one safetensors file for each
few packed sequences, so that neither writing nor reading ever holds more than those few.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Float64, Int32, Int64, Real
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from monosemy.core import Advance, DamagedArtifact, UserError, from_json, ignore_advance, numpy_generator, to_json
from monosemy.evaluation.streaming import TextOrderRows, unit_names, unit_of_documents
from monosemy.lm import RESIDUAL_LOCATIONS, LanguageModel, Site, replace

REFERENCE_FILE = "reference.json"
BATCH_LOGITS = 1 << 22
"""Logits held at once, 16 MiB in float32: as many whole sequences as fit, at least one."""

Nats = Float[Tensor, "sequences targets"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SpliceSample:
    """Packed sequences on which predictions are compared.

    tokens `[sequences seq]`; index: number of the token in its document, -1 at separators; unit: number, in `units`, of
    the unit of the token's document. `sequence` are the rows' numbers in the store that they were drawn from.
    """

    sequence: Int64[np.ndarray, " sequences"]
    tokens: Int32[np.ndarray, "sequences seq"]
    index: Int32[np.ndarray, "sequences seq"]
    unit: Int32[np.ndarray, "sequences seq"]
    units: tuple[str, ...]


def sample_sequences(store: TextOrderRows, n_sequences: int, seed: int) -> SpliceSample:
    """A uniformly random sample of a store's packed sequences, in their order; all of them where there are fewer."""
    stored = store.sequences()
    n = len(stored.tokens)
    drawn = numpy_generator(seed, "splice-sequences").permutation(n)[:n_sequences]
    rows = np.sort(drawn).astype(np.int64)
    unit = unit_of_documents(store.documents)[stored.document[rows]].astype(np.int32)
    return SpliceSample(
        sequence=rows,
        tokens=stored.tokens[rows],
        index=stored.index[rows],
        unit=unit,
        units=unit_names(store.documents),
    )


def recorded(index: Int32[np.ndarray, "sequences seq"]) -> Bool[np.ndarray, "sequences seq"]:
    """Where an activation is replaced: as in the store, everywhere but at a row's first position and at separators."""
    mask = index >= 0
    mask[:, 0] = False
    return mask


def predicted(index: Int32[np.ndarray, "sequences seq"]) -> Bool[np.ndarray, "sequences targets"]:
    """Which predictions count: those whose target, the next position, is a token of a document."""
    return index[:, 1:] >= 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Header:
    lm: str
    units: tuple[str, ...]
    sites: tuple[str, ...]
    n_files: int
    n_sequences: int


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ReferenceBatch:
    """A few sequences of a reference, read at once: log_p `[sequences targets vocab]`, natural logarithms."""

    tokens: Int32[Tensor, "sequences seq"]
    index: Int32[np.ndarray, "sequences seq"]
    unit: Int32[np.ndarray, "sequences seq"]
    log_p: Float32[Tensor, "sequences targets vocab"]
    ce: Nats
    x: Float32[Tensor, "sequences seq d_site"]
    ce_zero: Nats
    ce_mean: Nats


@dataclass(frozen=True, kw_only=True, slots=True)
class SpliceReference:
    """A reference in a folder: opened by `read_reference`, read a few sequences at a time."""

    folder: Path
    lm: str
    units: tuple[str, ...]
    sites: tuple[str, ...]
    n_files: int
    n_sequences: int

    def batches(self, site: str) -> Iterator[ReferenceBatch]:
        """All sequences with what was recorded of one site. Raises UserError when the site is not in the reference."""
        if site not in self.sites:
            raise UserError(f"the splice reference has no site {site!r}; it has: {', '.join(self.sites)}")
        for number in range(self.n_files):
            path = self.folder / _file_name(number)
            try:
                with safe_open(path, framework="pt") as file:
                    read = file.get_tensor
                    yield ReferenceBatch(
                        tokens=read("tokens"),
                        index=read("index").numpy(),
                        unit=read("unit").numpy(),
                        log_p=read("log_p"),
                        ce=read("ce"),
                        x=read(f"{site}/x"),
                        ce_zero=read(f"{site}/ce_zero"),
                        ce_mean=read(f"{site}/ce_mean"),
                    )
            except (OSError, SafetensorError) as error:
                raise DamagedArtifact(f"{path} cannot be read ({error}); make the splice reference anew") from error


def write_reference(
    folder: Path,
    lm: LanguageModel,
    sample: SpliceSample,
    means: Mapping[Site, Real[np.ndarray, " _"]],
    advance: Advance = ignore_advance,
) -> None:
    """Write the reference of a model for the sites of `means` (each site's mean over the train split) into a folder.

    Original log-probabilities and cross-entropy of every prediction; for each site its activations, and the
    cross-entropy with 0 and with the train mean written at every recorded position. `advance` counts sequences.
    Disk: sequences x targets x vocabulary x 4 bytes (134 MB for 64 x 255 x 2048).
    """
    sites = sorted(means)
    index = recorded(sample.index)
    n_batch = max(1, BATCH_LOGITS // (sample.tokens.shape[1] * lm.vocab_size))
    starts = range(0, len(sample.tokens), n_batch)
    for number, start in enumerate(starts):
        rows = slice(start, start + n_batch)
        tokens = torch.from_numpy(sample.tokens[rows]).long()
        at = torch.from_numpy(index[rows])
        run = lm.run(tokens, sites)
        log_p = log_probabilities(run.logits)
        tensors = {
            "tokens": torch.from_numpy(sample.tokens[rows]),
            "index": torch.from_numpy(sample.index[rows]),
            "unit": torch.from_numpy(sample.unit[rows]),
            "log_p": log_p,
            "ce": cross_entropy(log_p, tokens),
        }
        for site in sites:
            x = run.activations[site].float().cpu()
            mean = torch.from_numpy(means[site]).float()
            tensors[f"{site}/x"] = x
            for name, value in (("zero", torch.zeros_like(x)), ("mean", mean.expand_as(x))):
                logits = continued(lm, site, tokens, x, value, at)
                tensors[f"{site}/ce_{name}"] = cross_entropy(log_probabilities(logits), tokens)
        save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, folder / _file_name(number))
        advance(len(tokens))
    header = _Header(
        lm=lm.fingerprint(),
        units=sample.units,
        sites=tuple(str(site) for site in sites),
        n_files=len(starts),
        n_sequences=len(sample.tokens),
    )
    (folder / REFERENCE_FILE).write_text(json.dumps(to_json(header), indent=1) + "\n", encoding="utf-8")


def read_reference(folder: Path) -> SpliceReference:
    """The reference that `write_reference` wrote into a folder. Raises UserError when there is none."""
    path = folder / REFERENCE_FILE
    if not path.is_file():
        raise UserError(f"{path} is missing; a splice reference is written by its own stage: run it again")
    header = from_json(_Header, json.loads(path.read_text(encoding="utf-8")))
    return SpliceReference(folder=folder, **asdict(header))


def continued(
    lm: LanguageModel,
    site: Site,
    tokens: Int64[Tensor, "sequences seq"],
    x: Float[Tensor, "sequences seq d_site"],
    x_hat: Float[Tensor, "sequences seq d_site"],
    at: Bool[Tensor, "sequences seq"],
) -> Float[Tensor, "sequences seq vocab"]:
    """Logits with x_hat in the place of x at the positions `at` of a site.

    From a residual site only the layers above it run; other sites take a full pass.
    """
    if site.location in RESIDUAL_LOCATIONS:
        return lm.run_from(site, torch.where(at.unsqueeze(-1), x_hat, x))
    return lm.splice(tokens, [replace(site, x_hat, at)])


def log_probabilities(logits: Float[Tensor, "sequences seq vocab"]) -> Float32[Tensor, "sequences targets vocab"]:
    """log p of the next token at every position but the last, in float32 on the CPU."""
    return logits[:, :-1].float().log_softmax(dim=-1).cpu()


def cross_entropy(
    log_p: Float32[Tensor, "sequences targets vocab"], tokens: Int64[Tensor, "sequences seq"]
) -> Float64[Tensor, "sequences targets"]:
    """-log p(next token), in nats."""
    return -log_p.gather(2, tokens[:, 1:, None]).squeeze(2).double()


def _file_name(number: int) -> str:
    return f"{number:05}.safetensors"
