"""The labels: what each one says of a token, and whether a causal model can know it at that token."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Family = Literal["lexical", "structure", "syntax", "scope"]

CATALOGUE_VERSION = 1
"""Changes whenever a label is added, removed or redefined."""


@dataclass(frozen=True, slots=True)
class Label:
    """A property of a token that a program decides exactly.

    A causal label is decided by the text up to the end of the token; the others stand in the catalogue as a warning,
    and are scored nowhere: a model that reads from left to right cannot know them where they hold.
    """

    name: str
    family: Family
    definition: str
    causal: bool = True


def _family(family: Family, definitions: dict[str, str]) -> tuple[Label, ...]:
    return tuple(Label(name, family, definition) for name, definition in definitions.items())


# "The word" is always its visible part: the characters of the lexical word up to the end of the model token.
_LEXICAL = {
    "name": "A word of code that is not a keyword.",
    "keyword": "A hard keyword.",
    "number": "A numeric literal.",
    "operator": "An operator, a bracket or another punctuation mark of code.",
    "string": "Part of a string literal whose opening quote is visible.",
    "comment": "Part of a comment.",
    "white_space": "White space only.",
    "line_end": "White space only, with a line end in it, outside strings.",
    "blank_line": "White space only that ends an empty line, outside strings.",
    "word_continuation": "A later piece of a word or number of code.",
    "string_start": "Shows the opening quote of a string literal.",
    "single_quoted": "Part of a string literal in single quotes.",
    "double_quoted": "Part of a string literal in double quotes.",
    "triple_quoted": "Part of a string literal after its three opening quotes.",
    "fstring": "Part of a formatted string literal.",
    "raw_string": "Part of a raw string literal.",
    "bytes_string": "Part of a bytes literal.",
    "own_line_comment": "Part of a comment with a line of its own.",
    "doctest": "In a string, on a line that so far begins with `>>>`.",
    "url": "In a string or comment, in a URL whose `://` is visible.",
    "def_keyword": "`def`.",
    "class_keyword": "`class`.",
    "return_keyword": "`return` or `yield`.",
    "import_keyword": "`import` or `from`.",
    "if_keyword": "`if`, `elif` or `else`.",
    "loop_keyword": "`for`, `while`, `break` or `continue`.",
    "operator_keyword": "`and`, `or`, `not`, `in` or `is`.",
    "constant": "`None`, `True` or `False`.",
    "exception_keyword": "`try`, `except`, `finally` or `raise`.",
    "other_keyword": "Any other hard keyword.",
    "self_word": "The word `self` or `cls`.",
    "dunder": "A word that begins and ends with two underscores.",
    "leading_underscore": "A word that begins with an underscore.",
    "all_caps": "A word of two or more characters whose letters are all upper case.",
    "camel_case": "A word that begins with an upper-case letter and has a lower-case one.",
    "snake_case": "A lower-case word with an underscore between two letters or digits.",
    "builtin_word": "A name of the builtins that is neither an exception nor a keyword.",
    "exception_word": "The name of a builtin exception or warning.",
    "open_bracket": "An opening bracket.",
    "close_bracket": "A closing bracket.",
    "comma": "`,`.",
    "colon": "`:`.",
    "dot": "`.`.",
    "equals": "`=`.",
    "comparison": "`==`, `!=`, `<`, `<=`, `>` or `>=`.",
    "arithmetic": "An arithmetic or bitwise operator.",
}

# What stands between the opening and the closing bracket, the closing one included.
_STRUCTURE = {
    "depth_0": "Inside no bracket.",
    "depth_1": "Inside exactly one bracket.",
    "depth_2": "Inside exactly two brackets.",
    "depth_3_plus": "Inside three or more brackets.",
    "in_parentheses": "The innermost open bracket is `(`.",
    "in_square": "The innermost open bracket is `[`.",
    "in_braces": "The innermost open bracket is `{`.",
    "indent_0": "The statement's line is not indented.",
    "indent_1": "The statement's line is indented once.",
    "indent_2": "The statement's line is indented twice.",
    "indent_3": "The statement's line is indented three times.",
    "indent_4_plus": "The statement's line is indented four or more times.",
    "line_start": "First code or comment of its line.",
    "block_first_line": "In the first line of the first statement of an indented block.",
    "after_dedent": "In the first line of a statement that is indented less than the one before.",
    "continuation_line": "On a later line than the one its statement begins on; a string stands on its first line.",
}

# A region lasts from the token after the one that opens it to the token that closes it, which is included.
_SYNTAX = {
    "def_name": "The name after `def`.",
    "class_name": "The name after `class`.",
    "attribute_name": "A name after a dot, outside import statements.",
    "parameter_name": "A parameter in the header of a function or lambda.",
    "import_module": "A name of the module path of an import statement.",
    "imported_name": "A name after `import` in a `from` statement, or after `as` in an import statement.",
    "docstring": "In the string that begins the body of a module, class or function.",
    "string_argument": "In a string whose innermost bracket is a call's.",
    "decorator": "After the `@` of a decorator.",
    "base_classes": "In the parentheses of a class header.",
    "default_value": "In the default value of a parameter.",
    "annotation": "In the annotation of a parameter, a variable or a return value.",
    "for_target": "Between the `for` and the `in` of a loop.",
    "for_iterable": "After the `in` of a loop's header.",
    "while_test": "In the condition of `while`.",
    "if_test": "In the condition of an `if` or `elif` statement.",
    "return_value": "After `return`.",
    "raise_value": "After `raise`.",
    "assert_test": "After `assert`.",
    "except_type": "Between `except` and its colon.",
    "with_item": "Between `with` and its colon.",
    "assigned_value": "After the `=`, or the augmented one, of an assignment.",
    "call_arguments": "The innermost bracket is a call's.",
    "subscript": "The innermost bracket is a subscript's.",
    "slice_part": "After a colon of the innermost bracket, a subscript's.",
    "list_display": "The innermost bracket is `[`, not a subscript's.",
    "grouping": "The innermost bracket is `(`, neither a call's nor a header's.",
    "keyword_value": "In the value of a keyword argument.",
    "dict_value": "After a colon in braces, up to the comma.",
    "comprehension": "In a comprehension or generator, after its first `for`.",
    "lambda_body": "In the body of a lambda.",
    "in_class": "In the body of a class, at any depth.",
    "in_function": "In the body of a function, at any depth.",
    "in_method": "In the body of a function that stands in a class body.",
    "in_nested_function": "In the body of a function that stands in a function body.",
    "in_async_function": "In the body of an `async def`.",
    "in_loop": "In the body of a loop of the same function.",
    "in_try": "In the body of a `try` of the same function.",
    "in_except": "In the body of an `except` of the same function.",
    "in_if": "In the body of an `if` or `elif` of the same function.",
    "in_else": "In the body of an `else` of the same function.",
    "in_with": "In the body of a `with` of the same function.",
}

# Decided by the bindings of earlier statements and headers alone: a later assignment does not count.
_SCOPE = {
    "parameter_use": "A parameter of the innermost function, or of a lambda around it.",
    "local_name": "A name bound before in the same function or class body, or in a comprehension around it.",
    "enclosing_name": "A name bound before in an enclosing function, its parameters included.",
    "module_name": "A name bound before at module level.",
    "imported_use": "A name whose visible binding is an import.",
    "function_use": "A name whose visible binding is a `def`.",
    "class_use": "A name whose visible binding is a `class`.",
    "builtin_use": "A builtin name that no visible binding shadows.",
    "not_bound_yet": "A name of no visible binding that is no builtin.",
    "global_declared": "A name that an earlier `global` of the same function declared.",
    "attribute_of_self": "The attribute name after `self.` or `cls.`.",
    "seen_before": "A word of code that stood before in the document as a whole word.",
}

_NOT_CAUSAL = (
    Label("callee", "syntax", "The name before the parenthesis of a call.", causal=False),
    Label("keyword_argument_name", "syntax", "The name before the `=` of a keyword argument.", causal=False),
    Label("assignment_target", "syntax", "What stands before the `=` of an assignment.", causal=False),
)

CATALOGUE: tuple[Label, ...] = (
    *_family("lexical", _LEXICAL),
    *_family("structure", _STRUCTURE),
    *_family("syntax", _SYNTAX),
    *_family("scope", _SCOPE),
    *_NOT_CAUSAL,
)
"""Every label, in the order of the columns of `TokenLabels`."""

BIT = {label.name: 1 << i for i, label in enumerate(CATALOGUE)}
"""Label name -> its bit: a set of labels is an int, label i of the catalogue being bit i."""


def bits(*names: str) -> int:
    """The set of the named labels."""
    return sum(BIT[name] for name in names)


def family_bits(families: Iterable[Family]) -> int:
    """The set of all labels of the families."""
    return sum(BIT[label.name] for label in CATALOGUE if label.family in families)


NOT_CAUSAL = sum(BIT[label.name] for label in CATALOGUE if not label.causal)
