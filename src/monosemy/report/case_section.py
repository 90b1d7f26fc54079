"""One latent on the page: the answer, what it fires on, what ablating it does, which words it needs."""

from collections.abc import Mapping, Sequence
from typing import Any

from monosemy.report.case_charts import activation_chart, effect_chart, pattern_chart, token_code
from monosemy.report.case_reading import Record, ShownCase, agreement_words
from monosemy.report.feature_view import visible
from monosemy.report.numbers import count, decimals, interval, percent, significant
from monosemy.report.page import (
    Column,
    Content,
    Markup,
    Section,
    code,
    details,
    figures,
    join,
    note,
    paragraph,
    sentence,
    side_by_side,
    strong,
    table,
    text,
)
from monosemy.report.style import HEAT

N_SHOWN_TOP = 4
TOKENS_BEFORE, TOKENS_AFTER = 18, 6


def case_section(case: ShownCase) -> Section:
    """Everything of one latent."""
    record = case.record
    if case.is_silent:
        words = f"It never fires on the {count(record['n_tokens'])} tokens of {record['split']}."
        return Section(title=case.title, body=(paragraph(words), _lens_details(record)))
    slug = f"{record['side']}-{record['latent']}-{record['dictionary']}"
    charts = [activation_chart(f"activations-{slug}", record), effect_chart(f"effect-{slug}", record)]
    if record["pattern"] is not None:
        charts.append(pattern_chart(f"pattern-{slug}", record))
    body: list[Markup] = [paragraph(_answer(record))]
    if record["is_dense"]:
        body.append(_dense_note(record))
    body += [
        figures(*charts),
        _examples(record),
        *_texts(record),
        _effect_details(record),
        _lens_details(record),
    ]
    return Section(title=case.title, body=tuple(body))


def _answer(record: Record) -> Markup:
    """Fires on X; ablating it lowers Y most; the lens agrees."""
    effect = record["effect"]["latent"]
    lowered = [token_code(row["token"]) for row in effect["lowered"][:3]]
    following = effect["next"]
    after: list[Content] = []
    if following["mean"] is not None:
        low_high = interval(following["low"], following["high"], 2)
        after = [
            f"; the token that does follow changes by {decimals(following['mean'], 2)} {low_high} nats of "
            "log-probability"
        ]
    return sentence(
        "Fires on ",
        strong(join([token_code(record["mass_token"]), f" ({percent(record['mass_share'])} of its activation)"], "")),
        f", on {percent(record['density'], 2)} of tokens. Ablating it lowers ",
        strong(join(lowered, ", ")),
        " most",
        *after,
        f". The lens {agreement_words(effect['spearman'])}: rank correlation {decimals(effect['spearman'], 2)}, "
        f"{round(10 * effect['precision'])} of the ten lowered most are among its ten highest.",
    )


def _dense_note(record: Record) -> Markup:
    side = "above" if record["side"] == "positive" else "below"
    return note(
        f"{record['dictionary']} is dense: a latent takes both signs and \u201cinactive\u201d has no meaning. Shown is "
        f"where it is {side} zero; ablating sets it to zero."
    )


def _examples(record: Record) -> Markup:
    largest = record["largest"]
    top, uniform = record["top"], record["uniform"]
    rest = [_example(each, largest) for each in top[N_SHOWN_TOP:]]
    even = [_example(each, largest) for each in uniform]
    return Markup(
        '<div class="latent">'
        + join(
            [
                Markup('<p class="kind">strongest, one a row of text</p>'),
                *(_example(each, largest) for each in top[:N_SHOWN_TOP]),
                details(
                    "More, and one drawn from each bin of activation", *rest, _kind("one drawn from each bin"), *even
                ),
            ]
        ).html
        + "</div>"
    )


def _kind(words: str) -> Markup:
    return Markup(f'<p class="kind">{text(words)}</p>')


def _example(example: Mapping[str, Any], largest: float) -> Markup:
    """The token meant, outlined, with what stands around it; shaded by activation."""
    at = example["at"]
    first, last = max(0, at - TOKENS_BEFORE), min(len(example["tokens"]), at + TOKENS_AFTER + 1)
    pieces = [
        _shaded(example["tokens"][i], example["activations"][i], largest, is_meant=i == at) for i in range(first, last)
    ]
    source = f'<span class="source" title="{text(example["document"])}">{text(example["unit"])}</span>'
    value = f'<span class="source">{significant(example["value"])}</span>'
    dots = "\u2026" if first else ""
    return Markup(f'<p class="context">{value} {dots}{"".join(pieces)} {source}</p>')


def _shaded(token: str, strength: float, largest: float, *, is_meant: bool) -> str:
    shown = text(visible(token))
    if strength <= 0 or largest <= 0:
        return f'<mark class="fires">{shown}</mark>' if is_meant else shown.replace("\u21b5", "\u21b5<wbr>")
    level = HEAT[min(len(HEAT) - 1, int(len(HEAT) * strength / largest))]
    element = "mark" if is_meant else "span"
    return f'<{element} class="fires {level}" title="{strength:.3g}">{shown}</{element}>'


