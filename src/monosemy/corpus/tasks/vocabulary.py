"""What a tokenizer's vocabulary offers to the tasks: names of one token, tokens that begin with a character."""

import builtins
import keyword
import re
from dataclasses import dataclass

from tokenizers import Tokenizer

from monosemy.core import UserError

END_OF_TEXT = "<|endoftext|>"

_IDENTIFIER = re.compile(r"[a-z]{3,}")
_NOT_NAMES = frozenset(keyword.kwlist) | frozenset(keyword.softkwlist) | frozenset(dir(builtins)) | {"self", "cls"}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A tokenizer as the tasks see it.

    prefix: the token ids that begin every prompt.
    texts: the text that each token adds when it follows a letter, by token id.
    names: the identifiers that are one token both bare and after a space, sorted: at least three letters a-z, no
    keyword, no builtin, not `self` or `cls`. Both forms, because a name stands after "." here and after ", " there.
    """

    tokenizer: Tokenizer
    prefix: tuple[int, ...]
    texts: tuple[str, ...]
    names: tuple[str, ...]

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of the prefix and the text, without any token that the tokenizer would add by itself."""
        return self.prefix + _encode(self.tokenizer, text)

    def tokens_that_begin_with(self, character: str) -> tuple[int, ...]:
        """Ids of the tokens whose text begins with `character`, ascending."""
        return tuple(token for token, text in enumerate(self.texts) if text.startswith(character))


def read_vocabulary(tokenizer: Tokenizer, prefix_ids: tuple[int, ...] | None = None) -> Vocabulary:
    """Look a tokenizer's vocabulary through once; prefix_ids None means its `<|endoftext|>`.

    Raises UserError when the prefix is left to a tokenizer that has no `<|endoftext|>`.
    """
    texts = _token_texts(tokenizer)
    known = frozenset(texts)
    bare = (text for text in known if _IDENTIFIER.fullmatch(text) and text not in _NOT_NAMES)
    names = tuple(sorted(name for name in bare if f" {name}" in known))
    prefix = prefix_of(tokenizer) if prefix_ids is None else prefix_ids
    return Vocabulary(tokenizer=tokenizer, prefix=prefix, texts=texts, names=names)


def prefix_of(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the one token that begins every sequence of the corpora: `<|endoftext|>`.

    Raises UserError when the vocabulary has none.
    """
    token = tokenizer.token_to_id(END_OF_TEXT)
    if token is None:
        raise UserError(
            f"the tokenizer has no token {END_OF_TEXT!r} to begin a prompt with; give `prefix_ids` yourself: "
            "() for none, or the id of its own first token"
        )
    return (token,)


def _encode(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    return tuple(tokenizer.encode(text, add_special_tokens=False).ids)


def _token_texts(tokenizer: Tokenizer) -> tuple[str, ...]:
    # A token is decoded after a letter: some decoders drop the space with which a sequence begins.
    letter = _encode(tokenizer, "a")[-1]
    skipped = len(tokenizer.decode([letter], skip_special_tokens=False))
    sequences = [[letter, token] for token in range(tokenizer.get_vocab_size())]
    return tuple(text[skipped:] for text in tokenizer.decode_batch(sequences, skip_special_tokens=False))
