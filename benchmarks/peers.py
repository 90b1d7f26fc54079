"""The peers' own training steps on the same task: each built as its toolkit builds it, from the same weights.

Two of them import, on their first line, what no training step needs (a language model's tracer, vision models): of
these the modules of the training are loaded without the package's `__init__`. Sparsify's step stands inside a loop over
a language model's batches: it is repeated here in its order, out of its own parts, without its logging.
"""

import importlib
import importlib.metadata
import importlib.util
import os
import sys
import types
from collections.abc import Callable
from typing import Any, final

import torch
from contestants import Contestant, Start, Task
from torch import Tensor


class PeerMissing(Exception):
    """A peer that cannot be had here, or has no such architecture; the reason in one line."""


DISTRIBUTIONS = {
    "saelens": "sae-lens",
    "dictionary_learning": "dictionary-learning",
    "sparsify": "eai-sparsify",
    "overcomplete": "overcomplete",
    "vmap_torchopt": "torchopt",
}
"""What each peer is called in the package index."""


def versions() -> dict[str, str]:
    """The version of each peer that is installed."""
    found: dict[str, str] = {}
    for peer, distribution in DISTRIBUTIONS.items():
        try:
            found[peer] = importlib.metadata.version(distribution)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def loaded(module: str, *, bare: bool = False) -> Any:
    """A module of a peer. bare: without running the `__init__` of its top package. Raises PeerMissing."""
    package = module.split(".")[0]
    try:
        if bare and package not in sys.modules:
            spec = importlib.util.find_spec(package)
            if spec is None:
                raise PeerMissing(f"{package} is not installed")
            shell = types.ModuleType(package)
            shell.__path__ = list(spec.submodule_search_locations or [])
            shell.__spec__ = spec
            sys.modules[package] = shell
        return importlib.import_module(module)
    except ImportError as error:
        raise PeerMissing(f"{module} cannot be imported: {error}") from error


@final
class SaeLens(Contestant):
    """`SAETrainer._train_step`; the decoder's rows start at unit norm instead of .1, as everyone's do here."""

    def __init__(self, task: Task, start: Start) -> None:
        saelens, trainers = loaded("sae_lens"), loaded("sae_lens.training.sae_trainer")
        common = dict(d_in=task.d, d_sae=task.n_latents, decoder_init_norm=1.0)
        match task.architecture:
            case "topk":
                sae = saelens.TopKTrainingSAE(saelens.TopKTrainingSAEConfig(**common, k=task.sparsity))
            case "batch_topk":
                sae = saelens.BatchTopKTrainingSAE(saelens.BatchTopKTrainingSAEConfig(**common, k=task.sparsity))
            case "relu_l1":
                cfg = saelens.StandardTrainingSAEConfig(**common, l1_coefficient=task.sparsity)
                sae = saelens.StandardTrainingSAE(cfg)
            case _:
                raise PeerMissing(f"saelens has no {task.architecture}")
        with torch.no_grad():
            sae.W_enc.copy_(start.W_enc.T)
            sae.b_enc.copy_(start.b_enc_of_centered)
            sae.W_dec.copy_(start.W_dec)
            sae.b_dec.copy_(start.b_dec)
        config = loaded("sae_lens.config").SAETrainerConfig(
            total_training_samples=task.n_steps * task.batch,
            train_batch_size_samples=task.batch,
            lr=task.learning_rate,
            lr_end=task.learning_rate,
        )
        self.trainer = trainers.SAETrainer(config, sae, iter(()))
        self.sae = sae

    def step(self, x: Tensor) -> None:
        """With its dead latents, its statistics and its clipping."""
        self.trainer._train_step(sae=self.sae, sae_in=x)
        self.trainer.n_training_steps += 1

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Its training's encode and decode."""
        z, _ = self.sae.encode_with_hidden_pre(x)
        return [(z, self.sae.decode(z))]


