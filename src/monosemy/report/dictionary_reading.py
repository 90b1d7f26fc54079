"""The artifact folders of a dictionary run, read as plain files: evaluations, the comparison, what the page is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monosemy.core import Result, read_results
from monosemy.report.reading import read_json_object

EVALUATION_KEYS = (
    *("name", "method", "variant", "lm", "site", "seed", "n_latents", "expansion_factor", "sparsity"),
    *("n_steps", "n_tokens", "curve", "density", "alive_paper", "labels"),
)
COMPARISON_KEYS = ("headline", "differences", "paper_rule", "agreement")


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryRunFiles:
    """The folders that the page of a dictionary run is made of.

    `fragments`: name of a dictionary -> its fragments folder. `made`: how it was made, shown as it is; known keys:
    `command`, `seconds`, `not_measured` (a list of sentences), `language_model` (its name). `language_model_page`: the
    address of the page about the model, relative to this one. `interpretation`: the folder of the summary of what
    latents respond to, where they were explained. `patching`: that of the summary of what patching latents does, where
    there are tasks.
    """

    evaluations: Sequence[Path]
    comparison: Path
    fragments: Mapping[str, Path] = field(default_factory=dict)
    made: Mapping[str, Any] = field(default_factory=dict)
    language_model_page: str | None = None
    interpretation: Path | None = None
    patching: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryEvaluation:
    """One evaluation: of a dictionary, a lookup table or a probe. The fields are those of `evaluation.json`.

    `best_labels`, where the file has it, says for each latent which label it detects best (null: none).
    """

    name: str
    method: str
    variant: str | None
    lm: str
    site: str | None
    seed: int | None
    n_latents: int | None
    expansion_factor: int | float | None
    sparsity: str
    n_steps: int | None
    n_tokens: int | None
    curve: list[dict[str, Any]]
    density: list[Any]
    alive_paper: int | None
    labels: list[dict[str, Any]]
    best_labels: list[dict[str, Any] | None] | None
    results: tuple[Result, ...]

    def result(self, metric: str, split: str = "test") -> Result | None:
        """Its result of that metric on the split, or the one that belongs to no split; None where there is neither."""
        found = {r.split: r for r in self.results if r.metric == metric}
        return found.get(split) or found.get(None)

    def value(self, metric: str) -> float | None:
        """The value on test; None where it has none."""
        result = self.result(metric)
        return None if result is None else result.value

    @property
    def is_control(self) -> bool:
        """Whether the language model behind it has random weights."""
        return self.lm == "random"


@dataclass(frozen=True, kw_only=True, slots=True)
class DictionaryRun:
    """All evaluations of a run, in the order given, and what `comparison.json` says of them.

    `headline`: role (a method's name) -> name of a dictionary; other entries are ignored. `differences`: `method` minus
    `against`, each an evaluation's name or a method's. `agreement`: pairs of seeds. `paper_rule`: see `rule_section`.
    """

    evaluations: tuple[DictionaryEvaluation, ...]
    headline: tuple[DictionaryEvaluation, ...]
    differences: list[dict[str, Any]]
    paper_rule: dict[str, Any]
    agreement: list[dict[str, Any]]
    results: tuple[Result, ...]

    def named(self, name: str) -> DictionaryEvaluation | None:
        """The evaluation of that name; the trained model's, should a control share it."""
        found = [each for each in self.evaluations if each.name == name]
        return min(found, key=lambda each: each.is_control, default=None)

    @property
    def has_labels(self) -> bool:
        """Whether any label was scored."""
        return any(
            e.value("label_f1") is not None or e.value("label_f1_contextual") is not None for e in self.evaluations
        )


def read_dictionary_run(run: DictionaryRunFiles) -> DictionaryRun:
    """Raises UserError when a file is missing, is not what it should be, or lacks a part."""
    evaluations = tuple(read_dictionary_evaluation(folder) for folder in run.evaluations)
    comparison = read_json_object(run.comparison / "comparison.json", COMPARISON_KEYS)
    by_name = {each.name: each for each in sorted(evaluations, key=lambda each: not each.is_control)}
    names = [name for name in dict(comparison["headline"]).values() if isinstance(name, str)]
    return DictionaryRun(
        evaluations=evaluations,
        headline=tuple(by_name[name] for name in dict.fromkeys(names) if name in by_name),
        differences=list(comparison["differences"]),
        paper_rule=dict(comparison["paper_rule"] or {}),
        agreement=list(comparison["agreement"]),
        results=read_results(run.comparison / "results.jsonl"),
    )


def read_dictionary_evaluation(folder: Path) -> DictionaryEvaluation:
    """Raises UserError when a file is missing, is not what it should be, or lacks a part."""
    data = read_json_object(folder / "evaluation.json", EVALUATION_KEYS)
    return DictionaryEvaluation(
        **{key: data[key] for key in EVALUATION_KEYS},
        best_labels=data.get("best_labels"),
        results=read_results(folder / "results.jsonl"),
    )
