"""Whether a member has learned what it will."""

from collections.abc import Mapping
from typing import Any

from monosemy.training.member import EarlyStop


class EarlyStopping:
    """The windows of a member's training FVU, and how many of the last ones brought nothing."""

    def __init__(self, rule: EarlyStop) -> None:
        self.rule = rule
        self.best_fvu: float | None = None
        self.n_poor_windows = 0
        self._error, self._variation, self._n_steps = 0.0, 0.0, 0

    @property
    def is_over(self) -> bool:
        """Whether the member stops."""
        return self.n_poor_windows >= self.rule.patience_windows

    def update_(self, squared_error: float, variation: float) -> None:
        """Take in a step: sum |x - x_hat|^2 and sum |x - mean(x)|^2 of its batch."""
        self._error += squared_error
        self._variation += variation
        self._n_steps += 1
        if self._n_steps < self.rule.window_steps:
            return
        # A stream that does not vary teaches nothing: its windows count as poor.
        fvu = self._error / self._variation if self._variation > 0 else None
        improves = fvu is not None and (self.best_fvu is None or fvu < self.best_fvu * (1 - self.rule.min_improvement))
        self.n_poor_windows = 0 if improves else self.n_poor_windows + 1
        if improves:
            self.best_fvu = fvu
        self._error, self._variation, self._n_steps = 0.0, 0.0, 0

    def state(self) -> dict[str, Any]:
        """Where it stands, as JSON."""
        return {
            "best_fvu": self.best_fvu,
            "n_poor_windows": self.n_poor_windows,
            "error": self._error,
            "variation": self._variation,
            "n_steps": self._n_steps,
        }

    def load_state_(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.best_fvu, self.n_poor_windows = state["best_fvu"], state["n_poor_windows"]
        self._error, self._variation, self._n_steps = state["error"], state["variation"], state["n_steps"]
