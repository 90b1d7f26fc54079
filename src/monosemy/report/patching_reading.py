"""`patching.json` as pages read it: tasks, curves of dictionaries, differences of their areas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.report.dictionary_groups import dictionary_words, method_role
from monosemy.report.reading import read_json_object

PATCHING_FILE = "patching.json"
PATCHING_KEYS = ("headline", "gate", "tasks", "curves", "differences")

Row = Mapping[str, Any]
Bounds = tuple[float, float, float]
"""A value and its 95 % interval."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchCurve:
    """A dictionary patched in one task and order, over some pairs. label: what it is called on the page."""

    label: str
    row: Row

    def __getitem__(self, key: str) -> Any:
        return self.row[key]

    def bounds(self, key: str) -> Bounds:
        """A figure of it with its interval."""
        value, low, high = self.row[key]
        return value, low, high

    def points(self, key: str) -> tuple[list[float], list[float], list[float]]:
        """Values, lower and upper bounds by number of patched latents."""
        value, low, high = ([point[i] for point in self.row[key]] for i in range(3))
        return value, low, high

    @property
    def learned(self) -> bool:
        """Whether its method is trained, not fitted in closed form or drawn."""
        return method_role(self.row["method"]) == "learned"


@dataclass(frozen=True, kw_only=True, slots=True)
class PatchingRun:
    """Everything of patching.json. curves: by task, site and order, as the methods are ordered."""

    headline: tuple[str, ...]
    gate: float | None
    tasks: tuple[Row, ...]
    curves: tuple[PatchCurve, ...]
    differences: tuple[Row, ...]

    def of(
        self, task: str, *, site: str | None = None, order: str = "attribution", which: str = "all"
    ) -> list[PatchCurve]:
        """Curves of a task at a site (None: the first headline's), the headlines first."""
        wanted = (task, self.site if site is None else site, order, which)
        found = [c for c in self.curves if (c["task"], c["site"], c["order"], c["which"]) == wanted]
        heads = list(self.headline)
        return sorted(found, key=lambda c: heads.index(c["dictionary"]) if c["dictionary"] in heads else len(heads))

    @property
    def site(self) -> str:
        """The site with the most curves, where methods are compared; of several the middle one."""
        of = [curve["site"] for curve in self.curves]
        most = max((of.count(site) for site in of), default=0)
        candidates = [site for site in self.sites if of.count(site) == most]
        return candidates[(len(candidates) - 1) // 2] if candidates else ""

    @property
    def sites(self) -> list[str]:
        """All sites, in the model's order."""
        return sorted({curve["site"] for curve in self.curves}, key=lambda site: int(site.split(".")[1]))

    @property
    def orders(self) -> list[str]:
        """The orders in which latents were patched."""
        return [
            order
            for order in ("attribution", "greedy", "threshold_sweep")
            if any(c["order"] == order for c in self.curves)
        ]

    def shown_tasks(self) -> list[Row]:
        """Tasks that have curves."""
        return [task for task in self.tasks if any(curve["task"] == task["name"] for curve in self.curves)]

    def difference(self, task: str, dictionary: str, against: str, order: str = "attribution") -> Row | None:
        """The headline's area minus another's in the same order, if it was taken."""
        wanted = (task, dictionary, against, order, order)
        for row in self.differences:
            if (row["task"], row["dictionary"], row["against"], row["order"], row["against_order"]) == wanted:
                return row
        return None


def read_patching(folder: Path) -> PatchingRun:
    """The summary in a folder. Raises UserError when its file is missing or incomplete."""
    data = read_json_object(folder / PATCHING_FILE, PATCHING_KEYS)
    rows: Sequence[Row] = data["curves"]
    heads = [row for row in rows if row["dictionary"] in data["headline"]]
    usual = heads[0]["expansion_factor"] if heads else None
    return PatchingRun(
        headline=tuple(data["headline"]),
        gate=data["gate"],
        tasks=tuple(data["tasks"]),
        curves=tuple(PatchCurve(label=_label(row, usual), row=row) for row in rows),
        differences=tuple(data["differences"]),
    )


def area_verdict(difference: Row) -> str:
    """`better`, `worse` or `not distinguishable`: a smaller area is better."""
    if difference["high"] < 0:
        return "better"
    return "worse" if difference["low"] > 0 else "not distinguishable"


def _label(row: Row, usual: float | None) -> str:
    words = dictionary_words(row["method"], row["variant"], row["sparsity"], row["expansion_factor"], usual)
    return f"{words}, seed {row['seed']}" if row["seed"] else words
