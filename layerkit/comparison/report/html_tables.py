"""The tables of the page, and the cards that show each architecture."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby

from layerkit.comparison import formatting as fmt
from layerkit.comparison.results import (
    ComparisonResult,
    Contestant,
    Difference,
    LayerRow,
    Summary,
    Timing,
    Verdict,
)
from layerkit.comparison.tables import NONE, count_text, seconds_text
from layerkit.display import byte_size
from layerkit.reporting.markup import element, escape
from layerkit.reporting.numbers import duration, level_text, percent
from layerkit.reporting.svg import swatch
from layerkit.reporting.tables import cell, html_table
from layerkit.statistics.intervals import Interval

VERDICTS: dict[Verdict, str] = {
    "better": "better",
    "worse": "worse",
    "files_better": "these files: better",
    "files_worse": "these files: worse",
    "open": "not settled",
}


def verdict_badge(verdict: Verdict) -> str:
    """The verdict as a small label."""
    side = verdict.removeprefix("files_")
    files = " files" if side != verdict else ""
    return element("span", VERDICTS[verdict], class_=f"badge {side}{files}")


def _name(i: int, c: Contestant) -> str:
    return f"{swatch(i)} {escape(c.name)}"


_NOT_MEASURABLE = cell(NONE, "not measurable")


def metric_table(result: ComparisonResult, metric: str) -> str:
    """Mean and spread of one metric, and the difference from the first with its intervals."""
    heads = ["contestant", "mean ± deviation"]
    if result.compared:
        heads.append(f"minus {result.contestants[0].name}")
        heads += [f"{level_text(result.confidence)} interval", "seeds alone", "rows alone"]
        heads += ["a new run wins"] if metric == result.metric else []
    higher = False
    rows = []
    for i, c in enumerate(result.contestants):
        s, d = c.metrics.get(metric), c.differences.get(metric)
        higher |= s is not None and s.higher_is_better
        cells = [_name(i, c), NONE if s is None else _summary(s)]
        if d is not None:
            cells += _difference_cells(d, result)
        else:
            cells += ["reference", "", "", "", ""] if i == 0 else [NONE] * 5
        rows.append(cells[: len(heads)])  # the last column belongs to the main metric
    return html_table(metric, "higher is better" if higher else "lower is better", heads, rows)


def _summary(s: Summary) -> str:
    basis = "" if s.interval is None else fmt.interval_basis(s.interval)
    return cell(fmt.mean_and_sd(s), fmt.summary_ends(s) or "", basis)


def _difference_cells(d: Difference, result: ComparisonResult) -> list[str]:
    joint = shares = better = worse = ""
    if d.interval is not None and result.comparisons > 1 and d.verdict is not None:
        joint = f"joint {fmt.difference_ends(d.interval, d, joint=True)}"
    if d.parts is not None:
        shares = f"{percent(d.parts.seeds)} seeds, {percent(d.parts.rows)} rows"
    if d.rows_better is not None:
        better, worse = f"better on {d.rows_better:,}", f"worse on {d.rows_worse:,}"
    wins = _NOT_MEASURABLE
    if d.improvement is not None:
        low, high = 100 * d.improvement.low, percent(d.improvement.high)
        wins = cell(percent(d.improvement.probability), f"{low:.0f} to {high}")
    return [
        cell(fmt.difference_text(d), "" if d.verdict is None else verdict_badge(d.verdict)),
        _ends(d, d.interval, joint) + cell("", shares),
        _ends(d, d.seeds),
        _ends(d, d.rows) + cell("", better, worse),
        wins,
    ]


def _ends(d: Difference, interval: Interval | None, joint: str = "") -> str:
    if interval is None:
        return _NOT_MEASURABLE
    return cell(fmt.difference_ends(interval, d), joint, fmt.interval_basis(interval))


def cost_table(result: ComparisonResult) -> str:
    """Size and speed."""
    timed = [c.timing for c in result.contestants if c.timing]
    heads = ["contestant", "parameters", "multiply-adds per row", "file", "training"]
    heads += ["one row", f"per row in a batch of {timed[0].batch_rows:,}"] if timed else []
    rows = []
    for i, c in enumerate(result.contestants):
        seconds = c.training_seconds
        trained = "every run diverged" if c.failures else "not trained here"
        trained = trained if seconds is None else f"per seed, {seconds.n} trained"
        cells = [
            _name(i, c),
            f"{c.parameters:,}",
            count_text(c.macs),
            NONE if c.file_bytes is None else byte_size(c.file_bytes),
            cell(seconds_text(seconds), trained),
        ]
        rows.append(cells + (time_cells(c.timing) if timed else []))
    return html_table("Cost", "times are of this machine", heads, rows)


def time_cells(t: Timing | None) -> list[str]:
    """What a row takes alone and in a batch, each with its ratio to the first."""
    if t is None:
        return [NONE, NONE]
    each = (t.single, t.single_ratio), (t.batch, t.batch_ratio)
    return [cell(duration(seconds), fmt.ratio_text(ratio)) for seconds, ratio in each]


def architecture_card(i: int, c: Contestant) -> str:
    """A card with the layers of one contestant, equal neighbours joined."""
    nameless = groupby(replace(layer, name="") for layer in c.layers)
    rows = [_layer_row(row, len(list(group))) for row, group in nameless]
    heads = ("layer", "shape of a row", "parameters")
    top = element("tr", *(element("th", head, scope="col") for head in heads))
    providers = [
        f"{', '.join(kind for kind, by in sorted(c.providers.items()) if by == who)} from {who}"
        for who in sorted(set(c.providers.values()))
    ]
    note = f"{c.parameters:,} parameters. {'; '.join(providers)}."
    note += f" From {', '.join(c.sources)}." if c.sources else ""
    return element(
        "section",
        element("h3", _name(i, c)),
        element("table", element("thead", top), element("tbody", *rows)),
        element("p", escape(note), class_="note"),
        class_="card",
    )


def _layer_row(row: LayerRow, count: int) -> str:
    times = f"{count} × " if count > 1 else ""
    shapes = (" × ".join(map(str, shape)) or "1" for shape in (row.in_shape, row.out_shape))
    cells = (f"{times}{escape(row.type)}", " → ".join(shapes), f"{row.parameters * count:,}")
    return element("tr", *(element("td", cell) for cell in cells))
