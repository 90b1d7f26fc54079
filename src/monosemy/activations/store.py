"""The activation store: what a language model computed at some sites for every token of a text, kept in 16 bits.

    <site>/00003.safetensors      "x" [rows, d_site], bfloat16 or float16; the same rows at every site
    place/00003.safetensors       "place" [rows]: sequence * context_length + position, where the row's token stands
    sequences.safetensors         "tokens", "document", "index" [n_sequences, context_length], as `pack` made them
    documents.json                what `document` numbers: id, unit, number of tokens, first token in the corpus
    moments.safetensors           "<site>/mean", "<site>/mean_square" [d_site], float64, of the unrounded activations
    store.json                    sizes, number format, order, and the rule by which positions are left out

A file's sha256 is compared when the file is first read, not before: a store can be larger than memory.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, Shaped
from safetensors import safe_open
from safetensors.numpy import load as load_arrays
from torch import Tensor, cat, from_numpy

from monosemy.core import Artifact, DamagedArtifact, UserError, file_sha256, nearest, numpy_generator, open_artifact

KIND = "activations"
PLACE = "place"
SEQUENCES_FILE, DOCUMENTS_FILE = "sequences.safetensors", "documents.json"
MOMENTS_FILE, STORE_FILE = "moments.safetensors", "store.json"
CONSTANT = 1e-12
"""A variance below this share of the mean square is what rounding leaves of a constant."""

StoreOrder = Literal["shuffled", "text"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderState:
    """Where a reader of batches stands: rows that it has given since the beginning of an epoch."""

    epoch: int
    n_read_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredDocument:
    """A document of the text; first_token: the number of its first token among those of the whole corpus, if known."""

    id: str
    unit: str
    n_tokens: int
    first_token: int | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredSequences:
    """The rows of tokens that the model read, the document of each token and its number there (-1: a separator)."""

    tokens: Int32[np.ndarray, "n_sequences seq"]
    document: Int32[np.ndarray, "n_sequences seq"]
    index: Int32[np.ndarray, "n_sequences seq"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StoredChunk:
    """Rows of the store: the flat place of each in the sequences, and its activation at each site asked for."""

    place: Int64[np.ndarray, " rows"]
    x: dict[str, Float32[Tensor, "rows _"]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Pick:
    """Where a batch lies: for each site pairs of a shard, in 16 bits, and rows of it; and the state after the batch."""

    parts: dict[str, list[tuple[Shaped[Tensor, "_ _"], Int64[Tensor, " _rows"]]]]
    state: ReaderState


@final
class ActivationStore:
    """A complete store on disk, open for reading; any number of readers may use one object."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self._verified: set[str] = set()
        about = self._json(STORE_FILE)
        try:
            self.n_rows = int(about["n_rows"])
            self.context_length = int(about["context_length"])
            self.order: StoreOrder = about["order"]
            self.shard_rows = tuple(int(n) for n in about["shard_rows"])
            self._d_site = {str(site): int(d) for site, d in about["d_site"].items()}
            self.documents = tuple(StoredDocument(**fields) for fields in self._json(DOCUMENTS_FILE))
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedArtifact(f"{artifact.path} is not a store of this version ({error}); make it anew") from error
        self._moments = load_arrays(self._file(MOMENTS_FILE).read_bytes())

    @staticmethod
    def open(path: Path) -> "ActivationStore":
        """The store in a folder; presence and size of its files are checked now, their content when it is read.

        Raises UserError when the folder is something else, DamagedArtifact naming the file that is missing or changed.
        """
        return ActivationStore(open_artifact(path, kind=KIND, verify=False))

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites whose activations are here, as `str(site)`."""
        return tuple(self._d_site)

    @property
    def config(self) -> dict[str, Any]:
        """What the store was made from."""
        return self.artifact.config

    def d_site(self, site: str) -> int:
        """Width of the activations at a site. Raises UserError where the store does not have it."""
        return self._d_site[self._checked([site])[0]]

    def mean(self, site: str) -> Float64[np.ndarray, " d_site"]:
        """E x over the store's rows, of the activations before rounding to 16 bits."""
        return self._moments[f"{self._checked([site])[0]}/mean"]

    def mean_square(self, site: str) -> Float64[np.ndarray, " d_site"]:
        """E x_i^2 over the store's rows, of the activations before rounding to 16 bits."""
        return self._moments[f"{self._checked([site])[0]}/mean_square"]

    def scale(self, site: str) -> float:
        """sqrt(mean_i E x_i^2): activations divided by it have a mean square of 1 a dimension.

        Raises UserError when the activations are not finite or do not vary: no dictionary could be learned from them.
        """
        return scale_of(site, self.mean(site), self.mean_square(site))

    def sequences(self) -> StoredSequences:
        """The tokens that the model read; a row's place is an index into these arrays when they are flattened."""
        arrays = load_arrays(self._file(SEQUENCES_FILE).read_bytes())
        return StoredSequences(tokens=arrays["tokens"], document=arrays["document"], index=arrays["index"])

    def chunks(self, sites: Sequence[str], max_rows: int = 8192, n_rows: int | None = None) -> Iterator[StoredChunk]:
        """The first `n_rows` rows (None: all) in the order in which they are stored, at most `max_rows` at a time."""
        sites = self._checked(sites)
        if max_rows < 1:
            raise ValueError(f"a chunk holds at least one row, not {max_rows}")
        return self._chunks(sites, max_rows, self.n_rows if n_rows is None else n_rows)

    def batches(
        self, sites: Sequence[str], batch_size: int, seed: int, state: ReaderState | None = None
    ) -> Iterator[tuple[dict[str, Float32[Tensor, "batch _"]], ReaderState]]:
        """Batches without end, each of the same tokens at every site, and the state that goes on after the batch.

        Every epoch visits the shards in an order of its own and the rows of a shard in an order of their own, every row
        once; the rows that do not fill a batch at its end are left out of that epoch. The sequence of batches is a
        function of (store, batch_size, seed): with the state given beside a batch a new reader gives exactly the next.
        Raises UserError when the store does not fill a batch, or the state is none of this reader's.
        """
        picks = self.picks(sites, batch_size, seed, state)
        return (({site: _gathered(pick.parts[site]) for site in pick.parts}, pick.state) for pick in picks)

    def picks(
        self, sites: Sequence[str], batch_size: int, seed: int, state: ReaderState | None = None
    ) -> Iterator[Pick]:
        """What the batches of `batches` are gathered from, in the same order; raises as it does."""
        sites = self._checked(sites)
        if not 1 <= batch_size <= self.n_rows:
            raise UserError(f"a batch of {batch_size} rows: {self.artifact.path} has {self.n_rows}; take 1 to that")
        state = state or ReaderState(epoch=0, n_read_rows=0)
        if state.epoch < 0 or state.n_read_rows % batch_size or not 0 <= state.n_read_rows <= self.n_rows:
            raise UserError(
                f"{state} is no state of a reader of {self.n_rows} rows in batches of {batch_size}; "
                "go on with the batch size of the reader that gave it"
            )
        return self._picks(sites, batch_size, seed, state)

    # --- how ------------------------------------------------------------------------------------------------------

    def _chunks(self, sites: Sequence[str], max_rows: int, n_rows: int) -> Iterator[StoredChunk]:
        for shard, n_in_shard in enumerate(self.shard_rows):
            if n_rows <= 0:
                return
            n_wanted = min(n_in_shard, n_rows)
            n_rows -= n_wanted
            place = self._tensor(PLACE, shard).numpy()
            x = {site: self._tensor(site, shard) for site in sites}
            for start in range(0, n_wanted, max_rows):
                rows = slice(start, min(start + max_rows, n_wanted))
                yield StoredChunk(place=place[rows].copy(), x={site: x[site][rows].float() for site in sites})

    def _picks(self, sites: Sequence[str], batch_size: int, seed: int, state: ReaderState) -> Iterator[Pick]:
        epoch, n_read = state.epoch, state.n_read_rows
        opened: dict[int, dict[str, Tensor]] = {}
        while True:
            for parts in self._parts(batch_size, seed, epoch, n_read):
                opened = {
                    shard: opened.get(shard) or {site: self._tensor(site, shard) for site in sites}
                    for shard, _ in parts
                }
                n_read += batch_size
                yield Pick(
                    parts={site: [(opened[shard][site], from_numpy(rows)) for shard, rows in parts] for site in sites},
                    state=ReaderState(epoch=epoch, n_read_rows=n_read),
                )
            epoch, n_read = epoch + 1, 0

    def _parts(
        self, batch_size: int, seed: int, epoch: int, n_read: int
    ) -> Iterator[list[tuple[int, Int64[np.ndarray, " rows"]]]]:
        """The rows of each batch of an epoch after the first n_read rows, as (shard, rows of the shard)."""
        parts: list[tuple[int, Int64[np.ndarray, " rows"]]] = []
        n_in_batch = 0
        for shard in numpy_generator(seed, f"store-shards/{epoch}").permutation(len(self.shard_rows)).tolist():
            n_in_shard = self.shard_rows[shard]
            n_skipped = min(n_read, n_in_shard)
            n_read -= n_skipped
            if n_skipped == n_in_shard:
                continue
            rows = numpy_generator(seed, f"store-rows/{epoch}", rank=shard).permutation(n_in_shard)[n_skipped:]
            while len(rows):
                taken, rows = np.split(rows, [batch_size - n_in_batch])
                parts.append((shard, taken))
                n_in_batch += len(taken)
                if n_in_batch == batch_size:
                    yield parts
                    parts, n_in_batch = [], 0

    def _checked(self, sites: Sequence[str]) -> tuple[str, ...]:
        for site in sites:
            if site not in self._d_site:
                raise UserError(
                    f"{self.artifact.path} has no activations at {site!r}{nearest(site, self._d_site)}; "
                    f"it has: {', '.join(self._d_site)}"
                )
        return tuple(dict.fromkeys(sites))

    def _file(self, name: str) -> Path:
        """The path of a file whose content is what was written. Raises DamagedArtifact where it is not."""
        path = self.artifact.file(name)
        if name not in self._verified:
            if file_sha256(path) != self.artifact.files[name]["sha256"]:
                raise DamagedArtifact(
                    f"{path} is damaged: its sha256 differs from the manifest's; make the store anew (--refresh)"
                )
            self._verified.add(name)
        return path

    def _json(self, name: str) -> Any:
        return json.loads(self._file(name).read_text(encoding="utf-8"))

    def _tensor(self, name: str, shard: int) -> Shaped[Tensor, "rows ..."]:
        """A shard of one site or of the places; pages of the file come into memory as they are touched."""
        with safe_open(self._file(shard_file(name, shard)), framework="pt") as file:
            return file.get_tensor(PLACE if name == PLACE else "x")


