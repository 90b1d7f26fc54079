"""Which latents are dead, that is, did not fire for a number of tokens, and how they start anew."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from monosemy.dictionaries import TrainableDictionary
from monosemy.training.adam import Adam


class DeadLatents:
    """Counts, for each latent, the tokens since it last fired.

    Counted in tokens, not in steps, so that the meaning does not change with the batch size; and a latent that was
    selected with the value zero did not fire.
    """

    def __init__(self, n_latents: int, dead_after_tokens: int, device: torch.device | str = "cpu") -> None:
        self.dead_after_tokens = dead_after_tokens
        self.n_silent_tokens = torch.zeros(n_latents, dtype=torch.int64, device=device)

    def update_(self, fired: Bool[Tensor, " n_latents"], n_tokens: int) -> None:
        """Take in a batch of n_tokens: the latents that fired in it count from 0 again."""
        self.n_silent_tokens += n_tokens
        self.n_silent_tokens[fired] = 0

    def is_dead(self) -> Bool[Tensor, " n_latents"]:
        """The latents that have not fired in the last `dead_after_tokens` tokens or more."""
        return self.n_silent_tokens >= self.dead_after_tokens


@torch.no_grad()
def resample_(
    module: TrainableDictionary,
    optimizer: Adam,
    dead: DeadLatents,
    x: Float[Tensor, "batch d"],
    row_error: Float[Tensor, " batch"],
    generator: torch.Generator,
) -> int:
    """Start dead latents anew along activations that are badly reconstructed; returns how many.

        P(row b) ~ (|x_b - x_hat_b|^2)^2        direction = x_b - center        m = v = 0 on the latents' rows

    No row is drawn twice: where there are fewer rows with an error than dead latents, those of the highest index wait
    for the next time. center: what the architecture gives when no latent is active. x: normalized activations.
    Source: Bricken et al. 2023, "Neuron resampling". What differs: the rows are those of one training batch, not of
    819,200 tokens, and drawn without replacement.
    """
    latents = dead.is_dead().nonzero().flatten()
    if len(latents) == 0:
        return 0
    encoding = module.encode_train(x[:1])
    center = module.decode_train(replace(encoding, values=torch.zeros_like(encoding.values)))[0]
    directions = x - center
    weight = row_error.double().square() * (torch.linalg.vector_norm(directions, dim=1) > 0)
    if weight.max() == 0:
        return 0
    weight /= weight.max()
    latents = latents[: int(torch.count_nonzero(weight))]
    rows = torch.multinomial(weight.cpu(), len(latents), generator=generator).to(x.device)
    module.reset_latents_(latents, directions[rows])
    for parameter in module.latent_parameters():
        optimizer.forget_rows_(parameter, latents)
    dead.n_silent_tokens[latents] = 0
    return len(latents)
