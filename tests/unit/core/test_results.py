"""Oracles: the line itself (round trip) and inconsistent results planted one at a time."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monosemy.core import METHODS, STATUSES, Result, UserError, read_results, write_results

FIELDS = [
    *("metric", "value", "unit", "ci_low", "ci_high", "n", "n_unit", "status", "reason", "method", "variant"),
    *("lm", "dictionary", "site", "split", "seed", "definition", "config"),
]
RESULT = Result(
    metric="fvu",
    value=0.25,
    unit="fraction",
    ci_low=0.2,
    ci_high=0.31,
    n=61,
    n_unit="packages",
    method="topk",
    lm="trained",
    dictionary="topk-8-seed0",
    site="resid_post.2",
    split="test",
    seed=0,
    definition="fvu",
    config="0123456789abcdef",
)

texts = st.text(min_size=1)


@st.composite
def fields(draw: st.DrawFn) -> dict[str, Any]:
    """The fields of a consistent result."""
    status = draw(st.sampled_from(STATUSES))
    low, value, high = sorted(draw(st.tuples(*[st.floats(-1e300, 1e300)] * 3)))
    has_value = status in ("ok", "constant")
    has_interval = has_value and draw(st.booleans())
    n = draw(st.none() | st.integers(min_value=0))
    seed = draw(st.none() | st.integers(min_value=0))
    return dict(
        metric=draw(texts),
        value=value if has_value else None,
        unit=draw(texts),
        ci_low=low if has_interval else None,
        ci_high=high if has_interval else None,
        n=n,
        n_unit=None if n is None else draw(texts),
        status=status,
        reason=None if status == "ok" else draw(texts),
        method=draw(st.sampled_from(METHODS)),
        variant=draw(st.none() | st.text()),
        lm=draw(st.sampled_from(["trained", "random", None])),
        dictionary=None if seed is None else f"{draw(st.text())}-seed{seed}",
        site=draw(st.none() | st.text()),
        split=draw(st.sampled_from(["train", "validation", "test", None])),
        seed=seed,
        definition=draw(texts),
        config=draw(texts),
    )


def test_the_fields_are_the_agreed_ones_in_their_order(tmp_path: Path) -> None:
    write_results(tmp_path / "results.jsonl", [RESULT])
    assert list(json.loads((tmp_path / "results.jsonl").read_text())) == FIELDS


@settings(max_examples=20, deadline=None)  # a busy machine is not a fault
@given(drawn=st.lists(fields(), max_size=3))
def test_what_was_written_is_what_is_read(tmp_path_factory: pytest.TempPathFactory, drawn: list[dict]) -> None:
    written = [Result(**fields) for fields in drawn]
    path = tmp_path_factory.mktemp("results") / "results.jsonl"
    write_results(path, written)
    assert read_results(path) == tuple(written)
    assert path.read_text(encoding="utf-8").count("\n") == len(written)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"value": None}, "status 'ok' with value None"),
        ({"value": float("nan")}, "not finite"),
        ({"ci_high": float("inf")}, "not finite"),
        ({"value": 0.5}, r"0\.5 lies outside of its interval \[0\.2, 0\.31\]"),
        ({"value": 0.1}, r"0\.1 lies outside of its interval"),
        ({"ci_low": None}, "stand together"),
        ({"n": None}, "a count >= 0 and its unit stand together"),
        ({"n_unit": None}, "a count >= 0 and its unit stand together"),
        ({"n": -1}, "a count >= 0"),
        ({"method": "top_k"}, r"unknown method \(did you mean 'topk'\?\)"),
        ({"dictionary": "topk-8"}, "does not end in -seed<n>"),
        ({"status": "constant"}, "status 'constant' needs a reason"),
        ({"status": "not_run", "reason": "no GPU"}, "status 'not_run' with value 0.25"),
        ({"status": "not_run", "value": None, "reason": "no GPU"}, "only beside a value"),
        ({"metric": ""}, "cannot be empty"),
        ({"definition": ""}, "cannot be empty"),
    ],
)
def test_an_inconsistent_result_cannot_be_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(RESULT, **changes)


def test_a_value_beside_its_interval_by_rounding_only_is_taken() -> None:
    dataclasses.replace(RESULT, value=0.1 + 0.2, ci_low=0.1, ci_high=0.3)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: Expecting property name"),
        ("[]", "line 2: expected Result"),
        (
            json.dumps(dataclasses.asdict(RESULT) | {"sites": 1}),
            r"line 2: sites: unknown key \(did you mean 'site'\?\)",
        ),
        (
            json.dumps(dataclasses.asdict(RESULT) | {"status": "good"}),
            "line 2: status: expected one of 'ok', 'constant'",
        ),
        (json.dumps(dataclasses.asdict(RESULT) | {"method": "best"}), "line 2: Result: result 'fvu' of method 'best'"),
    ],
)
def test_a_broken_line_is_told_with_its_number(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(dataclasses.asdict(RESULT)) + "\n" + line + "\n")
    with pytest.raises(UserError, match=message):
        read_results(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"results\.jsonl is missing"):
        read_results(tmp_path / "results.jsonl")