@final
class DictionaryLearning(Contestant):
    """`trainer.update`, from step 1 on: at step 0 it would set the bias to a median, which is near 0 here."""

    def __init__(self, task: Task, start: Start) -> None:
        common = dict(
            steps=task.n_steps,
            activation_dim=task.d,
            dict_size=task.n_latents,
            layer=0,
            lm_name="none",
            lr=task.learning_rate,
            warmup_steps=0,
            device="cpu",
        )
        match task.architecture:
            case "topk":
                module = loaded("dictionary_learning.trainers.top_k", bare=True)
                self.trainer = module.TopKTrainer(**common, k=task.sparsity)
            case "batch_topk":
                module = loaded("dictionary_learning.trainers.batch_top_k", bare=True)
                self.trainer = module.BatchTopKTrainer(**common, k=task.sparsity)
            case "relu_l1":
                module = loaded("dictionary_learning.trainers.standard", bare=True)
                self.trainer = module.StandardTrainer(**common, l1_penalty=task.sparsity, sparsity_warmup_steps=None)
            case _:
                raise PeerMissing(f"dictionary_learning has no {task.architecture}")
        self.is_batch = task.architecture == "batch_topk"
        ae = self.trainer.ae
        with torch.no_grad():
            ae.encoder.weight.copy_(start.W_enc)
            ae.encoder.bias.copy_(start.b_enc_of_centered)
            ae.decoder.weight.copy_(start.W_dec.T)
            (ae.bias if task.architecture == "relu_l1" else ae.b_dec).copy_(start.b_dec)
        self.n_steps = 0

    def step(self, x: Tensor) -> None:
        """With its clipping, its projection, its unit rows."""
        self.n_steps += 1
        self.trainer.update(self.n_steps, x)

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Its encode without the threshold, and decode."""
        z = self.trainer.ae.encode(x, use_threshold=False) if self.is_batch else self.trainer.ae.encode(x)
        return [(z, self.trainer.ae.decode(z))]


@final
class Sparsify(Contestant):
    """What its Trainer's hook and loop do with a batch of activations, with its option `adam`."""

    def __init__(self, task: Task, start: Start) -> None:
        if task.architecture != "topk":
            raise PeerMissing(f"sparsify has no {task.architecture}")
        os.environ["SPARSIFY_DISABLE_TRITON"] = "1"  # which it would take where it is installed, for a GPU
        sparsify = loaded("sparsify")
        config = sparsify.SparseCoderConfig(num_latents=task.n_latents, k=task.sparsity)
        self.sae = sparsify.SparseCoder(task.d, config, "cpu", dtype=torch.float32)
        with torch.no_grad():
            self.sae.encoder.weight.copy_(start.W_enc)
            self.sae.encoder.bias.copy_(start.b_enc_of_centered)
            self.sae.W_dec.copy_(start.W_dec)
            self.sae.b_dec.copy_(start.b_dec)
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=task.learning_rate)
        self.silent = torch.zeros(task.n_latents, dtype=torch.long)
        self.fired = torch.zeros(task.n_latents, dtype=torch.bool)

    def step(self, x: Tensor) -> None:
        """Unit rows, forward, backward, projection, Adam, counts of silence."""
        self.sae.set_decoder_norm_to_unit_norm()
        total_variance = (x - x.mean(0)).pow(2).sum()
        out = self.sae(x=x, y=x, dead_mask=None, total_variance=total_variance)
        self.fired[out.latent_indices.flatten()] = True
        (out.fvu + out.multi_topk_fvu / 8).backward()
        self.sae.remove_gradient_parallel_to_decoder_directions()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.silent += len(x)
        self.silent[self.fired] = 0
        self.fired.zero_()

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Its encode and decode; the rows are set to unit norm first, as at the start of a step."""
        self.sae.set_decoder_norm_to_unit_norm()
        values, index, _ = self.sae.encode(x)
        z = torch.zeros(len(x), self.sae.num_latents).scatter_(1, index, values)
        return [(z, self.sae.decode(values, index))]


@final
class Overcomplete(Contestant):
    """`train_sae` with one batch as its loader, without its monitoring."""

    def __init__(self, task: Task, start: Start) -> None:
        self.train = loaded("overcomplete.sae.train", bare=True).train_sae
        match task.architecture:
            case "topk":
                module = loaded("overcomplete.sae.topk_sae", bare=True)
                self.sae = module.TopKSAE(task.d, task.n_latents, top_k=int(task.sparsity))
            case "batch_topk":
                # Its top_k is of the whole batch.
                module = loaded("overcomplete.sae.batchtopk_sae", bare=True)
                self.sae = module.BatchTopKSAE(task.d, task.n_latents, top_k=int(task.sparsity) * task.batch)
            case "relu_l1":
                self.sae = loaded("overcomplete.sae.base", bare=True).SAE(task.d, task.n_latents)
            case _:
                raise PeerMissing(f"overcomplete has no {task.architecture}")
        if task.architecture == "relu_l1":
            # Its error is a mean over all entries, its norm a sum over them.
            losses, penalty = loaded("overcomplete.sae.losses", bare=True), task.sparsity / (task.d * task.batch)
            self.criterion: Callable[..., Tensor] = lambda *parts: losses.mse_l1(*parts, penalty=penalty)
        else:
            self.criterion = lambda x, x_hat, *_: (x - x_hat).square().mean()
        with torch.no_grad():
            linear = self.sae.encoder.final_block[0]
            linear.weight.copy_(start.W_enc)
            linear.bias.copy_(start.b_enc)  # it has no bias in its decoder, where the others' is near 0
            self.sae.dictionary._weights.copy_(start.W_dec)
        self.optimizer = torch.optim.Adam(self.sae.parameters(), lr=task.learning_rate)

    def step(self, x: Tensor) -> None:
        """With its clipping and its tracker of dead codes."""
        self.train(self.sae, [x], self.criterion, self.optimizer, nb_epochs=1, monitoring=0)

    def codes(self, x: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Its forward pass in training."""
        _, z, x_hat = self.sae(x)
        return [(z, x_hat)]


PEERS: dict[str, Callable[[Task, Start], Contestant]] = {
    "saelens": SaeLens,
    "dictionary_learning": DictionaryLearning,
    "sparsify": Sparsify,
    "overcomplete": Overcomplete,
}
"""The toolkits, by the names that they have in the results."""
