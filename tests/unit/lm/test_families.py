"""Oracle: the module and the width of each site, written out by hand for the three families."""

import pytest

from monosemy.core import UserError
from monosemy.lm import FAMILIES, LanguageModel, Site
from monosemy.lm.families import SiteMap, family_of
from tests.unit.lm.tiny_models import tiny_model

PLACES = {
    "gpt_neox": {
        "resid_pre": ("gpt_neox.layers.1", "input"),
        "attn_heads": ("gpt_neox.layers.1.attention.dense", "input"),
        "attn_out": ("gpt_neox.layers.1.attention", "output"),
        "mlp_hidden": ("gpt_neox.layers.1.mlp.dense_4h_to_h", "input"),
        "mlp_out": ("gpt_neox.layers.1.mlp", "output"),
        "resid_post": ("gpt_neox.layers.1", "output"),
    },
    "gpt2": {
        "resid_pre": ("transformer.h.1", "input"),
        "attn_heads": ("transformer.h.1.attn.c_proj", "input"),
        "attn_out": ("transformer.h.1.attn", "output"),
        "resid_mid": ("transformer.h.1.ln_2", "input"),
        "mlp_hidden": ("transformer.h.1.mlp.c_proj", "input"),
        "mlp_out": ("transformer.h.1.mlp", "output"),
        "resid_post": ("transformer.h.1", "output"),
    },
    "llama": {
        "resid_pre": ("model.layers.1", "input"),
        "attn_heads": ("model.layers.1.self_attn.o_proj", "input"),
        "attn_out": ("model.layers.1.self_attn", "output"),
        "resid_mid": ("model.layers.1.post_attention_layernorm", "input"),
        "mlp_hidden": ("model.layers.1.mlp.down_proj", "input"),
        "mlp_out": ("model.layers.1.mlp", "output"),
        "resid_post": ("model.layers.1", "output"),
    },
}


@pytest.mark.parametrize("variant", ["gpt_neox", "gpt2", "llama"])
def test_places(variant: str) -> None:
    model = tiny_model(variant)
    site_map = SiteMap(model)
    assert set(site_map.locations) == set(PLACES[variant])
    for location in site_map.locations:
        name, side = PLACES[variant][location]
        port = site_map.port(Site(1, location))
        assert (port.module, port.side) == (model.get_submodule(name), side)


def test_every_family_is_tested() -> None:
    assert set(FAMILIES) == set(PLACES)


def test_resid_mid_of_gpt_neox_depends_on_its_configuration(lm: LanguageModel) -> None:
    assert ("resid_mid" in SiteMap(lm.model).locations) == (lm.name != "gpt_neox")


def test_other_families_are_refused_by_name() -> None:
    with pytest.raises(UserError, match=r"^model family 'gptneox' is not supported \(did you mean 'gpt_neox'\?\); "
                                        r"allowed: gpt2, gpt_neox, llama$"):  # fmt: skip
        family_of("gptneox")
