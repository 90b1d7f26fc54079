"""Adam on stacked parameters. Oracle: torch's Adam on each; rows with a norm are in test_triton_kernels.py."""

import copy

import torch
from torch import nn

from monosemy.core import torch_generator
from monosemy.training import Adam
from monosemy.training.cuda import Gradients, Parameters, Rates, Stacked, update_


def test_free_parameters_take_the_steps_of_adam() -> None:
    """A stack of one, which is the parameters themselves; its decoder is not trained."""
    generator = torch_generator(0, "test-update")
    ours = nn.ParameterDict({"W": torch.randn(4, 3, generator=generator), "b": torch.randn(4, generator=generator)})
    theirs = copy.deepcopy(ours)
    W, b = ours["W"], ours["b"]
    assert isinstance(W, nn.Parameter) and isinstance(b, nn.Parameter)
    own, wanted = Adam(ours), torch.optim.Adam(theirs.parameters())
    for _ in range(3):
        matrix, vector = torch.randn(4, 3, generator=generator), torch.randn(4, generator=generator)
        theirs["W"].grad, theirs["b"].grad = matrix, vector
        wanted.param_groups[0]["lr"] = 0.01
        wanted.step()
        parameters = Parameters(
            encoder=Stacked.alone(W, own),
            encoder_bias=Stacked.alone(b, own),
            decoder=None,
            decoder_bias=None,
            tied=False,
        )
        found = Gradients(encoder=matrix[None], encoder_bias=vector[None], decoder=None, decoder_bias=None)
        with torch.no_grad():
            total = update_(parameters, found, Rates.of([own], [0.01], matrix.device))
        own.n_steps += 1
        torch.testing.assert_close(total[0], W.square().sum() + b.square().sum())
    torch.testing.assert_close(W, theirs["W"], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(b, theirs["b"], rtol=1e-6, atol=1e-6)
