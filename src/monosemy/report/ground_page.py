"""The page of `monosemy run`: what was loaded, how well it predicts, what it can do; made of artifacts' files only."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from monosemy.core import Result, atomic_write_text
from monosemy.report.describe_page import (
    activations_answer,
    activations_section,
    run_facts,
    text_answer,
    text_section,
)
from monosemy.report.language_model_charts import induction_charts, labels_chart, loss_chart, position_chart
from monosemy.report.numbers import (
    count,
    decimals,
    duration,
    interval,
    megabytes,
    percent,
    plain_value,
    significant,
)
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    bullets,
    code,
    code_block,
    details,
    facts,
    figures,
    note,
    page,
    paragraph,
    sentence,
    strong,
    table,
)
from monosemy.report.reading import DescriptionFiles, EvaluationFiles, read_description_files, read_evaluation
from monosemy.report.task_view import tasks_answer, tasks_section

SPLITS = ("train", "validation", "test")

PREDICTORS = {
    "lm": "the language model",
    "random": "the same architecture, random weights",
    "unigram": "unigram table",
    "bigram": "bigram table",
    "trigram": "trigram table",
    "gzip": "gzip -9",
    "xz": "xz -9e",
    "xz_given_train": "xz -9e, given the training text",
}
"""Who predicts, by the results' variant; in the order of the table."""


def write_ground_page(
    path: Path, evaluation_folder: Path, description_folder: Path | None, run: Mapping[str, Any]
) -> None:
    """Write the page; `run` is how it was made, shown as it is.

    Known keys of `run`: `command`, `seconds`, `not_measured` (a list of sentences); every other key is one line.
    Raises UserError when a file of the artifacts is missing or incomplete.
    """
    evaluation = read_evaluation(evaluation_folder)
    description = None if description_folder is None else read_description_files(description_folder)
    lm = evaluation.language_model
    html = page(
        title=f"{lm['name']}: the language model, measured",
        subtitle="The ground to stand on: the model, its text and its activations, before any dictionary is trained.",
        lead=[_loaded(lm), _prediction_answer(evaluation), tasks_answer(lm["tasks"])],
        sections=[
            _prediction_section(evaluation),
            _copying_section(lm),
            tasks_section(lm["tasks"]),
            *_labels_sections(lm),
            *_description_sections(description),
            *_samples_sections(lm),
            _made_section(lm, run),
            _not_measured_section(evaluation, description, run),
        ],
        footer="Made by monosemy from results.jsonl, language_model.json and the description's files; nothing was "
        "computed for this page but means and shares of their numbers.",
    )
    atomic_write_text(path, html)


# --- the answers ------------------------------------------------------------------------------------------------------


def _what_it_is(lm: Mapping[str, Any]) -> str:
    shape = lm["architecture"]
    parts = [f"{significant(lm['n_parameters'] / 1e6)} million parameters"]
    parts += [f"{shape['n_layers']} layers"] if "n_layers" in shape else []
    parts += [f"width {shape['d_model']}"] if "d_model" in shape else []
    parts += [f"context {shape['context_length']} tokens"] if "context_length" in shape else []
    return ", ".join(parts)


def _loaded(lm: Mapping[str, Any]) -> Markup:
    corpus = lm["corpus"]
    sizes = [
        f"{split} {megabytes(size['n_bytes'])} in {count(size['n_documents'])} documents"
        for split in SPLITS
        if (size := corpus["splits"].get(split)) is not None
    ]
    return sentence("Loaded: ", strong(lm["name"]), f", {_what_it_is(lm)}. Text: {corpus['name']}, {', '.join(sizes)}.")


