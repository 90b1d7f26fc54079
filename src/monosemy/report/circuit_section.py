"""Graphs of tasks on a page: how much a growing set of nodes carries, and which nodes those are."""

from collections.abc import Sequence
from typing import Any

from monosemy.report.figures import Axis, Line, line_chart
from monosemy.report.numbers import count, decimals, interval, percent, significant
from monosemy.report.page import (
    Chart,
    Column,
    Content,
    Markup,
    Section,
    code,
    details,
    figures,
    join,
    paragraph,
    sentence,
    strong,
    table,
)
from monosemy.report.tree_reading import Explanations, Json, named, node_name, shown_token, token_words

_WHICH = {
    "faithfulness": ("these nodes alone", "Above 1: what is left out works against the answer."),
    "completeness": ("everything but these nodes", "At 0 nothing of the task is done without them."),
}


def circuit_sentence(circuit: Json) -> Markup:
    """How many nodes carry a task, in a sentence or two."""
    parts: list[Content] = [strong(f"Task {circuit['task']}"), f" ({circuit['description']}): "]
    for curve in circuit["curves"]:
        kind = "latents and error terms" if curve["errors"] else "latents alone"
        point = chosen_point(curve)
        if point is None:
            full = curve["points"][-1]["faithfulness"]
            parts.append(
                f"No set of {kind} on the curve reaches {percent(circuit['goal'])} of it on the selection prompts (all "
                f"{count(curve['points'][-1]['n_nodes'])} of them together: {percent(full['value'])}). "
            )
        else:
            parts.append(
                f"{count(point['n_nodes'])} {kind} carry {percent(point['faithfulness']['value'])} of it "
                f"{_percents(point['faithfulness'])}, and without them {percent(point['completeness']['value'])} "
                f"{_percents(point['completeness'])} is left. "
            )
    if not circuit["passes"]:
        parts.append(
            f"The model gets {percent(circuit['right'])} of its pairs right, below {percent(circuit['gate'])}: this "
            "explains a behavior that the model hardly has."
        )
    return sentence(*parts)


def circuit_section(circuit: Json, explanations: Explanations) -> Section:
    """The curve, its table and the nodes of one task."""
    nodes = named(circuit["nodes"], circuit["layers"])
    return Section(
        title=f"Task {circuit['task']}",
        body=(
            paragraph(circuit_sentence(circuit)),
            paragraph(
                "Nodes are the latents of ",
                ", ".join(str(layer["name"]) for layer in circuit["layers"]),
                f" and one error term a site, all positions of a prompt together. They are ordered on the selection "
                f"templates by |effect| (integrated gradients, {circuit['n_points']} points, against the mean over "
                f"{count(circuit['n_mean_tokens'])} validation tokens); what is left out is set to that mean at every "
                f"site at once. All figures are of {count(circuit['n_pairs'])} pairs from the held-out templates. The "
                f"model's logit difference is {decimals(circuit['metric_full'], 2)} nats, "
                f"{decimals(round(circuit['metric_empty'], 2) + 0.0, 2)} with everything at its mean; it gets "
                f"{percent(circuit['right'])} {_right(circuit)} of the pairs right.",
            ),
            figures(*(_curve_chart(circuit, which) for which in ("faithfulness", "completeness"))),
            _nodes_table(nodes, explanations),
            details("The curve as a table", _curve_table(circuit)),
            details("Effects by site", _shares_table(circuit)),
        ),
    )


def chosen_point(curve: Json) -> Json | None:
    """The smallest set that reaches the goal on the selection prompts."""
    return None if curve["chosen"] is None else curve["points"][curve["chosen"]]


