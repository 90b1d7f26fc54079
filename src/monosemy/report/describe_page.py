"""The page of a description: how long the texts are, and what the activations look like."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monosemy.core import atomic_write_text
from monosemy.report.figures import Axis, Line, bar_chart, line_chart
from monosemy.report.numbers import count, duration, percent, plain_value, significant
from monosemy.report.page import (
    Chart,
    Column,
    Content,
    Markup,
    Section,
    code,
    details,
    facts,
    figures,
    page,
    paragraph,
    sentence,
    strong,
    table,
)
from monosemy.report.reading import DescriptionFiles, read_description_files

MAX_DRAWN_SITES = 6


def write_describe_page(path: Path, description_folder: Path, run: Mapping[str, Any]) -> None:
    """Write the page of one description; `run` holds what else belongs to how it was made (command, versions)."""
    description = read_description_files(description_folder)
    data = description.data
    html = page(
        title=f"Text and activations of {data['lm']['name']}",
        subtitle=f"{count(data['n_sequences'])} sequences of {data['context_length']} tokens",
        lead=[text_answer(description), activations_answer(description)],
        sections=[text_section(description), activations_section(description), _made(description, run)],
        footer="Made by monosemy from description.json and description.npz.",
    )
    atomic_write_text(path, html)


def text_answer(description: DescriptionFiles) -> Markup:
    """How long the texts are and what the context length costs, in two sentences."""
    data = description.data
    context = data["context_length"]
    covered = next((c for c in data["coverage"] if c["context_length"] == context), None)
    first = sentence(
        f"The median of {count(data['n_documents'])} documents has ",
        strong(f"{significant(_median(data, 'n_tokens'))} tokens"),
        f" ({significant(_median(data, 'n_bytes'))} bytes). ",
    )
    packed = (
        f"packed into {count(data['n_rows'])} full rows, all but {count(data['n_dropped_tokens'])} tokens are seen."
    )
    if covered is None:
        return sentence(first, packed.capitalize())
    share = percent(covered["covered"], 1)
    return sentence(first, f"One row of {context} tokens a document would see {share} of the tokens; {packed}")


def activations_answer(description: DescriptionFiles) -> Markup:
    """What is striking about the last site's activations, in two sentences."""
    site = description.data["sites"][-1]
    n_outliers = len(site["outlier_dimensions"])
    ratio = site["norm_first"] / site["norm_beyond_first"]
    return sentence(
        f"At {site['site']}, {site['n_components']['0.9']} of {site['d_site']} principal components hold 90 % of the "
        f"variance, the mean vector holds {percent(site['mean_share'])} of the mean square, and ",
        strong(f"{n_outliers} outlier dimension{'' if n_outliers == 1 else 's'}"),
        f" stand{'s' if n_outliers == 1 else ''} out. The first position's norm is {ratio:.2f} times that of "
        "the others, and it is left out of all other figures.",
    )


def text_section(description: DescriptionFiles) -> Section:
    """Lengths of the documents, and what a context length sees of them."""
    data = description.data
    names = {"characters": "characters", "n_bytes": "bytes", "n_tokens": "tokens"}
    quantiles = [f"{100 * q:g} %" for q in data["quantiles"]]
    columns = [Column(title="length in"), *(Column(title=t, kind="number") for t in ["mean", *quantiles])]
    rows = [
        [names[key], significant(entry["mean"]), *(significant(q) for q in entry["quantiles"])]
        for key, entry in data["lengths"].items()
    ]
    return Section(
        title="Text lengths",
        body=(
            table(columns, rows, f"Lengths of {count(data['n_documents'])} documents: mean and quantiles"),
            figures(_coverage_chart(data), _lengths_chart(data)),
        ),
    )


def activations_section(description: DescriptionFiles) -> Section:
    """Norms, dimensions that stick out, tails and principal components, site by site."""
    data = description.data
    sites: list[dict[str, Any]] = data["sites"]
    drawn = _drawn([site["site"] for site in sites])
    left_out = len(sites) - len(drawn)
    remark = f" The figures show {len(drawn)} of the {len(sites)} sites, evenly chosen." if left_out else ""
    return Section(
        title="Activations",
        body=(
            paragraph(
                f"Measured on {count(data['n_sequences'])} of {count(data['n_rows'])} packed sequences of "
                f"{data['context_length']} tokens, drawn at random; {count(sites[0]['n_tokens'])} tokens a site."
                f"{remark}"
            ),
            _sites_table(sites),
            figures(
                _norm_chart(description, drawn),
                _spectrum_chart(description, drawn),
                _kurtosis_chart(description, drawn),
            ),
            details("What the columns mean", facts(data["definitions"].items())),
        ),
    )


