"""Oracle: the order of computation inside a block, and parse as the inverse of str."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monosemy.core import UserError
from monosemy.lm import CENTERABLE_LOCATIONS, LOCATIONS, RESIDUAL_LOCATIONS, Site

sites = st.builds(Site, st.integers(0, 200), st.sampled_from(LOCATIONS), st.booleans())


@given(sites)
def test_parse_inverts_str(site: Site) -> None:
    assert Site.parse(str(site)) == site


def test_texts() -> None:
    assert str(Site(2, "resid_post")) == "resid_post.2"
    assert str(Site(0, "mlp_out", centered=True)) == "mlp_out.0.centered"


@given(st.lists(sites, max_size=8))
def test_sites_sort_by_layer_then_order_of_computation(some: list[Site]) -> None:
    order = ["resid_pre", "attn_heads", "attn_out", "resid_mid", "mlp_hidden", "mlp_out", "resid_post"]
    assert sorted(some) == sorted(some, key=lambda s: (s.layer, order.index(s.location), s.centered))


def test_location_groups() -> None:
    assert set(RESIDUAL_LOCATIONS) < set(CENTERABLE_LOCATIONS) < set(LOCATIONS)
    assert set(LOCATIONS) - set(CENTERABLE_LOCATIONS) == {"attn_heads", "mlp_hidden"}


@pytest.mark.parametrize(
    "text",
    ["", "resid_post", "resid_post.", "resid_post.x", "resid_post.-1", "resid_post.1.", "resid_post.1.mean",
     "resid_post.1.centered.2", "blocks.1", ".1", "resid_post.\u00b2"],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"^unknown site .*; write location\.layer"):
        Site.parse(text)


def test_a_mistyped_location_is_met_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean 'resid_post'\?"):
        Site.parse("resid_pots.1")


def test_a_negative_layer_is_refused() -> None:
    with pytest.raises(UserError, match="layer -1 of a site is negative"):
        Site(-1, "resid_pre")
