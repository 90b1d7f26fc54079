"""What a dictionary was made from, kept beside it: what tables and figures need without opening its parents."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from monosemy.core import METHODS, DamagedArtifact, UserError, from_json, nearest, open_artifact, to_json
from monosemy.dictionaries.dictionary import Dictionary

CARD_FILE = "card.json"
DICTIONARY_KIND = "dictionary"


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryCard:
    """What a dictionary is and where it comes from.

    name: the artifact's name, which ends in `-seed<n>`. method, variant: as in docs/definitions.md. lm: fingerprint of
    the language model. store: fingerprint of the activations. sparsity: short text as "k=16" or "l1=0.3", or "".
    expansion_factor: n_latents / d_in. n_steps: optimizer steps, 0 for what was fitted in closed form. n_tokens:
    activations seen in training or fitting, counted once for each time that they were seen. l0_train: active latents a
    token in training, by the rule of the training; l0_inference: by the saved dictionary, on the tokens that its
    threshold was calibrated on. None where they were not measured.
    """

    name: str
    method: str
    variant: str | None = None
    lm: str
    lm_kind: Literal["trained", "random"]
    site: str
    seed: int
    n_latents: int
    expansion_factor: float
    sparsity: str = ""
    n_steps: int
    n_tokens: int
    store: str
    l0_train: float | None = None
    l0_inference: float | None = None

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(
                f"method {self.method!r} is unknown{nearest(self.method, METHODS)}; see docs/definitions.md"
            )
        if not re.fullmatch(rf".+-seed{self.seed}", self.name):
            raise ValueError(f"the name of a dictionary ends in -seed{self.seed}, not {self.name!r}")


def write_card(folder: Path, card: DictionaryCard) -> None:
    """Write `card.json` into an existing folder."""
    (folder / CARD_FILE).write_text(json.dumps(to_json(card), indent=2) + "\n", encoding="utf-8")


def read_card(folder: Path) -> DictionaryCard:
    """The card in a folder; raises UserError when it is missing or holds other keys, DamagedArtifact when damaged."""
    path = folder / CARD_FILE
    if not path.is_file():
        raise UserError(f"{path} is missing; name a folder that holds a dictionary")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedArtifact(f"{path} is damaged ({error}); make the dictionary anew") from error
    try:
        return from_json(DictionaryCard, data)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def load_dictionary(path: Path) -> tuple[Dictionary, DictionaryCard]:
    """The dictionary and the card of an artifact of kind "dictionary", every file checked.

    Raises UserError as `open_artifact`, `Dictionary.load` and `read_card` do, and when card and dictionary disagree.
    """
    open_artifact(path, kind=DICTIONARY_KIND)
    dictionary, card = Dictionary.load(path), read_card(path)
    if card.n_latents != dictionary.n_latents:
        raise UserError(
            f"{path}: the card speaks of {card.n_latents} latents, the dictionary has {dictionary.n_latents}"
        )
    return dictionary, card
