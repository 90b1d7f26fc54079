"""One chunk of a harvest: the language model runs over some sequences, and what it computes goes to scratch files."""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from safetensors import safe_open
from safetensors.numpy import load as load_arrays
from torch import Tensor

from monosemy.activations.harvest_plan import HarvestPlan, is_recorded
from monosemy.activations.store import DOCUMENTS_FILE, PLACE, SEQUENCES_FILE
from monosemy.activations.store_writer import chunk_file, save_whole
from monosemy.core import Advance, UserError, from_json
from monosemy.lm import ModelSource, Site

PLAN_FILE = "plan.json"
SUMS = "sums"


class ChunkTask(NamedTuple):
    """A chunk, for whichever process takes it: the rest of what it needs lies in the scratch folder."""

    scratch: Path
    source: ModelSource
    chunk: int


def capture_chunk(task: ChunkTask, advance: Advance) -> None:
    """Run the model over one chunk and write its rows, its places, and the sums for the moments."""
    scratch, source, chunk = task
    plan, lm = read_plan(scratch), source.load()
    config = plan.config
    tokens, places = _read_chunk(scratch, plan, chunk)
    position = np.empty(len(places), dtype=np.int64)  # of each recorded row in the chunk's file
    position[plan.layout.rows_of_chunk(chunk)] = np.arange(len(places))
    sites = [Site.parse(site) for site in config.sites]
    dtype: torch.dtype = getattr(torch, config.dtype)
    x = [np.empty((len(places), d), dtype=np.int16) for d in plan.d_sites]  # bits: numpy scatters rows 3 times as fast
    sums = [torch.zeros(2, d, dtype=torch.float64) for d in plan.d_sites]
    first = chunk * plan.chunk_sequences * config.context_length  # flat place of the chunk's first token
    step = max(1, config.batch_tokens // config.context_length)
    n_done = 0
    for start in range(0, len(tokens), step):
        batch = tokens[start : start + step]
        end = first + (start + len(batch)) * config.context_length
        n_batch = int(np.searchsorted(places, end)) - n_done
        here = places[n_done : n_done + n_batch]
        rows = torch.from_numpy(here - (first + start * config.context_length))
        to = position[n_done : n_done + n_batch]
        captured = lm.capture(torch.from_numpy(batch), sites)
        for number, site in enumerate(sites):
            x_BD = captured[site].flatten(0, 1).index_select(0, rows.to(lm.device)).cpu().float()
            _refuse_bad(x_BD, dtype, site, here, scratch)
            x[number][to] = x_BD.to(dtype).view(torch.int16).numpy()
            x64_BD = x_BD.double()
            sums[number][0] += x64_BD.sum(dim=0)
            sums[number][1] += x64_BD.square_().sum(dim=0)
        n_done += n_batch
        advance(batch.size)
    for site, bits in zip(config.sites, x, strict=True):
        save_whole(chunk_file(scratch, chunk, site), "x", torch.from_numpy(bits).view(dtype))
    stored_places = np.empty_like(places)
    stored_places[position] = places
    save_whole(chunk_file(scratch, chunk, PLACE), PLACE, torch.from_numpy(stored_places))
    save_whole(chunk_file(scratch, chunk, SUMS), SUMS, torch.cat(sums, dim=1))


def read_plan(scratch: Path) -> HarvestPlan:
    """The plan that the parent process wrote."""
    return from_json(HarvestPlan, json.loads((scratch / PLAN_FILE).read_text(encoding="utf-8")))


def _read_chunk(
    scratch: Path, plan: HarvestPlan, chunk: int
) -> tuple[Int64[np.ndarray, "sequences seq"], Int64[np.ndarray, " rows"]]:
    """The chunk's tokens, and the flat places of its recorded ones among all sequences."""
    first = chunk * plan.chunk_sequences
    last = min(first + plan.chunk_sequences, plan.n_sequences)
    with safe_open(scratch / SEQUENCES_FILE, framework="np") as file:
        tokens, index = (file.get_slice(key)[first:last] for key in ("tokens", "index"))
    places = first * plan.config.context_length + np.flatnonzero(is_recorded(index))
    return tokens.astype(np.int64), places


def _refuse_bad(x: Tensor, dtype: torch.dtype, site: Site, places: Int64[np.ndarray, " rows"], scratch: Path) -> None:
    """Raise UserError, saying where, when an activation is not finite or larger than the format can hold."""
    limit = torch.finfo(dtype).max
    low, high = x.aminmax() if x.numel() else (0.0, 0.0)
    if -limit <= low and high <= limit:  # false also where one of them is NaN
        return
    bad = ~(x.abs() <= limit).all(dim=1)
    row = int(bad.nonzero()[0])
    where = _where(scratch, int(places[row]))
    if torch.isfinite(x).all():
        value = float(x[row].abs().max())
        name = str(dtype).removeprefix("torch.")
        raise UserError(
            f"the activations at {site} reach {value:.6g} ({where}), more than the {limit:.6g} of {name}; use bfloat16"
        )
    raise UserError(f"the activations at {site} are not finite ({where}); is the model damaged?")


def _where(scratch: Path, place: int) -> str:
    """A place in the words of somebody who has the text."""
    arrays = load_arrays((scratch / SEQUENCES_FILE).read_bytes())
    number, token = (int(arrays[key].reshape(-1)[place]) for key in ("document", "index"))
    documents = json.loads((scratch / DOCUMENTS_FILE).read_text(encoding="utf-8"))
    return f"token {token} of document {documents[number]['id']!r}"
