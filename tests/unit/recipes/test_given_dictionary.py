"""A folder that a user names. What does fit is tested with `monosemy evaluate` (test_evaluate.py)."""

from pathlib import Path

import pytest

from monosemy.core import UserError
from monosemy.recipes import check_readable, wanted_site


def test_a_layer_is_short_for_its_residual_stream() -> None:
    assert wanted_site(None, 3) == "resid_post.3"
    assert wanted_site("mlp_out.1", None) == "mlp_out.1"
    assert wanted_site(None, None) is None
    with pytest.raises(UserError, match="--site and --layer both name the site"):
        wanted_site("mlp_out.1", 3)


def test_a_folder_without_a_dictionary(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a folder"):
        check_readable(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no dictionary"):
        check_readable(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    check_readable(tmp_path)