def _gathered(parts: Sequence[tuple[Tensor, Tensor]]) -> Float32[Tensor, "batch _"]:
    return cat([shard.index_select(0, rows) for shard, rows in parts]).float()


def shard_file(name: str, shard: int) -> str:
    """The relative path of a shard of a site or of the places."""
    return f"{name}/{shard:05d}.safetensors"


def scale_of(site: str, mean: Float64[np.ndarray, " d_site"], mean_square: Float64[np.ndarray, " d_site"]) -> float:
    """sqrt(mean_i E x_i^2). Raises UserError when the activations are not finite or do not vary."""
    total = float(mean_square.mean())
    if not np.isfinite(total) or not np.isfinite(mean).all():
        raise UserError(f"the activations at {site} are not finite; is the model damaged?")
    if total - float((mean**2).mean()) <= CONSTANT * total:
        raise UserError(
            f"the activations at {site} do not vary: each token has the same; is the model damaged, or the text empty?"
        )
    return float(np.sqrt(total))


def store_json(
    *, shard_rows: Sequence[int], d_site: Mapping[str, int], dtype: str, order: StoreOrder, **more: object
) -> str:
    """The text of STORE_FILE."""
    sizes = {"n_rows": sum(shard_rows), "shard_rows": list(shard_rows), "d_site": dict(d_site)}
    return json.dumps({**sizes, "dtype": dtype, "order": order, **more}, indent=1, allow_nan=False) + "\n"
