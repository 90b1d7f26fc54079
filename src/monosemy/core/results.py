"""Results: one object a line in `results.jsonl`, each traceable to its configuration and its metric's definition."""

import dataclasses
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from monosemy.core.artifact import atomic_write_text
from monosemy.core.config import from_json
from monosemy.core.errors import UserError, nearest

Status = Literal["ok", "constant", "not_applicable", "not_run"]
STATUSES: tuple[str, ...] = get_args(Status)

METHODS: tuple[str, ...] = (
    *("tied_l1", "relu_l1", "norm_weighted_l1", "topk", "batch_topk", "matryoshka", "jumprelu", "gated"),
    *("neurons", "neurons_relu", "neurons_topk", "random", "random_relu", "random_topk"),
    *("pca", "pca_nonneg", "pca_topk", "ica", "ica_topk", "token_table", "bigram_table"),
    *("probe", "leace", "mean_difference", "added_noise", "lm"),
)
"""The names under `method`; each is defined in docs/definitions.md, variants stand beside it under `variant`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """One number of the report, or the statement that and why there is none.

    `value` is null unless `status` is ok or constant; `reason` says why it is not ok, or remarks. The interval
    [ci_low, ci_high] holds the value; `n` counts what was resampled, in `n_unit`. `lm` is "trained", or "random" for
    the control, or null where no LM is involved (planted data). `dictionary` is the artifact's name, ending in
    `-seed<n>`, or null.
    `definition` names the entry of docs/definitions.md; `config` is the fingerprint of the configuration behind it.
    """

    metric: str
    value: float | None
    unit: str
    ci_low: float | None = None
    ci_high: float | None = None
    n: int | None = None
    n_unit: str | None = None
    status: Status = "ok"
    reason: str | None = None
    method: str
    variant: str | None = None
    lm: Literal["trained", "random"] | None
    dictionary: str | None = None
    site: str | None = None
    split: Literal["train", "validation", "test"] | None = None
    seed: int | None = None
    definition: str
    config: str

    def __post_init__(self) -> None:
        """Raise ValueError when the fields do not agree with each other."""
        for problem in (*_name_problems(self), *_value_problems(self)):
            raise ValueError(f"result {self.metric!r} of method {self.method!r}: {problem}")


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write results as JSON lines, atomically: the file is the old one or the whole new one."""
    lines = [json.dumps(dataclasses.asdict(result), allow_nan=False) + "\n" for result in results]
    atomic_write_text(path, "".join(lines))


def read_results(path: Path) -> tuple[Result, ...]:
    """The results in a file; raises UserError naming the line that is not one."""
    if not path.is_file():
        raise UserError(f"{path} is missing; results are written by the stages that measure")
    results = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            results.append(from_json(Result, json.loads(line)))
        except (ValueError, UserError) as error:
            raise UserError(f"{path}, line {number}: {error}") from error
    return tuple(results)


def _name_problems(result: Result) -> Iterable[str]:
    if not result.metric or not result.unit or not result.definition or not result.config:
        yield "metric, unit, definition and config cannot be empty"
    if result.method not in METHODS:
        yield f"unknown method{nearest(result.method, METHODS)}; allowed: {', '.join(METHODS)}"
    if result.status not in STATUSES:
        yield f"unknown status {result.status!r}{nearest(result.status, STATUSES)}; allowed: {', '.join(STATUSES)}"
    if result.dictionary is not None and not re.search(r"-seed\d+$", result.dictionary):
        yield f"the dictionary's name {result.dictionary!r} does not end in -seed<n>"
    if result.status != "ok" and not result.reason:
        yield f"status {result.status!r} needs a reason"


def _value_problems(result: Result) -> Iterable[str]:
    value, low, high = result.value, result.ci_low, result.ci_high
    if (value is not None) != (result.status in ("ok", "constant")):
        yield f"status {result.status!r} with value {value}; a value stands exactly where status is ok or constant"
    if any(number is not None and not math.isfinite(number) for number in (value, low, high)):
        yield f"not finite: {value} in [{low}, {high}]"
    if (low is None) != (high is None) or (low is not None and value is None):
        yield "ci_low and ci_high stand together, and only beside a value"
    if value is not None and low is not None and high is not None:
        slack = 1e-9 * max(abs(value), abs(low), abs(high))  # the value may have been summed in another order
        if not low - slack <= value <= high + slack:
            yield f"the value {value} lies outside of its interval [{low}, {high}]"
    if (result.n is None) != (result.n_unit is None) or (result.n is not None and result.n < 0):
        yield f"n {result.n} with n_unit {result.n_unit!r}; a count >= 0 and its unit stand together"
