"""A causal language model on this machine as a judge uses it: greedy text, and the values it expects in a table.

The table is read in one teacher-forced pass: at every slot the logits of what may stand there, 0 to 10, are compared.
The beginning of the text, the same for many tables, is computed once and kept as keys and values.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache

from monosemy.core import UserError
from monosemy.interpretation.calls import MALFORMED
from monosemy.interpretation.evidence import TOP_LEVEL
from monosemy.interpretation.questions import Unusable, brief
from monosemy.lm import quiet_transformers

TOO_LONG = "too_long"


@final
class LocalModel:
    """A causal LM of transformers with its tokenizer, in float32 on the CPU, as `loaded` gives it.

    "10" may be one token or two. Where it is one, the values' probabilities are the softmax over the logits of the
    eleven tokens. Where it is "1" and "0", those of 0 to 9 are, and that of "1" is divided: q of it is "10" and 1 - q
    is "1", with q = p("0") / (p("0") + p(line end)) after the "1"; these continuations of all slots are computed in the
    same pass, each seeing the text up to its slot only. Raises UserError where the tokenizer writes digits otherwise.
    """

    def __init__(self, model: Any, tokenizer: Any, name: str) -> None:
        self.model, self.tokenizer, self.name = model.eval(), tokenizer, name
        self.fingerprint = _fingerprint(model, tokenizer)
        self._values = [self._after("\t", str(value)) for value in range(TOP_LEVEL + 1)]
        self._line_end = self._after("1", "\n")[0]
        ten = self._values[TOP_LEVEL]
        self._ten_is_one = len(ten) == 1
        if any(len(ids) != 1 for ids in self._values[:TOP_LEVEL]) or not (
            self._ten_is_one or ten == [*self._values[1], *self._values[0]]
        ):
            raise UserError(f"the tokenizer of {name} has no tokens for the digits 0 to 9; choose another model")
        self._prefix: tuple[str, list[int], DynamicCache] | None = None

    def ids(self, text: str) -> list[int]:
        """Token ids of a text, without special tokens."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @torch.no_grad()
    def generate(self, text: str, n_tokens: int) -> str:
        """What the model goes on with, greedily, up to n_tokens or the end of the line. Raises Unusable (too_long)."""
        ids = self._start() + self.ids(text)
        self._check_length(len(ids) + n_tokens)
        cache, new, logits = DynamicCache(config=self.model.config), [], None
        step = torch.tensor([ids])
        for _ in range(n_tokens):
            logits = self.model(input_ids=step, past_key_values=cache, use_cache=True).logits[0, -1].float()
            if not bool(torch.isfinite(logits).all()):
                raise Unusable(MALFORMED, "the model's logits are not finite")
            best = int(logits.argmax())
            if best == self.tokenizer.eos_token_id:
                break
            new.append(best)
            if "\n" in self.tokenizer.decode(new).lstrip():
                break
            step = torch.tensor([[best]])
        return self.tokenizer.decode(new, skip_special_tokens=True).lstrip().split("\n")[0].strip()

    def slot_values(self, prefix: str, pieces: Sequence[str], *, keep_prefix: bool = True) -> Float64[np.ndarray, " n"]:
        """The expected value sum_v v p(v), v = 0..10, after each piece of a text that begins with `prefix`.

        Pieces are tokenized one by one, so that each slot is at the border of two tokens. keep_prefix: compute the
        prefix once, for all calls in a row that have the same. Raises Unusable: too_long, malformed (not finite).
        """
        probabilities = self.slot_probabilities(prefix, pieces, keep_prefix=keep_prefix)
        return probabilities @ np.arange(TOP_LEVEL + 1, dtype=np.float64)

    @torch.no_grad()
    def slot_probabilities(
        self, prefix: str, pieces: Sequence[str], *, keep_prefix: bool = True
    ) -> Float64[np.ndarray, "n value"]:
        """p(v) of `slot_values`, float64."""
        parts = [self.ids(piece) for piece in pieces]
        if not all(parts):
            raise Unusable(MALFORMED, "the tokenizer makes nothing of a line of the table")
        slots = np.cumsum([len(part) for part in parts]) - 1
        logits = self._logits(prefix, [token for part in parts for token in part], slots.tolist(), keep_prefix)
        if not bool(torch.isfinite(logits).all()):
            raise Unusable(MALFORMED, "the model's logits are not finite")
        n = len(slots)
        digits = logits[:n][:, [ids[0] for ids in self._values[: TOP_LEVEL + self._ten_is_one]]]
        p = torch.softmax(digits, dim=1).numpy()
        if not self._ten_is_one:
            after = torch.softmax(logits[n:][:, [self._values[0][0], self._line_end]], dim=1).numpy()
            p = np.concatenate([p, (p[:, 1] * after[:, 0])[:, None]], axis=1)
            p[:, 1] *= after[:, 1]
        return p

    def next_probabilities(self, text: str, options: Sequence[str]) -> Float64[np.ndarray, " option"]:
        """p(option) after the text and a space, over the options only, each told by its first token that is its own.

        Raises Unusable: too_long, malformed; UserError where two options begin alike.
        """
        written = [self._after("excerpt", f" {option}") for option in options]
        common: list[int] = []
        while all(len(ids) > 1 and ids[0] == written[0][0] for ids in written):  # a space that is a token of its own
            common.append(written[0][0])
            written = [ids[1:] for ids in written]
        ids = [each[0] for each in written]
        if len(set(ids)) < len(ids):
            raise UserError(f"the tokenizer of {self.name} writes two of {', '.join(options)} alike; choose another")
        with torch.no_grad():
            logits = self._logits(text, common, [len(common) - 1], keep_prefix=False)
        if not bool(torch.isfinite(logits).all()):
            raise Unusable(MALFORMED, "the model's logits are not finite")
        return torch.softmax(logits[0, ids], dim=0).numpy()

    def _logits(self, prefix: str, ids: list[int], slots: list[int], keep_prefix: bool) -> Tensor:
        """Float64 logits [slot vocabulary] after ids[slot]; where "10" is two tokens, then those after a "1" there."""
        before = self._prefix_ids(prefix)
        branches = [] if self._ten_is_one or not ids else slots
        self._check_length(len(before) + len(ids) + bool(branches))
        past = 0
        cache = None
        if keep_prefix and ids:
            cache = copy.deepcopy(self._prefix_cache(prefix, before))  # the pass adds to it
            past = len(before)
        else:
            ids = before + ids
            slots = [slot + len(before) if slot >= 0 else len(ids) - 1 for slot in slots]
            branches = slots if branches else []
        inputs = torch.tensor([ids + self._values[1] * len(branches)])
        position = torch.tensor([[*range(past, past + len(ids)), *(past + slot + 1 for slot in branches)]])
        wanted = torch.tensor([*slots, *range(len(ids), len(ids) + len(branches))])
        mask = _mask(past, len(ids), branches) if branches else None
        logits = self.model(
            input_ids=inputs,
            attention_mask=mask,
            position_ids=position,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=wanted,
        ).logits[0]
        return (logits if len(logits) == len(wanted) else logits[wanted]).double()

    def _prefix_ids(self, prefix: str) -> list[int]:
        if self._prefix is not None and self._prefix[0] == prefix:
            return self._prefix[1]
        return self._start() + self.ids(prefix)

    def _prefix_cache(self, prefix: str, ids: list[int]) -> DynamicCache:
        if self._prefix is None or self._prefix[0] != prefix:
            cache = DynamicCache(config=self.model.config)
            self.model(input_ids=torch.tensor([ids]), past_key_values=cache, use_cache=True, logits_to_keep=1)
            self._prefix = (prefix, ids, cache)
        return self._prefix[2]

    def _start(self) -> list[int]:
        """What the model wants at the beginning of a text."""
        bos = self.tokenizer.bos_token_id
        return [] if bos is None else [bos]

    def _after(self, before: str, text: str) -> list[int]:
        """The tokens of a text that follows another one."""
        alone, both = self.ids(before), self.ids(before + text)
        if both[: len(alone)] != alone or len(both) == len(alone):
            raise UserError(f"the tokenizer of {self.name} joins {before!r} with {text!r}; choose another model")
        return both[len(alone) :]

    def _check_length(self, n_tokens: int) -> None:
        limit = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if limit is not None and n_tokens > limit:
            raise Unusable(TOO_LONG, f"{n_tokens} tokens, and {self.name} reads {limit} at most")


