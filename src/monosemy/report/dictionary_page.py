"""The page of a dictionary run: the question, its answer, and every number behind it; made of artifacts' files only."""

from collections.abc import Iterable
from pathlib import Path

from monosemy.core import atomic_write_text
from monosemy.report.describe_page import run_facts
from monosemy.report.dictionary_answer import CONTEXTUAL, answers, question
from monosemy.report.dictionary_charts import (
    density_charts,
    has_collapsed,
    layer_charts,
    methods_chart,
    sparsity_charts,
)
from monosemy.report.dictionary_groups import compared, groups, label_of
from monosemy.report.dictionary_latents import latents_sections
from monosemy.report.dictionary_reading import DictionaryRun, DictionaryRunFiles, read_dictionary_run
from monosemy.report.dictionary_tables import (
    agreement_table,
    differences_table,
    every_dictionary_table,
    rule_table,
    scores_table,
)
from monosemy.report.interpretation_answer import interpretation_answer
from monosemy.report.interpretation_reading import read_interpretation
from monosemy.report.interpretation_section import interpretation_section
from monosemy.report.numbers import count, enumeration, percent
from monosemy.report.page import (
    Content,
    Markup,
    Section,
    bullets,
    code,
    details,
    facts,
    figures,
    link,
    note,
    page,
    paragraph,
    sentence,
    side_by_side,
    strong,
)
from monosemy.report.patching_page import patching_section
from monosemy.report.training_charts import training_charts

MAX_REMARKS = 8
"""How many of the remarks that stand beside results (few units, labels left out) are listed."""


def write_dictionary_page(path: Path, run: DictionaryRunFiles) -> None:
    """Write the page. Raises UserError when a file of the artifacts is missing or incomplete."""
    read = read_dictionary_run(run)
    interpreted = None if run.interpretation is None else read_interpretation(run.interpretation)
    model = run.made.get("language_model")
    subtitle: list[Content] = [question(read)]
    if run.language_model_page is not None:
        subtitle += [" ", link("The language model itself, measured", run.language_model_page), "."]
    html = page(
        title=f"Sparse dictionaries of {model}" if model else "Sparse dictionaries of a language model",
        subtitle=sentence(*subtitle),
        lead=[*answers(read), *([] if interpreted is None else [interpretation_answer(interpreted)])],
        sections=[
            _scores_section(read),
            *([] if interpreted is None else [interpretation_section(interpreted, run.fragments)]),
            *([] if run.patching is None else [patching_section(run.patching)]),
            _sparsity_section(read),
            *_layers_sections(read),
            *_training_sections(read),
            *_density_sections(read),
            *latents_sections(read, run.fragments, interpreted),
            _dictionaries_section(read),
            _agreement_section(read),
            *_rule_sections(read),
            _not_done_section(read, run),
            _made_section(read, run),
        ],
        footer="Made by monosemy from evaluation.json, comparison.json, results.jsonl and the fragments' files; "
        "nothing was computed for this page but shares and counts of their numbers.",
    )
    atomic_write_text(path, html)


def _scores_section(run: DictionaryRun) -> Section:
    title = "What single latents detect"
    if not run.has_labels:
        reason = "This text has no exact labels (status not_applicable): what latents stand for was not scored here."
        return Section(title=title, body=(paragraph(reason),))
    by_method = compared(run)
    chart = methods_chart(by_method, CONTEXTUAL, name="contextual-f1", title="F1 on contextual labels, by method")
    tables = [table for head in run.headline[:1] if (table := differences_table(run, head)) is not None]
    others = [
        details(f"Differences of {label_of(head, run)}", table)
        for head in run.headline[1:]
        if (table := differences_table(run, head)) is not None
    ]
    reading = note(
        "A label is something that parsing the text decides for each token: inside a string, the name being defined. A "
        "contextual label cannot be told from the token alone. The best of many latents is an optimistic choice, so it "
        "is made on validation, and random directions of the same count stand beside it. A lookup table is a floor; "
        "it needs no model; the probe may use all dimensions at once and is the ceiling. In the figure dotted lines "
        "carry them up."
    )
    return Section(
        title=title,
        body=(
            side_by_side(figures(chart), Markup("".join(part.html for part in (*tables, *others, reading)))),
            details("The same as a table, with every seed and all labels", scores_table(by_method)),
        ),
    )


def _sparsity_section(run: DictionaryRun) -> Section:
    charts = sparsity_charts(run)
    if not charts:
        return Section(title="Sparsity and error", body=(paragraph("Reconstruction was not measured."),))
    words = paragraph(
        "A dictionary is of use when few of its latents rebuild an activation. Dense methods enter with as many of "
        "their largest responses. ",
        *_control_errors(run),
    )
    return Section(title="Sparsity and error", body=(words, figures(*charts)))


def _control_errors(run: DictionaryRun) -> list[str]:
    """FVU on the trained model and on the control, for the first headline that has one."""
    for head in run.headline:
        same = (head.method, head.variant, head.sparsity)
        alike = [e for e in run.evaluations if e.is_control and (e.method, e.variant, e.sparsity) == same]
        trained, control = head.value("fvu"), alike[0].value("fvu") if alike else None
        if trained is not None and control is not None:
            return [
                "Error says nothing of what latents stand for: the FVU of "
                f"{label_of(head, run)} is {trained:.3f}, on a model with random weights {control:.3f}."
            ]
    return []


def _layers_sections(run: DictionaryRun) -> list[Section]:
    charts = layer_charts(run)
    return [Section(title="By layer", body=(figures(*charts),))] if charts else []


