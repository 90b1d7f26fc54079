"""Oracle: what was written."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from monosemy.core import DamagedArtifact, UserError, write_artifact
from monosemy.dictionaries import Identity, Sparsifier, TopK
from monosemy.evaluation import (
    FRAGMENTS_KIND,
    FitFragments,
    FragmentConfig,
    Fragments,
    ScoreFragments,
    read_fragments,
    write_fragments,
)
from tests.unit.evaluation.fragments_of_tests import VOCABULARY, assert_equal_parts, dictionary, sampled, text


def fragments(sparsifier: Sparsifier | None = None) -> Fragments:
    by, config = dictionary(sparsifier=sparsifier), FragmentConfig(n_uniform=5, latents=(0, 1, 3, 7))
    return Fragments(
        fit=sampled(FitFragments, text(), by, config), score=sampled(ScoreFragments, text(seed=1), by, config)
    )


def write(path: Path, written: Fragments) -> Path:
    with write_artifact(path, kind=FRAGMENTS_KIND, config={}) as folder:
        write_fragments(folder, written)
    return path


@pytest.mark.parametrize("sparsifier", [TopK(3), Identity()])
def test_what_is_read_is_what_was_written(tmp_path: Path, sparsifier: Sparsifier) -> None:
    written = fragments(sparsifier)
    read = read_fragments(write(tmp_path / "f", written))
    assert_equal_parts(read.fit, written.fit)
    assert_equal_parts(read.score, written.score)
    top = read.fit.top(1)[0]
    np.testing.assert_array_equal(top.activations, written.fit.top(1)[0].activations)
    assert top.fragment.text == written.fit.top(1)[0].fragment.text


def test_bytes_that_are_no_utf8_survive(tmp_path: Path) -> None:
    read = read_fragments(write(tmp_path / "f", fragments()))
    assert read.fit.table.text[len(VOCABULARY) - 1].encode(errors="surrogateescape") == b"\xf0\x9f"


def test_the_same_fragments_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, fragments()) for name in "ab")
    names = [file.relative_to(first) for file in sorted(first.rglob("*")) if file.is_file()]
    assert len(names) == 9
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)


def test_what_is_changed_or_missing_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path / "f", fragments())
    with (path / "test" / "latents.safetensors").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DamagedArtifact, match=r"latents\.safetensors is damaged"):
        read_fragments(path)
    with pytest.raises(UserError, match="missing"):
        read_fragments(tmp_path / "nothing")


@pytest.mark.parametrize("broken", ["array", "file", "text"])
def test_an_incomplete_set_is_told_in_one_line(tmp_path: Path, broken: str) -> None:
    with write_artifact(tmp_path / "f", kind=FRAGMENTS_KIND, config={}) as folder:
        write_fragments(folder, fragments())
        file = folder / "test" / "latents.safetensors"
        if broken == "array":
            arrays = load_file(file)
            del arrays["top/row"]
            save_file(arrays, file)
        elif broken == "file":
            file.unlink()
        else:
            (folder / "test" / "text.json").write_text(json.dumps({"token": []}))
    with pytest.raises(DamagedArtifact, match="not a complete set of fragments"):
        read_fragments(tmp_path / "f")
