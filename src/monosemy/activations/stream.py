"""Activations straight from the language model, without a store: mixed in a buffer whose slots are refilled."""

import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from monosemy.activations.harvest_plan import EXCLUDED, is_recorded
from monosemy.activations.moments import merged, moments_of, no_moments
from monosemy.activations.sequences import PackedSequences
from monosemy.activations.store import scale_of
from monosemy.core import UserError, numpy_generator
from monosemy.lm import LanguageModel, Site

BufferDtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamConfig:
    """What decides a stream, besides model and text.

    batch_size: rows a batch. buffer_tokens: slots of the mixing buffer, at most as many as an epoch has rows.
    batch_tokens: what the model reads at once. seed: of the order of the sequences and of what is drawn.
    """

    batch_size: int
    buffer_tokens: int = 1_000_000
    dtype: BufferDtype = "bfloat16"
    batch_tokens: int = 2048
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("batch_size", "buffer_tokens", "batch_tokens"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}: expected at least 1, got {getattr(self, name)}")


@final
class ActivationStream:
    """Batches without end, each of the same tokens at every site, from a model that reads as they are asked for.

        slots 0 .. n-1 hold rows 0 .. n-1        batch b: batch_size slots, drawn without replacement
                                                 then those slots hold rows n + b batch_size, ...

    Row r is the r-th recorded activation when the model reads the sequences epoch after epoch, each in an order of its
    own. What a batch holds is a function of (model, text, config, b), so that the state is b alone: a new reader draws
    again what was drawn, sees which rows stand in the buffer then, and has the model read the calls that those are of.
    Raises UserError when a site does not exist, or the text has fewer rows than a batch.
    """

    def __init__(self, lm: LanguageModel, packed: PackedSequences, sites: Sequence[str], config: StreamConfig) -> None:
        self.lm, self.config = lm, config
        self._tokens = packed.tokens.astype(np.int64)
        self._recorded = is_recorded(packed.index)
        self._sites = [Site.parse(site) for site in dict.fromkeys(sites)]
        for site in self._sites:
            lm.check(site)
        self._n_of_sequence = self._recorded.sum(axis=1)
        self.n_rows = int(self._n_of_sequence.sum())
        if self.n_rows < config.batch_size:
            raise UserError(
                f"a batch of {config.batch_size} rows: the text has {self.n_rows}, as {EXCLUDED}; give more text, or "
                "smaller batches"
            )
        self.n_slots = max(config.batch_size, min(config.buffer_tokens, self.n_rows))

    def batches(
        self, state: Mapping[str, int] | None = None
    ) -> Generator[tuple[Mapping[str, Tensor], Mapping[str, int]], None, None]:
        """The batches, each with the state with which a new reader gives exactly the next.

        Raises UserError where an activation is larger than the buffer's format can hold.
        """
        n_batches = 0 if state is None else state["n_batches"]
        buffer, rows = self._filled(n_batches), self._rows_from(self.n_slots + n_batches * self.config.batch_size)
        while True:
            slots = torch.from_numpy(self._drawn(n_batches))
            n_batches += 1
            yield (
                {site: x.index_select(0, slots).float() for site, x in buffer.items()},
                {"n_batches": n_batches},
            )
            for site, x in next(rows).items():
                buffer[site].index_copy_(0, slots, x)

    def normalization(self, n_rows: int) -> dict[str, tuple[Float64[np.ndarray, " d"], float]]:
        """Site -> mean and scale, as a store has them, of at least the first n_rows rows (at most one epoch)."""
        found = {str(site): no_moments(self.lm.d_site(site)) for site in self._sites}
        for call in range(self._n_calls):
            if all(moments.n >= n_rows for moments in found.values()):
                break
            x = self._read(0, call)
            found = {site: merged(moments, moments_of(x[site])) for site, moments in found.items()}
        return {site: (m.mean, scale_of(site, m.mean, m.mean_square)) for site, m in found.items()}

    # --- how ------------------------------------------------------------------------------------------------------

    @property
    def _call_sequences(self) -> int:
        return max(1, self.config.batch_tokens // self._tokens.shape[1])

    @property
    def _n_calls(self) -> int:
        """Of the model in an epoch."""
        return -(-len(self._tokens) // self._call_sequences)

    def _order(self, epoch: int) -> Int64[np.ndarray, " n_sequences"]:
        return numpy_generator(self.config.seed, f"stream-sequences/{epoch}").permutation(len(self._tokens))

    def _drawn(self, batch: int) -> Int64[np.ndarray, " batch_size"]:
        generator = numpy_generator(self.config.seed, f"stream-slots/{batch}")
        return generator.choice(self.n_slots, self.config.batch_size, replace=False)

    def _first_rows(self, epoch: int) -> Int64[np.ndarray, " n_calls"]:
        """The number of the first row of each call of an epoch."""
        n_rows = self._n_of_sequence[self._order(epoch)]
        starts = np.concatenate([[0], np.cumsum(n_rows)])[: len(n_rows) : self._call_sequences]
        return epoch * self.n_rows + starts

    def _read(self, epoch: int, call: int) -> dict[str, Tensor]:
        """The recorded activations of one call of the model, in float32."""
        first = call * self._call_sequences
        sequences = self._order(epoch)[first : first + self._call_sequences]
        captured = self.lm.capture(torch.from_numpy(self._tokens[sequences]), self._sites)
        rows = torch.from_numpy(np.flatnonzero(self._recorded[sequences]))
        return {str(site): x.flatten(0, 1).cpu().float().index_select(0, rows) for site, x in captured.items()}

    def _kept(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """In the buffer's format; raises UserError where that cannot hold a value that is finite."""
        dtype: torch.dtype = getattr(torch, self.config.dtype)
        kept = {site: value.to(dtype) for site, value in x.items()}
        for site, value in kept.items():
            if (value.isinf() & x[site].isfinite()).any():
                raise UserError(
                    f"the activations at {site} reach {float(x[site].abs().max()):.6g}, more than {self.config.dtype} "
                    "can hold; use bfloat16 or float32"
                )
        return kept

    def _filled(self, n_batches: int) -> dict[str, Tensor]:
        """The buffer as it stands when n_batches were given and their slots filled again."""
        row_of_slot, size = np.arange(self.n_slots), self.config.batch_size
        for batch in range(n_batches):
            row_of_slot[self._drawn(batch)] = self.n_slots + batch * size + np.arange(size)
        dtype: torch.dtype = getattr(torch, self.config.dtype)
        buffer = {str(site): torch.empty(self.n_slots, self.lm.d_site(site), dtype=dtype) for site in self._sites}
        by_row = np.argsort(row_of_slot)
        rows = row_of_slot[by_row]
        for epoch in np.unique(rows // self.n_rows).tolist():
            bounds = [*self._first_rows(epoch).tolist(), (epoch + 1) * self.n_rows]
            at = np.searchsorted(rows, bounds)
            for call, (start, end) in enumerate(itertools.pairwise(at)):
                if start == end:
                    continue  # none of its rows is in the buffer any more
                x = self._kept(self._read(epoch, call))
                slots = torch.from_numpy(by_row[start:end])
                of_call = torch.from_numpy(rows[start:end] - bounds[call])
                for site, value in x.items():
                    buffer[site].index_copy_(0, slots, value.index_select(0, of_call))
        return buffer

    def _rows_from(self, row: int) -> Iterator[dict[str, Tensor]]:
        """Batches of rows in their order, from a row on; the model reads when they are asked for."""
        epoch = row // self.n_rows
        firsts = self._first_rows(epoch)
        call = int(np.searchsorted(firsts, row, side="right")) - 1
        skipped, size = row - int(firsts[call]), self.config.batch_size
        waiting: list[dict[str, Tensor]] = []
        while True:
            while sum(len(next(iter(x.values()))) for x in waiting) < size + skipped:
                waiting.append(self._kept(self._read(epoch, call)))
                call += 1
                if call == self._n_calls:
                    epoch, call = epoch + 1, 0
            joined = {site: torch.cat([x[site] for x in waiting]) for site in waiting[0]}
            yield {site: x[skipped : skipped + size] for site, x in joined.items()}
            waiting, skipped = [{site: x[skipped + size :] for site, x in joined.items()}], 0
