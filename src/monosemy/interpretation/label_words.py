"""How the definition of a label stands in a sentence."""

_PREPOSITIONS = ("In ", "Inside ", "After ", "Between ", "On ")
_CLAUSES = ("The innermost ", "The statement's ")


def label_place(definition: str) -> str:
    """Where the tokens of a label stand: "in the condition of `while`", "where the token is part of a comment"."""
    said = _said(definition)
    if definition.startswith(_PREPOSITIONS):
        return said
    if definition.startswith(_CLAUSES):
        return f"where {said}"
    return f"where the token {_predicate(definition, said)}"


def after_label(definition: str) -> str:
    """What a token of a label is when it is the previous one: "a token that is part of a comment"."""
    said = _said(definition)
    if definition.startswith(_PREPOSITIONS):
        return f"a token {said}"
    if definition.startswith(_CLAUSES):
        return f"a token where {said}"
    return f"a token that {_predicate(definition, said)}"


def _predicate(definition: str, said: str) -> str:
    return said if definition.startswith("Shows ") else f"is {said}"


def _said(definition: str) -> str:
    """The definition up to its first semicolon, as it goes on within a sentence."""
    said = definition.split(";")[0].rstrip(".")
    return said[:1].lower() + said[1:]
