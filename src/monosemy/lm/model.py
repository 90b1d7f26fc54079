"""A frozen causal language model whose activations can be read, edited and continued from."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel, PreTrainedTokenizerBase

from monosemy.core import Tokens, UserError, fingerprint
from monosemy.lm.families import SiteMap
from monosemy.lm.hooks import Recorder, StopForward, installed, last_mlp_at_the_end, layers_from, on_input
from monosemy.lm.interventions import Edit, replace
from monosemy.lm.prefix import Prefix, kept
from monosemy.lm.sites import RESIDUAL_LOCATIONS, Location, Site

Residual = Float[Tensor, "batch seq d_model"]
Logits = Float[Tensor, "batch kept vocab"]
Activation = Float[Tensor, "batch seq d_site"]
Inputs = dict[str, Tensor | DynamicCache]


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One forward pass: logits `[batch seq vocab]` and the activations `[batch seq d_site]` of the sites asked for."""

    logits: Tensor
    activations: dict[Site, Tensor]


@final
class LanguageModel:
    """A Hugging Face causal language model in evaluation mode with frozen weights.

    Tokens are `[batch seq]` with every sequence full: there is no padding mask, positions are 0..seq-1, attention is
    causal over the whole row. Cut texts of unequal length into full rows, or run them one by one.

    Every pass runs in inference mode unless `grad=True`: its results are inference tensors, free of autograd's
    bookkeeping; index, clone or compute with them before a graph is to keep them. With `grad=True` the pass is recorded
    from the first captured (or edited) activation on: `torch.autograd.grad(f(logits), activations)` gives gradients at
    all captured sites. Activations are given by reference, not copied: treat them as read-only.

    `edits` act during the pass; an activation captured at an edited site is the edited one. `n_last` keeps only the
    last positions' logits, which saves the unembedding of the others (0: all).

    Not safe to use from several threads at once: passes put hooks on the shared modules.
    Wrapping changes the given model: evaluation mode, no parameter requires gradients.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer
        self.name = name
        self._sites = SiteMap(model)

    # --- what it is -----------------------------------------------------------------------------------------------

    @property
    def family(self) -> str:
        """Hugging Face's model_type: gpt_neox, gpt2 or llama."""
        return self._sites.model_type

    @property
    def n_layers(self) -> int:
        """Number of transformer blocks."""
        return self._sites.n_layers

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return self._sites.d_model

    @property
    def vocab_size(self) -> int:
        """Number of logits, which can be more than the tokenizer's tokens."""
        return self.model.config.vocab_size

    @property
    def context_length(self) -> int:
        """Longest sequence, in tokens."""
        return self.model.config.max_position_embeddings

    @property
    def bos_id(self) -> int | None:
        """The token that begins a sequence; None where the tokenizer has none."""
        id_ = self.tokenizer.bos_token_id
        return id_ if isinstance(id_, int) else None

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Number format of the weights and the activations."""
        return self.model.dtype

    @property
    def final_norm(self) -> nn.Module:
        """The norm between the last block and the unembedding."""
        return self._sites.final_norm

    @property
    def unembedding(self) -> Float[Tensor, "vocab d_model"]:
        """The matrix that turns the normed last residual into logits."""
        unembedding = self.model.get_output_embeddings()
        assert isinstance(unembedding, nn.Linear)
        return unembedding.weight

    def sites(self, location: Location, *, centered: bool = False) -> tuple[Site, ...]:
        """The location in every layer. Raises UserError when the model does not have it."""
        sites = tuple(Site(layer, location, centered) for layer in range(self.n_layers))
        for site in sites:
            self.check(site)
        return sites

    def check(self, site: Site) -> None:
        """Raise UserError, naming what is allowed, when the model does not have `site`."""
        self._sites.check(site)

    def d_site(self, site: Site) -> int:
        """Width of the activation at `site`. Raises UserError when the model does not have it."""
        return self._sites.d_site(site)

    def fingerprint(self) -> str:
        """16 hex characters that tell which function this model computes: its configuration and weights' content."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        config = self.model.config.to_diff_dict()
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        function = {key: value for key, value in config.items() if key not in _NOT_THE_FUNCTION}
        return fingerprint({"config": function, "weights": digest.hexdigest()})

    # --- what it does ---------------------------------------------------------------------------------------------

    def logits(self, tokens: Tokens, *, grad: bool = False, n_last: int = 0) -> Logits:
        """Logits of the next token at each position, of the unchanged model."""
        return self.run(tokens, grad=grad, n_last=n_last).logits

    def splice(self, tokens: Tokens, edits: Sequence[Edit], *, grad: bool = False, n_last: int = 0) -> Logits:
        """Logits of a pass with `edits`; without edits, or where they change nothing, bit-identical to `logits`."""
        return self.run(tokens, edits=edits, grad=grad, n_last=n_last).logits

    def capture(
        self, tokens: Tokens, sites: Sequence[Site], *, edits: Sequence[Edit] = (), grad: bool = False
    ) -> dict[Site, Activation]:
        """Activations at `sites`, all from one pass that ends at the last of them."""
        return self._forward(self._inputs(tokens), sites, edits, grad=grad, n_last=None)[1]

    def run(
        self,
        tokens: Tokens,
        sites: Sequence[Site] = (),
        *,
        edits: Sequence[Edit] = (),
        grad: bool = False,
        n_last: int = 0,
    ) -> Run:
        """Logits and the activations at `sites` of one full pass with `edits`."""
        result = self._forward(self._inputs(tokens), sites, edits, grad=grad, n_last=n_last)
        return Run(_logits(result), result[1])

    def run_from(
        self, site: Site, x: Residual, *, edits: Sequence[Edit] = (), grad: bool = False, n_last: int = 0
    ) -> Logits:
        """Logits of the pass continued from the residual stream `x` at `site`; the layers below do not run.

        Equal to the full pass with x spliced in at `site`. A centered x continues as it is: the mean that it lacks
        changes no logit. Raises UserError when `site` is not a residual one (the others hold only a part of what the
        layers above read), or when an edit lies below it.
        """
        with self._continued(site, x, [edit.site for edit in edits]) as (inputs, first):
            return _logits(self._forward(inputs, (), [*first, *edits], grad=grad, n_last=n_last))

    def capture_from(
        self, site: Site, x: Residual, sites: Sequence[Site], *, edits: Sequence[Edit] = (), grad: bool = False
    ) -> dict[Site, Activation]:
        """Activations at `sites` of the pass continued from `x` at `site` as by `run_from`; it ends at the last."""
        with self._continued(site, x, [*sites, *(edit.site for edit in edits)]) as (inputs, first):
            return self._forward(inputs, sites, [*first, *edits], grad=grad, n_last=None)[1]

    def prefix_from(self, site: Site, x: Residual) -> Prefix:
        """What `run_after` needs of the first positions, whose residual stream at `site` is x, at least one position.

        Raises UserError as `run_from` does.
        """
        with self._continued(site, x, ()) as (inputs, first):
            cache = DynamicCache()
            self._forward(inputs | {"past_key_values": cache}, (), first, grad=False, n_last=1)
        return kept(cache, site, _n_layers_below(site), *x.shape[:2])

    def run_after(self, prefix: Prefix, x: Residual, *, n_last: int = 0) -> Logits:
        """Logits of the positions that follow the prefix's, row by row, when x is their residual stream at its site.

        Equal to the later positions of `run_from` with the first positions and x in one: attention is causal, so that
        what comes later leaves the prefix as it is. Raises UserError where both together are longer than the context.
        """
        if x.shape[0] != prefix.n_rows:
            raise ValueError(f"{x.shape[0]} rows cannot follow a prefix of {prefix.n_rows}; choose its rows first")
        short = last_mlp_at_the_end(self._sites) if n_last == 1 else nullcontext()
        with self._continued(prefix.site, x, (), n_before=prefix.n_positions) as (inputs, first), short:
            inputs["past_key_values"] = prefix.cache()
            return _logits(self._forward(inputs, (), first, grad=False, n_last=n_last))

    # --- how ------------------------------------------------------------------------------------------------------

    def _inputs(self, tokens: Tokens) -> Inputs:
        self._check_length(tokens.shape[1])
        return {"input_ids": tokens.to(self.device)}

    def _check_length(self, n_tokens: int) -> None:
        if n_tokens > self.context_length:
            raise UserError(
                f"a sequence of {n_tokens} tokens is longer than the model's context of {self.context_length};"
                " cut the text into shorter sequences"
            )

    def _forward(
        self, inputs: Inputs, sites: Sequence[Site], edits: Sequence[Edit], *, grad: bool, n_last: int | None
    ) -> tuple[Tensor | None, dict[Site, Tensor]]:
        """One pass: (logits, activations); n_last None ends it at the last site, without logits."""
        for site in [*sites, *(edit.site for edit in edits)]:
            self.check(site)
        if n_last is None and not sites:
            return None, {}
        recorder = Recorder(sites, stop=n_last is None)
        logits = None
        hooks = installed(self._sites, edits, sites, recorder, grad=grad)
        # inference_mode(False) also turns recording on, whatever mode the caller is in.
        with suppress(StopForward), torch.inference_mode(not grad), hooks:
            use_cache = "past_key_values" in inputs
            logits = self.model(**inputs, use_cache=use_cache, logits_to_keep=n_last or 0).logits
        return logits, recorder.result()

    @contextmanager
    def _continued(
        self, site: Site, x: Residual, others: Sequence[Site], *, n_before: int = 0
    ) -> Iterator[tuple[Inputs, list[Edit]]]:
        """The model without the layers below `site`, fed with x: (inputs, first edits) for `_forward`.

        n_before: positions before those of x, which the inputs are to be given as a cache.
        """
        self.check(site)
        if site.location not in RESIDUAL_LOCATIONS:
            allowed = ", ".join(location for location in self._sites.locations if location in RESIDUAL_LOCATIONS)
            raise UserError(f"cannot continue from {site}, which is only a part of the state; allowed: {allowed}")
        if x.shape[2] != self.d_model:
            raise ValueError(f"cannot continue from {site} with vectors of {x.shape[2]}; the model has {self.d_model}")
        self._check_length(n_before + x.shape[1])
        n_skipped = _n_layers_below(site)
        start = (n_skipped, 0) if site.location == "resid_post" else site.depth
        for other in others:
            if other.depth < start:
                raise UserError(f"site {other} is not computed when the pass continues from {site}; choose a later one")
        x = x.to(device=self.device, dtype=self.dtype)
        # The whole model is called, with its lower blocks taken out of its list and x as the input embeddings: masks,
        # positions and rotary tables are then the model's own on every release. What it adds to embeddings (GPT-2 adds
        # positions) is dropped by putting x itself in at the first block that runs. resid_mid enters inside a block,
        # whose attention runs for nothing.
        mid = [replace(Site(site.layer, "resid_mid"), x)] if site.location == "resid_mid" else []
        with layers_from(self._sites, n_skipped) as entry:
            handle = on_input(entry, lambda _: x)
            try:
                yield {"inputs_embeds": x}, mid
            finally:
                handle.remove()


def _n_layers_below(site: Site) -> int:
    """How many layers need not run when the pass continues from a residual site."""
    return site.layer + (site.location == "resid_post")


def _logits(result: tuple[Tensor | None, dict[Site, Tensor]]) -> Tensor:
    logits = result[0]
    assert logits is not None  # a pass that was not told to stop has them
    return logits


_NOT_THE_FUNCTION = frozenset({"_name_or_path", "architectures", "dtype", "transformers_version", "use_cache"})
"""Configuration entries that saving and loading changes, or that change no logit."""
