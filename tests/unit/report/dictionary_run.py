"""An invented dictionary run in the form that the stages write: every number here is planted, none was measured."""

import dataclasses
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors.numpy import save_file

from monosemy.core import Result, numpy_generator
from monosemy.report import DictionaryRunFiles

HOSTILE = "</script><img src=x onerror=alert(1)> & \"quotes\" 'too'"
SITE, N_LATENTS, N_LABELS = "resid_post.1", 640, 24
LABELS = (
    *("subscript_index", "if_test", "indent_4_or_more", "f_string", "private_name", "module_header", "in_dict_braces"),
    *("first_argument", "default_value", "decorator_name", "return_value", "in_lambda", "keyword_argument", "slice"),
)
TEXT = (
    "def read(self, path, *, mode='r'):\n    if path is None:\n        return self.cache[0]\n\n"
    "    with open(path, mode) as stream:\n        for line in stream:\n            yield line.rstrip()\n"
)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One planted evaluation: its numbers on test."""

    method: str
    sparsity: str = ""
    seed: int = 0
    site: str | None = SITE
    lm: Literal["trained", "random"] = "trained"
    r: int | None = 4
    f1: float | None = 0.3
    l0: float | None = 16.0
    fvu: float | None = 0.1
    n_dead: int = 3
    steps: int = 0

    @property
    def name(self) -> str:
        parts = [self.method, self.sparsity.replace("=", ""), self.site or "", f"r{self.r}" if self.r else "", self.lm]
        return "-".join(part for part in (*parts, f"seed{self.seed}") if part)


TOPK = Planted(method="topk", sparsity="k=16", f1=0.321, l0=16.0, fvu=0.088, steps=6000)
TIED = Planted(method="tied_l1", sparsity="l1=1", f1=0.303, l0=27.6, fvu=0.128, steps=6000)


def planted() -> list[Planted]:
    """The default recipe's dictionaries, tables and control; the numbers are near those of embedded.md."""
    changed = lambda base, **changes: dataclasses.replace(base, **changes)  # noqa: E731
    return [
        *(changed(TOPK, seed=seed, f1=f1, fvu=0.088 + 0.001 * seed) for seed, f1 in enumerate((0.321, 0.314, 0.327))),
        *(
            changed(TOPK, site=f"resid_post.{layer}", f1=f1, fvu=fvu)
            for layer, f1, fvu in ((0, 0.211, 0.061), (2, 0.318, 0.101), (3, 0.274, 0.117))
        ),
        changed(TOPK, r=2, f1=0.297, fvu=0.121),
        *(changed(TIED, seed=seed, f1=f1) for seed, f1 in enumerate((0.303, 0.309, 0.298))),
        changed(TIED, sparsity="l1=0.3", f1=0.281, l0=61.0, fvu=0.071),
        changed(TIED, sparsity="l1=0.6", f1=0.297, l0=40.2, fvu=0.098),
        changed(TIED, sparsity="l1=2", f1=0.219, l0=11.7, fvu=0.337, n_dead=41),
        changed(TIED, sparsity="l1=4", f1=0.05, l0=0.3, fvu=0.951, n_dead=502),
        changed(TIED, r=2, f1=0.287, fvu=0.141),
        Planted(method="neurons", f1=0.181, l0=160.0, fvu=0.0, r=1),
        Planted(method="neurons_relu", f1=0.172, l0=80.3, fvu=0.49, r=1),
        Planted(method="neurons_topk", sparsity="k=16", f1=0.169, l0=16.0, fvu=0.61, r=1),
        Planted(method="random", f1=0.203, l0=640.0, fvu=0.02),
        Planted(method="random_relu", f1=0.198, l0=320.0, fvu=0.21),
        Planted(method="random_topk", sparsity="k=16", f1=0.176, l0=16.0, fvu=0.71),
        Planted(method="pca", f1=0.16, l0=160.0, fvu=0.0, r=1),
        Planted(method="pca_nonneg", f1=0.166, l0=160.0, fvu=0.0, r=2),
        Planted(method="pca_topk", sparsity="k=16", f1=0.151, l0=16.0, fvu=0.29, r=1),
        Planted(method="ica", f1=0.245, l0=160.0, fvu=0.0, r=1),
        Planted(method="ica_topk", sparsity="k=16", f1=0.229, l0=16.0, fvu=0.33, r=1),
        Planted(method="token_table", site=None, r=None, f1=0.234, l0=None, fvu=None),
        Planted(method="bigram_table", site=None, r=None, f1=0.291, l0=None, fvu=None),
        Planted(method="probe", r=None, f1=0.455, l0=None, fvu=None),
        changed(TOPK, lm="random", f1=0.107, fvu=0.087),
        Planted(method="random", lm="random", f1=0.098, l0=640.0, fvu=0.02),
        Planted(method="ica", lm="random", f1=0.111, l0=160.0, fvu=0.0, r=1),
        Planted(method="probe", lm="random", r=None, f1=0.2, l0=None, fvu=None),
    ]


