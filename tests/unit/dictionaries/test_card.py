"""Oracle: what was written is read; whatever else stands in the files is refused by name."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from monosemy.core import DamagedArtifact, UserError, write_artifact
from monosemy.dictionaries import (
    DICTIONARY_KIND,
    Dictionary,
    DictionaryCard,
    Identity,
    load_dictionary,
    read_card,
    write_card,
)


def a_card(**changes: object) -> DictionaryCard:
    fields = {
        "name": "topk-k16-r4-seed2",
        "method": "topk",
        "variant": None,
        "lm": "0123456789abcdef",
        "lm_kind": "trained",
        "site": "resid_post.1",
        "seed": 2,
        "n_latents": 4,
        "expansion_factor": 4 / 3,
        "sparsity": "k=16",
        "n_steps": 100,
        "n_tokens": 102_400,
        "store": "fedcba9876543210",
    }
    return DictionaryCard(**{**fields, **changes})


def a_dictionary() -> Dictionary:
    return Dictionary(
        W_enc=torch.ones(4, 3),
        b_enc=torch.zeros(4),
        W_dec=torch.ones(4, 3),
        b_dec=torch.zeros(3),
        sparsifier=Identity(),
    )


def write(path: Path, card: DictionaryCard) -> None:
    with write_artifact(path, kind=DICTIONARY_KIND, config={"of": "a test"}) as folder:
        a_dictionary().save(folder)
        write_card(folder, card)


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_card(tmp_path, a_card())
    assert read_card(tmp_path) == a_card()
    assert set(json.loads((tmp_path / "card.json").read_text())) == {"type", *asdict(a_card())}


def test_l0_in_training_and_at_inference_stand_side_by_side(tmp_path: Path) -> None:
    write_card(tmp_path, a_card(l0_train=16.0, l0_inference=15.99))
    assert read_card(tmp_path) == a_card(l0_train=16.0, l0_inference=15.99)
    assert (a_card().l0_train, a_card().l0_inference) == (None, None)


def test_an_artifact_gives_dictionary_and_card(tmp_path: Path) -> None:
    write(tmp_path / "d", a_card(variant="shuffled"))
    dictionary, card = load_dictionary(tmp_path / "d")
    assert card == a_card(variant="shuffled")
    assert torch.equal(dictionary.W_enc, torch.ones(4, 3))


@pytest.mark.parametrize(
    "change", [{"method": "top_k"}, {"name": "topk-seed3"}, {"name": "-seed2"}, {"name": "topk-seed12"}]
)
def test_names_are_those_of_the_definitions(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"topk|seed2"):
        a_card(**change)


def test_bad_cards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"card.json is missing"):
        read_card(tmp_path)
    write_card(tmp_path, a_card())
    file = tmp_path / "card.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "colour": "red"}))
    with pytest.raises(UserError, match="colour: unknown key"):
        read_card(tmp_path)
    file.write_text(json.dumps({**content, "seed": 3}))
    with pytest.raises(UserError, match="ends in -seed3"):
        read_card(tmp_path)
    file.write_text("{")
    with pytest.raises(DamagedArtifact, match="damaged"):
        read_card(tmp_path)


def test_card_and_dictionary_must_agree(tmp_path: Path) -> None:
    write(tmp_path / "d", a_card(n_latents=5))
    with pytest.raises(UserError, match="5 latents, the dictionary has 4"):
        load_dictionary(tmp_path / "d")


def test_a_changed_file_is_found(tmp_path: Path) -> None:
    write(tmp_path / "d", a_card())
    weights = tmp_path / "d" / "dictionary.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(DamagedArtifact, match="sha256"):
        load_dictionary(tmp_path / "d")
