"""Oracle: numbers written by hand."""

import pytest

from monosemy.report import count, decimals, interval, percent, significant
from monosemy.report.numbers import duration, enumeration, plain_value


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.01234, "0.0123"), (1.2345, "1.23"), (99.96, "100"), (1234.5, "1,230"), (-0.5, "-0.5"), (None, "-")],
)
def test_significant(value: float | None, written: str) -> None:
    assert significant(value) == written


def test_the_others() -> None:
    assert decimals(1.005, 1) == "1.0"
    assert percent(0.125, 1) == "12.5 %"
    assert count(1234567) == "1,234,567"
    assert interval(0.1, 0.2, 1, of_percent=True) == "[10.0, 20.0]"
    assert interval(None, None, 1) == ""
    assert [duration(s) for s in (59.6, 600.0, 36000.0)] == ["60 s", "10 min", "10.0 h"]
    assert [enumeration(list(names)) for names in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert plain_value({"a": 1, "b": ["x", None]}) == "a 1, b x, null"