def _texts(record: Record) -> list[Markup]:
    """Which words it needs, and which tokens make it fire."""
    part = record["text"]
    greedy = part["greedy"]
    repeated = sentence(
        "From the empty text, the token that makes it largest, one after the other: ",
        code("".join(visible(token) for token in greedy["tokens"])),
        f" ({', '.join(significant(value) for value in greedy['values'])}).",
    )
    if part["reason"] is not None:
        return [paragraph(f"Which words it needs: not measured, {part['reason']}."), paragraph(repeated)]
    words = "the text given" if part["is_given"] else "its strongest example"
    changes = part["context_change"]
    n_kept = len(part["tokens"]) - 1 - len(changes)
    change_of = [None] * n_kept + list(changes) + [None]
    pieces = [_dropped(token, change, part["value"]) for token, change in zip(part["tokens"], change_of, strict=True)]
    needed = sorted(zip(changes, part["tokens"][n_kept:-1], strict=True), key=lambda pair: pair[0])[:1]
    most = (
        sentence(
            "; leaving out ",
            token_code(needed[0][1]),
            f" changes it most downward, by {decimals(needed[0][0], 2)}",
        )
        if needed and needed[0][0] < 0
        else sentence("; leaving out no single token before lowers it" if changes else "; no token stands before it")
    )
    minimal = part["minimal"]
    lines = [
        paragraph(f"On {words} it is {significant(part['value'])}", most, ":"),
        Markup(f'<p class="context">{"".join(pieces)}</p>'),
        paragraph(
            f"The shortest end of it that keeps {percent(minimal['keep'])}: ",
            code("".join(visible(token) for token in minimal["tokens"])),
            f" ({significant(minimal['value'])}). ",
            repeated,
        ),
    ]
    swept = side_by_side(
        *(
            _sweep_table(part[side], words, part["n_swept"])
            for side, words in (("before", "before"), ("behind", "behind"))
        )
    )
    return [*lines, details(f"Every token put before that end, and behind it ({count(part['n_swept'])})", swept)]


def _dropped(token: str, change: float | None, value: float) -> str:
    """A token of the context, shaded by how much of the activation is lost without it."""
    shown = text(visible(token))
    if change is None:
        return f'<mark class="fires heat-4">{shown}</mark>'
    share = -change / value
    title = f' title="{change:+.3g}"'
    if share < 0.05:
        return f"<span{title}>{shown}</span>".replace("\u21b5", "\u21b5<wbr>")
    level = HEAT[min(len(HEAT) - 1, int(len(HEAT) * share))]
    return f'<span class="{level}"{title}>{shown}</span>'


def _sweep_table(found: Mapping[str, Any], side: str, n: int) -> Markup:
    columns = [
        Column(title="highest"),
        Column(title="", kind="number"),
        Column(title="lowest"),
        Column(title="", kind="number"),
    ]
    rows: list[list[Content]] = [
        [
            token_code(high["token"]),
            decimals(high["value"], 2),
            token_code(low["token"]),
            decimals(low["value"], 2),
        ]
        for high, low in zip(found["top"], found["bottom"], strict=True)
    ]
    where = "the last token's, with each token before the text" if side == "before" else "each token's, behind the text"
    return table(columns, rows, f"Activation: {where}; zero with {count(found['n_silent'])} of {count(n)}", dense=True)


def _effect_details(record: Record) -> Markup:
    """Both removals in numbers: the tokens lowered and raised most, and those watched."""
    effect = record["effect"]
    where = "at that position alone" if effect["edited"] == "position" else "in the row up to the position"
    columns = [Column(title="token"), *(Column(title=t, kind="number") for t in ("logit", "log-prob.", "prob. before"))]
    blocks = []
    for how, title in (("latent", "Its contribution taken away"), ("direction", "All along its direction removed")):
        found = effect[how]
        words = (
            f"{title}, {where}: KL {decimals(found['kl'], 3)} nats, lens rank correlation "
            f"{decimals(found['spearman'], 2)}; lowered most"
        )
        tables = [table(columns, _token_rows(found["lowered"]), words, dense=True)]
        tables.append(table(columns, _token_rows(found["raised"]), f"{title}: raised most", dense=True))
        if found["watched"]:
            tables.append(table(columns, _token_rows(found["watched"]), f"{title}: tokens asked for", dense=True))
        blocks.append(join(tables))
    return details("The effect in numbers, less than rank one and full rank one", side_by_side(*blocks))


def _token_rows(rows: Sequence[Mapping[str, Any]]) -> list[list[Content]]:
    return [
        [
            token_code(row["token"]),
            f"{decimals(row['logit'], 2)} {interval(row['low'], row['high'], 2)}",
            decimals(row["log_prob"], 2),
            percent(row["probability"], 1),
        ]
        for row in rows
    ]


def _lens_details(record: Record) -> Markup:
    """What the lens says, in this project's form and in the paper's."""
    lens = record["lens"]
    paper = lens["paper"]
    ours = _lens_table(
        lens, f"Through the final norm's gain, centered; excess kurtosis {decimals(lens['kurtosis'], 1)}"
    )
    masked = f"{count(paper['n_masked'])} never-used tokens masked" if paper["n_masked"] else "no token masked"
    theirs = _lens_table(paper, f"The paper's f W_U, {masked}; excess kurtosis {decimals(paper['kurtosis'], 1)}")
    return details("The logit lens of its direction", side_by_side(ours, theirs))


def _lens_table(lens: Mapping[str, Any], caption: str) -> Markup:
    columns = [
        Column(title="top"),
        Column(title="", kind="number"),
        Column(title="bottom"),
        Column(title="", kind="number"),
    ]
    rows: list[list[Content]] = [
        [
            token_code(high["token"]),
            decimals(high["value"], 2),
            token_code(low["token"]),
            decimals(low["value"], 2),
        ]
        for high, low in zip(lens["top"], lens["bottom"], strict=True)
    ]
    return table(columns, rows, caption, dense=True)
