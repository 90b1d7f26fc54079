"""Oracle: the fragments themselves as the sampler keeps them and as the package's own reader reads them."""

from pathlib import Path

import numpy as np
import pytest

from monosemy.core import UserError, write_artifact
from monosemy.evaluation import FRAGMENTS_KIND, FitFragments, Fragments, ScoreFragments, write_fragments
from monosemy.report import read_latent_contexts
from tests.unit.evaluation.fragments_of_tests import dictionary, sampled, text
from tests.unit.report.dictionary_run import write_fragments_folder


def test_contexts_are_those_that_were_sampled(tmp_path: Path) -> None:
    by = dictionary()
    fragments = Fragments(fit=sampled(FitFragments, text(seed=1), by), score=sampled(ScoreFragments, text(seed=2), by))
    with write_artifact(tmp_path / "fragments", kind=FRAGMENTS_KIND, config={}) as folder:
        write_fragments(folder, fragments)
    found = read_latent_contexts(tmp_path / "fragments", [*range(12), 99], 3, 2)
    assert sorted(found) == list(range(12))
    assert any(len(contexts.top) == 3 and len(contexts.drawn) == 2 for contexts in found.values())
    for latent, contexts in found.items():
        for shown, examples in (
            (contexts.top, fragments.score.top(latent)[:3]),
            (contexts.drawn, fragments.score.firing(latent)[:2]),
        ):
            assert len(shown) == len(examples)
            for context, example in zip(shown, examples, strict=True):
                assert context.tokens == example.fragment.text
                assert (context.document, context.unit) == (example.fragment.document_id, example.fragment.unit)
                np.testing.assert_array_equal(np.array(context.mask), example.fragment.mask)
                np.testing.assert_allclose(np.array(context.activations), example.activations)
    assert not found[0].top  # it is dead


def test_damaged_files_are_a_line(tmp_path: Path) -> None:
    folder = write_fragments_folder(tmp_path / "f", 0)
    assert read_latent_contexts(folder, [3], 1, 1)[3].top
    (folder / "test" / "table.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match="not a complete fragments artifact"):
        read_latent_contexts(folder, [3], 1, 1)
    with pytest.raises(UserError, match="not a complete fragments artifact"):
        read_latent_contexts(tmp_path / "none", [3], 1, 1)
