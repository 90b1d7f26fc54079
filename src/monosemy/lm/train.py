"""Train a small GPT-NeoX language model from batches of tokens; the embedded model is made by exactly this."""

import io
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Int64
from torch import Tensor
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from monosemy.core import Progress, UserError, atomic_write_bytes, fingerprint, silent, to_json
from monosemy.lm.initialization import initialize_


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """Sizes of a GPT-NeoX model: parallel residual, rotary positions on a quarter of each head, LayerNorm."""

    n_layers: int = 4
    d_model: int = 160
    n_heads: int = 5
    context_length: int = 256
    vocabulary_size: int = 2048
    tied_embeddings: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class LMTraining:
    """One training: the model it makes is a function of this, the text and the number of threads."""

    architecture: Architecture = field(default_factory=Architecture)
    n_steps: int = 10_000
    learning_rate: float = 3e-3
    warmup_steps: int = 100
    decay_fraction: float = 0.5  # the last half of the steps: the rate falls linearly to zero
    weight_decay: float = 0.1  # on matrices only
    clip_norm: float = 1.0
    evaluate_every_steps: int = 250
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.n_steps, self.warmup_steps, self.evaluate_every_steps) < 1 or not 0 < self.decay_fraction <= 1:
            raise ValueError(
                "n_steps, warmup_steps and evaluate_every_steps must be at least 1 and decay_fraction in (0, 1], got "
                f"{self.n_steps}, {self.warmup_steps}, {self.evaluate_every_steps} and {self.decay_fraction}"
            )


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Losses after `step` steps, nats a token; train_loss is the mean over the steps since the point before."""

    step: int
    cpu_seconds: float
    train_loss: float
    validation_loss: float


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainedLM:
    """The weights with the lowest validation loss, where they were found, and the loss curve."""

    model: GPTNeoXForCausalLM
    best_step: int
    curve: tuple[CurvePoint, ...]


@runtime_checkable
class Batch(Protocol):
    """What the trainer needs of a batch: inputs and targets `[batch seq]`, -100 where no loss is wanted."""

    @property
    def tokens(self) -> Int64[Tensor, "batch seq"]: ...
    @property
    def targets(self) -> Int64[Tensor, "batch seq"]: ...


def train(
    training: LMTraining,
    batches: Callable[[int], Batch],
    validation: Sequence[Batch],
    *,
    checkpoint: Path,
    data: str = "",
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> TrainedLM:
    """Train from random weights, or go on from `checkpoint` where a run of the same configuration was interrupted.

    batches: step -> training batch, a pure function, so that a resumed run sees what an uninterrupted one would have.
    validation: batches with equal numbers of targets; the validation loss is the mean of their losses.
    checkpoint: a file rewritten at every evaluation; it holds everything that the next step depends on.
    data: what tells these batches from others (a fingerprint of text and batching), kept in the checkpoint.
    Raises UserError when the checkpoint belongs to another configuration or other data, or the loss is not finite.
    """
    state = _State.start(training, data, device)
    if checkpoint.exists():
        state.load(checkpoint)
    with (progress or silent()).task("train the language model", training.n_steps, "steps", state.step) as task:
        while state.step < training.n_steps:
            last = min(training.n_steps, state.step + training.evaluate_every_steps)
            started = time.process_time()
            losses = [_advance(state, batches, task.advance) for _ in range(state.step, last)]
            state.cpu_seconds += time.process_time() - started
            _evaluate(state, sum(losses) / len(losses), validation)
            state.save(checkpoint)
            point = state.curve[-1]
            task.note(f"train {point.train_loss:.3f}, validation {point.validation_loss:.3f} nats a token")
    state.model.load_state_dict(state.best_weights)
    return TrainedLM(model=state.model.eval(), best_step=state.best_step, curve=tuple(state.curve))


def build(architecture: Architecture, seed: int) -> GPTNeoXForCausalLM:
    """A freshly initialized model in float32 on the CPU; the global random state is left as it was."""
    a = architecture
    config = GPTNeoXConfig(
        vocab_size=a.vocabulary_size,
        hidden_size=a.d_model,
        num_hidden_layers=a.n_layers,
        num_attention_heads=a.n_heads,
        intermediate_size=4 * a.d_model,
        max_position_embeddings=a.context_length,
        rope_parameters={"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": 0.25},
        tie_word_embeddings=a.tied_embeddings,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    with torch.random.fork_rng(devices=[]):  # transformers draws initial values of its own, replaced below
        model = GPTNeoXForCausalLM(config)
    initialize_(model, seed, n_layers=a.n_layers)
    return model


def learning_rate_factor(step: int, training: LMTraining) -> float:
    """Linear warm-up, constant, linear decay to zero over the last `decay_fraction` of the steps."""
    warm = min(1.0, (step + 1) / training.warmup_steps)
    left = (training.n_steps - step) / (training.decay_fraction * training.n_steps)
    return warm * min(1.0, left)


def make_optimizer(model: torch.nn.Module, training: LMTraining) -> torch.optim.AdamW:
    """Fused AdamW (Loshchilov and Hutter 2019), betas .9 and .95, weight decay on matrices only."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=(0.9, 0.95), fused=True)