def loaded(name: str, revision: str | None) -> LocalModel:
    """The model in a local folder or of a hub id: float32, CPU, safetensors only, no code that comes with it.

    Raises UserError where it cannot be loaded.
    """
    path = Path(name).expanduser()
    source = str(path) if path.is_dir() else name
    options: dict[str, Any] = {"trust_remote_code": False, "revision": revision or "main"}
    try:
        with quiet_transformers():
            read: Any = AutoModelForCausalLM.from_pretrained(
                source, dtype=torch.float32, use_safetensors=True, output_loading_info=True, **options
            )
            model, info = read
            tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except Exception as error:  # missing and damaged files raise many kinds here, some of them only Exception
        raise UserError(
            f"the judge {name} cannot be loaded: {brief(f'{type(error).__name__}: {error}')}; "
            "give a folder with safetensors and a tokenizer, or a hub id that can be reached"
        ) from error
    if info["missing_keys"]:
        raise UserError(f"the weights of the judge {name} lack {min(info['missing_keys'])}; get the files again")
    return LocalModel(model, tokenizer, name)


def _mask(past: int, n: int, branches: list[int]) -> Tensor:
    """What may be looked at, [1 1 query key], additive: the past, the own text so far, and for a branch itself."""
    size = n + len(branches)
    allowed = torch.zeros(size, past + size, dtype=torch.bool)
    allowed[:, :past] = True
    allowed[:n, past : past + n] = torch.ones(n, n, dtype=torch.bool).tril()
    for number, slot in enumerate(branches):
        allowed[n + number, past : past + slot + 1] = True
        allowed[n + number, past + n + number] = True
    mask = torch.zeros(1, 1, size, past + size)
    return mask.masked_fill(~allowed, torch.finfo(torch.float32).min)


def _fingerprint(model: Any, tokenizer: Any) -> str:
    """16 hexadecimal characters of the sha256 of all weights with their names, and of the vocabulary."""
    digest = hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode())
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        digest.update(weight.detach().cpu().contiguous().view(torch.uint8).numpy() if weight.ndim else b"")
    return digest.hexdigest()[:16]
