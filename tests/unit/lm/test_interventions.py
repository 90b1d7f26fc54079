"""Oracle: where an edit acts, its closed form; everywhere else, the activation of the plain pass, bit for bit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from monosemy.lm import Edit, LanguageModel, Site, ablate, add, replace
from tests.unit.lm.tiny_models import D_MODEL, tiny_lm, tokens

B, S = 3, 7
MODEL = tiny_lm("gpt2")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def edited(lm: LanguageModel, edit: Edit) -> tuple[Tensor, Tensor]:
    """The activation at the edit's site, without and with it."""
    plain = lm.capture(tokens(), [edit.site])[edit.site]
    return plain, lm.capture(tokens(), [edit.site], edits=[edit])[edit.site]


@pytest.mark.parametrize("site", [Site(1, "resid_post"), Site(1, "resid_mid"), Site(0, "attn_out")])
@pytest.mark.parametrize("shape", [(B, S, D_MODEL), (B, D_MODEL), (D_MODEL,), (1, S, D_MODEL)])
def test_closed_forms(site: Site, shape: tuple[int, ...]) -> None:
    values = random(*shape)
    everywhere = (values.unsqueeze(1) if len(shape) == 2 else values).expand(B, S, D_MODEL)
    plain, replaced = edited(MODEL, replace(site, values))
    assert torch.equal(replaced, everywhere)
    assert torch.equal(edited(MODEL, add(site, values))[1], plain + everywhere)


def test_ablation() -> None:
    site, mean = Site(1, "mlp_out"), random(D_MODEL)
    assert torch.equal(edited(MODEL, ablate(site))[1], torch.zeros(B, S, D_MODEL))
    assert torch.equal(edited(MODEL, ablate(site, mean))[1], mean.expand(B, S, D_MODEL))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.booleans(), min_size=B * S, max_size=B * S))
def test_a_mask_leaves_the_other_positions_bit_for_bit(flags: list[bool]) -> None:
    mask = torch.tensor(flags).view(B, S)
    values = random(B, S, D_MODEL)
    for site in (Site(0, "resid_post"), Site(1, "resid_mid")):
        plain, result = edited(MODEL, replace(site, values, mask))
        assert torch.equal(result[mask], values[mask])
        assert torch.equal(result[~mask], plain[~mask])
    centered = Site(0, "resid_post", centered=True)
    raw = Site(0, "resid_post")
    before = MODEL.capture(tokens(), [raw])[raw]
    after = MODEL.capture(tokens(), [raw], edits=[ablate(centered, at=mask)])[raw]
    assert torch.equal(after[~mask], before[~mask])
    torch.testing.assert_close(after[mask], before[mask].mean(-1, keepdim=True).expand(-1, D_MODEL))


def test_one_position_for_each_example() -> None:
    site, positions = Site(0, "resid_post"), torch.tensor([0, 4, -1])
    values = random(B, D_MODEL)
    plain, result = edited(MODEL, replace(site, values, positions))
    expected = plain.clone()
    expected[0, 0], expected[1, 4], expected[2, 6] = values
    assert torch.equal(result, expected)


def test_an_edit_at_no_position_changes_no_bit_of_the_logits(lm: LanguageModel) -> None:
    nowhere = torch.zeros(B, S, dtype=torch.bool)
    edits = [ablate(site, at=nowhere) for site in (Site(0, "mlp_hidden"), Site(1, "resid_post"), Site(2, "attn_heads"))]
    assert torch.equal(lm.splice(tokens(), edits), lm.logits(tokens()))


def test_patching_every_position_of_a_residual_gives_the_other_texts_logits(lm: LanguageModel) -> None:
    site, other = Site(1, "resid_post"), tokens(seed=1)
    values = lm.capture(other, [site])[site]
    torch.testing.assert_close(lm.splice(tokens(), [replace(site, values)]), lm.logits(other), rtol=0, atol=1e-9)


def test_earlier_positions_do_not_see_a_later_edit(lm: LanguageModel) -> None:
    """Causality: an edit at the last position changes the last logits only."""
    edit = add(Site(0, "resid_pre"), random(D_MODEL), torch.tensor([-1] * B))
    difference = (lm.splice(tokens(), [edit]) - lm.logits(tokens())).abs().amax(-1)
    assert bool((difference[:, :-1] == 0).all()) and bool((difference[:, -1] > 1e-6).all())


@pytest.mark.parametrize("fn", [lambda x: x[:, :1], lambda x: x.float(), lambda x: x.unsqueeze(0)])
def test_a_change_of_shape_or_dtype_is_refused(fn: object) -> None:
    with pytest.raises(ValueError, match=r"the edit at resid_pre\.0 must keep shape and dtype"):
        MODEL.splice(tokens(), [Edit(Site(0, "resid_pre"), fn)])  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [torch.ones(B, S + 1, dtype=torch.bool), torch.ones(B, dtype=torch.bool)])
def test_a_mask_of_another_shape_is_refused(at: Tensor) -> None:
    with pytest.raises(ValueError, match=r"the mask of an edit is \(3,.*must be \[batch seq\] = \(3, 7\)"):
        MODEL.splice(tokens(), [ablate(Site(0, "resid_pre"), at=at)])


@pytest.mark.parametrize("at", [[0, 1, 7], [0, 1, -8], [0, 1], [0.0, 1.0, 2.0]])
def test_positions_outside_the_sequence_are_refused(at: list[float]) -> None:
    with pytest.raises(ValueError, match=r"must be integers \[batch\] = \(3,\), each in -7\.\.6"):
        MODEL.splice(tokens(), [ablate(Site(0, "resid_pre"), at=torch.tensor(at))])