def run_facts(run: Mapping[str, Any]) -> list[tuple[str, Content]]:
    """What is known of the run: `command`, `seconds`, and every other key as it is but `not_measured`."""
    lines: list[tuple[str, Content]] = []
    for key, value in run.items():
        if key == "command":
            lines.append((key, code(str(value))))
        elif key == "seconds":
            lines.append(("time", duration(value)))
        elif key != "not_measured":
            lines.append((key, plain_value(value)))
    return lines


def _made(description: DescriptionFiles, run: Mapping[str, Any]) -> Section:
    data = description.data
    lines: list[tuple[str, Content]] = [
        ("language model", f"{data['lm']['name']}, fingerprint {data['lm']['fingerprint']}")
    ]
    lines += [("seed of the sample", str(data["seed"]))] if "seed" in data else []
    return Section(title="How it was made", body=(facts([*lines, *run_facts(run)]),))


def _median(data: Mapping[str, Any], unit: str) -> float:
    return data["lengths"][unit]["quantiles"][data["quantiles"].index(0.5)]


def _drawn(names: list[str]) -> list[str]:
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), MAX_DRAWN_SITES)).round().astype(int))
    return [names[i] for i in chosen]


def _sites_table(sites: Sequence[Mapping[str, Any]]) -> Markup:
    titles = [
        *("width", "norm", "norm, first position", "mean's share", "outlier dimensions"),
        *("excess kurtosis, median", "95 %", "participation ratio", "components for 90 %", "99 %"),
    ]
    columns = [Column(title="site")]
    columns += [Column(title=t, kind="label" if t.startswith("outlier") else "number") for t in titles]
    rows = [
        [
            site["site"],
            str(site["d_site"]),
            significant(site["norm_beyond_first"]),
            significant(site["norm_first"]),
            percent(site["mean_share"], 1),
            _outliers(site["outlier_dimensions"]),
            significant(site["excess_kurtosis"][3] if site["excess_kurtosis"] else None, 2),
            significant(site["excess_kurtosis"][5] if site["excess_kurtosis"] else None, 2),
            significant(site["participation_ratio"]),
            str(site["n_components"]["0.9"]),
            str(site["n_components"]["0.99"]),
        ]
        for site in sites
    ]
    return table(
        columns, rows, "Activations beyond the first position, by site; outliers with their mean square over the median"
    )


def _outliers(entries: Sequence[Mapping[str, Any]]) -> str:
    shown = [f"{e['dimension']} ({significant(e['ratio_to_median'], 2)})" for e in entries[:2]]
    more = [f"and {len(entries) - 2} more"] if len(entries) > 2 else []
    return ", ".join([*shown, *more]) or "none"


def _coverage_chart(data: Mapping[str, Any]) -> Chart:
    rows = tuple((float(c["context_length"]), c["covered"], c["utilization"]) for c in data["coverage"])
    lengths, covered, utilization = (list(column) for column in zip(*rows, strict=True))
    lines = [
        Line(label="tokens covered", x=lengths, y=covered),
        Line(label="batch that is real", x=lengths, y=utilization),
    ]
    return Chart(
        name="context-coverage",
        title="One row a document",
        caption="Were each document cut or padded to one row: share of all tokens that would be seen, and share of the "
        "batch that would be tokens, not padding.",
        alt=f"Two curves over the context length. Tokens covered rise from {percent(covered[0], 1)} at {lengths[0]:g} "
        f"to {percent(covered[-1], 1)} at {lengths[-1]:g}; the real share falls to {percent(utilization[-1], 1)}.",
        svg=line_chart(
            "context-coverage",
            lines,
            Axis(label="context length, tokens", log=True),
            Axis(label="share", limits=(0.0, 1.03), percent=True),
        ),
        columns=("context_length", "covered", "utilization"),
        rows=rows,
    )


