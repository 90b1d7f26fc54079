"""Properties of a token that rules are made of: of the token, of what stands to its left, never of what follows."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Bool

from monosemy.interpretation.label_words import after_label, label_place
from monosemy.interpretation.left_context import N_RECENT, Place, Repetition
from monosemy.interpretation.surface import (
    LONGEST_AFFIX,
    SURFACE_FORMS,
    SURFACE_WORDS,
    SurfaceForm,
    visible,
)
from monosemy.interpretation.text import Text
from monosemy.interpretation.text_context import text_context
from monosemy.interpretation.vocabulary_features import vocabulary_features

Holds = Bool[np.ndarray, "n_fragments position"]

KIND_BITS = math.log2(12)
"""What it costs to say which kind of predicate follows: the token, the previous one, the one before that, recent ones,
the surface, the previous token's surface, how it begins, how it ends, a label, the previous token's label, a position,
a repetition."""

NEGATION_BITS = 1.0
"""What it costs to say whether a predicate that can be negated is."""

PLACES: tuple[tuple[Place, int, int | None], ...] = (
    *(("line", 0, most) for most in (0, 1, 2, 4)),
    *(("line", least, None) for least in (1, 4, 8, 16)),
    *(("document", 0, most) for most in (0, 3, 15, 63, 255)),
    *(("document", least, None) for least in (256, 1024)),
    *(("fragment", 0, most) for most in (0, 3, 15)),
    *(("fragment", least, None) for least in (16, 32, 48)),
)
"""The positions that a rule may name: counted in what, and how many tokens stand before, at least and at most."""

REPETITIONS: tuple[Repetition, ...] = ("token", "pair", "previous")


class Predicate(ABC):
    """A property that each token of a text has or has not."""

    @abstractmethod
    def holds(self, text: Text) -> Holds:
        """Where it holds; what the fragment does not show, as the token before its first one, is no token."""

    @abstractmethod
    def bits(self) -> float:
        """The description length: log2 of the number of kinds, and of the number of choices within the kind."""

    @abstractmethod
    def subject(self) -> str | None:
        """What tokens it is of, in plain words (`self`, line ends); None where it says nothing of the token itself."""

    @abstractmethod
    def words(self) -> str:
        """In plain words, as they stand in a sentence after "fires" or after the tokens it fires on."""


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TokenIs(Predicate):
    """The token (back = 0), the previous one (1) or the one before that (2) is one of a set.

    tokens: ids in ascending order, words their texts. n_tokens: of how many tokens they are chosen. Bits: those of a
    subset of k of n, log2 C(n, k), and 2 log2 k + 1 for k.
    """

    back: Literal[0, 1, 2]
    tokens: tuple[int, ...]
    texts: tuple[str, ...]
    n_tokens: int

    def holds(self, text: Text) -> Holds:
        return text_context(text).is_one_of(self.back, np.array(self.tokens))

    def bits(self) -> float:
        return KIND_BITS + subset_bits(self.n_tokens, len(self.tokens))

    def subject(self) -> str | None:
        return quoted(self.texts) if self.back == 0 else None

    def words(self) -> str:
        places = {0: "on", 1: "right after", 2: "two tokens after"}
        return f"{places[self.back]} {quoted(self.texts)}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class TokenRecently(Predicate):
    """One of the `N_RECENT` tokens to the left is this one. Bits: log2 of the number of tokens."""

    token: int
    text: str
    n_tokens: int

    def holds(self, text: Text) -> Holds:
        context = text_context(text)
        return np.logical_or.reduce([context.back(back) == self.token for back in range(1, N_RECENT + 1)])

    def bits(self) -> float:
        return KIND_BITS + math.log2(self.n_tokens)

    def subject(self) -> str | None:
        return None

    def words(self) -> str:
        return f"within {N_RECENT} tokens after {quoted((self.text,))}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HasSurface(Predicate):
    """The token (back = 0), or the previous one (1), is of a form; or that is not so (negated)."""

    back: Literal[0, 1]
    form: SurfaceForm
    negated: bool = False

    def holds(self, text: Text) -> Holds:
        of_form = vocabulary_features(text.fragments.text).of_form(self.form)
        return (text_context(text).is_one_of(self.back, of_form) != self.negated) & (text.fragments.index >= 0)

    def bits(self) -> float:
        return KIND_BITS + math.log2(len(SURFACE_FORMS)) + NEGATION_BITS

    def subject(self) -> str | None:
        return SURFACE_WORDS[self.form] if self.back == 0 and not self.negated else None

    def words(self) -> str:
        places = {(0, False): "on", (0, True): "except on", (1, False): "right after", (1, True): "not after"}
        return f"{places[self.back, self.negated]} {SURFACE_WORDS[self.form]}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HasAffix(Predicate):
    """The token without its outer white space begins, or ends, with these characters, and has more than them.

    n_affixes: how many different ones of their length there are; bits log2 of that, and of the lengths.
    """

    side: Literal["begins", "ends"]
    characters: str
    n_affixes: int

    def holds(self, text: Text) -> Holds:
        having = vocabulary_features(text.fragments.text).with_affix(self.side, self.characters)
        return text_context(text).is_one_of(0, having)

    def bits(self) -> float:
        return KIND_BITS + math.log2(LONGEST_AFFIX) + math.log2(self.n_affixes)

    def subject(self) -> str | None:
        return f"tokens that {self._verb()} {quoted((self.characters,))}"

    def words(self) -> str:
        return f"on {self.subject()}"

    def _verb(self) -> str:
        return "begin with" if self.side == "begins" else "end in"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class HasLabel(Predicate):
    """An exact label of the corpus holds of the token (back = 0), or of the previous one (1); or does not (negated).

    definition: what the label says; n_labels: of how many it is chosen. In a text without labels none holds.
    """

    back: Literal[0, 1]
    label: str
    definition: str
    n_labels: int
    negated: bool = False

    def holds(self, text: Text) -> Holds:
        is_token = text.fragments.index >= 0
        if text.labels is None or self.label not in text.labels.names:
            return is_token & self.negated
        of_label = text.labels.values[..., text.labels.names.index(self.label)]
        of_back = np.zeros_like(is_token)
        of_back[:, self.back :] = of_label[:, : of_label.shape[1] - self.back]
        return ((of_back & (text_context(text).back(self.back) >= 0)) != self.negated) & is_token

    def bits(self) -> float:
        return KIND_BITS + math.log2(self.n_labels) + NEGATION_BITS

    def subject(self) -> str | None:
        return None

    def words(self) -> str:
        said = f"right after {after_label(self.definition)}" if self.back else label_place(self.definition)
        return f"not {said}" if self.negated else said


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class AtPosition(Predicate):
    """At least so many tokens stand before it, at most so many: in its line, its document or the fragment.

    In a line whose begin the fragment does not show, only "at least" can be known to hold.
    """

    place: Place
    least: int
    most: int | None

    def holds(self, text: Text) -> Holds:
        place = text_context(text).places(self.place)
        reached = place.n_before >= self.least
        return reached if self.most is None else reached & (place.n_before <= self.most) & place.known

    def bits(self) -> float:
        return KIND_BITS + math.log2(len(PLACES))

    def subject(self) -> str | None:
        return None

    def words(self) -> str:
        if self.most is None:
            return f"after the first {_count(self.least)} of the {self.place}"
        return f"within the first {_count(self.most + 1)} of the {self.place}"


@final
@dataclass(frozen=True, kw_only=True, slots=True)
class Repeats(Predicate):
    """The token, the pair of previous and current token, or the previous token stood before in the fragment.

    In the same document, that is. Or that is not so (negated).
    """

    what: Repetition
    negated: bool = False

    def holds(self, text: Text) -> Holds:
        return (text_context(text).repeats(self.what) != self.negated) & (text.fragments.index >= 0)

    def bits(self) -> float:
        return KIND_BITS + math.log2(len(REPETITIONS)) + NEGATION_BITS

    def subject(self) -> str | None:
        return None

    def words(self) -> str:
        of = {"token": "the token", "pair": "the token after the same one", "previous": "the token before it"}
        return f"where {of[self.what]} {'is new' if self.negated else 'stood before'} in the fragment"


AnyPredicate = TokenIs | TokenRecently | HasSurface | HasAffix | HasLabel | AtPosition | Repeats


def quoted(texts: tuple[str, ...]) -> str:
    """Texts of tokens as they stand in a sentence: visible, in backquotes (two, where it has one), with commas."""
    return ", ".join(f"`` {visible(text)} ``" if "`" in text else f"`{visible(text)}`" for text in texts)


def subset_bits(n: int, k: int) -> float:
    """The bits of a subset of k of n: log2 C(n, k), and 2 log2 k + 1 for k."""
    log_choose = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return log_choose / math.log(2) + 2 * math.log2(k) + 1


def _count(n: int) -> str:
    return "token" if n == 1 else f"{n} tokens"
