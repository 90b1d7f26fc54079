"""What an experiment is opened on. Oracle: the dictionary that was saved, the store's own manifest."""

import pytest

from monosemy.activations import ActivationStore
from monosemy.core import Progress, UserError
from monosemy.lm import ModelSource, Site
from monosemy.recipes import Target, opened_dictionary
from tests.unit.lm.tiny_models import saved_model
from tests.unit.recipes.test_evaluate import SITE, identity, saved

QUIET = Progress(quiet=True)
TEXT = "def add(a, b):\n    return a + b\n\n"


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    """A dictionary's folder, with the tiny model that it is of and a folder of texts."""
    root = tmp_path_factory.mktemp("study")
    (root / "texts").mkdir()
    for i in range(40):
        (root / "texts" / f"{i}.py").write_text(f"x{i} = {i}\n" + TEXT * 20)
    model = saved_model(root / "model", "gpt_neox")
    lm = ModelSource(name=str(model)).load()
    folder = saved(root / "given", identity(lm.d_site(Site.parse(SITE))), lm.fingerprint())
    return Target(
        target=folder,
        threads=1,
        model=str(model),
        corpus=str(root / "texts"),
        out=root / "out",
        context_length=16,
        max_sequences=8,
    )


def test_one_dictionary_with_its_held_out_activations(target: Target) -> None:
    with opened_dictionary(target, command=["monosemy"], progress=QUIET) as study:
        assert study.dictionary().path == study.dictionary(study.headline).path
        assert study.dictionary().path.name.startswith("given") and list(study.cards()) == ["given-seed0"]
        for store, split in ((study.validation, "validation"), (study.test, "test")):
            opened = ActivationStore.open(store.path)
            assert opened.sites == (SITE,) and opened.config["split"] == split
            assert len(opened.sequences().tokens) == 8
        assert study.side is None and study.subject is None and study.lm.fingerprint() == opened.config["lm"]


def test_a_name_that_is_not_there_is_answered_with_those_that_are(target: Target) -> None:
    with (
        opened_dictionary(target, command=["monosemy"], progress=QUIET) as study,
        pytest.raises(UserError, match=r"no dictionary 'given-seed1'.*given-seed0"),
    ):
        study.dictionary("given-seed1")
