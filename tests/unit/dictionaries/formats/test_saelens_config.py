"""`cfg.json` in both layouts. Oracle: what SAELens 6.54.12 makes of the same keys, read in its source."""

import json
from pathlib import Path
from typing import Any

import pytest

from monosemy.core import DamagedArtifact, UserError
from monosemy.dictionaries.formats import read_saelens
from monosemy.dictionaries.formats.saelens_config import SaelensConfig, read_config
from tests.unit.dictionaries.formats.folders import SAELENS, copied

OLD = {"d_in": 6, "d_sae": 10, "hook_point": "blocks.5.hook_resid_pre", "model_name": "gpt2-small"}
NEW = {"architecture": "standard", "d_in": 6, "d_sae": 10, "metadata": {"sae_lens_version": "6.0.0"}}


def config(tmp_path: Path, data: object) -> SaelensConfig:
    (tmp_path / "cfg.json").write_text(json.dumps(data))
    return read_config(tmp_path / "cfg.json")


def test_the_old_layout_and_its_defaults(tmp_path: Path) -> None:
    found = config(tmp_path, OLD)
    assert (found.info.architecture, found.d_in, found.d_sae, found.d_out, found.k) == ("standard", 6, 10, 6, None)
    assert found.apply_b_dec_to_input and found.normalize_activations == "none"
    assert found.info.hook_name == "blocks.5.hook_resid_pre" and found.info.site == "resid_pre.5"
    assert found.info.model_name == "gpt2-small" and found.info.version is None


@pytest.mark.parametrize(("given", "becomes"), [(True, "expected_average_only_in"), (False, "none"), ("none", "none")])
def test_an_old_normalization_was_a_flag(given: object, becomes: str, tmp_path: Path) -> None:
    assert config(tmp_path, OLD | {"normalize_activations": given}).normalize_activations == becomes


def test_old_top_k_stands_in_the_activation_function(tmp_path: Path) -> None:
    old = OLD | {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}, "sae_lens_version": "5.10.2"}
    found = config(tmp_path, old)
    assert (found.info.architecture, found.k) == ("topk", 4)


@pytest.mark.parametrize("extra", [{"activation_fn_str": "tanh-relu"}, {"activation_fn": "topk"}])
def test_an_activation_function_that_saelens_would_drop_is_refused(extra: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=next(iter(extra.values()))):
        config(tmp_path, OLD | extra)


def test_a_version_of_6_is_the_new_layout(tmp_path: Path) -> None:
    assert config(tmp_path, NEW).info.version == "6.0.0"
    new = NEW | {"metadata": {"sae_lens_version": "6.1.0-rc.1", "hook_name": "blocks.2.attn.hook_z"}}
    assert config(tmp_path, new).info.site == "attn_heads.2"
    one_head = NEW | {"metadata": {**new["metadata"], "hook_head_index": 3}}
    assert config(tmp_path, one_head).info.site is None


def test_metadata_of_a_strange_type_says_nothing(tmp_path: Path) -> None:
    metadata = {"sae_lens_version": "6.0.0", "context_size": "long", "prepend_bos": 1, "dataset_path": ["a"]}
    info = config(tmp_path, NEW | {"metadata": metadata}).info
    assert (info.context_size, info.prepend_bos, info.dataset_path) == (None, None, None)


@pytest.mark.parametrize("name", ["skip_transcoder", "jumprelu_skip_transcoder", "temporal", "matching_pursuit"])
def test_an_architecture_that_no_dictionary_can_be(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_saelens(copied("standard", tmp_path / "x", architecture=name))
    assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"architecture": "novel"}, "novel"),
        ({"architecture": None}, "no architecture"),
        ({"d_in": 0}, "d_in is 0"),
        ({"d_sae": "10"}, "d_sae is '10'"),
        ({"d_sae": True}, "d_sae is True"),
        ({"apply_b_dec_to_input": "yes"}, "apply_b_dec_to_input"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"sae_lens_version": "new"}}, "'new'"),
        ({"metadata": {"sae_lens_version": 6}}, "sae_lens_version"),
        ({"architecture": "topk"}, "k is None"),
        ({"architecture": "transcoder"}, "d_out is None"),
    ],
)
def test_keys_that_cannot_be(changed: dict[str, Any], part: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        config(tmp_path, NEW | changed)
    assert part in str(caught.value) and str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


def test_an_unknown_normalization_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'novel'"):
        read_saelens(copied("standard", tmp_path / "x", normalize_activations="novel"))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cfg\.json is missing"):
        read_config(tmp_path / "cfg.json")
    (tmp_path / "cfg.json").write_bytes((SAELENS / "standard" / "cfg.json").read_bytes()[:50])
    with pytest.raises(DamagedArtifact, match=r"cfg\.json is damaged"):
        read_config(tmp_path / "cfg.json")
    with pytest.raises(UserError, match="no JSON object"):
        config(tmp_path, [1])
