"""The figures of a comparison: runs in lanes, differences with their chances, learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from layerkit.comparison import formatting as fmt
from layerkit.comparison.results import ComparisonResult, Contestant, Difference, Summary
from layerkit.core.context import Array
from layerkit.display import counted, printable, shortened
from layerkit.figures import Axis, Dots, Figure, Intervals, Line, Mark, Panel, Rule
from layerkit.figures.usual import metric_axis
from layerkit.reporting.numbers import level_text, percent
from layerkit.reporting.svg import wants_log

_LANE, _POINTS = 40, 160  # letters of a lane's name; points of a curve: more cannot be seen
_NAN = math.nan


@dataclass(frozen=True)
class Lane:
    """A contestant, or a point of a study: its runs stand in one lane, in the colour of a group."""

    name: str
    summary: Summary
    series: int
    group: str


def score_figures(r: ComparisonResult) -> list[Figure]:
    """The runs in the main metric, and the differences from the first contestant."""
    held = [
        (i, c, c.metrics[r.metric]) for i, c in enumerate(r.contestants) if r.metric in c.metrics
    ]
    found = []
    if held:
        lanes = [Lane(c.name, s, i, c.name) for i, c, s in held]
        found.append(lanes_figure(f"Runs in {r.metric}", r.metric, lanes, r.confidence))
    others = [
        (i, c.name, c.differences[r.metric])
        for i, c in enumerate(r.contestants)
        if r.metric in c.differences
    ]
    if others:
        joint = r.comparisons > 1
        found.append(chance_figure(r.contestants[0].name, r.metric, others, joint=joint))
    return found


def lanes_figure(title: str, metric: str, lanes: Sequence[Lane], confidence: float) -> Figure:
    """Each run a dot; the mean of a lane with its interval."""
    share = any(lane.summary.share for lane in lanes)
    marks: list[Mark] = []
    for series, group in dict.fromkeys((lane.series, lane.group) for lane in lanes):
        held = [
            (at, x.summary) for at, x in enumerate(lanes) if (x.series, x.group) == (series, group)
        ]
        dots = [(at, v) for at, s in held for v in s.values]
        marks.append(Dots(group, series, [v for _, v in dots], [at for at, _ in dots]))
        ends = [(s.interval.low, s.interval.high) if s.interval else (_NAN, _NAN) for _, s in held]
        marks.append(
            Intervals(
                group,
                series,
                [at for at, _ in held],
                [s.mean for _, s in held],
                [low for low, _ in ends],
                [high for _, high in ends],
            )
        )
    said = (f"{lane.name} {_in_words(lane.summary)}" for lane in lanes[:12])
    more = f"; and {len(lanes) - 12} more" if len(lanes) > 12 else ""
    words = (
        f"Small marks are runs, large ones their mean with its {level_text(confidence)} interval. "
        f"{'; '.join(said)}{more}."
    )
    names = tuple(shortened(printable(lane.name), _LANE) for lane in lanes)
    axis = metric_axis(metric, share=share)
    return Figure("runs", title, words, [Panel(axis, Axis("", categories=names), marks)])


def _in_words(s: Summary) -> str:
    text = fmt.mean_and_sd(s)
    if s.interval is None:
        return text
    return f"{text} ({fmt.summary_ends(s)}, {fmt.interval_basis(s.interval)})"


def chance_figure(
    first: str,
    metric: str,
    others: Sequence[tuple[int, str, Difference]],
    widths: Sequence[Line] = (),
    *,
    joint: bool,
) -> Figure:
    """Differences from the ``first``: what is chance of the runs, of the rows, and of both.

    ``others`` are (series, name, difference); ``widths`` say what more seeds would buy.
    """
    unit = "points" if any(d.share for _, _, d in others) else metric
    share = unit == "points"
    lanes: list[str] = []
    bars: list[Mark] = [Rule(0.0, "x")]
    for series, name, d in others:
        label = f"{shortened(printable(name), 22)} − {shortened(printable(first), 22)}"
        bars += _chance_bars(label, series, d, len(lanes), joint=joint)
        lanes += [f"{shortened(printable(name), 18)}: both", "runs alone", "rows alone"]
    side = "right" if others[0][2].higher_is_better else "left"
    below = Axis(f"difference in {unit} ({side}: better)", share=share)
    panels = [Panel(below, Axis("", categories=tuple(lanes)), bars,
                    "another run, other rows, or both" if widths else "")]  # fmt: skip
    if widths:
        wide = Axis(f"half-width in {unit}", share=share, low=0.0)
        panels.append(Panel(Axis("seeds", whole=True), wide, widths, "what more seeds would buy"))
    words = " ".join(_chance_words(d) for _, _, d in others)
    title = f"Which chance is it? Difference from {first} in {metric}"
    return Figure("which-chance", title, words, panels)


def _chance_bars(name: str, series: int, d: Difference, top: int, *, joint: bool) -> Iterator[Mark]:
    """The interval over both, its parts below it, and the differences of single pairs of runs."""
    for below, interval in enumerate((d.both, d.seeds, d.rows)):
        if interval is not None:
            ends = [interval.low], [interval.high]
            yield Intervals(name, series, [top + below], [d.mean], *ends, faint=below > 0)
    if joint and d.both is not None:
        ends = [d.both.joint_low], [d.both.joint_high]
        yield Intervals(f"{name}, jointly", series, [top], [_NAN], *ends, faint=True)
    if d.values:
        yield Dots(
            f"{name}: pairs of runs", series, d.values, [top + 1] * len(d.values), faint=True
        )


def _chance_words(d: Difference) -> str:
    """The sentence, and what would halve the interval."""
    text = d.words
    if d.parts is not None:
        text += f" Its variance: {percent(d.parts.seeds)} from run to run, "
        text += f"{percent(d.parts.rows)} from row to row, {percent(d.parts.residual)} in both"
        if d.parts.more_seeds is not None:
            text += f"; {counted(d.parts.more_seeds, 'more seed')} would halve it"
        elif d.parts.rows_times is not None:
            text += f"; more seeds would not halve it, {d.parts.rows_times:g} times the rows would"
        text += "."
    return text


def curve_figures(r: ComparisonResult) -> list[Figure]:
    """Loss on training and validation rows, and the main metric, against epochs."""
    series = {"loss": "Training loss", "val_loss": "Validation loss"}
    share = any(c.metrics[r.metric].share for c in r.contestants if r.metric in c.metrics)
    if r.metric != "loss":
        validated = _has_curve(r.contestants, f"val_{r.metric}")
        name, rows = (f"val_{r.metric}", "Validation") if validated else (r.metric, "Training")
        series[name] = f"{rows} {r.metric}"
    return [
        _curve_figure(r.contestants, name, title, share=share and "loss" not in name)
        for name, title in series.items()
        if _has_curve(r.contestants, name)
    ]


def _has_curve(contestants: Sequence[Contestant], series: str) -> bool:
    """Whether any run has at least two epochs of ``series``."""
    return any(len(h.get(series, ())) > 1 for c in contestants for h in c.histories)


def _curve_figure(
    contestants: Sequence[Contestant], series: str, title: str, *, share: bool
) -> Figure:
    """A thick line for the mean over runs, as long as all last; thin ones for single runs."""
    marks: list[Mark] = []
    words = []
    for i, c in enumerate(contestants):
        runs = [h[series] for h in c.histories if len(h.get(series, ())) > 0]
        if not runs:
            continue
        stop = min(map(len, runs))
        mean = np.mean([run[:stop] for run in runs], axis=0)
        marks += [_line(c.name, i, run, faint=True) for run in runs if len(runs) > 1]
        marks.append(_line(c.name, i, mean))
        words.append(f"{c.name} from {mean[0]:.3g} to {mean[-1]:.3g} in {counted(stop, 'epoch')}")
    finite = [v for m in marks if isinstance(m, Line) for v in m.y if math.isfinite(v)] or [0.0]
    log = wants_log(min(finite), max(finite)) and not share
    axis = replace(metric_axis(title.split(" ", 1)[1], share=share), log=log)
    text = f"Thick: mean over runs; thin: single runs. {'; '.join(words)}."
    key = "curve-" + "".join(ch if ch.isalnum() else "-" for ch in series.lower())
    return Figure(key[:64], title, text, [Panel(Axis("epoch", whole=True), axis, marks)])


def _line(name: str, series: int, run: Array, *, faint: bool = False) -> Line:
    keep = np.unique(np.linspace(0, len(run) - 1, min(len(run), _POINTS)).round().astype(int))
    return Line(name, series, (keep + 1).tolist(), run[keep].tolist(), faint=faint)