def _curve_chart(circuit: Json, which: str) -> Chart:
    task = circuit["task"]
    lines, rows = [], []
    for curve in circuit["curves"]:
        points = [point for point in curve["points"] if point["n_nodes"] > 0]
        label = "latents and errors" if curve["errors"] else "latents alone"
        values = [point[which] for point in points]
        lines.append(
            Line(
                label=label,
                x=[point["n_nodes"] for point in points],
                y=[value["value"] for value in values],
                low=[value["low"] for value in values],
                high=[value["high"] for value in values],
            )
        )
        rows += [(label, p["n_nodes"], v["value"], v["low"], v["high"]) for p, v in zip(points, values, strict=True)]
    of, remark = _WHICH[which]
    hard = "" if circuit["passes"] else f" (the model gets {percent(circuit['right'])} right)"
    return Chart(
        name=f"circuit-{which}-{task.lower()}",
        title=f"{task}: {which}{hard}",
        caption=f"Share of the model's logit difference that {of} keep, over the number of nodes; 1 is the model, 0 "
        f"everything at its mean; bands: 95 %, over pairs. {remark}",
        alt=f"{which} of task {task} over the number of nodes, with error terms and without.",
        svg=line_chart(
            f"circuit-{which}-{task.lower()}",
            lines,
            Axis(label="nodes", log=True),
            Axis(label=f"{which} (share)"),
            reference=(1.0, "the model"),
        ),
        columns=("nodes_are", "n_nodes", which, "low", "high"),
        rows=tuple(rows),
    )


def _nodes_table(nodes: Sequence[dict[str, Any]], explanations: Explanations) -> Markup:
    columns = [
        Column(title="node"),
        Column(title="effect, nats", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="fires on; its direction promotes", kind="text"),
    ]
    rows: list[list[Content]] = [
        [
            node_name(node),
            decimals(node["effect"], 2),
            interval(node["low"], node["high"], 2),
            _meaning(node, explanations),
        ]
        for node in nodes
    ]
    return table(
        columns,
        rows,
        f"The {len(nodes)} nodes of the largest effect on the selection prompts; their effects on the held-out ones, "
        "first order: they need not add up when several are taken away.",
        dense=True,
    )


def _meaning(node: dict[str, Any], explanations: Explanations) -> Content:
    if node["latent"] is None:
        return "what the dictionary does not reconstruct"
    tokens = [sentence(code(token), f" {percent(share)}") for token, share in token_words(node["tokens"])]
    explanation = explanations.get((node["dictionary"], node["latent"]))
    promoted = join([code(shown_token(str(token))) for token in node["lens"]], " ")
    return sentence(join(tokens, ", "), "; promotes ", promoted, f"; {explanation}" if explanation else "")


def _curve_table(circuit: Json) -> Markup:
    columns = [
        Column(title="nodes"),
        Column(title="faithfulness", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="completeness", kind="number"),
        Column(title="95 %", kind="number"),
        Column(title="|effect| from, nats", kind="number"),
    ]
    rows: list[list[Content]] = []
    for curve in circuit["curves"]:
        kind = "with errors" if curve["errors"] else "latents alone"
        for i, point in enumerate(curve["points"]):
            faithful, complete = point["faithfulness"], point["completeness"]
            name = f"{count(point['n_nodes'])}, {kind}"
            rows.append(
                [
                    strong(f"{name} (chosen)") if i == curve["chosen"] else name,
                    decimals(faithful["value"], 2),
                    interval(faithful["low"], faithful["high"], 2),
                    decimals(complete["value"], 2),
                    interval(complete["low"], complete["high"], 2),
                    significant(point["threshold"], 2),
                ]
            )
    goal = percent(circuit["goal"])
    return table(columns, rows, f"Chosen: the smallest set that reaches {goal} on the selection prompts.", dense=True)


def _shares_table(circuit: Json) -> Markup:
    columns = [
        Column(title="site"),
        Column(title="all latents, nats", kind="number"),
        Column(title="error term, nats", kind="number"),
    ]
    rows = [
        [str(circuit["layers"][row["layer"]]["site"]), decimals(row["latents"], 2), decimals(row["error"], 2)]
        for row in circuit["shares"]
    ]
    return table(columns, rows, "Each site's effects sum to the model's logit difference less that of the mean.")


def _percents(value: Json) -> str:
    return f"[{round(100 * value['low'])}, {round(100 * value['high'])}]"


def _right(circuit: Json) -> str:
    return interval(circuit["right_low"], circuit["right_high"], 0, of_percent=True)