def _training_sections(run: DictionaryRun) -> list[Section]:
    charts = training_charts(run)
    if not charts:
        return []
    collapsed = [label_of(e, run) for e in run.evaluations if has_collapsed(e)]
    words = (
        f"Collapsed, with less than one latent a token at the end: {enumeration(list(dict.fromkeys(collapsed)))}."
        if collapsed
        else "No training collapsed (less than one latent a token at its end)."
    )
    of = "At the headline's site, in its size, on the batches of training. "
    return [Section(title="How they learned", body=(paragraph(of, words), figures(*charts)))]


def _density_sections(run: DictionaryRun) -> list[Section]:
    charts = density_charts(run)
    return [Section(title="Densities", body=(figures(*charts),))] if charts else []


def _dictionaries_section(run: DictionaryRun) -> Section:
    n = sum(e.n_latents is not None for e in run.evaluations)
    words = paragraph(f"{count(n)} dictionaries, the headline ones in bold. A dash: not measured, or without meaning.")
    return Section(title="Every dictionary", body=(words, every_dictionary_table(run)))


def _agreement_section(run: DictionaryRun) -> Section:
    found = agreement_table(run)
    if found is None:
        return Section(
            title="Agreement between seeds", body=(paragraph("No two seeds of one dictionary were compared."),)
        )
    words = paragraph(
        "MMCS: the mean, over the directions of one, of the largest cosine to any direction of the other; matched: "
        "under the best one-to-one assignment. In few dimensions random directions come close to something too, so "
        "their figure stands beside."
    )
    return Section(title="Agreement between seeds", body=(words, found))


def _rule_sections(run: DictionaryRun) -> list[Section]:
    """`paper_rule`: `chosen` (a dictionary's name, or null), `required_alive` (share), `n_tokens` (of the count)."""
    usual = run.headline[0] if run.headline else None
    members = [
        group.first
        for group in groups(run, (e for e in run.evaluations if e.method == "tied_l1" and not e.is_control))
        if usual is None or (group.first.site, group.first.expansion_factor) == (usual.site, usual.expansion_factor)
    ]
    if not members:
        return []
    rule = run.paper_rule
    chosen = run.named(str(rule["chosen"])) if rule.get("chosen") else None
    head = next((e for e in run.headline if e.method == "tied_l1"), None)
    split = f" of {rule['split']}" if rule.get("split") else ""
    counted = f" (on {count(rule['n_tokens'])} tokens{split})" if rule.get("n_tokens") else ""
    parts: list[Content] = [
        "The paper takes the largest coefficient with at least "
        f"{percent(rule.get('required_alive', 0.95))} of latents alive{counted}: ",
        strong(label_of(chosen, run) if chosen is not None else "none here meets it"),
        ". ",
    ]
    if head is not None:
        same = chosen is not None and label_of(chosen, run) == label_of(head, run)
        parts.append(
            f"It is the headline's, {label_of(head, run)}."
            if same
            else f"The headline here is {label_of(head, run)}, "
            "chosen on validation for the L0 nearest to TopK's, so that both are compared at one sparsity."
        )
    return [Section(title="The paper's rule", body=(paragraph(*parts), rule_table(run, members)))]


def _not_done_section(run: DictionaryRun, files: DictionaryRunFiles) -> Section:
    items = [*_undone(run), *files.made.get("not_measured", [])]
    items += ["Agreement between seeds."] if not run.agreement else []
    items += [
        f"Contexts of {label_of(head, run)}'s latents." for head in run.headline if head.name not in files.fragments
    ]
    nothing = paragraph("Nothing of what the stages of this run measure was left out.")
    return Section(title="What was not done", body=(bullets(items) if items else nothing,))


def _undone(run: DictionaryRun) -> Iterable[Content]:
    """Every status but ok and constant, those of one metric and one reason in one line."""
    found: dict[tuple[str, str, str], set[str]] = {}
    for result in (*run.results, *(result for e in run.evaluations for result in e.results)):
        if result.status in ("not_run", "not_applicable"):
            key = (result.metric, result.status.replace("_", " "), result.reason or "")
            found.setdefault(key, set()).add(result.dictionary or result.method)
    for (metric, status, reason), whose in found.items():
        of = enumeration(sorted(whose)) if len(whose) <= 3 else f"{len(whose)} dictionaries and tables"
        yield sentence(code(metric), f" of {of}: {status}, {reason}.")
    n_rare = {label["label"] for e in run.evaluations for label in e.labels if label["status"] != "ok"}
    if n_rare:
        yield f"Labels with too few tokens or documents to be scored: {enumeration(sorted(n_rare))}."


def _made_section(run: DictionaryRun, files: DictionaryRunFiles) -> Section:
    known = {key: value for key, value in files.made.items() if key != "language_model"}
    lines: list[tuple[str, Content]] = [*run_facts(known)]
    units = {(r.n, r.n_unit) for e in run.evaluations for r in e.results if r.split == "test" and r.ci_low is not None}
    if units:
        words = enumeration(sorted(f"{count(n)} {unit}" for n, unit in units if unit))
        lines.append(("intervals", f"95 %, bootstrap over {words}"))
    remarks = {
        r.reason for e in run.evaluations for r in e.results if r.status == "ok" and r.split == "test" and r.reason
    }
    lines += [("remarks", bullets(sorted(remarks)[:MAX_REMARKS]))] if remarks else []
    return Section(title="How it was made", body=(facts(lines),))
