"""What a token looks like, whatever stands around it."""

import functools
from typing import Literal, get_args

SurfaceForm = Literal[
    "leading_space",
    "white_space",
    "line_end",
    "letters",
    "lower",
    "capitalized",
    "upper",
    "digits",
    "has_digit",
    "word",
    "underscore",
    "punctuation",
    "opening_bracket",
    "closing_bracket",
    "quote",
    "non_ascii",
    "length_1",
    "length_2",
    "length_3",
    "length_4_5",
    "length_6_plus",
]
SURFACE_FORMS: tuple[SurfaceForm, ...] = get_args(SurfaceForm)

SURFACE_WORDS: dict[SurfaceForm, str] = {
    "leading_space": "tokens that begin with a space",
    "white_space": "white space",
    "line_end": "line ends",
    "letters": "tokens of letters only",
    "lower": "tokens of lower-case letters only",
    "capitalized": "capitalized tokens",
    "upper": "tokens in upper case",
    "digits": "tokens of digits only",
    "has_digit": "tokens with a digit",
    "word": "tokens of letters, digits and underscores",
    "underscore": "tokens with an underscore",
    "punctuation": "punctuation",
    "opening_bracket": "tokens with an opening bracket",
    "closing_bracket": "tokens with a closing bracket",
    "quote": "tokens with a quote",
    "non_ascii": "tokens that are not ASCII",
    "length_1": "tokens of one character",
    "length_2": "tokens of two characters",
    "length_3": "tokens of three characters",
    "length_4_5": "tokens of four or five characters",
    "length_6_plus": "tokens of six or more characters",
}
"""What the tokens of a form are called."""

LONGEST_AFFIX = 3


@functools.lru_cache(maxsize=1 << 17)
def surface_forms(token: str) -> frozenset[SurfaceForm]:
    """The forms of a token's text; lengths and kinds of character are those of the text without its outer white space.

    lower: letters only, all lower case. upper: two or more letters, all upper case, whatever else there is.
    capitalized: the first character is an upper-case letter, and some letter is lower case. word: letters, digits and
    underscores only. punctuation: neither letters, digits, underscores nor white space, all ASCII.
    """
    core = token.strip()
    letters = [character for character in core if character.isalpha()]
    n = len(core)
    found: dict[SurfaceForm, bool] = {
        "leading_space": token.startswith(" "),
        "white_space": n == 0 and len(token) > 0,
        "line_end": "\n" in token,
        "letters": core.isalpha(),
        "lower": core.isalpha() and core.islower(),
        "capitalized": core[:1].isupper() and any(character.islower() for character in letters),
        "upper": len(letters) > 1 and all(character.isupper() for character in letters),
        "digits": core.isdigit(),
        "has_digit": any(character.isdigit() for character in core),
        "word": n > 0 and all(character.isalnum() or character == "_" for character in core),
        "underscore": "_" in core,
        "punctuation": n > 0 and all(_is_punctuation(character) for character in core),
        "opening_bracket": any(character in "([{" for character in core),
        "closing_bracket": any(character in ")]}" for character in core),
        "quote": any(character in "'\"" for character in core),
        "non_ascii": not token.isascii(),
        "length_1": n == 1,
        "length_2": n == 2,
        "length_3": n == 3,
        "length_4_5": 4 <= n <= 5,
        "length_6_plus": n >= 6,
    }
    return frozenset(form for form, holds in found.items() if holds)


def affix(token: str, side: Literal["begins", "ends"], n: int) -> str | None:
    """The first or last n characters of a token without its outer white space; None where it has not more than n."""
    core = token.strip()
    if len(core) <= n:
        return None
    return core[:n] if side == "begins" else core[-n:]


def visible(token: str) -> str:
    """A token's text as one can read it: spaces as `␣`, line ends and tabs escaped, bytes that are no UTF-8 as hex."""
    return "".join(_visible(character) for character in token)


def _is_punctuation(character: str) -> bool:
    return character.isascii() and character.isprintable() and not (character.isalnum() or character in "_ ")


def _visible(character: str) -> str:
    if character == " ":
        return "␣"
    if 0xDC80 <= ord(character) <= 0xDCFF:
        return f"\\x{ord(character) - 0xDC00:02x}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
