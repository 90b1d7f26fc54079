"""What the visible part of a lexeme says of itself: lexical labels that need no context."""

import re
from functools import lru_cache

from monosemy.corpus.labels.catalogue import bits


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# Written out, and not asked of the running Python, because they differ between versions; these are 3.11's.
KEYWORDS = word_set(
    "False None True and as assert async await break class continue def del elif else except finally for from global "
    "if import in is lambda nonlocal not or pass raise return try while with yield"
)
EXCEPTIONS = word_set(
    "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError "
    "BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError "
    "ConnectionResetError DeprecationWarning EOFError EncodingWarning EnvironmentError Exception ExceptionGroup "
    "FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError "
    "ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt "
    "LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError "
    "OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError "
    "ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning "
    "SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError "
    "UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError"
)
BUILTINS = word_set(
    "Ellipsis NotImplemented __build_class__ __debug__ __import__ abs aiter all anext any ascii bin bool breakpoint "
    "bytearray bytes callable chr classmethod compile complex copyright credits delattr dict dir divmod enumerate eval "
    "exec exit filter float format frozenset getattr globals hasattr hash help hex id input int isinstance issubclass "
    "iter len license list locals map max memoryview min next object oct open ord pow print property quit range repr "
    "reversed round set setattr slice sorted staticmethod str sum super tuple type vars zip"
)
SELF_WORDS = frozenset({"self", "cls"})

_KEYWORD_GROUPS = {
    "def_keyword": ("def",),
    "class_keyword": ("class",),
    "return_keyword": ("return", "yield"),
    "import_keyword": ("import", "from"),
    "if_keyword": ("if", "elif", "else"),
    "loop_keyword": ("for", "while", "break", "continue"),
    "operator_keyword": ("and", "or", "not", "in", "is"),
    "constant": ("None", "True", "False"),
    "exception_keyword": ("try", "except", "finally", "raise"),
}
_KEYWORD_BITS = {keyword: bits("keyword", "other_keyword") for keyword in KEYWORDS} | {
    keyword: bits("keyword", group) for group, keywords in _KEYWORD_GROUPS.items() for keyword in keywords
}

_OPERATOR, _NUMBER = bits("operator"), bits("number")
_OPERATOR_GROUPS = {
    "open_bracket": ("(", "[", "{"),
    "close_bracket": (")", "]", "}"),
    "comma": (",",),
    "colon": (":",),
    "dot": (".",),
    "equals": ("=",),
    "comparison": ("==", "!=", "<", "<=", ">", ">="),
    "arithmetic": ("+", "-", "*", "/", "//", "%", "**", "@", "&", "|", "^", "~", "<<", ">>"),
}
_OPERATOR_BITS = {text: bits("operator", group) for group, texts in _OPERATOR_GROUPS.items() for text in texts}

_SHAPES = (
    ("dunder", re.compile(r"__\w*[^\W_]\w*__\Z")),
    ("leading_underscore", re.compile(r"_")),
    ("snake_case", re.compile(r"[^A-Z]*[^\W_A-Z]_+[^\W_A-Z][^A-Z]*\Z")),
)


@lru_cache(maxsize=65536)
def word_bits(visible: str, as_name: bool) -> int:
    """The labels of a word's visible part; `as_name` where no keyword can stand."""
    if visible in _KEYWORD_BITS and not as_name:
        return _KEYWORD_BITS[visible]
    labels = bits("name") | sum(bits(label) for label, shape in _SHAPES if shape.match(visible))
    if len(visible) > 1 and visible.isupper():
        labels |= bits("all_caps")
    if visible[0].isupper() and any(character.islower() for character in visible):
        labels |= bits("camel_case")
    sets = (("self_word", SELF_WORDS), ("builtin_word", BUILTINS), ("exception_word", EXCEPTIONS))
    return labels | sum(bits(label) for label, words in sets if visible in words)


def operator_bits(visible: str) -> int:
    """The labels of the visible part of an operator."""
    return _OPERATOR_BITS.get(visible, _OPERATOR)


def number_bits(visible: str) -> int:
    """The labels of the visible part of a number; a lone dot is still an operator."""
    return operator_bits(visible) if visible == "." else _NUMBER
