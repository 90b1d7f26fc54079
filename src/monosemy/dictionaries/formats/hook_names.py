"""Our sites by the names that TransformerLens gives them, which other toolkits' files use."""

import re

from monosemy.core import UserError

_HOOKS = {
    "resid_pre": "hook_resid_pre",
    "attn_heads": "attn.hook_z",
    "attn_out": "hook_attn_out",
    "resid_mid": "hook_resid_mid",
    "mlp_hidden": "mlp.hook_post",
    "mlp_out": "hook_mlp_out",
    "resid_post": "hook_resid_post",
}
_SITES = {hook: location for location, hook in _HOOKS.items()}


def hook_of_site(site: str) -> str:
    """The hook's name of a site: "blocks.3.hook_resid_post" of "resid_post.3".

    attn_heads is `attn.hook_z`, which has an axis of heads where ours has them end to end. Raises UserError on a
    centered site, which no hook gives, and on what is not a site.
    """
    location, _, layer = site.partition(".")
    if layer.endswith(".centered"):
        raise UserError(
            f"the site {site} is the activation minus its mean over d_model, which no hook of TransformerLens gives; "
            "only dictionaries of sites that are not centered have a hook's name"
        )
    if location not in _HOOKS or not re.fullmatch("[0-9]+", layer):
        raise UserError(f"the site {site!r} is unknown; a site with a hook is location.layer, as resid_post.3")
    return f"blocks.{int(layer)}.{_HOOKS[location]}"


def site_of_hook(hook_name: str) -> str | None:
    """The site whose hook has this name: "resid_post.3" of "blocks.3.hook_resid_post"; None where we have no such."""
    parts = re.fullmatch(r"blocks\.([0-9]+)\.(.+)", hook_name)
    if parts is None or parts[2] not in _SITES:
        return None
    return f"{_SITES[parts[2]]}.{int(parts[1])}"