def _prediction_answer(evaluation: EvaluationFiles) -> Markup:
    """Bits a byte on the test text against xz that was given the training text, and their ratio."""
    bits = _bits_per_byte(evaluation.results)
    model, xz = bits.get(("lm", "test")), bits.get(("xz_given_train", "test"))
    if model is None or model.value is None:
        return sentence("How well it predicts the test text was not measured.")
    own = f" [{model.ci_low:.2f}, {model.ci_high:.2f}]" if model.ci_low is not None else ""
    first = sentence("On the test text it needs ", strong(f"{model.value:.2f} bits a byte"), own)
    if xz is None or xz.value is None:
        return sentence(first, ".")
    ratio = model.value / xz.value
    compared = f"{percent(abs(1 - ratio))} {'less' if ratio <= 1 else 'more'}"
    return sentence(
        first,
        f"; xz, given the whole training text first, needs {xz.value:.2f}: the model needs ",
        strong(compared),
        f" (ratio {ratio:.2f}).",
    )


# --- the sections -----------------------------------------------------------------------------------------------------


def _prediction_section(evaluation: EvaluationFiles) -> Section:
    lm = evaluation.language_model
    bits = _bits_per_byte(evaluation.results)
    units = {r.n_unit for r in bits.values() if r.n_unit is not None and r.ci_low is not None}
    with_interval = {split for (_, split), result in bits.items() if result.ci_low is not None}
    splits = SPLITS[::-1]  # what counts comes first, where a narrow screen shows it
    columns = [Column(title="predictor")]
    for split in splits:
        columns.append(Column(title=split, kind="number"))
        columns += [Column(title="95 % interval", kind="number")] if split in with_interval else []
    rows: list[list[Content]] = []
    for key, name in PREDICTORS.items():
        if any((key, split) in bits for split in SPLITS):
            row: list[Content] = [strong(name) if key == "lm" else name]
            for split in splits:
                value, within = _value_and_interval(bits.get((key, split)))
                row += [value, within] if split in with_interval else [value]
            rows.append(row)
    charts = [loss_chart(lm["curve"])] if lm["curve"] else []
    charts += [position_chart(lm["nats_by_position"])] if lm["nats_by_position"] else []
    resampled = f" Intervals: bootstrap over {' and '.join(sorted(units))}." if units else ""
    return Section(
        title="Prediction",
        body=(
            table(columns, rows, "Bits a byte of UTF-8, by split; less is better"),
            note(
                "Every token is predicted once, in rows that start afresh: half of the context on average, so the "
                f"model's figure is an upper bound.{resampled} xz given the training text is the cost of the text "
                "once that is known."
            ),
            figures(*charts),
        ),
    )


def _copying_section(lm: Mapping[str, Any]) -> Section:
    induction = lm["induction"]
    if not induction:
        return Section(title="Copying", body=(paragraph("Copying was not measured."),))
    first, second = (_mean(induction[f"right_{copy}"][1:]) for copy in ("first", "second"))
    return Section(
        title="Copying",
        body=(
            paragraph(
                "Given random tokens twice, the model's first guess is right for ",
                strong(percent(second)),
                f" of the second copy, and for {percent(first, 1)} of the first, where nothing can be known.",
            ),
            figures(*induction_charts(induction, lm["architecture"].get("vocabulary_size"))),
        ),
    )


def _labels_sections(lm: Mapping[str, Any]) -> list[Section]:
    labels = lm.get("labels")
    if not labels:
        return []
    columns = [
        Column(title="label"),
        Column(title="family"),
        Column(title="holds where", kind="text"),
        Column(title="base rate, %", kind="number"),
        Column(title="token table's F1", kind="number"),
        Column(title="contextual"),
    ]
    rows = [
        [
            label["name"],
            label["family"],
            label["definition"],
            decimals(100 * label["base_rate"], 2),
            decimals(label["table_f1"], 2),
            "yes" if label["contextual"] else "no",
        ]
        for label in sorted(labels, key=lambda label: (label["family"], -label["base_rate"]))
    ]
    n_contextual = sum(bool(label["contextual"]) for label in labels)
    return [
        Section(
            title="Exact labels",
            body=(
                paragraph(
                    f"What is exactly true of each token is known for {len(labels)} labels. ",
                    strong(f"{n_contextual} are contextual"),
                    ": the token alone does not give them away; finding them takes more than a table of tokens.",
                ),
                figures(labels_chart(labels)),
                details(f"All {len(labels)} labels", table(columns, rows, "Labels, by family and base rate")),
            ),
        )
    ]


