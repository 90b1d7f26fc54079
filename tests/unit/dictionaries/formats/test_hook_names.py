"""Sites and the names of hooks. Oracle: TransformerLens' names, written down by hand."""

import pytest

from monosemy.core import UserError
from monosemy.dictionaries.formats import hook_of_site, site_of_hook
from monosemy.lm.sites import LOCATIONS

NAMES = {
    "resid_pre.0": "blocks.0.hook_resid_pre",
    "resid_mid.2": "blocks.2.hook_resid_mid",
    "resid_post.11": "blocks.11.hook_resid_post",
    "attn_out.3": "blocks.3.hook_attn_out",
    "attn_heads.4": "blocks.4.attn.hook_z",
    "mlp_hidden.5": "blocks.5.mlp.hook_post",
    "mlp_out.6": "blocks.6.hook_mlp_out",
}


@pytest.mark.parametrize(("site", "hook"), NAMES.items())
def test_both_ways(site: str, hook: str) -> None:
    assert hook_of_site(site) == hook
    assert site_of_hook(hook) == site


def test_every_location_has_a_hook() -> None:
    assert {site.split(".")[0] for site in NAMES} == set(LOCATIONS)


@pytest.mark.parametrize(
    "hook", ["blocks.3.hook_mlp_in", "hook_embed", "blocks.x.hook_resid_post", "model.layers.3", ""]
)
def test_a_hook_that_is_no_site(hook: str) -> None:
    assert site_of_hook(hook) is None


@pytest.mark.parametrize("site", ["resid_post", "resid_post.x", "nowhere.3", "resid_post.3.centered", "resid_post.-1"])
def test_a_site_without_a_hook_is_refused(site: str) -> None:
    with pytest.raises(UserError) as caught:
        hook_of_site(site)
    assert site in str(caught.value) and "\n" not in str(caught.value)
