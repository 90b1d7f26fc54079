"""Oracles: closed forms by hand; the conformance suite has the gradients, the export and the recovery."""

import math
from typing import Literal

import pytest
import torch

from monosemy.core import UserError, from_json, to_json, torch_generator
from monosemy.dictionaries import (
    Architecture,
    LossContext,
    TiedL1Config,
    code_coefficient,
    paper_coefficient,
    whitening,
)

NOTHING_DEAD = LossContext(fraction_done=0.0, is_dead=torch.zeros(3, dtype=torch.bool))


def test_coefficients_of_paper_and_code() -> None:
    """The paper's two: 8.6e-4 on a residual stream of 512 dimensions, 3.2e-4 on 2,048 neurons."""
    assert paper_coefficient(8.577e-4, 512) == pytest.approx(0.4391, abs=1e-4)
    assert paper_coefficient(3.162e-4, 2048) == pytest.approx(0.6476, abs=1e-4)
    assert code_coefficient(paper_coefficient(0.1, 160), 160) == pytest.approx(0.1)


def test_both_reductions_are_one_objective() -> None:
    """With converted coefficients, the loss of the paper is d times that of its code."""
    d = 8
    x = torch.randn(20, d, generator=torch_generator(0, "test"))
    totals = []
    for config in (TiedL1Config(coefficient=0.4), TiedL1Config(coefficient=0.4 / d, reduction="mean")):
        module = config.build(d, 3, torch_generator(0, "test-build"))
        encoding = module.encode_train(x)
        terms = module.loss(x, encoding, module.decode_train(encoding), NOTHING_DEAD)
        totals.append(sum(term.item() for term in terms.values()))
    assert totals[0] == pytest.approx(d * totals[1], rel=1e-6)


def test_loss_by_hand() -> None:
    """One row (3, 4) of norm 5: x = (1, 1) has c = 7/5, less 0.4 of bias: 1, and x_hat = (0.6, 0.8)."""
    module = TiedL1Config(coefficient=10.0).build(2, 1, torch_generator(0, "test"))
    with torch.no_grad():
        module.M.copy_(torch.tensor([[3.0, 4.0]]))
        module.b.fill_(-0.4)
    x = torch.tensor([[1.0, 1.0]])
    encoding = module.encode_train(x)
    terms = module.loss(x, encoding, module.decode_train(encoding), NOTHING_DEAD)
    assert encoding.z.item() == pytest.approx(1.0)
    assert terms["reconstruction"].item() == pytest.approx(0.16 + 0.04)
    assert terms["l1"].item() == pytest.approx(10.0)


def test_the_length_of_a_row_means_nothing() -> None:
    module = TiedL1Config(coefficient=1.0).build(4, 3, torch_generator(0, "test"))
    x = torch.randn(5, 4, generator=torch_generator(0, "test-x"))
    before = module.decode_train(module.encode_train(x))
    with torch.no_grad():
        module.M.mul_(torch.tensor([[2.0], [0.1], [30.0]]))
    torch.testing.assert_close(module.decode_train(module.encode_train(x)), before)


def test_initial_weights_are_xavier_uniform() -> None:
    module = TiedL1Config(coefficient=1.0).build(100, 300, torch_generator(0, "test"))
    bound = math.sqrt(6 / 400)
    assert bool((module.M.abs() <= bound).all())
    assert module.M.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert torch.equal(module.b, torch.zeros(300))


def test_a_learned_center_is_subtracted_and_added() -> None:
    module = TiedL1Config(coefficient=1.0, centering="learned").build(4, 3, torch_generator(0, "test"))
    x = torch.randn(5, 4, generator=torch_generator(0, "test-x"))
    before = module.decode_train(module.encode_train(x))
    with torch.no_grad():
        module.center.copy_(torch.arange(4.0))
    torch.testing.assert_close(module.decode_train(module.encode_train(x + module.center)), before + module.center)
    assert module.sparse_form() is None


def test_whitening_gives_white_data() -> None:
    """Of a covariance with eigenvalues between 1e-3 and 1e3; and rank 2 of 4 has an inverse all the same."""
    generator = torch_generator(0, "test")
    basis = torch.linalg.qr(torch.randn(4, 4, generator=generator, dtype=torch.float64))[0]
    covariance = (basis * torch.tensor([1e-1, 1.0, 10.0, 100.0]).double()) @ basis.T
    P, inverse = whitening(covariance)
    torch.testing.assert_close(P @ covariance @ P, torch.eye(4).double())
    torch.testing.assert_close(P @ inverse, torch.eye(4).double())
    P, inverse = whitening((basis * torch.tensor([0.0, 0.0, 1.0, 3.0]).double()) @ basis.T)
    torch.testing.assert_close(P @ inverse, torch.eye(4).double())
    assert torch.linalg.eigvalsh(P)[-1].item() == pytest.approx((1e-4 * 1.0) ** -0.5)  # the mean eigenvalue is 1
    for wrong in (torch.zeros(2, 2), torch.full((2, 2), math.nan)):
        with pytest.raises(UserError, match="nothing can be whitened"):
            whitening(wrong.double())


def test_whitening_wants_the_covariance() -> None:
    config = TiedL1Config(coefficient=1.0, centering="whitened")
    assert (config.centered, config.whitened) == (True, True)
    with pytest.raises(UserError, match="needs the covariance"):
        config.build(4, 3, torch_generator(0, "test"))
    assert config.build(4, 3, torch_generator(0, "test"), torch.eye(4).double()).sparse_form() is None


@pytest.mark.parametrize("centering", ["none", "mean", "learned"])
def test_the_others_do_not(centering: Literal["none", "mean", "learned"]) -> None:
    config = TiedL1Config(coefficient=1.0, centering=centering)
    assert (config.centered, config.whitened) == (centering != "none", False)


def test_configuration() -> None:
    config = TiedL1Config(coefficient=0.3, reduction="mean")
    assert from_json(Architecture, to_json(config)) == config
    assert (config.centered, config.sparsity) == (False, "l1=0.3")
    with pytest.raises(ValueError, match="at least 0"):
        TiedL1Config(coefficient=-1.0)
