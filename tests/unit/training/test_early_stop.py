"""Oracle: windows worked out by hand."""

import pytest

from monosemy.training import EarlyStop, EarlyStopping


def fed(rule: EarlyStop, errors: list[float], variation: float = 2.0) -> tuple[EarlyStopping, list[bool]]:
    stopping, over = EarlyStopping(rule), []
    for error in errors:
        stopping.update_(error, variation)
        over.append(stopping.is_over)
    return stopping, over


def test_it_stops_after_so_many_windows_without_enough_gain() -> None:
    """Windows of two: FVU .5, .4 (a fifth better), .38 (a twentieth: too little), .37 (still against .4): over."""
    rule = EarlyStop(window_steps=2, patience_windows=2, min_improvement=0.1)
    stopping, over = fed(rule, [1.2, 0.8, 0.8, 0.8, 0.76, 0.76, 0.74, 0.74])
    assert over == [False] * 7 + [True]
    assert stopping.best_fvu == pytest.approx(0.4)


def test_a_good_window_starts_the_patience_anew() -> None:
    rule = EarlyStop(window_steps=1, patience_windows=2, min_improvement=0.0)
    _, over = fed(rule, [1.0, 1.0, 0.9, 0.9, 0.8, 0.8, 0.8])
    assert over == [False] * 6 + [True]


def test_data_that_do_not_vary_end_it() -> None:
    rule = EarlyStop(window_steps=1, patience_windows=3, min_improvement=0.0)
    assert fed(rule, [1.0, 1.0, 1.0], variation=0.0)[1] == [False, False, True]


def test_its_state_is_all_of_it() -> None:
    rule = EarlyStop(window_steps=3, patience_windows=2, min_improvement=0.05)
    errors = [1 / (i + 3) for i in range(20)]
    whole, over = fed(rule, errors)
    for n in range(20):
        first, _ = fed(rule, errors[:n])
        second = EarlyStopping(rule)
        second.load_state_(first.state())
        rest = []
        for error in errors[n:]:
            second.update_(error, 2.0)
            rest.append(second.is_over)
        assert rest == over[n:]
        assert second.state() == whole.state()


@pytest.mark.parametrize("change", [{"window_steps": 0}, {"patience_windows": 0}, {"min_improvement": 1.0}])
def test_impossible_rules_are_refused(change: dict) -> None:
    with pytest.raises(ValueError, match="got"):
        EarlyStop(**({"window_steps": 1, "patience_windows": 1, "min_improvement": 0.1} | change))
