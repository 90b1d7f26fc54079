"""Tables and sentences of patching: areas with intervals, what half of the way takes, differences, the claim."""

from collections.abc import Sequence

from monosemy.report.numbers import count, decimals, enumeration, interval, percent, significant
from monosemy.report.page import Column, Content, Markup, sentence, strong, styled, table
from monosemy.report.patching_charts import order_words
from monosemy.report.patching_reading import PatchCurve, PatchingRun, Row, area_verdict

PAPER_CLAIM = (
    "The paper finds that a sparse dictionary brings the prediction as near to the other prompt's with fewer patched "
    "latents and smaller edits than principal components do."
)


def claim_answer(run: PatchingRun) -> list[Content]:
    """Whether the paper's claim holds here, in a sentence; then each headline against PCA, task by task."""
    heads = [name for name in run.headline if any(c["dictionary"] == name for c in _here(run))]
    told = [part for name in heads if (part := _against_pca(run, name)) is not None]
    holds = [part for name in heads if (part := _holds(run, name)) is not None]
    short: list[Content] = [f"{PAPER_CLAIM} "]
    if holds:
        short += ["By the number of latents that ", strong(f"holds here {'; '.join(holds)}"), "."]
    else:
        short.append("No principal components were patched here to set a dictionary against.")
    below = [f"{t['name']} ({percent(t['accuracy'])})" for t in run.tasks if not t["passes"]]
    if below:
        short.append(f" Not patched, as the model gets too few pairs right: {enumeration(below)}.")
    return [sentence(*short), *told]


def task_words(task: Row) -> str:
    """The task with its accuracy, as it stands in titles."""
    return f"{task['name']} ({percent(task['accuracy'])} of pairs right)"


def accuracy_words(task: Row) -> str:
    """What the model does of the task itself."""
    hard = " It is one of the hard cases." if task["hard_case"] else ""
    return (
        f"The model gets {percent(task['accuracy'], 1)} {interval(task['low'], task['high'], 1, of_percent=True)} of "
        f"{count(task['n_pairs'])} held-out pairs right in both prompts ({count(task['n_templates'])} templates that "
        f"chose nothing).{hard}"
    )


def areas_table(run: PatchingRun, task: Row, site: str) -> Markup:
    """A row a dictionary in attribution order: area, floors, what half of KL(0) takes, differences to the headlines."""
    curves = run.of(task["name"], site=site)
    heads = [name for name in run.headline if any(c["dictionary"] == name for c in curves)]
    columns = [
        Column(title="dictionary"),
        *(Column(title=title, kind="number") for title in ("area", "95 % interval", "latents to half of KL(0)")),
        *(Column(title=title, kind="number") for title in ("edit norm there", "KL, all latents", "KL, error only")),
        Column(title="latents changed a pair", kind="number"),
    ]
    rows: list[list[Content]] = []
    for curve in sorted(curves, key=lambda curve: curve["area"][0]):
        name: Content = strong(curve.label) if curve["dictionary"] in heads else curve.label
        area = curve.bounds("area")
        floors = curve["floors"]
        rows.append(
            [
                *(name, decimals(area[0], 3), interval(area[1], area[2], 3), half_words(curve)),
                significant(curve["half_edit"][0]) if curve["reaches_half"] else "never",
                *(decimals(floors[key][0], 3) for key in ("all_latents", "error_only")),
                f"{significant(curve['n_changed'])} of {count(curve['n_latents'])}",
            ]
        )
    start = curves[0]["kl"][0][0]
    caption = (
        f"{task['name']} at {site}, attribution order. KL(0), nothing patched: {start:.3f} nats; the whole activation "
        f"patched: {curves[0]['floors']['oracle'][0]:.3f}. Error only: the reconstruction error alone is the other "
        "prompt's; all latents: the error alone is not."
    )
    return table(columns, rows, caption, dense=True)


def half_words(curve: PatchCurve) -> str:
    """The number of latents at which half of KL(0) is reached, with its interval; an open end has a plus."""
    if not curve["reaches_half"]:
        return "never"
    value, low, high = curve.bounds("half_n")
    end = curve["n_patched"][-1]
    upper = f"{end}+" if high >= end - 1e-6 else f"{high:.1f}"
    return f"{value:.1f} [{low:.1f}, {upper}]"


def differences_table(run: PatchingRun, task: Row, site: str) -> Markup | None:
    """Areas, headline minus another, prompts resampled jointly; None where there is nothing to compare."""
    labels = {curve["dictionary"]: curve.label for curve in run.of(task["name"], site=site)}
    found = [
        row
        for row in run.differences
        if (row["task"], row["site"], row["kind"], row["order"]) == (task["name"], site, "methods", "attribution")
    ]
    if not found:
        return None
    columns = [
        *(Column(title="dictionary"), Column(title="minus")),
        *(Column(title=title, kind="number") for title in ("difference", "95 % interval", "could be seen")),
        Column(title="the first is"),
    ]
    rows: list[list[Content]] = [
        [
            *(labels[row["dictionary"]], labels[row["against"]], f"{row['value']:+.3f}"),
            *(interval(row["low"], row["high"], 3), decimals(row["smallest_detectable"], 3), _judged(row)),
        ]
        for row in found
    ]
    caption = f"{task['name']}: differences of areas over the same prompts; below 0 the first one is better"
    return table(columns, rows, caption, dense=True)


