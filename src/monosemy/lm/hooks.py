"""Reading and writing activations during a Hugging Face model's forward pass, by forward hooks.

Everything that depends on how blocks are called (positional or keyword argument, tensor or tuple result; both differ
between releases of transformers) is in `_read` and `_write`. Hooks live only inside `installed`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from monosemy.lm.families import Port, SiteMap
from monosemy.lm.interventions import Edit
from monosemy.lm.sites import Site

Write = Callable[[Tensor], Tensor]


class StopForward(Exception):
    """Raised by a hook to end the forward pass when everything that was asked for has been computed; no error."""


class Recorder:
    """Collects activations by site; with `stop`, ends the forward pass as soon as it has all of them."""

    def __init__(self, sites: Sequence[Site], *, stop: bool) -> None:
        self._sites = tuple(dict.fromkeys(sites))
        self._stop = stop
        self._found: dict[Site, Tensor] = {}

    def record(self, site: Site, x: Tensor) -> None:
        """Keep x, by reference."""
        self._found[site] = x

    def stop_if_complete(self) -> None:
        """Raise StopForward when this was the last activation asked for."""
        if self._stop and len(self._found) == len(self._sites):
            raise StopForward

    def result(self) -> dict[Site, Tensor]:
        """The activations in the order asked for. Raises RuntimeError when the pass did not reach a site."""
        missing = [str(site) for site in self._sites if site not in self._found]
        if missing:
            raise RuntimeError(f"the forward pass never reached {', '.join(missing)}")
        return {site: self._found[site] for site in self._sites}


@contextmanager
def installed(
    site_map: SiteMap, edits: Sequence[Edit], sites: Sequence[Site], recorder: Recorder, *, grad: bool
) -> Iterator[None]:
    """Hooks for `edits` and for capturing `sites` into `recorder`; all are removed on leaving, also by an exception.

    Edits come before captures, so a captured activation is what the rest of the model sees.
    """
    writes = [(edit.site, _edited(edit)) for edit in edits]
    if grad:
        writes += [(site, _tapped(site, recorder)) for site in dict.fromkeys(sites)]
    handles: list[RemovableHandle] = []
    try:
        for site, write in sorted(writes, key=lambda pair: _install_rank(pair[0])):
            handles += _install(site_map, site, write)
        if not grad:
            handles += [_on(site_map.port(site), _observed(site, recorder)) for site in dict.fromkeys(sites)]
        yield
    finally:
        for handle in handles:
            handle.remove()


def _edited(edit: Edit) -> Write:
    """The raw activation of the edit's site -> its edited raw activation."""
    if not edit.site.centered:
        return edit

    def write(x: Tensor) -> Tensor:
        centered = x - x.mean(-1, keepdim=True)
        edited = edit(centered)
        # x + (difference), not edited + mean: where nothing was edited, x stays as it is, bit for bit.
        return x if edited is centered else x + (edited - centered)

    return write


def _observed(site: Site, recorder: Recorder) -> Callable[[Tensor], None]:
    def observe(x: Tensor) -> None:
        recorder.record(site, x - x.mean(-1, keepdim=True) if site.centered else x)
        recorder.stop_if_complete()

    return observe


def _tapped(site: Site, recorder: Recorder) -> Write:
    """Capture for gradients: the recorded tensor requires them and the rest of the forward pass goes through it.

    The first captured activation becomes a leaf, so that no graph of the layers below it is kept.
    """

    def tap(x: Tensor) -> Tensor:
        if not site.centered:
            x = _requiring_grad(x)
            recorder.record(site, x)
            recorder.stop_if_complete()
            return x
        mean = x.mean(-1, keepdim=True)
        centered = _requiring_grad(x - mean)
        recorder.record(site, centered)
        recorder.stop_if_complete()
        # The value is x exactly; the differences are zero and carry the gradients of centered and of mean.
        return x.detach() + (centered - centered.detach()) + (mean - mean.detach())

    return tap


def _requiring_grad(x: Tensor) -> Tensor:
    if x.requires_grad:
        return x
    # A tensor made in inference mode can never enter a graph; a copy of it can.
    return (x.clone() if x.is_inference() else x.detach()).requires_grad_()


def _install_rank(site: Site) -> int:
    """resid_mid reads the edited mlp_out and writes the block's output, so it goes between mlp_out and resid_post."""
    return {"resid_mid": 1, "resid_post": 2}.get(site.location, 0)


def _install(site_map: SiteMap, site: Site, write: Write) -> list[RemovableHandle]:
    port = site_map.port(site)
    if site.location != "resid_mid":
        return [_on(port, write)]
    # The block adds the residual after the norm's input has gone its own way, so the written residual has to be put
    # into both: into the norm, and into the sum that is the block's output. The sum is the block's own, term by term.
    state: dict[str, Tensor] = {}
    block = site_map.blocks[site.layer]

    def write_norm(x: Tensor) -> Tensor:
        state["resid_mid"] = write(x)
        return state["resid_mid"]

    def keep_mlp_out(x: Tensor) -> None:
        state["mlp_out"] = x

    def write_block(_: Tensor) -> Tensor:
        return state.pop("resid_mid") + state.pop("mlp_out")

    mlp = Port(block.get_submodule(site_map.family.mlp), "output")
    return [_on(port, write_norm), _on(mlp, keep_mlp_out), _on(Port(block, "output"), write_block)]


def on_input(module: nn.Module, write: Write) -> RemovableHandle:
    """Pass the module's first input through `write`."""
    return _on(Port(module, "input"), write)


def _on(port: Port, fn: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call fn on the port's tensor; a tensor that it returns takes its place, None leaves it."""

    def before(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any] | None:
        x = args[0] if args else kwargs["hidden_states"]
        y = fn(x)
        if y is None or y is x:
            return None
        return ((y, *args[1:]), kwargs) if args else (args, kwargs | {"hidden_states": y})

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        x = output if isinstance(output, Tensor) else output[0]
        y = fn(x)
        if y is None or y is x:
            return None
        return y if isinstance(output, Tensor) else (y, *output[1:])

    if port.side == "input":
        return port.module.register_forward_pre_hook(before, with_kwargs=True)
    return port.module.register_forward_hook(after)


@contextmanager
def layers_from(site_map: SiteMap, first: int) -> Iterator[nn.Module]:
    """The model with only its blocks from `first` on; gives the module that then runs first (block or final norm)."""
    path, _, name = site_map.family.blocks.rpartition(".")
    parent = site_map.model.get_submodule(path)
    every_block = parent.get_submodule(name)
    parent.register_module(name, nn.ModuleList(site_map.blocks[first:]))
    try:
        yield [*site_map.blocks, site_map.final_norm][first]
    finally:
        parent.register_module(name, every_block)


@contextmanager
def last_mlp_at_the_end(site_map: SiteMap) -> Iterator[None]:
    """Have the last block's MLP run at the last position only, where nothing but that position's logits are wanted.

    Its output is then [batch 1 d_model], which the block adds to every position: what comes out of the others is wrong.
    No layer is left to read it, and half of the work of that block is saved.
    """
    handle = on_input(site_map.blocks[-1].get_submodule(site_map.family.mlp), lambda x: x[:, -1:])
    try:
        yield
    finally:
        handle.remove()
