"""Oracle: planted label scores; the drawn latents against the rule (alive, distinct, the same every time)."""

import dataclasses

import pytest

from monosemy.report import DictionaryRun, chosen_latents, random_latents, read_dictionary_run
from tests.unit.report.dictionary_run import LABELS, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> DictionaryRun:
    return read_dictionary_run(write_run(tmp_path_factory.mktemp("run")))


def test_ten_distinct_latents_by_their_f1_on_validation(run: DictionaryRun) -> None:
    chosen = chosen_latents(run.headline[0])
    labels = [label["label"] for _, label in chosen if label is not None]
    assert labels == [label for i, label in enumerate(LABELS[:11]) if i != 3]  # the fourth has the third one's latent
    assert len({latent for latent, _ in chosen}) == 10


def test_f1_on_test_plays_no_part(run: DictionaryRun) -> None:
    head = run.headline[0]
    turned = [label | {"f1": None if label["f1"] is None else 1 - label["f1"]} for label in head.labels]
    assert [i for i, _ in chosen_latents(dataclasses.replace(head, labels=turned))] == [
        i for i, _ in chosen_latents(head)
    ]


def test_random_latents_are_alive_and_the_same_every_time(run: DictionaryRun) -> None:
    head = run.headline[0]
    drawn = random_latents(head)
    assert drawn == random_latents(head)
    assert len({latent for latent, _ in drawn}) == 10
    assert all(head.density[latent] > 0 for latent, _ in drawn)
    for latent, label in drawn:
        assert (label is None) == (latent % 3 == 0)


def test_without_best_labels_only_those_that_are_best_for_one(run: DictionaryRun) -> None:
    head = dataclasses.replace(run.headline[0], best_labels=None, density=[0.0] * 100 + [0.1] + [0.0] * 539)
    ((latent, label),) = random_latents(head)
    assert latent == 100
    assert label is not None
    assert label["label"] == LABELS[0]


def test_without_labels_those_that_fire_most_often(run: DictionaryRun) -> None:
    head = dataclasses.replace(run.headline[0], labels=[], best_labels=None, density=[0.0, 0.2, 0.5, 0.1])
    assert chosen_latents(head) == [(2, None), (1, None), (3, None)]
    assert {latent for latent, _ in random_latents(head)} == {1, 2, 3}
