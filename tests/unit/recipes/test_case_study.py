"""`monosemy ablate`. Oracles: a study of a tiny model with a planted latent; the lines, files and errors it leaves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from monosemy.core import UserError, Workers, read_results
from monosemy.corpus import StdlibCorpus
from monosemy.dictionaries import Identity
from monosemy.pipeline import Run
from monosemy.recipes import Ablate, Study, Target, ablate
from tests.unit.experiments.planted_cases import (
    N_LATENTS,
    PLANTED,
    SILENT,
    SITE,
    WORD,
    planted_case,
    planted_dictionary,
)
from tests.unit.experiments.stores_of_experiments import write_dictionary


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    folder = tmp_path_factory.mktemp("study")
    case = planted_case(folder / "made")
    lm = case.card().lm
    neurons = replace(
        planted_dictionary(case.source, Identity()), W_enc=torch.eye(24), W_dec=torch.eye(24), b_enc=torch.zeros(24)
    )
    dense = write_dictionary(folder / "n", neurons, "neurons-seed0", lm=lm, site=SITE, method="neurons")
    with Workers(1) as workers, Run(folder / "run", command=("monosemy", "ablate"), seed=0, n_threads=1) as run:
        yield Study(
            run=run,
            workers=workers,
            source=case.source,
            corpus=StdlibCorpus(),
            context_length=12,
            dictionaries={"topk-seed0": case.dictionary, "neurons-seed0": dense},
            headline="topk-seed0",
            validation=case.store,
            test=case.store,
            seed=0,
        )


def options(**changed: object) -> Ablate:
    small = {"n_positions": 3, "max_sweep_tokens": 10, "n_shown": 1, "search_positions": 3, "max_candidates": 3}
    return Ablate(target=Target(target=Path("run")), **(small | changed))  # pyright: ignore


def test_named_latents_and_the_dimension_of_a_weight(study: Study) -> None:
    """The dimension has the rank asked for among the weights of the latent's direction, on the side of its sign."""
    lines = ablate(options(latents=(PLANTED,), neurons_of=(PLANTED,), neuron_rank=2, tokens=("a",)), study)
    assert f"latent {PLANTED} of topk-seed0" in lines[0] and "100 % of its activation" in lines[0]
    weights = study.lm.model.get_input_embeddings().weight.detach()[WORD].tolist()  # pyright: ignore
    dimension = sorted(range(24), key=lambda i: -abs(weights[i]))[1]
    assert f"latent {dimension} of neurons-seed0" in lines[1]
    assert ("negative side" in lines[1]) == (weights[dimension] < 0)
    page = (study.run.folder / "report" / "ablate.html").read_text()
    assert "Latent 0" in page and f"Basis dimension {dimension}" in page and "tokens asked for" in page
    results = read_results(study.run.folder / "ablate-results.jsonl")
    assert {r.dictionary for r in results} == {"topk-seed0", "neurons-seed0"} and {r.split for r in results} == {
        "validation"
    }


def test_without_latents_it_searches_and_reports_on_test(study: Study) -> None:
    criteria = replace(options().criteria, max_density=0.3, min_fired=5, min_spearman=-1.0, min_precision=0.0)
    lines = ablate(options(criteria=criteria), study)
    assert [line.split(":")[0] for line in lines] == ["proposed", "random", "page", "results"]
    assert {r.split for r in read_results(study.run.folder / "ablate-results.jsonl")} == {"test"}
    assert "Proposed and random latents" in (study.run.folder / "report" / "ablate.html").read_text()


def test_a_text_finds_the_latents_that_fire_at_its_end(study: Study) -> None:
    word = study.lm.tokenizer.decode([WORD])
    lines = ablate(options(text=word, n_shown=4), study)
    assert any(f"latent {PLANTED} of" in line for line in lines)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"latents": (SILENT,)}, rf"latent {SILENT} never fires on \d+ validation tokens; choose one of"),
        ({"latents": (N_LATENTS,)}, f"latent {N_LATENTS} does not exist"),
        ({"latents": (PLANTED,), "side": "negative"}, "no negative side"),
        ({"latents": (PLANTED,), "text": "aa bb cc dd ee ff gg hh"}, "model's context has room for"),
        ({"latents": (PLANTED,), "text": ""}, "the text is empty"),
        ({"latents": (PLANTED,), "text": "~"}, "fires on none of the 1 tokens"),
        ({"tokens": ("xyz",)}, r"'xyz' is 3 tokens \('x', 'y', 'z'\); give one token"),
        ({"dictionary": "neurons-seed0"}, "take both signs"),
        ({"dictionary": "topk-seed1"}, "there is no dictionary 'topk-seed1'"),
        ({"neurons_of": (PLANTED,), "neuron_rank": 99}, "the site has 24 dimensions"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_said_in_one_line(study: Study, changed: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        ablate(options(**changed), study)
    assert "\n" not in str(error.value)


def test_a_latent_that_fires_earlier_in_the_text_is_shown_where(study: Study) -> None:
    word = study.lm.tokenizer.decode([WORD])
    with pytest.raises(UserError, match="end it where it fires most"):
        ablate(options(latents=(PLANTED,), text=f"{word}~"), study)


def test_neurons_need_a_run(study: Study) -> None:
    alone = replace(study, dictionaries={"topk-seed0": study.dictionaries["topk-seed0"]})
    with pytest.raises(UserError, match="folder of a run"):
        ablate(options(neurons=(3,)), alone)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UserError, match="neuron-rank"):
        options(neuron_rank=0)
    with pytest.raises(UserError, match="regular expression"):
        options(regex="(")
