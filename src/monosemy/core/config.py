"""Strict conversion between frozen dataclasses and JSON, and the fingerprints of both.

A configuration is a frozen dataclass of int, float, bool, str, None, Path, tuples, Literals, dataclasses and unions of
these. Its JSON names every field, so a default that changes later can never creep into what was saved. A dataclass is
tagged with its class name under "type" where the annotation leaves a choice: at the top, and in a union of dataclasses.
"""

import dataclasses
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union

from monosemy.core.errors import UserError, nearest

TAG = "type"
_SCALARS = (bool, int, str, type(None))


def to_json(config: object) -> dict[str, Any]:
    """The JSON object of a configuration: its class name under "type", then every field.

    Raises UserError, with the dotted path, where a value is not of its field's type (an int is taken where a float is
    asked, and becomes one) or not finite.
    """
    if isinstance(config, type) or not dataclasses.is_dataclass(config):
        raise TypeError(f"a configuration is an instance of a dataclass, not {config!r}")
    return {TAG: type(config).__name__, **_encode(type(config), config, "")}


def from_json(cls: Any, data: object) -> Any:
    """The configuration of class `cls` (or of one of the classes of the union `cls`) that a JSON object describes.

    Every field must be there, and nothing else; the tag may be absent where `cls` is one class. Raises UserError, with
    the dotted path and the nearest allowed name, on an unknown key, a missing key, a wrong type, or a value that the
    class itself refuses.
    """
    return _decode(cls, data, "")


def canonical_json(value: object) -> str:
    """The one JSON text of a configuration or of a JSON-able value: sorted keys, no spaces, ASCII, shortest floats."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def fingerprint(value: object) -> str:
    """The first 16 hexadecimal characters of the sha256 of `canonical_json(value)`.

    Equal configurations have equal fingerprints; fingerprint(config) == fingerprint(to_json(config)).
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]


def first_difference(left: object, right: object, path: str = "") -> tuple[str, object, object] | None:
    """Where two JSON values first differ: dotted path, left value, right value; None where they are equal.

    A key that one side lacks is shown there as the text "(absent)". Objects are walked in the left one's order.
    """
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        keys: list[Any] = [*left, *(key for key in right if key not in left)]
        pairs = [(str(key), left.get(key, "(absent)"), right.get(key, "(absent)")) for key in keys]
    elif isinstance(left, list | tuple) and isinstance(right, list | tuple) and len(left) == len(right):
        pairs = [(str(i), a, b) for i, (a, b) in enumerate(zip(left, right, strict=True))]
    else:
        # 1 == 1.0 == True in Python, yet they are different JSON and have different fingerprints.
        return None if type(left) is type(right) and left == right else (path, left, right)
    for key, a, b in pairs:
        found = first_difference(a, b, _join(path, key))
        if found is not None:
            return found
    return None


def _encode(annotation: Any, value: Any, path: str) -> Any:
    """A value of a field, checked against the annotation, as JSON."""
    if dataclasses.is_dataclass(annotation):
        if type(value) is not annotation:
            raise _mismatch(annotation, value, path)
        hints = _hints(annotation)
        return {name: _encode(hint, getattr(value, name), _join(path, name)) for name, hint in hints.items()}
    if _is_union(annotation):
        classes = _classes(annotation)
        if type(value) in classes.values():
            tag = {TAG: type(value).__name__} if len(classes) > 1 else {}
            return tag | _encode(type(value), value, path)
        return _first_that_fits(_encode, annotation, value, path)
    if typing.get_origin(annotation) is tuple:
        return _items(_encode, annotation, value, path, container=tuple)
    if annotation is Path and isinstance(value, Path):
        return value.as_posix()
    return _scalar(annotation, value, path)


def _decode(annotation: Any, value: Any, path: str) -> Any:
    """The value of a field that a piece of JSON describes."""
    if dataclasses.is_dataclass(annotation):
        return _decode_dataclass(annotation, value, path)
    if _is_union(annotation):
        classes = _classes(annotation)
        if classes and isinstance(value, dict):
            return _decode_dataclass(_chosen(classes, value, path), value, path)
        return _first_that_fits(_decode, annotation, value, path)
    if typing.get_origin(annotation) is tuple:
        return tuple(_items(_decode, annotation, value, path, container=list))
    if annotation is Path and isinstance(value, str):
        return Path(value)
    return _scalar(annotation, value, path)


