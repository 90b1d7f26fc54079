"""The folders of steering, read as plain files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monosemy.report.dictionary_groups import NAMES
from monosemy.report.reading import read_json_object

STEERING_KEYS = ("task", "dictionary", "method", "site", "latent", "quantile", "n_prompts", "max_damage", "curves")
OWN_TOKENS = "own_tokens"

_MODES = {"add": "added everywhere", "clamp": "clamped everywhere", "scale": "scaled where active"}


@dataclass(frozen=True, kw_only=True, slots=True)
class SteeredBy:
    """One curve: a point a strength, and the number of the one that validation chose (None: none was allowed)."""

    label: str
    short: str
    method: str
    variant: str | None
    points: tuple[dict[str, Any], ...]
    chosen: int | None

    @property
    def point(self) -> dict[str, Any] | None:
        """The point that validation chose."""
        return None if self.chosen is None else self.points[self.chosen]

    @property
    def effect(self) -> float | None:
        """The mean effect at the chosen strength, nats."""
        return None if self.point is None else float(self.point["effect"]["value"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Steered:
    """One goal and one dictionary; `about` holds the file's other entries."""

    task: str
    about: dict[str, Any]
    curves: tuple[SteeredBy, ...]

    @property
    def title(self) -> str:
        """What the section is called."""
        return f"{self.goal}, {self.of}"

    @property
    def goal(self) -> str:
        """What was steered for."""
        return f"latent {self.about['latent']}'s own tokens" if self.task == OWN_TOKENS else self.task

    @property
    def of(self) -> str:
        """The dictionary in words."""
        sparsity = str(self.about.get("sparsity", "")).replace("l1=", "\u03b1=")
        return f"{NAMES.get(str(self.about['method']), str(self.about['method']))} {sparsity}".strip()


def read_steered(folders: Sequence[Path]) -> list[Steered]:
    """What was steered for, in the order of the folders. Raises UserError when a file is missing or incomplete."""
    found: list[Steered] = []
    for folder in folders:
        data = read_json_object(folder / "steering.json", STEERING_KEYS)
        curves = tuple(_curve(each, data) for each in data["curves"])
        found.append(Steered(task=str(data["task"]), about=data, curves=curves))
    return found


def _curve(data: dict[str, Any], about: dict[str, Any]) -> SteeredBy:
    method, variant = str(data["method"]), data["variant"]
    if method == "mean_difference":
        label, short = "difference of means", "mean diff."
    elif variant == "directions":
        label, short = "random directions", "random"
    else:
        label, short = f"latent {about['latent']} {_MODES[str(variant)]}", f"latent, {variant}"
    return SteeredBy(
        label=label,
        short=short,
        method=method,
        variant=variant,
        points=tuple(data["points"]),
        chosen=data["chosen"],
    )
