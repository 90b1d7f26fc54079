"""Which latents are dead: they did not fire for a number of tokens."""

import torch
from jaxtyping import Bool
from torch import Tensor


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