def _decode_dataclass(cls: Any, value: Any, path: str) -> Any:
    if not isinstance(value, dict):
        raise _mismatch(cls, value, path)
    hints = _hints(cls)
    if value.get(TAG, cls.__name__) != cls.__name__:
        raise UserError(f"{_join(path, TAG)}: expected {cls.__name__!r}, got {value[TAG]!r}")
    for key in value:
        if key not in hints and key != TAG:
            at = _join(path, str(key))
            raise UserError(f"{at}: unknown key{nearest(str(key), hints)}; allowed: {', '.join(hints) or 'none'}")
    for name in hints:
        if name not in value:
            raise UserError(f"{_join(path, name)}: missing key; {cls.__name__} needs {_describe(hints[name])}")
    fields = {name: _decode(hint, value[name], _join(path, name)) for name, hint in hints.items()}
    try:
        return cls(**fields)
    except (ValueError, UserError) as error:
        raise UserError(f"{path or cls.__name__}: {error}") from error


def _chosen(classes: Mapping[str, Any], value: Mapping[str, Any], path: str) -> Any:
    """The class that a tagged object names; a union with one dataclass needs no tag."""
    if len(classes) == 1:
        return next(iter(classes.values()))
    names = ", ".join(classes)
    if TAG not in value:
        raise UserError(f"{_join(path, TAG)}: missing key; it names one of {names}")
    tag = value[TAG]
    if tag not in classes:
        raise UserError(f"{_join(path, TAG)}: unknown type {tag!r}{nearest(str(tag), classes)}; allowed: {names}")
    return classes[tag]


def _first_that_fits(convert: Callable[[Any, Any, str], Any], annotation: Any, value: Any, path: str) -> Any:
    """The value under the first option of a union that takes it."""
    options = typing.get_args(annotation)
    if value is None and type(None) in options:
        return None
    options = tuple(option for option in options if option is not type(None))
    if len(options) == 1:  # an optional: its own message is the clearer one
        return convert(options[0], value, path)
    for option in options:
        try:
            return convert(option, value, path)
        except UserError:
            continue
    raise _mismatch(annotation, value, path)


def _items(
    convert: Callable[[Any, Any, str], Any], annotation: Any, value: Any, path: str, container: type
) -> list[Any]:
    """The items of a tuple, `tuple[X, ...]` or `tuple[X, Y]`, each converted by its own annotation."""
    arguments = typing.get_args(annotation)
    if not isinstance(value, container):
        raise _mismatch(annotation, value, path)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = arguments[:1] * len(value)
    if len(arguments) != len(value):
        raise UserError(f"{path}: expected {len(arguments)} items, got {len(value)}")
    pairs = zip(arguments, value, strict=True)
    return [convert(argument, item, _join(path, str(i))) for i, (argument, item) in enumerate(pairs)]


def _scalar(annotation: Any, value: Any, path: str) -> Any:
    if typing.get_origin(annotation) is Literal:
        # 1 == True == 1.0 in Python, hence the type too.
        if any(type(value) is type(option) and value == option for option in typing.get_args(annotation)):
            return value
    elif annotation is float:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value) + 0.0  # -0.0 becomes 0.0: equal configurations have equal fingerprints
    elif annotation in _SCALARS or annotation is None:
        if type(value) is (type(None) if annotation is None else annotation):
            return value
    elif annotation is not Path:
        raise TypeError(f"{path}: a configuration cannot hold {annotation}")
    raise _mismatch(annotation, value, path)


@functools.cache
def _hints(cls: Any) -> dict[str, Any]:
    """The annotations of the fields of a dataclass, in order."""
    hints = typing.get_type_hints(cls)
    names = [field.name for field in dataclasses.fields(cls) if field.init]
    if TAG in names:
        raise TypeError(f"{cls.__name__}: a field of a configuration cannot be named {TAG!r}, the tag of its class")
    return {name: hints[name] for name in names}


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (Union, types.UnionType)


def _classes(annotation: Any) -> dict[str, Any]:
    """The dataclasses of a union, by name."""
    options = [option for option in typing.get_args(annotation) if isinstance(option, type)]
    return {option.__name__: option for option in options if dataclasses.is_dataclass(option)}


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _mismatch(annotation: Any, value: Any, path: str) -> UserError:
    where = f"{path}: " if path else ""
    return UserError(f"{where}expected {_describe(annotation)}, got {value!r}")


def _describe(annotation: Any) -> str:
    """What an annotation allows, in the words of somebody who writes JSON."""
    arguments = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(repr(option) for option in arguments)
    if _is_union(annotation):
        return " or ".join(_describe(option) for option in arguments)
    if typing.get_origin(annotation) is tuple:
        return "a list of " + ", ".join("..." if item is Ellipsis else _describe(item) for item in arguments)
    if annotation is type(None) or annotation is None:
        return "null"
    if annotation is float:
        return "a finite number"
    return annotation.__name__


def _plain(value: Any) -> Any:
    """A JSON-able value, in which configurations may stand, as plain JSON."""
    if dataclasses.is_dataclass(value):
        return to_json(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"the keys of a JSON object are texts, not {list(value)!r}")
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, float):
        return float(value) + 0.0
    if type(value) in _SCALARS:
        return value
    raise TypeError(f"{value!r} of {type(value)} has no JSON form")
