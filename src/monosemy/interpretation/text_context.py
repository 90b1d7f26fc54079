"""What stands to the left in one text, computed once however many predicates ask for it."""

from typing import final
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Bool, Int32, Integer

from monosemy.evaluation import FragmentTable
from monosemy.interpretation.left_context import Place, Repetition, TokenPlace, repeats, token_back, token_place
from monosemy.interpretation.text import Text


@final
class TextContext:
    """The functions of left_context.py for one text, each kept after the first time; several threads may ask."""

    def __init__(self, fragments: FragmentTable) -> None:
        self._fragments = fragments
        self._back: dict[int, Int32[np.ndarray, "n_fragments position"]] = {}
        self._place: dict[Place, TokenPlace] = {}
        self._repeats: dict[Repetition, Bool[np.ndarray, "n_fragments position"]] = {}

    def back(self, back: int) -> Int32[np.ndarray, "n_fragments position"]:
        """As `token_back`."""
        if back not in self._back:
            self._back[back] = token_back(self._fragments, back)
        return self._back[back]

    def is_one_of(
        self, back: int, tokens: Integer[np.ndarray, " n_tokens"]
    ) -> Bool[np.ndarray, "n_fragments position"]:
        """Where the token so many places to the left is one of these."""
        found = self.back(back)
        highest = max(int(found.max(initial=-1)), int(tokens.max(initial=-1)))
        among = np.zeros(highest + 2, dtype=np.bool_)  # the last place is that of -1, "no token"
        among[tokens] = True
        return among[found]

    def places(self, place: Place) -> TokenPlace:
        """As `token_place`."""
        if place not in self._place:
            self._place[place] = token_place(self._fragments, place)
        return self._place[place]

    def repeats(self, what: Repetition) -> Bool[np.ndarray, "n_fragments position"]:
        """As `repeats`."""
        if what not in self._repeats:
            self._repeats[what] = repeats(self._fragments, what)
        return self._repeats[what]


_contexts: WeakKeyDictionary[Text, TextContext] = WeakKeyDictionary()


def text_context(text: Text) -> TextContext:
    """The context of a text, the same one as long as the text lives."""
    context = _contexts.get(text)
    if context is None:
        context = _contexts[text] = TextContext(text.fragments)
    return context
