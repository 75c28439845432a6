"""What the lens has seen as pictures: data, which pages and files draw.

Layers are numbered from 1 where there are many; a map shows the first units of a wide layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from layerkit.display import printable
from layerkit.figures import Axis, Cells, Figure, Intervals, Line, Panel, Rule
from layerkit.lens import words
from layerkit.lens.results import Lens, Score, Scores
from layerkit.reporting.numbers import is_share

_UNITS = 100  # columns of a map
_STEPS, _CLASSES = 60, 40  # rows of a map
_NAMED = 12  # layers; of more, numbers are shown
_CARRY, _WARM, _LESION = 0, 1, 2  # series

Table = list[list[float]]


def figures(seen: Lens) -> list[Figure]:
    """Those pictures for which there are numbers."""
    made = (
        _gate_map(seen),
        _changes(seen),
        _lesions(seen),
        _classes(seen),
        _steps(seen),
        _one_row(seen),
    )
    return [figure for figure in made if figure is not None]


def _gate_map(seen: Lens) -> Figure | None:
    gated = seen.gated
    if not gated:
        return None
    table = _level([gates.units for _, gates in gated])
    names = [name for name, _ in gated]
    panel = _map(table, names, title="mean gate of each unit", top=_largest(table))
    text = f"{words.gates_words(seen)} {words.OPENING}" + _cut([gates.units for _, gates in gated])
    return Figure("gates", "Gates by layer and unit", text, (panel,))


def _lesions(seen: Lens) -> Figure | None:
    """One layer left out beside the first and the last layers kept."""
    if not seen.first:
        return None
    metric = words.main_metric(seen)
    names = [name for name, _ in seen.lesions]
    single = [scores[metric] for _, scores in seen.lesions]
    low, high = [_known(s.gap_low) for s in single], [_known(s.gap_high) for s in single]
    share = is_share(metric)
    more = f"more {'points' if share else metric} than the whole model"
    alone = Intervals(
        "without this layer", _LESION, range(len(names)), [s.gap for s in single], low, high
    )
    count = len(seen.curve)
    curves = (
        _curve("first layers kept", 0, seen.first, metric),
        _curve("last layers kept", 1, seen.last, metric),
    )
    panels = (
        Panel(
            _named(names, "layer"),
            Axis(more, share=share),
            (Rule(0.0), alone),
            "one layer left out",
        ),
        Panel(
            Axis("layers kept", whole=True, low=0, high=count),
            Axis(metric, share=share),
            (*curves, Rule(seen.whole[metric].value)),
            "only the first or the last kept (dashed: all)",
        ),
    )
    text = f"{words.lesion_words(seen)} {words.curve_words(seen)} Intervals: 95 %, over rows."
    return Figure("lesions", "Lesions beside keep curves", text, panels)


def _curve(name: str, series: int, scores: Sequence[Scores], metric: str) -> Line:
    own = [one[metric] for one in scores]
    low, high = _ends(own)
    return Line(name, series, range(len(own)), [s.value for s in own], low, high)


def _ends(scores: Sequence[Score]) -> tuple[list[float] | None, list[float] | None]:
    """The band of a curve; none where a score has no interval."""
    low = [s.low for s in scores if s.low is not None]
    high = [s.high for s in scores if s.high is not None]
    return (low, high) if len(low) == len(high) == len(scores) else (None, None)


def _changes(seen: Lens) -> Figure | None:
    found = [(b.name, b.change) for b in seen.blocks if b.change is not None]
    if not found:
        return None
    low, mid, high = ([getattr(c, end) for _, c in found] for end in ("low", "median", "high"))
    bars = Intervals("half of the rows", _CARRY, range(len(found)), mid, low, high)
    axis = Axis("change, relative to what is carried", low=0.0)
    panel = Panel(_named([name for name, _ in found], "layer"), axis, (bars,))
    text = words.change_words(seen) + " A bar holds the middle half of the rows."
    return Figure("changes", "Change by layer", text, (panel,))


def _classes(seen: Lens) -> Figure | None:
    """Openings by layer and class, and in one layer by unit and class."""
    classes = list(dict.fromkeys(name for _, g in seen.gated for name in g.classes))[:_CLASSES]
    if len(classes) < 2:
        return None
    apart = [[g.classes.get(c, math.nan) - g.mean for c in classes] for _, g in seen.gated]
    widest = max(seen.gated, key=lambda pair: _spread(list(pair[1].classes.values())))
    names = tuple(printable(c) for c in classes)
    panels = [
        _signed(apart, Axis("class", categories=names), [n for n, _ in seen.gated], "by layer")
    ]
    units = widest[1].class_units
    if units:
        table = _level([units[c] for c in classes if c in units])
        there = [c for c in classes if c in units]
        title = f"by unit of {printable(widest[0])}"
        panels.append(_signed(table, Axis("unit"), there, title, of="class"))
    text = words.class_words(seen) + " Shown is each mean minus that of all rows."
    return Figure("classes", "Openings by class", text, tuple(panels))


def _steps(seen: Lens) -> Figure | None:
    found = [(name, g.steps) for name, g in seen.gated if len(g.steps) > 1]
    if not found:
        return None
    lines = tuple(
        Line(printable(name), k, range(len(steps)), steps) for k, (name, steps) in enumerate(found)
    )
    panel = Panel(Axis("step", whole=True), Axis("mean gate"), lines)
    name, steps = found[0]
    most, least = (end(range(len(steps)), key=steps.__getitem__) for end in (max, min))
    text = (
        f"The gates of {printable(name)} are most open at step {most} and least at step {least} "
        "(counted from 0), on average over rows and units."
    )
    return Figure("steps", "Gates by step", text, (panel,))


def _one_row(seen: Lens) -> Figure | None:
    row = seen.row
    if row is None or not row.gates:
        return None
    means = {
        n: [sum(v) / len(v) for v in zip(*steps, strict=True)] for n, steps in row.gates.items()
    }
    table = _level(list(means.values()))
    panels = [_map(table, list(means), title="by layer and unit", top=_largest(table))]
    for name, steps in row.gates.items():
        if len(steps) > 1:
            shown = _level(steps[:_STEPS])
            numbers = [str(k) for k in range(len(shown))]
            title = f"{printable(name)} by step"
            panels.append(_map(shown, numbers, title=title, top=_largest(shown), of="step"))
    text = words.row_words(seen) + _cut(list(means.values()))
    return Figure("row", f"Gates of row {row.row}", text, tuple(panels[:2]))


def _map(table: Table, names: Sequence[str], *, title: str, top: float, of: str = "layer") -> Panel:
    cells = Cells("gate", _CARRY, tuple(map(tuple, table)), 0.0, top)
    return Panel(Axis("unit"), _named(names, of), (cells,), title)


def _signed(
    table: Table, across: Axis, names: Sequence[str], title: str, *, of: str = "layer"
) -> Panel:
    most = max(map(abs, _finite(table)), default=0.0) or 1.0
    cells = Cells("above all rows", _WARM, tuple(map(tuple, table)), -most, most, middle=0.0)
    return Panel(across, _named(names, of), (cells,), title)


def _named(names: Sequence[str], of: str) -> Axis:
    """An axis of names, or of numbers of many layers."""
    many = of == "layer" and len(names) > _NAMED
    shown = (str(k + 1) for k in range(len(names))) if many else map(printable, names)
    return Axis(of, categories=tuple(shown))


def _level(rows: Sequence[Sequence[float]]) -> Table:
    """Rows of one length, the first units of each; what is missing is NaN."""
    wide = min(_UNITS, max(map(len, rows)))
    return [[*row[:wide], *[math.nan] * (wide - len(row))] for row in rows]


def _cut(rows: Sequence[Sequence[float]]) -> str:
    most = max(map(len, rows))
    return f" The map shows the first {_UNITS} of {most:,} units." if most > _UNITS else ""


def _finite(table: Table) -> list[float]:
    return [v for row in table for v in row if math.isfinite(v)]


def _largest(table: Table) -> float:
    return max(_finite(table), default=0.0) or 1.0


def _spread(values: Sequence[float]) -> float:
    return max(values) - min(values) if values else 0.0


def _known(value: float | None) -> float:
    return math.nan if value is None else value
