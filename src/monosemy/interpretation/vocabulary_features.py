"""What the texts of tokens tell by themselves, for a whole vocabulary at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Bool, Int64

from monosemy.interpretation.surface import LONGEST_AFFIX, SURFACE_FORMS, SurfaceForm, affix, surface_forms

Side = Literal["begins", "ends"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class AffixCodes:
    """The affixes of one side and length in their order, and the number of each token's; the number of all: none."""

    side: Side
    characters: tuple[str, ...]
    code: Int64[np.ndarray, " n_tokens"]


@final
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VocabularyFeatures:
    """For tokens in the order of their ids: texts, surface forms, and what they begin and end with."""

    ids: Int64[np.ndarray, " n_tokens"]
    texts: tuple[str, ...]
    forms: Bool[np.ndarray, "n_tokens n_forms"]
    affixes: tuple[AffixCodes, ...]

    def of_form(self, form: SurfaceForm) -> Int64[np.ndarray, " n"]:
        """The ids of the tokens of a form."""
        return self.ids[self.forms[:, SURFACE_FORMS.index(form)]]

    def with_affix(self, side: Side, characters: str) -> Int64[np.ndarray, " n"]:
        """The ids of the tokens that begin, or end, with these characters."""
        for codes in self.affixes:
            if codes.side == side and characters in codes.characters:
                return self.ids[codes.code == codes.characters.index(characters)]
        return self.ids[:0]


_N_KEPT = 4
_kept: tuple[tuple[Mapping[int, str], VocabularyFeatures], ...] = ()


def vocabulary_features(texts: Mapping[int, str]) -> VocabularyFeatures:
    """The features of the tokens of a vocabulary, which must not change; of the last few asked for they are kept."""
    global _kept  # replaced as a whole, so that threads may ask at once
    for known, features in _kept:
        if known is texts:
            return features
    features = _computed(texts)
    _kept = ((texts, features), *_kept[: _N_KEPT - 1])
    return features


def _computed(texts: Mapping[int, str]) -> VocabularyFeatures:
    ids = sorted(texts)
    words = tuple(texts[id_] for id_ in ids)
    forms = np.zeros((len(ids), len(SURFACE_FORMS)), dtype=np.bool_)
    for row, word in zip(forms, words, strict=True):
        found = surface_forms(word)
        row[:] = [form in found for form in SURFACE_FORMS]
    sides: tuple[Side, ...] = ("begins", "ends")
    affixes = tuple(_affix_codes(words, side, n) for side in sides for n in range(1, LONGEST_AFFIX + 1))
    return VocabularyFeatures(ids=np.array(ids, dtype=np.int64), texts=words, forms=forms, affixes=affixes)


def _affix_codes(words: tuple[str, ...], side: Side, n: int) -> AffixCodes:
    found = [affix(word, side, n) for word in words]
    characters = sorted({a for a in found if a is not None})
    number = {a: i for i, a in enumerate(characters)}
    code = [len(characters) if a is None else number[a] for a in found]
    return AffixCodes(side=side, characters=tuple(characters), code=np.array(code, dtype=np.int64))
