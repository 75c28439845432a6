"""The picture of a search: the best value that a point is expected to reach, against trials."""

from __future__ import annotations

from collections.abc import Iterator

from layerkit.figures import Axis, Figure, Line, Panel
from layerkit.figures.usual import metric_axis
from layerkit.reporting.numbers import is_share
from layerkit.studies.search_result import SearchReport, TunedPoint


def search_figure(found: SearchReport) -> Figure | None:
    """One line per point, with its band, dotted beyond half the trials; None without trials.

    An adaptive search has the best value so far instead.
    """
    marks = tuple(_line(i, p) for i, p in enumerate(found.points) if _values(p))
    if not marks:
        return None
    best = "best so far" if found.adaptive else "expected best"
    axis = metric_axis(f"{best} {found.on}", share=is_share(found.on))
    panel = Panel(Axis("trials", whole=True), axis, marks)
    words = f"{best.capitalize()} {found.on} against the number of trials"
    if not found.adaptive:
        words += ", with a bootstrap band, dotted beyond half the trials"
    said = "; ".join(_reached(found))
    return Figure("search", "What tuning is worth", f"{words}: {said}.", (panel,))


def _values(p: TunedPoint) -> list[tuple[int, float]]:
    """(trials, value) of the line of a point."""
    values = p.so_far if p.expected is None else p.expected.values
    return [(n + 1, value) for n, value in enumerate(values) if value is not None]


def _line(series: int, p: TunedPoint) -> Line:
    numbers, values = zip(*_values(p), strict=True)
    e = p.expected
    if e is None:
        return Line(p.title, series, numbers, values)
    return Line(p.title, series, numbers, values, e.low, e.high, e.solid)


def _reached(found: SearchReport) -> Iterator[str]:
    """What each point reaches with one trial, and with as many as are to be believed."""
    share = is_share(found.on)
    for p in found.points:
        if held := dict(_values(p)):
            last = max(held) if p.expected is None else p.expected.solid
            first = min(held)
            ends = [f"{100 * v:.1f} %" if share else f"{v:.4g}" for v in (held[first], held[last])]
            yield f"{p.title} from {ends[0]} ({first}) to {ends[1]} ({last})"