def write_run(
    folder: Path, *, labels: bool = True, shift: float = 0.0, without: tuple[str, ...] = (), **made: Any
) -> DictionaryRunFiles:
    """A whole run under `folder`; `shift` is added to every difference, `without` leaves methods out."""
    runs = [each for each in planted() if each.method not in without]
    runs = runs if labels else [each for each in runs if each.l0 is not None]
    folders = []
    for each in runs:
        folders.append(folder / "evaluation" / each.name)
        write_evaluation_folder(folders[-1], each, labels=labels)
    comparison = folder / "comparison"
    comparison.mkdir(parents=True)
    (comparison / "comparison.json").write_text(json.dumps(comparison_data(runs, labels, shift)), encoding="utf-8")
    (comparison / "results.jsonl").write_text("", encoding="utf-8")
    fragments = {}
    for number, name in enumerate((TOPK.name, TIED.name)):
        fragments[name] = write_fragments_folder(folder / "fragments" / name, number)
    told = {"command": "monosemy run --out runs/default", "seconds": 430.0, "language_model": "stdlib-4x160", **made}
    return DictionaryRunFiles(evaluations=folders, comparison=comparison, fragments=fragments, made=told)


def write_evaluation_folder(folder: Path, planted: Planted, *, labels: bool = True) -> None:
    folder.mkdir(parents=True)
    lines = [json.dumps(dataclasses.asdict(result)) + "\n" for result in results(planted, labels=labels)]
    (folder / "results.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "evaluation.json").write_text(json.dumps(evaluation_data(planted, labels)), encoding="utf-8")


def n_latents(planted: Planted) -> int | None:
    return None if planted.r is None else 160 * planted.r


def results(planted: Planted, *, labels: bool = True) -> list[Result]:
    is_dictionary = planted.r is not None
    f1 = planted.f1 if labels else None
    values: dict[str, tuple[float | None, str, float]] = {}
    if is_dictionary:
        assert planted.fvu is not None
        fvu = planted.fvu
        values |= {
            "l0": (planted.l0, "latents a token", 0.02),
            "fvu": (fvu, "fraction", 0.02),
            "dead_eval": (float(planted.n_dead), "latents", 0.0),
            "ce_increase": (1.1 * fvu, "nats a token", 0.05),
            "loss_recovered_zero": (1 - 0.18 * fvu, "fraction", 0.01),
            "loss_recovered_mean": (1 - 0.31 * fvu, "fraction", 0.01),
            "kl": (1.05 * fvu, "nats a token", 0.05),
            "top1_agreement": (1 - 0.6 * fvu, "fraction", 0.01),
        }
    for metric, scale in (
        *(("label_f1_contextual", 1.0), ("label_ap_lift_contextual", 0.8)),
        *(("label_f1", 1.4), ("label_ap_lift", 1.2)),
    ):
        values[metric] = (None if f1 is None else scale * f1, "fraction", 0.06)
    found = []
    for metric, (value, unit, spread) in values.items():
        for split, shift in (("validation", 0.004), ("test", 0.0)):
            found.append(
                Result(
                    metric=metric,
                    value=None if value is None else value + (shift if value else 0.0),
                    unit=unit,
                    ci_low=None if value is None or not spread else (value + (shift if value else 0.0)) * (1 - spread),
                    ci_high=None if value is None or not spread else (value + (shift if value else 0.0)) * (1 + spread),
                    n=40 if split == "test" else 48,
                    n_unit="packages",
                    status="ok" if value is not None else "not_applicable",
                    reason=None if value is not None else "this text has no labels",
                    method=planted.method,
                    lm=planted.lm if planted.site else None,
                    dictionary=planted.name if is_dictionary else None,
                    site=planted.site,
                    split="validation" if split == "validation" else "test",
                    seed=planted.seed,
                    definition=metric,
                    config="0" * 12,
                )
            )
    return found


def evaluation_data(planted: Planted, labels: bool) -> dict[str, Any]:
    n = n_latents(planted)
    return {
        "name": planted.name,
        **{"method": planted.method, "variant": None, "lm": planted.lm, "site": planted.site, "seed": planted.seed},
        **{"n_latents": n, "expansion_factor": planted.r, "sparsity": planted.sparsity},
        **{"n_steps": planted.steps or None, "n_tokens": planted.steps * 1024 or None},
        "curve": curve(planted) if planted.steps else [],
        "density": density(planted, n) if n else [],
        "alive_paper": None if n is None else n - planted.n_dead // 2,
        "labels": label_scores(planted) if labels else [],
        **({"best_labels": best_labels(n)} if labels and planted.method == "topk" and n else {}),
    }


def best_labels(n: int) -> list[dict[str, Any] | None]:
    """Of every third latent nothing, of the others a weak label."""
    weak = {"sign": 1, "threshold": 0.1, "f1_validation": 0.12, "f1": 0.07}
    return [None if i % 3 == 0 else {"label": LABELS[i % len(LABELS)], **weak} for i in range(n)]


def curve(planted: Planted) -> list[dict[str, Any]]:
    """From dense to the planted end, as tied L1 goes down; TopK stands still."""
    assert planted.l0 is not None
    assert planted.fvu is not None
    points = []
    for step in range(0, planted.steps + 1, 200):
        left = math.exp(-step / 700)
        points.append(
            {
                "step": step,
                "n_tokens": 1024 * step,
                "l0": planted.l0 if planted.method == "topk" else planted.l0 * (300 / planted.l0) ** left,
                "fvu": planted.fvu + (0.9 - 0.5 * planted.fvu) * left * 0.6,
                "n_dead": round(planted.n_dead * (1 - left)),
                "loss": {"squared_error": 0.1 + left, "sparsity": 0.05},
            }
        )
    return points


def density(planted: Planted, n: int) -> list[float]:
    assert planted.l0 is not None
    drawn = numpy_generator(7, f"planted-density-{planted.method}").lognormal(-4.2, 1.1, n)
    drawn *= planted.l0 / drawn.sum()
    drawn[: min(planted.n_dead, n)] = 0.0
    return [float(value) for value in np.minimum(np.roll(drawn, 17), 1.0)]


def label_scores(planted: Planted) -> list[dict[str, Any]]:
    """Fourteen contextual labels falling in F1, two of one latent, some the token gives away, one too rare."""
    assert planted.f1 is not None
    n = n_latents(planted)
    found = []
    for i, label in enumerate(LABELS):
        f1 = min(0.97, planted.f1 * (1.7 - 0.1 * i))
        latent = None if n is None else (101 if i in (2, 3) else 100 + 7 * i) % n
        found.append(_label(label, latent, f1, contextual=True))
    found.append(_label("def_keyword", None if n is None else 55, 0.96, contextual=False))
    rare = _label("match_statement", None, 0.0, contextual=False)
    missing = ("latent", "sign", "threshold", "f1_validation", "f1", "precision", "recall", "ap_lift")
    found.append(rare | {"status": "not_applicable", "reason": "31 tokens"} | dict.fromkeys(missing))
    return found


def _label(label: str, latent: int | None, f1: float, *, contextual: bool) -> dict[str, Any]:
    return {
        **{"label": label, "family": "syntax", "definition": f"The token is {label.replace('_', ' ')} ({HOSTILE})."},
        **{"contextual": contextual, "status": "ok", "reason": None, "latent": latent, "sign": 1, "threshold": 0.5},
        **{
            "f1_validation": f1 + 0.011,
            "f1": f1,
            "precision": f1,
            "recall": f1,
            "ap_lift": 0.8 * f1,
            "base_rate": 0.02,
        },
    }


def comparison_data(runs: list[Planted], labels: bool, shift: float) -> dict[str, Any]:
    differences = []
    for head in (TOPK, TIED):
        for other in runs if labels else []:
            at_site = other.site in (SITE, None) and other.seed == 0 and other.r in (None, 1, 4)
            if other.method in ("topk", "tied_l1"):
                at_site &= other.lm == "random" and other.method == head.method
            elif other.lm == "random":
                at_site = False
            if at_site and head.f1 is not None and other.f1 is not None:
                value = head.f1 - other.f1 + shift
                differences.append(
                    {
                        **{"method": head.name, "against": other.name, "metric": "label_f1_contextual", "value": value},
                        **{"low": value - 0.021, "high": value + 0.022, "smallest_detectable": 0.031},
                    }
                )
    if labels:
        value = -0.018 + shift
        differences.append(
            {
                **{"method": TIED.name, "against": TOPK.name, "metric": "label_f1_contextual", "value": value},
                **{"low": value - 0.012, "high": value + 0.011, "smallest_detectable": 0.016},
            }
        )
    pairs = [(base, a, b) for base in (TOPK, TIED) for a, b in ((0, 1), (0, 2), (1, 2))]
    name = lambda base, seed: base.name.replace("seed0", f"seed{seed}")  # noqa: E731
    return {
        "headline": {"topk": TOPK.name, "tied_l1": TIED.name},
        "differences": differences,
        "paper_rule": {"chosen": TIED.name.replace("l11", "l12"), "required_alive": 0.95, "n_tokens": 2_100_000},
        "agreement": [
            {
                **{"a": name(base, a), "b": name(base, b), "mmcs": 0.61 - 0.03 * b, "mmcs_random": 0.288},
                **{"matched_cosine": 0.55 - 0.03 * b, "matched_cosine_random": 0.241},
            }
            for base, a, b in pairs
        ],
    }


def write_fragments_folder(folder: Path, number: int) -> Path:
    """Test fragments of all latents over a little invented text, in the layout of evaluation/fragment_files.py."""
    part = folder / "test"
    part.mkdir(parents=True)
    words = _tokens()
    vocabulary = sorted({*words, HOSTILE, "\udcf0\udc9f", "\u05e9\u05dc\u05d5\u05dd"})
    ids = np.array([vocabulary.index(word) for word in words], dtype=np.int32)
    generator = numpy_generator(number, "planted-fragments")
    n_fragments, width, kept = 40, 64, 4
    tokens = np.stack([np.resize(np.roll(ids, -int(generator.integers(len(ids)))), width) for _ in range(n_fragments)])
    tokens[0, 9:12] = [vocabulary.index(word) for word in (HOSTILE, "\udcf0\udc9f", "\u05e9\u05dc\u05d5\u05dd")]
    mask = np.ones((n_fragments, width), dtype=bool)
    mask[:, 0] = False
    rows = generator.integers(n_fragments, size=(N_LATENTS, kept)).astype(np.int32)
    rows[::2, 0] = 0  # the hostile one is seen
    values = generator.lognormal(0.0, 0.7, (N_LATENTS * kept, width)) * (
        generator.random((N_LATENTS * kept, width)) < 0.09
    )
    values[np.arange(len(values)), generator.integers(8, width - 8, len(values))] = 6.0 + generator.random(len(values))
    values[:, 0] = 0.0
    values = np.round(values, 3).astype(np.float32)
    save_file(
        {"main_document": (np.arange(n_fragments) % 3).astype(np.int32), "tokens": tokens, "mask": mask},
        part / "table.safetensors",
    )
    save_file(
        {
            "latent": np.arange(N_LATENTS),
            **_group("top", rows, values),
            **_group("firing", rows[:, ::-1], values, dense=True),
        },
        part / "latents.safetensors",
    )
    documents = [
        {"id": f"{unit}/{HOSTILE}.py", "unit": unit, "n_tokens": 900, "first_token": None}
        for unit in ("asyncio", "json", HOSTILE)
    ]
    text = {"token": list(range(len(vocabulary))), "text": vocabulary, "documents": documents}
    (part / "text.json").write_text(json.dumps(text) + "\n", encoding="ascii")
    return folder


def _group(name: str, rows: np.ndarray, values: np.ndarray, *, dense: bool = False) -> dict[str, np.ndarray]:
    """A group's files: the rows of a matrix whole, or as its non-zero values."""
    arrays = {f"{name}/row": np.ascontiguousarray(rows), f"{name}/width": np.array([values.shape[1]])}
    if dense:
        return arrays | {f"{name}/value": values.reshape(-1)}
    at_row, column = np.nonzero(values)
    start = np.concatenate([[0], np.cumsum(np.bincount(at_row, minlength=len(values)))]).astype(np.int64)
    return arrays | {
        f"{name}/value": values[at_row, column],
        f"{name}/index": column.astype(np.uint8),
        f"{name}/row_start": start,
    }


def _tokens() -> list[str]:
    """The invented text in pieces as a byte-level vocabulary makes them: words with the space before them."""
    return re.findall(r"\n+ *(?=\S)|\n+| ?\w+| ?[^\w\s]+|\s+", TEXT)