def _lengths_chart(data: Mapping[str, Any]) -> Chart:
    entry = data["lengths"]["n_tokens"]
    first = next(i for i, n in enumerate(entry["counts"]) if n)
    last = max(i for i, n in enumerate(entry["counts"]) if n)
    edges, counts = entry["edges"][first : last + 2], entry["counts"][first : last + 1]
    return Chart(
        name="document-lengths",
        title="Document lengths",
        caption="Documents by their number of tokens, two bins to each doubling.",
        alt=f"Histogram of document lengths between {edges[0]:.0f} and {edges[-1]:.0f} tokens, median "
        f"{_median(data, 'n_tokens'):.0f}.",
        svg=bar_chart(
            "document-lengths", edges, counts, Axis(label="tokens in the document", log=True), Axis(label="documents")
        ),
        columns=("from_tokens", "to_tokens", "documents"),
        rows=tuple(zip(edges, edges[1:], counts, strict=False)),
    )


def _norm_chart(description: DescriptionFiles, sites: Sequence[str]) -> Chart:
    lines, rows = [], []
    for name in sites:
        mean, low, median, high = (
            description.arrays[f"{name}/norm_{k}"].tolist() for k in ("mean", "low", "median", "high")
        )
        places = list(range(len(mean)))
        rows += [(name, p, mean[p], low[p], median[p], high[p]) for p in places]
        band = (low[1:], high[1:]) if name == sites[-1] else (None, None)  # several bands could not be told apart
        lines.append(Line(label=name, x=places[1:], y=mean[1:], low=band[0], high=band[1], apart=(0.0, mean[0])))
    ends = "; ".join(f"{line.label} {line.y[-1]:.3g}" for line in lines)
    return Chart(
        name="norm-by-position",
        title="Norm by position",
        caption="Mean length of the activation at each position of a sequence, with the band of the middle 90 % at "
        f"{sites[-1]}. The first position stands apart, as a point.",
        alt=f"Curves of the mean activation norm over the position, one a site; at the last position: {ends}.",
        svg=line_chart(
            "norm-by-position",
            lines,
            Axis(label="position in the sequence"),
            Axis(label="norm of the activation", log=True),
        ),
        columns=("site", "position", "mean", "quantile_5", "median", "quantile_95"),
        rows=tuple(rows),
    )


def _spectrum_chart(description: DescriptionFiles, sites: Sequence[str]) -> Chart:
    lines, rows = [], []
    for name in sites:
        eigenvalues = description.arrays[f"{name}/eigenvalues"]
        shares = (eigenvalues / eigenvalues.sum()).tolist()
        ranks = list(range(1, len(shares) + 1))
        rows += [(name, rank, share) for rank, share in zip(ranks, shares, strict=True)]
        positive = [share for share in shares if share > 1e-9]
        lines.append(Line(label=name, x=ranks[: len(positive)], y=positive))
    first = "; ".join(f"{line.label} {percent(line.y[0], 1)}" for line in lines)
    return Chart(
        name="pca-spectrum",
        title="Principal components",
        caption="Share of the variance along each principal component, the largest first; the mean is taken out.",
        alt=f"Falling curves of the variance share by rank, one a site. Share of the first component: {first}.",
        svg=line_chart(
            "pca-spectrum",
            lines,
            Axis(label="rank of the component", log=True),
            Axis(label="share of the variance", log=True, percent=True),
        ),
        columns=("site", "rank", "share"),
        rows=tuple(rows),
    )


def _kurtosis_chart(description: DescriptionFiles, sites: Sequence[str]) -> Chart:
    lines, rows = [], []
    for name in sites:
        excess = description.arrays[f"{name}/excess_kurtosis"]
        rows += [(name, i, value if np.isfinite(value) else None) for i, value in enumerate(excess.tolist())]
        values = np.sort(excess[np.isfinite(excess)]) + 3.0
        lines.append(Line(label=name, x=((np.arange(len(values)) + 0.5) / len(values)).tolist(), y=values.tolist()))
    medians = "; ".join(f"{line.label} {np.median(line.y):.3g}" for line in lines if len(line.y))
    return Chart(
        name="kurtosis",
        title="Tails",
        caption="Kurtosis of each dimension, the dimensions in rising order; a normal distribution has 3, a dimension "
        "that is used rarely and strongly has much more.",
        alt=f"Rising curves of the kurtosis over the share of dimensions, one a site. Medians: {medians}.",
        svg=line_chart(
            "kurtosis",
            lines,
            Axis(label="share of dimensions", percent=True),
            Axis(label="kurtosis", log=True),
            reference=(3.0, "normal distribution"),
        ),
        columns=("site", "dimension", "excess_kurtosis"),
        rows=tuple(rows),
    )