def _description_sections(description: DescriptionFiles | None) -> list[Section]:
    if description is None:
        return []
    lengths, activations = text_section(description), activations_section(description)
    return [
        Section(title=lengths.title, body=(paragraph(text_answer(description)), *lengths.body)),
        Section(title=activations.title, body=(paragraph(activations_answer(description)), *activations.body)),
    ]


def _samples_sections(lm: Mapping[str, Any]) -> list[Section]:
    if not lm["samples"]:
        return []
    blocks = [
        code_block(
            sentence(
                Markup("<mark>"), sample["prompt"], Markup("</mark>"), sample["text"].removeprefix(sample["prompt"])
            )
        )
        for sample in lm["samples"]
    ]
    return [
        Section(title="Samples", body=(paragraph("What the model writes after a given beginning (marked)."), *blocks))
    ]


def _made_section(lm: Mapping[str, Any], run: Mapping[str, Any]) -> Section:
    provenance, corpus = lm["provenance"], lm["corpus"]
    of_model: list[tuple[str, Content]] = [("architecture", plain_value(lm["architecture"]))]
    of_model += [("model made by", code(str(provenance["command"])))] if "command" in provenance else []
    of_model += [("model's seed", plain_value(provenance["seed"]))] if "seed" in provenance else []
    of_model += [("model made with", plain_value(provenance["versions"]))] if "versions" in provenance else []
    if lm["curve"]:
        last = lm["curve"][-1]
        of_model.append(("training", f"{count(last['step'])} steps, {duration(last['cpu_seconds'])} of processor time"))
    columns = [
        Column(title="split"),
        *(Column(title=t, kind="number") for t in ("documents", "units", "bytes", "tokens")),
    ]
    rows = [
        [split, *(count(size[key]) for key in ("n_documents", "n_units", "n_bytes", "n_tokens"))]
        for split, size in corpus["splits"].items()
    ]
    whole = {key: value for key, value in provenance.items() if key != "curve"}
    return Section(
        title="How it was made",
        body=(
            facts([*run_facts(run), *of_model, ("text", f"{corpus['name']}, fingerprint {corpus['fingerprint']}")]),
            table(columns, rows, f"The text, {corpus['name']}"),
            details("Everything recorded with the model", code_block(json.dumps(whole, indent=1, default=str))),
        ),
    )


def _not_measured_section(
    evaluation: EvaluationFiles, description: DescriptionFiles | None, run: Mapping[str, Any]
) -> Section:
    lm = evaluation.language_model
    items: list[Content] = [
        sentence(code(_name(result)), f": {result.status.replace('_', ' ')}, {result.reason}.")
        for result in evaluation.results
        if result.status != "ok"
    ]
    items += [] if lm.get("labels") else ["Exact labels of the tokens: this text has none."]
    items += [] if lm["tasks"] else ["Tasks: none was run."]
    items += [] if lm["curve"] else ["The model's training: it was loaded, its loss curve is not known."]
    items += ["Lengths of the texts and the activations' norms, tails and components."] if description is None else []
    items += list(run.get("not_measured", []))
    everything = paragraph("Nothing of what the stages of this run measure was left out.")
    return Section(title="What was not measured", body=(bullets(items) if items else everything,))


# --- results ----------------------------------------------------------------------------------------------------------


def _bits_per_byte(results: Sequence[Result]) -> dict[tuple[str, str], Result]:
    """(predictor, split) -> result."""
    found = {}
    for result in results:
        if result.metric == "lm_bits_per_byte" and result.split is not None:
            key = result.variant or ("random" if result.lm == "random" else "lm")
            found[key, result.split] = result
    return found


def _value_and_interval(result: Result | None) -> tuple[str, str]:
    if result is None:
        return decimals(None, 3), ""
    return decimals(result.value, 3), interval(result.ci_low, result.ci_high, 3)


def _name(result: Result) -> str:
    return ", ".join(part for part in (result.metric, result.variant, result.split, result.site) if part)


def _mean(values: Sequence[int | float]) -> float:
    return sum(values) / len(values)
