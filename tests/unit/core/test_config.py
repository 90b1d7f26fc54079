"""Oracles: the value itself (round trip), Python's equality (fingerprints), and faults planted one at a time."""

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.core import UserError, canonical_json, fingerprint, first_difference, from_json, to_json


@dataclass(frozen=True, kw_only=True, slots=True)
class TopK:
    k: int
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class AbsTopK:
    k: int
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Optimizer:
    lr: float
    betas: tuple[float, float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise ValueError(f"lr must be positive, got {self.lr}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    members: tuple[TopK | AbsTopK, ...]
    optimizer: Optimizer | None
    site: Literal["resid_post", "mlp_out", 3]
    out: Path
    seed: int | str | None
    shuffle: bool
    names: tuple[str, ...] = ()


LAW = settings(max_examples=30, deadline=None)  # a busy machine is not a fault

finite = st.floats(allow_nan=False, allow_infinity=False)
members = st.one_of(st.builds(TopK, k=st.integers(), scale=finite), st.builds(AbsTopK, k=st.integers(), scale=finite))
optimizers = st.builds(Optimizer, lr=finite.filter(lambda lr: lr > 0), betas=st.tuples(finite, finite))
runs = st.builds(
    Run,
    members=st.lists(members, max_size=3).map(tuple),
    optimizer=st.none() | optimizers,
    site=st.sampled_from(["resid_post", "mlp_out", 3]),
    out=st.lists(st.text("ab. ", min_size=1), min_size=1, max_size=3).map(lambda parts: Path(*parts)),
    seed=st.none() | st.integers() | st.text(),
    shuffle=st.booleans(),
    names=st.lists(st.text(), max_size=2).map(tuple),
)
RUN = Run(
    members=(TopK(k=4), AbsTopK(k=8)),
    optimizer=Optimizer(lr=1e-3),
    site="mlp_out",
    out=Path("runs/a"),
    seed=0,
    shuffle=True,
)


@LAW
@given(runs)
def test_json_text_and_back_is_the_same_configuration(run: Run) -> None:
    assert from_json(Run, json.loads(json.dumps(to_json(run)))) == run


@LAW
@given(runs, runs)
def test_fingerprints_are_equal_exactly_where_configurations_are(a: Run, b: Run) -> None:
    assert (fingerprint(a) == fingerprint(b)) == (a == b)
    assert fingerprint(a) == fingerprint(to_json(a)) == fingerprint(json.loads(canonical_json(a)))


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    # From sha256sum. It guards what users have on their disks: whoever changes it invalidates every cache.
    value = {"b": [1, 2.5, None, True, "\u00e9"], "a": {"z": 1e-9}}
    assert canonical_json(value) == '{"a":{"z":1e-09},"b":[1,2.5,null,true,"\\u00e9"]}'
    assert fingerprint(value) == "9d22fbebb2cc08f1"


def test_two_classes_with_equal_fields_differ() -> None:
    assert fingerprint(TopK(k=4)) != fingerprint(AbsTopK(k=4))
    assert to_json(TopK(k=4)) == {"type": "TopK", "k": 4, "scale": 1.0}
    assert from_json(TopK | AbsTopK, to_json(AbsTopK(k=4))) == AbsTopK(k=4)


def test_the_tag_stands_only_where_there_is_a_choice() -> None:
    data = to_json(RUN)
    assert data["members"] == [{"type": "TopK", "k": 4, "scale": 1.0}, {"type": "AbsTopK", "k": 8, "scale": 1.0}]
    assert data["optimizer"] == {"lr": 1e-3, "betas": [0.9, 0.999]}
    del data["type"]  # at the top, too, one class needs no tag
    assert from_json(Run, data) == RUN


def test_an_int_where_a_float_is_asked_is_that_float() -> None:
    # By a plain dictionary, as beartype would refuse the int at construction under test.
    assert from_json(Optimizer, {"lr": 1, "betas": [0, 1]}) == Optimizer(lr=1.0, betas=(0.0, 1.0))
    assert type(from_json(Optimizer, {"lr": 1, "betas": [0, 1]}).lr) is float
    assert fingerprint(TopK(k=1, scale=-0.0)) == fingerprint(TopK(k=1, scale=0.0))


def changed(path: str, value: object) -> dict[str, Any]:
    """The JSON of RUN with the value at a dotted path replaced."""
    data = to_json(RUN)
    *parents, last = path.split(".")
    place: Any = data
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return data


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("members.0.kk", 3, "members.0.kk: unknown key (did you mean 'k'?); allowed: k, scale"),
        ("shufle", True, "shufle: unknown key (did you mean 'shuffle'?); allowed: members, optimizer, site"),
        ("members.1.k", 1.0, "members.1.k: expected int, got 1.0"),
        ("members.1.k", True, "members.1.k: expected int, got True"),
        ("members.0.scale", True, "members.0.scale: expected a finite number, got True"),
        ("members.0.scale", "1", "members.0.scale: expected a finite number, got '1'"),
        ("members.0.scale", math.inf, "members.0.scale: expected a finite number, got inf"),
        ("members.0.type", "TopKK", "members.0.type: unknown type 'TopKK' (did you mean 'TopK'?); allowed: TopK, Abs"),
        ("members.0", {"k": 1, "scale": 1.0}, "members.0.type: missing key; it names one of TopK, AbsTopK"),
        ("members.0", 3, "members.0: expected TopK or AbsTopK, got 3"),
        ("members", {}, "members: expected a list of TopK or AbsTopK, ..., got {}"),
        ("optimizer", {"lr": 0.1}, "optimizer.betas: missing key; Optimizer needs a list of a finite number, a finite"),
        ("optimizer.betas", [0.5], "optimizer.betas: expected 2 items, got 1"),
        ("optimizer.lr", -1.0, "optimizer: lr must be positive, got -1.0"),
        ("optimizer.type", "Run", "optimizer.type: expected 'Optimizer', got 'Run'"),
        ("optimizer", 3, "optimizer: expected Optimizer, got 3"),
        ("site", "mlp_in", "site: expected one of 'resid_post', 'mlp_out', 3, got 'mlp_in'"),
        ("site", 3.0, "site: expected one of 'resid_post', 'mlp_out', 3, got 3.0"),
        ("seed", 1.5, "seed: expected int or str or null, got 1.5"),
        ("shuffle", 1, "shuffle: expected bool, got 1"),
        ("out", None, "out: expected Path, got None"),
        ("type", "TopK", "type: expected 'Run', got 'TopK'"),
    ],
)
def test_a_fault_is_named_by_its_dotted_path(path: str, value: object, message: str) -> None:
    with pytest.raises(UserError) as caught:
        from_json(Run, changed(path, value))
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Run)])
def test_every_field_must_be_there_even_one_with_a_default(field: str) -> None:
    data = to_json(RUN)
    del data[field]
    with pytest.raises(UserError, match=f"^{field}: missing key"):
        from_json(Run, data)


