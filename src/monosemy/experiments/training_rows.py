"""What each dictionary in training is doing, as a row of the live table."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from monosemy.core import Row, Show
from monosemy.training import CurvePoint, Member, TrainedMember


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    """Where a member stood when this process first saw it: no rate counts what came before."""

    seconds: float
    n_tokens: int


class TrainingRows:
    """Shows the points of members' curves as rows; `observe` is what the training loop calls.

    Columns: the share of the steps done, each term of the loss (weighted, mean over the batch), L0 (active latents a
    token), FVU (of the batch), dead latents, tokens a second, and the time left.
    """

    def __init__(self, members: Sequence[Member], show: Show, clock: Callable[[], float] = time.monotonic) -> None:
        self._members = {member.name: member for member in members}
        self._show, self._clock = show, clock
        self._starts: dict[str, _Start] = {}

    def observe(self, name: str, point: CurvePoint) -> None:
        """Show a member's point."""
        now = self._clock()
        start = self._starts.setdefault(name, _Start(seconds=now, n_tokens=point.n_tokens))
        seconds = now - start.seconds
        rate = (point.n_tokens - start.n_tokens) / seconds if seconds > 0 else None
        cells = training_cells(self._members[name], point, rate)
        self._show(Row(name=name, cells=cells, optional=tuple(point.loss)))

    def end(self, trained: TrainedMember) -> None:
        """Show that a member takes no more steps: done, stopped early, or failed and why."""
        name, failure = trained.member.name, trained.failure
        if failure is not None:
            self._show(Row(name=name, cells={"left": "failed"}, state="failed", reason=failure.message))
            return
        is_whole = trained.n_steps_done >= trained.member.n_steps
        share = percent(trained.n_steps_done, trained.member.n_steps)
        self._show(Row(name=name, cells={"done": share, "left": "done" if is_whole else "early"}, state="done"))


def training_cells(member: Member, point: CurvePoint, tokens_a_second: int | float | None) -> Mapping[str, str]:
    """The cells of a member's row; without a rate its time left is not known."""
    n_left = member.n_steps * member.batch_size - point.n_tokens
    left = "" if not tokens_a_second else duration(n_left / tokens_a_second)
    return {
        "done": percent(point.step, member.n_steps),
        **{term: short(value) for term, value in point.loss.items()},
        "L0": short(point.l0),
        "FVU": "" if point.fvu is None else f"{point.fvu:.3f}",
        "dead": f"{point.n_dead}",
        "tokens/s": "" if not tokens_a_second else short(tokens_a_second),
        "left": left,
    }


def percent(part: int, whole: int) -> str:
    """A whole number, rounded down, so that only the whole is 100 %."""
    return f"{100 * part // whole} %"


def short(value: int | float) -> str:
    """Three significant digits without an exponent in the usual range: 0.0123, 12.3, 1.23k, 4.56M; 0 stays 0."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}{suffix}"
    if value == 0:
        return "0"
    return f"{value:.3g}" if abs(value) >= 1e-4 else f"{value:.0e}"


def duration(seconds: int | float) -> str:
    """Minutes and seconds, or hours and minutes: 0:07, 12:34, 1 h 02."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d}"
