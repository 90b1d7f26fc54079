"""How the embedded language model is made: GPT-NeoX on the train split of the embedded corpus."""

import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
import transformers

from monosemy.core import Progress, fingerprint, numpy_generator, to_json
from monosemy.corpus import StdlibCorpus, TokenBatch, TrainingBatches, join, scored_windows
from monosemy.lm import Architecture, LMTraining, Precision, TrainedLM, quiet_transformers, train, wrap, write_packed


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddedLM:
    """Everything that decides the embedded model's weights, next to the corpus and the number of threads."""

    training: LMTraining = field(
        default_factory=lambda: LMTraining(architecture=Architecture(n_layers=4, d_model=160, n_heads=5), n_steps=9_000)
    )
    batch_sequences: int = 8
    repeat_fraction: float = 0.17  # rows that repeat a segment, so that the model learns to copy
    validation_rows: int = 192  # sampled once; the loss on them chooses the best weights


def train_embedded_lm(
    recipe: EmbeddedLM, checkpoint: Path, *, device: torch.device | str = "cpu", progress: Progress | None = None
) -> TrainedLM:
    """Train on the corpus' train split, choose the best weights on a sample of its validation split."""
    corpus = StdlibCorpus()
    seed, context_length = recipe.training.seed, recipe.training.architecture.context_length
    batches = TrainingBatches(
        stream=join([document.tokens for document in corpus.tokenized("train")]),
        context_length=context_length,
        batch_sequences=recipe.batch_sequences,
        repeat_fraction=recipe.repeat_fraction,
        seed=seed,
    )
    validation = list(validation_batches(corpus, context_length, recipe.validation_rows, recipe.batch_sequences))
    data = fingerprint({"recipe": to_json(recipe), "corpus": corpus.fingerprint()})
    return train(
        recipe.training, batches, validation, checkpoint=checkpoint, data=data, device=device, progress=progress
    )


def validation_batches(
    corpus: StdlibCorpus, context_length: int, n_rows: int, batch_sequences: int
) -> Iterator[TokenBatch]:
    """A seeded sample of full rows of the validation split, the same for every training."""
    windows = [scored_windows(document, context_length) for document in corpus.tokenized("validation")]
    tokens, targets = torch.cat([w.tokens for w in windows]), torch.cat([w.targets for w in windows])
    full = np.flatnonzero((targets >= 0).all(dim=1).numpy())
    rows = torch.from_numpy(numpy_generator(0, "lm-validation-rows").choice(full, size=n_rows, replace=False))
    for some in rows.split(batch_sequences):
        yield TokenBatch(tokens=tokens[some], targets=targets[some])


def write_embedded_lm(
    folder: Path, recipe: EmbeddedLM, trained: TrainedLM, *, command: str, n_threads: int, precision: Precision
) -> None:
    """Write `model/` (a Hugging Face folder, float32) and `embedded/` (what the package ships, with its provenance)."""
    corpus = StdlibCorpus()
    provenance = {
        "command": command,
        "recipe": to_json(recipe),
        "corpus": corpus.fingerprint(),
        "seed": recipe.training.seed,
        "n_threads": n_threads,
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        "precision": precision,
        "best_step": trained.best_step,
        "curve": [asdict(point) for point in trained.curve],
    }
    trained.model.cpu()
    lm = wrap(trained.model, corpus.tokenizer, folder.name)
    with quiet_transformers():
        trained.model.save_pretrained(folder / "model")
    lm.tokenizer.save_pretrained(folder / "model")
    write_packed(trained.model, folder / "embedded", provenance, precision)
