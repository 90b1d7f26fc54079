"""The cost of edits. Oracle: passes of the bare float64 model with hooks of the tests, summed by hand."""

import numpy as np
import pytest
import torch

from monosemy.causal import DAMAGE_COLUMNS, AffineEdit, NeutralText, added, affine_projection
from monosemy.evaluation import sample_sequences
from monosemy.lm import Site
from tests.unit.evaluation.splice_rows import nats, replaced, rows, sums_by_hand
from tests.unit.lm.direct import direct_edit
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm

SITES = tuple(Site.parse(name) for name in ("resid_post.1", "mlp_out.1"))


def an_edit() -> AffineEdit:
    generator = torch.Generator().manual_seed(0)
    return affine_projection(torch.randn(3, D_MODEL, generator=generator), torch.full((D_MODEL,), 0.2))


@torch.no_grad()
@pytest.mark.parametrize("site", SITES, ids=str)
def test_sums_are_those_of_passes_with_other_hooks(site: Site) -> None:
    lm, sample, edit = tiny_lm("gpt_neox"), sample_sequences(rows(), 6, seed=0), an_edit()
    outside = np.random.default_rng(0).random(sample.index.shape) < 0.5
    damage: dict[str, np.ndarray] = dict(
        zip(DAMAGE_COLUMNS, NeutralText(lm, site, sample).damage(edit, outside).T, strict=True)
    )
    at = torch.from_numpy(replaced(sample.index))[:, :, None]
    tokens = torch.from_numpy(sample.tokens).long()
    norms = torch.zeros(at.shape[:2], dtype=torch.float64)

    def change(x: torch.Tensor) -> torch.Tensor:
        basis = edit.read
        changed = torch.stack([row - basis.T @ (basis @ (row - 0.2)) for row in x.flatten(0, 1)]).view_as(x)
        norms.copy_((changed - x).norm(dim=-1))
        return torch.where(at, changed, x)

    log_q = direct_edit(lm.model, tokens, site.layer, site.location, change).log_softmax(-1)[:, :-1]
    log_p = lm.model(tokens).logits.log_softmax(-1)[:, :-1]
    kl = (log_p.exp() * (log_p - log_q)).sum(-1).numpy()
    rise = nats(log_q, sample) - nats(log_p, sample)
    for name, values in (("kl", kl), ("ce_increase", rise), ("n_predictions", np.ones_like(kl))):
        assert np.allclose(damage[name], sums_by_hand(values, sample), atol=1e-4), name
    for name, values in (("kl_outside", kl), ("n_outside", np.ones_like(kl))):
        assert np.allclose(damage[name], sums_by_hand(values * outside[:, :-1], sample), atol=1e-4), name
    edited = replaced(sample.index)
    assert damage["n_edited"].sum() == edited.sum()
    assert damage["edit_norm"].sum() == pytest.approx(float(norms[torch.from_numpy(edited)].sum()), rel=1e-6)


def test_what_changes_nothing_costs_nothing() -> None:
    lm, sample = tiny_lm("gpt_neox"), sample_sequences(rows(), 4, seed=0)
    text = NeutralText(lm, SITES[0], sample)
    damage = text.damage(added(torch.zeros(D_MODEL), 1.0))
    columns = dict(zip(DAMAGE_COLUMNS, damage.T, strict=True))
    assert np.array_equal(columns["n_predictions"], text.n_predictions())
    assert all(not columns[name].any() for name in ("kl", "ce_increase", "n_outside", "kl_outside", "edit_norm"))
    assert list(text.units) == list(sample.units)
