"""Oracle: a clock that only the waiting moves, and the sum over every window of 60 seconds."""

from hypothesis import given
from hypothesis import strategies as st

from monosemy.interpretation import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(st.lists(st.integers(1, 60), max_size=30))
def test_no_window_of_a_minute_holds_more_than_the_limit(calls: list[int]) -> None:
    clock = Clock()
    pace = Pace(100, lambda: clock.now, clock.sleep)
    passed: list[tuple[float, int]] = []
    for n_tokens in calls:
        pace.wait(n_tokens)
        passed.append((clock.now, n_tokens))
        assert sum(n for at, n in passed if clock.now - 60 < at <= clock.now) <= 100
    assert clock.now <= 60.0 * max(0, len(calls) - 1)


def test_a_call_larger_than_the_limit_passes_when_nothing_else_did() -> None:
    clock = Clock()
    pace = Pace(10, lambda: clock.now, clock.sleep)
    pace.wait(1000)
    assert clock.now == 0
    pace.wait(1)
    assert clock.now == 60


def never(seconds: float) -> None:
    raise AssertionError(f"waits {seconds} seconds")


def test_without_a_limit_nobody_waits() -> None:
    pace = Pace(None, lambda: 0.0, never)
    for _ in range(100):
        pace.wait(10**9)
