"""Adam over the parameters of one dictionary, with its state in the open: the fast paths update the same moments."""

from typing import Literal, final

import torch
from jaxtyping import Int64
from torch import Tensor, nn

OptimizerName = Literal["adam", "frozen_adam"]

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@final
class Adam:
    """Adam (Kingma and Ba 2015), betas .9 and .999, in torch's fused form.

        m <- .9 m + .1 g            v <- .999 v + .001 g^2
        w <- w - rate (m / (1 - .9^t)) / (sqrt(v / (1 - .999^t)) + 1e-8)

    `frozen` keeps t = 1 in the two corrections for ever, as the optimizer of the paper's code does (a copy of its
    step count was advanced in place of the count); its steps end near .316 of the nominal rate. For replication only.
    """

    def __init__(self, module: nn.Module, *, frozen: bool = False) -> None:
        self.frozen = frozen
        self.n_steps = 0
        self._names = {parameter: name for name, parameter in module.named_parameters()}
        self._torch = torch.optim.Adam(module.parameters(), betas=(BETA_1, BETA_2), eps=EPSILON, fused=True)
        for parameter in self._names:
            self._torch.state[parameter] = {
                "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def step_(self, learning_rate: float) -> None:
        """One step along the gradients that the parameters hold; a parameter without a gradient stays."""
        for parameter in self._names:
            self._torch.state[parameter]["step"].fill_(0.0 if self.frozen else self.n_steps)
        for group in self._torch.param_groups:
            group["lr"] = learning_rate
        self._torch.step()
        self.n_steps += 1

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self._torch.zero_grad()

    def moments(self, parameter: nn.Parameter) -> tuple[Tensor, Tensor]:
        """m and v of a parameter, of its shape; whoever changes them in place changes the optimizer."""
        state = self._torch.state[parameter]
        return state["exp_avg"], state["exp_avg_sq"]

    def share_moments_(self, parameter: nn.Parameter, m: Tensor, v: Tensor) -> None:
        """Keep the moments of a parameter in tensors of somebody else's, whose values become theirs."""
        self._torch.state[parameter]["exp_avg"], self._torch.state[parameter]["exp_avg_sq"] = m, v

    def next_corrections(self) -> tuple[float, float]:
        """1 - .9^t and 1 - .999^t of the step to come."""
        t = 1 if self.frozen else self.n_steps + 1
        return 1 - BETA_1**t, 1 - BETA_2**t

    @torch.no_grad()
    def forget_rows_(self, parameter: nn.Parameter, rows: Int64[Tensor, " n"]) -> None:
        """m = v = 0 on rows of a parameter, for latents that start anew."""
        for moment in self.moments(parameter):
            moment[rows] = 0.0

    def state(self) -> dict[str, Tensor]:
        """All moments by `<parameter>/m` and `<parameter>/v`; not copies. `n_steps` is not among them."""
        found: dict[str, Tensor] = {}
        for parameter, name in self._names.items():
            found[f"{name}/m"], found[f"{name}/v"] = self.moments(parameter)
        return found
