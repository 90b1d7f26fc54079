"""Seeds put together, methods named and ordered as in docs/definitions.md: what the rows of tables and figures are."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from monosemy.core import METHODS
from monosemy.report.dictionary_reading import DictionaryEvaluation, DictionaryRun

NAMES = {
    **{"tied_l1": "tied L1", "relu_l1": "ReLU L1", "norm_weighted_l1": "norm-weighted L1", "topk": "TopK"},
    **{"batch_topk": "BatchTopK", "matryoshka": "Matryoshka", "jumprelu": "JumpReLU", "gated": "Gated"},
    **{"neurons": "neurons", "neurons_relu": "positive neurons", "neurons_topk": "top-k neurons"},
    **{"random": "random directions", "random_relu": "positive random", "random_topk": "top-k random"},
    **{"pca": "PCA", "pca_nonneg": "PCA of both signs", "pca_topk": "top-k PCA", "ica": "ICA", "ica_topk": "top-k ICA"},
    **{"token_table": "token table", "bigram_table": "bigram table", "probe": "probe"},
}
"""Methods as the page writes them."""

LEARNED = METHODS[: METHODS.index("neurons")]
BASELINES = METHODS[METHODS.index("neurons") : METHODS.index("token_table")]
TABLES = ("token_table", "bigram_table")

Role = Literal["learned", "baseline", "reference", "control"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """What differs in nothing but the seed; the member shown first is the headline, or else the lowest seed."""

    label: str
    role: Role
    members: tuple[DictionaryEvaluation, ...]

    @property
    def first(self) -> DictionaryEvaluation:
        """The member whose value and interval are shown."""
        return self.members[0]


def role(evaluation: DictionaryEvaluation) -> Role:
    """Control where the model's weights are random, else what its method is to the question."""
    return "control" if evaluation.is_control else method_role(evaluation.method)


def method_role(method: str) -> Role:
    """What a method is to the question: learned, a baseline, or a reference (a lookup table, a probe)."""
    return "learned" if method in LEARNED else "baseline" if method in BASELINES else "reference"


def label_of(evaluation: DictionaryEvaluation, run: DictionaryRun) -> str:
    """Method, sparsity, and the expansion factor where it is not the headline's; not the site, not the seed."""
    usual = run.headline[0].expansion_factor if run.headline else None
    return dictionary_words(
        evaluation.method, evaluation.variant, evaluation.sparsity, evaluation.expansion_factor, usual
    )


def dictionary_words(
    method: str, variant: str | None, sparsity: str, expansion_factor: int | float | None, usual: int | float | None
) -> str:
    """What a dictionary is called; `usual`: the expansion factor that is not said."""
    name = NAMES.get(method, method)
    if name.startswith("top-k ") and sparsity.startswith("k="):
        name, sparsity = name.replace("top-k", sparsity.replace("k=", "top-")), ""
    parts = [name]
    parts += [variant.replace("_", " ")] if variant else []
    parts += [sparsity.replace("l1=", "\u03b1=")]  # the paper's letter for the coefficient
    if method in LEARNED and expansion_factor != usual and expansion_factor is not None:
        parts += [f"R={expansion_factor:g}"]
    return " ".join(part for part in parts if part)


def name_of(who: str, run: DictionaryRun) -> str:
    """The words for an evaluation's name or a method's."""
    evaluation = run.named(who)
    if evaluation is None:
        return NAMES.get(who, who)
    return label_of(evaluation, run) + (", random weights" if evaluation.is_control else "")


def role_of(who: str, run: DictionaryRun) -> Role:
    """The role of an evaluation's name or a method's."""
    evaluation = run.named(who)
    return method_role(who) if evaluation is None else role(evaluation)


def groups(run: DictionaryRun, members: Iterable[DictionaryEvaluation]) -> list[Group]:
    """The members by everything but the seed, in the order of the methods, the control last."""
    found: dict[tuple[object, ...], list[DictionaryEvaluation]] = {}
    for each in sorted(members, key=lambda each: sort_key(each, run)):
        key = (each.method, each.variant, each.lm, each.site, each.expansion_factor, each.sparsity)
        found.setdefault(key, []).append(each)
    return [
        Group(label=label_of(same[0], run), role=role(same[0]), members=tuple(_headline_first(same, run)))
        for same in found.values()
    ]


def compared(run: DictionaryRun) -> list[Group]:
    """The groups that methods are compared by: those at the headline's site.

    Of a method with a headline only the headline's sparsity; of a top-k form, where it has it, the first headline's.
    """
    site = run.headline[0].site if run.headline else None
    heads = {(head.method, head.variant): head for head in run.headline}
    k = run.headline[0].sparsity if run.headline else None
    at_k = {each.method for each in run.evaluations if each.method.endswith("_topk") and each.sparsity == k}
    chosen = []
    for each in run.evaluations:
        head = heads.get((each.method, each.variant))
        is_alike = head is None or each.is_control or each.sparsity == head.sparsity
        is_alike &= each.method not in at_k or each.sparsity == k
        if (site is None or each.site in (site, None)) and is_alike:
            chosen.append(each)
    return groups(run, chosen)


def sort_key(evaluation: DictionaryEvaluation, run: DictionaryRun) -> tuple[object, ...]:
    """Trained before control; methods as defined; the headline's expansion and site first; then numbers by value."""
    usual = run.headline[0] if run.headline else None
    return (
        evaluation.is_control,
        METHODS.index(evaluation.method) if evaluation.method in METHODS else len(METHODS),
        evaluation.variant or "",
        usual is not None and evaluation.expansion_factor != usual.expansion_factor,
        usual is not None and evaluation.site != usual.site,
        natural(evaluation.site or ""),
        evaluation.expansion_factor or 0,
        natural(evaluation.sparsity),
        -1 if evaluation.seed is None else evaluation.seed,
    )


def natural(name: str) -> tuple[tuple[int, float, str], ...]:
    """A key by which numbers inside a name sort by value."""
    pieces = re.split(r"(\d+(?:\.\d+)?)", name)
    return tuple((1, float(piece), "") if i % 2 else (0, 0.0, piece) for i, piece in enumerate(pieces))


def _headline_first(same: list[DictionaryEvaluation], run: DictionaryRun) -> list[DictionaryEvaluation]:
    heads = {head.name for head in run.headline}
    return sorted(same, key=lambda each: each.name not in heads)