def right_pairs_table(run: PatchingRun, task: Row, site: str) -> Markup | None:
    """Areas over all pairs beside those over the pairs that the model gets right; None where it gets all right."""
    right = {curve["dictionary"]: curve for curve in run.of(task["name"], site=site, which="right")}
    if not right:
        return None
    columns = [
        Column(title="dictionary"),
        *(Column(title=t, kind="number") for t in ("all pairs", "pairs right", "95 % interval", "KL(0), right")),
    ]
    rows: list[list[Content]] = []
    for curve in run.of(task["name"], site=site):
        other = right[curve["dictionary"]]
        area = other.bounds("area")
        rows.append(
            [
                *(curve.label, decimals(curve["area"][0], 3), decimals(area[0], 3)),
                *(interval(area[1], area[2], 3), decimals(other["kl"][0][0], 3)),
            ]
        )
    caption = (
        f"{task['name']}: areas over all {count(task['n_pairs'])} pairs and over the {count(task['n_right'])} right"
    )
    return table(columns, rows, caption, dense=True)


def orders_table(run: PatchingRun) -> Markup:
    """A row a task, dictionary and order: area with interval; of sweeps each one's, and the paper's variant."""
    several = [c for c in run.curves if c["which"] != "right" and _has_orders(run, c)]
    columns = [
        *(Column(title="task"), Column(title="dictionary"), Column(title="order")),
        *(Column(title=t, kind="number") for t in ("area", "95 % interval", "latents to half", "edit norm there")),
        *(Column(title="each sweep", kind="number"), Column(title="visits skipped", kind="number")),
    ]
    rows: list[list[Content]] = []
    for curve in several:
        area = curve.bounds("area")
        words = order_words(curve["order"]) + (", the paper's way" if curve["which"] == "paper" else "")
        sweeps = curve["area_by_sweep"] if len(curve["area_by_sweep"]) > 1 else []
        rows.append(
            [
                *(curve["task"], curve.label, words, decimals(area[0], 3), interval(area[1], area[2], 3)),
                *(half_words(curve), significant(curve["half_edit"][0]) if curve["reaches_half"] else "never"),
                " ".join(decimals(value, 3) for value in sweeps) or "-",
                percent(sum(curve["n_skipped"]) / max(1, sum(curve["n_visits"]))) if curve["n_skipped"] else "-",
            ]
        )
    caption = "Orders of patching. The paper's way measures a sweep on the very pairs that it was chosen on"
    return table(columns, rows, caption, dense=True)


def _has_orders(run: PatchingRun, curve: PatchCurve) -> bool:
    same = (curve["task"], curve["dictionary"])
    return len({c["order"] for c in run.curves if (c["task"], c["dictionary"]) == same}) > 1


def _here(run: PatchingRun) -> Sequence[PatchCurve]:
    return [c for c in run.curves if c["site"] == run.site and c["order"] == "attribution" and c["which"] == "all"]


def _holds(run: PatchingRun, name: str) -> str | None:
    """`for TopK k=16 on C1 and A2, and the opposite on E1 and E2`; None without PCA."""
    found = _differences_to_pca(run, name)
    if not found:
        return None
    label = next(c.label for c in _here(run) if c["dictionary"] == name)
    tasks = {v: [r["task"] for r in found if area_verdict(r) == v] for v in ("better", "worse", "not distinguishable")}
    words = f"for {label} on {enumeration(tasks['better'])}" if tasks["better"] else f"on no task for {label}"
    words += f", the opposite on {enumeration(tasks['worse'])}" if tasks["worse"] else ""
    undecided = tasks["not distinguishable"]
    return words + (f", undecided on {enumeration(undecided)}" if undecided else "")


def _differences_to_pca(run: PatchingRun, name: str) -> list[Row]:
    pca = next((c["dictionary"] for c in _here(run) if c["method"] == "pca"), None)
    found = [] if pca is None else [run.difference(task["name"], name, pca) for task in run.shown_tasks()]
    return [row for row in found if row is not None]


def _against_pca(run: PatchingRun, name: str) -> Markup | None:
    """`TopK k=16 needs fewer latents on C1 (-0.186 [...]), more on E2 (...)`, then edits; None without PCA."""
    label = next(c.label for c in _here(run) if c["dictionary"] == name)
    known = _differences_to_pca(run, name)
    if not known:
        return None
    latents = _by_verdict([(row["task"], (row["value"], row["low"], row["high"])) for row in known], 3)
    edits = _by_verdict([(row["task"], tuple(row["half_edit"])) for row in known if row["half_edit"] is not None], 2)
    never = [row["task"] for row in known if row["half_edit"] is None]
    parts: list[Content] = [
        f"{label[0].upper()}{label[1:]} needs, against PCA and by the area under the curve, ",
        *latents,
    ]
    parts += ["; half of the way takes it an edit that is ", *edits] if edits else []
    parts += [f"; it never goes half of the way on {enumeration(never)}"] if never else []
    return sentence(*parts, ".")


_LATENTS = {"better": "fewer latents", "worse": "more latents", "not distinguishable": "about as many latents"}
_EDITS = {"better": "smaller", "worse": "larger", "not distinguishable": "about as large"}


def _by_verdict(differences: Sequence[tuple[str, tuple[float, ...]]], places: int) -> list[Content]:
    """`fewer latents on C1 (-0.186 [...]); more latents on E2 (...)`: areas with 3 places, edits with 2."""
    words = _LATENTS if places == 3 else _EDITS
    parts: list[Content] = []
    for verdict, which in words.items():
        those = [
            f"{task} ({value:+.{places}f} {interval(low, high, places)})"
            for task, (value, low, high) in differences
            if area_verdict({"low": low, "high": high}) == verdict
        ]
        if those:
            parts += [", " if parts else "", f"{which} on {enumeration(those)}"]
    return parts


def _judged(row: Row) -> Markup:
    verdict = area_verdict(row)
    style = {"better": "good", "worse": "bad", "not distinguishable": "quiet"}[verdict]
    return styled(verdict, style)  # pyright: ignore[reportArgumentType]  # one of the three