@pytest.mark.parametrize("data", [None, 3, [], "TopK"])
def test_what_is_not_an_object_is_refused(data: object) -> None:
    with pytest.raises(UserError, match=r"^expected TopK, got"):
        from_json(TopK, data)


def test_a_value_that_does_not_fit_its_annotation_is_refused_on_the_way_out() -> None:
    broken = dataclasses.replace(RUN, members=(TopK(k=4),))
    object.__setattr__(broken.members[0], "k", "four")
    with pytest.raises(UserError, match=r"^members\.0\.k: expected int, got 'four'"):
        to_json(broken)


@dataclass(frozen=True, kw_only=True, slots=True)
class Tagged:
    type: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsupported:
    table: dict[str, int]


@pytest.mark.parametrize("config", [Tagged(type="a"), Unsupported(table={}), 3, TopK])
def test_what_has_no_json_form_is_a_defect_of_the_program(config: object) -> None:
    with pytest.raises(TypeError):
        to_json(config)


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1}}, [object()]])
def test_only_json_able_values_have_a_fingerprint(value: object) -> None:
    with pytest.raises(TypeError):
        fingerprint(value)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"b": {"c": [1, 2]}, "a": 1}, None),
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, ("b.c.1", 2, 3)),
        ({"a": 1}, {"a": 1, "b": 2}, ("b", "(absent)", 2)),
        ({"a": [1]}, {"a": [1, 2]}, ("a", [1], [1, 2])),
        ({"a": 1}, {"a": 1.0}, ("a", 1, 1.0)),
        ({"a": {}}, {"a": None}, ("a", {}, None)),
    ],
)
def test_the_first_difference_is_found(left: object, right: object, expected: object) -> None:
    assert first_difference(left, right) == expected


@LAW
@given(runs, runs)
def test_there_is_a_difference_exactly_where_fingerprints_differ(a: Run, b: Run) -> None:
    assert (first_difference(to_json(a), to_json(b)) is None) == (fingerprint(a) == fingerprint(b))
