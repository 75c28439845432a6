"""HTML blocks of the page: tables, cards and figures. All strings are escaped here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from layerkit.comparison.intervals import Interval
from layerkit.comparison.numbers import count, duration, ratios
from layerkit.comparison.outcome import Comparison
from layerkit.comparison.report.curves import swatch
from layerkit.comparison.report.text import escape
from layerkit.comparison.results import Contestant, Difference, LayerRow, Summary, Verdict
from layerkit.comparison.tables import seconds_text
from layerkit.comparison.wording import amount, basis, bounds, mean_and_sd
from layerkit.display import byte_size

__all__ = ["VERDICTS", "architecture", "badge", "cost_table", "figure", "metric_table"]

WIDE, NARROW = 520.0, 350.0
VERDICTS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "files_better": "these files: better",
    "files_worse": "these files: worse",
    "open": "not settled",
}


def figure(draw: Callable[[str, float], str], key: str, caption: str) -> str:
    """A chart drawn twice, for desk and phone, so that its text stays readable on both."""
    wide, narrow = draw(f"{key}-wide", WIDE), draw(f"{key}-narrow", NARROW)
    return (
        f'<figure><div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def badge(verdict: Verdict) -> str:
    """The verdict as a small label."""
    side = verdict.removeprefix("files_")
    about = " files" if side != verdict else ""
    return f'<span class="badge {side}{about}">{VERDICTS[verdict]}</span>'


def _table(
    title: str, note: str, heads: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]
) -> str:
    """A table; ``heads`` are text, the rows are markup already.

    Each cell carries its heading, which a phone shows beside it instead of columns.
    """
    top = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + "".join(
            f'<td data-head="{escape(head)}"><span>{cell}</span></td>'
            for head, cell in zip(heads[1:], cells, strict=True)
        )
        + "</tr>"
        for name, cells in rows
    )
    caption = f"<caption><b>{escape(title)}</b> ({escape(note)})</caption>"
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table>'
        f"{caption}<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _name(i: int, c: Contestant) -> str:
    return f"{swatch(i)} {escape(c.name)}"


def metric_table(comparison: Comparison, metric: str) -> str:
    """Mean and spread of one metric, and the difference to the first with its intervals."""
    level = f"{100 * comparison.confidence:g} %"
    first = comparison.contestants[0].name
    higher = next(
        c.metrics[metric].higher_is_better for c in comparison.contestants if metric in c.metrics
    )
    heads = ["contestant", "mean ± deviation"]
    if comparison.compared:
        heads += [
            f"minus {first}",
            f"{level} interval",
            "seeds alone",
            "rows alone",
        ]
        heads += ["a new run wins"] if metric == comparison.metric else []
    rows = []
    for i, c in enumerate(comparison.contestants):
        cells = [_summary(c.metrics.get(metric))]
        if comparison.compared:
            told = _difference_cells(i, c.differences.get(metric), comparison)
            cells += told if metric == comparison.metric else told[:-1]
        rows.append((_name(i, c), cells))
    return _table(metric, "higher is better" if higher else "lower is better", heads, rows)


def _summary(s: Summary | None) -> str:
    if s is None:
        return "–"
    if s.interval is None:
        return mean_and_sd(s)
    ends = bounds(s.interval, share=s.share, rows=s.rows, unit="%" if s.share else "")
    return f"{mean_and_sd(s)}<small>{ends}</small><small>{basis(s.interval)}</small>"


def _difference_cells(i: int, d: Difference | None, comparison: Comparison) -> list[str]:
    if i == 0:
        return ["reference", "", "", "", ""]
    if d is None:
        return ["–"] * 5
    joint = comparison.comparisons > 1 and d.verdict is not None
    counts = (
        ""
        if d.rows_better is None
        else f"<small>better on {d.rows_better:,}</small><small>worse on {d.rows_worse:,}</small>"
    )
    label = "" if d.verdict is None else f"<small>{badge(d.verdict)}</small>"
    return [
        f"{amount(d)}{label}",
        _ends(d.interval, d, joint=joint) + _made_of(d),
        _ends(d.seeds, d),
        _ends(d.rows, d) + counts,
        _wins(d),
    ]


def _ends(interval: Interval | None, d: Difference, *, joint: bool = False) -> str:
    if interval is None:
        return "–<small>cannot be told</small>"
    text = bounds(interval, share=d.share, rows=d.count, sign=True)
    if joint:
        ends = bounds(interval, share=d.share, rows=d.count, sign=True, joint=True)
        text += f"<small>joint {ends}</small>"
    return f"{text}<small>{basis(interval)}</small>"


def _made_of(d: Difference) -> str:
    if d.parts is None:
        return ""
    seeds, rows = (f"{100 * v:.0f} %" for v in (d.parts.seeds, d.parts.rows))
    return f"<small>{seeds} seeds, {rows} rows</small>"


def _wins(d: Difference) -> str:
    found = d.improvement
    if found is None:
        return "–<small>cannot be told</small>"
    return (
        f"{100 * found.probability:.0f} %"
        f"<small>{100 * found.low:.0f} to {100 * found.high:.0f} %</small>"
    )


def cost_table(comparison: Comparison) -> str:
    """Size and speed."""
    timed = [c.timing for c in comparison.contestants if c.timing]
    heads = ["contestant", "parameters", "multiply-adds a row", "file", "training"]
    if timed:
        heads += ["one row", f"a row among {timed[0].batch_rows:,}"]
    rows = []
    for i, c in enumerate(comparison.contestants):
        cells = [
            count(c.parameters),
            count(c.macs),
            "–" if c.file_bytes is None else byte_size(c.file_bytes),
            _training(c),
        ]
        if timed:
            cells += _times(c)
        rows.append((_name(i, c), cells))
    return _table("What it costs", "times are this machine's", heads, rows)


def _training(c: Contestant) -> str:
    seconds = c.training_seconds
    if seconds is None:
        return "–<small>not trained here</small>"
    return f"{seconds_text(seconds)}<small>a seed, {seconds.n} trained</small>"


def _times(c: Contestant) -> list[str]:
    if c.timing is None:
        return ["–", "–"]
    pairs = ((c.timing.single, c.timing.single_ratio), (c.timing.batch, c.timing.batch_ratio))
    return [f"{duration(t)}<small>{ratios(r)}</small>" for t, r in pairs]


def architecture(i: int, c: Contestant) -> str:
    """A card with the layers of one contestant, equal neighbours joined."""
    rows = "".join(_layers(list(group)) for _, group in groupby(c.layers, key=_alike))
    parts = [
        f"{', '.join(k for k, v in sorted(c.providers.items()) if v == who)} from {who}"
        for who in sorted(set(c.providers.values()))
    ]
    origin = ", ".join(escape(s) for s in c.sources)
    return (
        f'<section class="card"><h3>{_name(i, c)}</h3><table>'
        '<thead><tr><th scope="col">layer</th><th scope="col">shape of a row</th>'
        f'<th scope="col">parameters</th></tr></thead><tbody>{rows}</tbody></table>'
        f'<p class="note">{count(c.parameters)} parameters. {escape("; ".join(parts))}.'
        f"{f' From {origin}.' if origin else ''}</p></section>"
    )


def _alike(row: LayerRow) -> tuple[object, ...]:
    return row.type, row.in_shape, row.out_shape, row.parameters


def _layers(group: list[LayerRow]) -> str:
    row = group[0]
    times = f"{len(group)} × " if len(group) > 1 else ""
    shape = f"{_shape(row.in_shape)} → {_shape(row.out_shape)}"
    size = count(row.parameters * len(group))
    return f"<tr><td>{times}{escape(row.type)}</td><td>{shape}</td><td>{size}</td></tr>"


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(d) for d in shape) or "1"