def token_loss(model: GPTNeoXForCausalLM, batch: Batch) -> Tensor:
    """Mean cross-entropy in nats over the positions that have a target."""
    logits = model(batch.tokens.to(model.device)).logits
    return F.cross_entropy(logits.flatten(0, 1), batch.targets.to(model.device).flatten())


@dataclass(kw_only=True)
class _State:
    """All that the next step depends on, and what the run has to show so far."""

    training: LMTraining
    data: str
    model: GPTNeoXForCausalLM
    optimizer: torch.optim.AdamW
    best_weights: dict[str, Tensor]
    step: int = 0
    best_step: int = 0
    cpu_seconds: float = 0.0
    curve: list[CurvePoint] = field(default_factory=list)

    @classmethod
    def start(cls, training: LMTraining, data: str, device: torch.device | str) -> "_State":
        model = build(training.architecture, training.seed).train()
        torch.nn.Module.to(model, torch.device(device))  # transformers' own `to` has no usable type
        optimizer = make_optimizer(model, training)
        return cls(training=training, data=data, model=model, optimizer=optimizer, best_weights=_copy(model))

    def save(self, path: Path) -> None:
        buffer = io.BytesIO()
        content = {
            "of": self._fingerprint(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "best_weights": self.best_weights,
            "step": self.step,
            "best_step": self.best_step,
            "cpu_seconds": self.cpu_seconds,
            "curve": [asdict(point) for point in self.curve],
        }
        torch.save(content, buffer)
        atomic_write_bytes(path, buffer.getvalue())

    def load(self, path: Path) -> None:
        saved: dict[str, Any] = torch.load(path, map_location=self.model.device, weights_only=True)
        if saved.get("of") != self._fingerprint():
            raise UserError(
                f"{path} was left by a training with other settings or data; give the same ones, or remove the file"
            )
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.best_weights = saved["best_weights"]
        self.step, self.best_step, self.cpu_seconds = saved["step"], saved["best_step"], saved["cpu_seconds"]
        self.curve = [CurvePoint(**point) for point in saved["curve"]]

    def _fingerprint(self) -> str:
        return fingerprint({"training": to_json(self.training), "data": self.data})


def _advance(state: _State, batches: Callable[[int], Batch], report: Callable[[], None]) -> float:
    """One optimizer step; the loss before it."""
    factor = learning_rate_factor(state.step, state.training)
    for group in state.optimizer.param_groups:
        group["lr"] = state.training.learning_rate * factor
    loss = token_loss(state.model, batches(state.step))
    state.optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(state.model.parameters(), state.training.clip_norm)
    state.optimizer.step()
    state.step += 1
    report()
    return loss.item()


@torch.no_grad()
def _evaluate(state: _State, train_loss: float, validation: Sequence[Batch]) -> None:
    """Append a point to the curve; keep the weights when no earlier point was as good."""
    state.model.eval()
    loss = sum(token_loss(state.model, batch).item() for batch in validation) / len(validation)
    state.model.train()
    if not (math.isfinite(loss) and math.isfinite(train_loss)):
        raise UserError(
            f"after {state.step} steps the loss is {train_loss} in training and {loss} in validation, and has to be "
            f"finite; choose a learning rate below {state.training.learning_rate}"
        )
    if all(loss < point.validation_loss for point in state.curve):
        state.best_step, state.best_weights = state.step, _copy(state.model)
    state.curve.append(CurvePoint(state.step, state.cpu_seconds, train_loss, loss))


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
