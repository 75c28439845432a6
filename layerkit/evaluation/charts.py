"""The pictures of a report: confusions, a reliability curve, predicted against true, residuals."""

from __future__ import annotations

import math

import numpy as np

from layerkit.core.context import Array
from layerkit.display import counted, printable
from layerkit.evaluation.results import Calibration, ClassScores, Residuals
from layerkit.reporting import svg
from layerkit.reporting.markup import element, short
from layerkit.reporting.svg import Scale

MATRIX = 26  # classes; a larger matrix cannot be read
_PAIRS = 10
_LEFT, _TOP, _FOOT, _RIGHT = 62, 14, 44, 14
_POINTS, _BINS = 1500, 24


def confusion_chart(c: ClassScores, key: str, width: float) -> str:
    """The confusion matrix, shaded by the share of each class."""
    counts = c.confusion_matrix
    k = len(c.names)
    names = [printable(name) for name in c.names]
    numbered = max(map(len, names)) > 3
    heads = [str(j + 1) for j in range(k)] if numbered else names
    longest = min(26 if svg.is_narrow(width) else 40, max(map(len, names)))
    gutter = min(0.34 * width, 22.0 + 7.4 * longest + (16 if numbered else 0))
    size = min(64.0, (width - gutter - _RIGHT) / k)
    top = 46.0
    marks = [
        svg.text(gutter + k * size / 2, 16, "guessed", "axis", "middle"),
        *(
            svg.text(gutter + (j + 0.5) * size, 36, h, "tick", "middle")
            for j, h in enumerate(heads)
        ),
    ]
    for i, name in enumerate(names):
        label = svg.fit(f"{heads[i]} {name}" if numbered else name, gutter - 12, 12)
        y = top + (i + 0.5) * size
        marks.append(svg.text(gutter - 6, y + 4, label, "tick", "end"))
        marks += [_cell(counts, i, j, gutter + j * size, top + i * size, size) for j in range(k)]
    text = "; ".join(f"{p.true} as {p.guessed}: {p.rows}" for p in c.worst_confusions(5))
    title, height = "Rows by class and guess", top + k * size + 6
    body = svg.series_group(0, *marks)
    return svg.drawing(key, title, text or "no confusions", (width, height), body)


def _cell(counts: Array, i: int, j: int, x: float, y: float, size: float) -> str:
    n, total = int(counts[i, j]), int(counts[i].sum())
    share = n / total if total else 0.0
    box = element(
        "rect",
        x=x + 0.5,
        y=y + 0.5,
        width=size - 1,
        height=size - 1,
        class_="cell",
        # The root lets few confusions be seen; on the darkest, counts stay readable.
        fill_opacity=0.03 + 0.53 * math.sqrt(share),
    )
    if n == 0 or size < 7.2 * len(str(int(counts.max()))) + 2:  # all of them fit, or none is shown
        return box
    return box + svg.text(x + size / 2, y + size / 2 + 4, str(n), "count", "middle")


def pairs_chart(c: ClassScores, key: str, width: float) -> str:
    """The most frequent confusions as bars, for many classes."""
    pairs = c.worst_confusions(_PAIRS)
    most = max((p.rows for p in pairs), default=1)
    marks = []
    for i, p in enumerate(pairs):
        y = _TOP + 40.0 * i
        name = svg.fit(f"{printable(p.true)} guessed as {printable(p.guessed)}", width - 130)
        marks.append(svg.text(svg.MARGIN, y + 14, name, "name"))
        marks.append(svg.text(width - svg.MARGIN, y + 14, counted(p.rows, "row"), "value", "end"))
        wide = (width - 2 * svg.MARGIN) * p.rows / most
        marks.append(element("rect", x=svg.MARGIN, y=y + 20, width=wide, height=8, class_="column"))
    text = "; ".join(f"{p.true} as {p.guessed}: {p.rows}" for p in pairs)
    size = width, _TOP + 40.0 * max(1, len(pairs))
    body = svg.series_group(0, *marks)
    return svg.drawing(key, "Most frequent confusions", text or "no confusions", size, body)


def reliability_chart(c: Calibration, title: str, key: str, width: float) -> str:
    """The share that came true against the probability; columns show how many rows."""
    height, strip = (360.0, 54.0) if svg.is_narrow(width) else (420.0, 64.0)
    foot = height - _FOOT
    x = _share_scale(_LEFT, width - _RIGHT, width)
    y = _share_scale(foot - strip, _TOP, width)
    rows = c.rows.tolist()
    marks, points = [], []
    for j, n in enumerate(rows):
        if n == 0:
            continue
        left, right = x(float(c.edges[j])), x(float(c.edges[j + 1]))
        tall = max(1.0, (strip - 14) * n / max(rows))
        marks.append(
            element(
                "rect",
                x=left + 1,
                y=foot - tall,
                width=right - left - 2,
                height=tall,
                class_="column",
            )
        )
        points.append((x(float(c.predicted[j])), y(float(c.observed[j]))))
    marks.append(svg.path(points, "curve"))
    marks += [svg.marker(0, *point, 4.5) for point in points]
    described = "; ".join(
        f"{100 * c.predicted[j]:.0f} % predicted, {100 * c.observed[j]:.0f} % came true in "
        f"{counted(n, 'row')}"
        for j, n in enumerate(rows)
        if n
    )
    return svg.drawing(
        key,
        title,
        described,
        (width, height),
        svg.frame(x, y, foot, "probability in per cent", "came true in per cent"),
        svg.line(x(0), y(0), x(1), y(1), "ideal", "5 4"),
        svg.series_group(0, *marks),
    )


def _share_scale(start: float, end: float, width: float) -> Scale:
    return svg.linear(0, 1, start, end, count=5 if svg.is_narrow(width) else 10, factor=100)


def scatter_chart(r: Residuals, key: str, width: float) -> str:
    """Predicted against true; on the line predictions are right."""
    height = 360.0 if svg.is_narrow(width) else 420.0
    foot = height - _FOOT
    low = float(min(r.true.min(), r.predicted.min()))
    high = float(max(r.true.max(), r.predicted.max()))
    y = svg.linear(low, high, foot, _TOP, count=6)
    x = _along(low, high, _beside(y), width)
    some = np.unique(np.linspace(0, len(r.true) - 1, min(len(r.true), _POINTS)).astype(int))
    places = zip(r.true[some].tolist(), r.predicted[some].tolist(), strict=True)
    cloud = "".join(f"M{short(x(t))} {short(y(p))}h0" for t, p in places)
    described = "; ".join(
        f"predicted {band.predicted:.4g} on average, true {band.true:.4g}" for band in r.bands
    )
    return svg.drawing(
        key,
        f"{r.name}: predicted against true",
        described,
        (width, height),
        svg.frame(x, y, foot, "true", "predicted"),
        svg.line(x(x.low), y(y.low), x(x.high), y(y.high), "ideal", "5 4"),
        svg.series_group(0, element("path", d=cloud, fill="none", class_="cloud")),
    )


def _beside(y: Scale) -> float:
    """Where a plot begins, so that the labels of ``y`` and its title have room."""
    return 34.0 + 7.0 * max((len(label) for _, label in y.ticks), default=1)


def _along(low: float, high: float, start: float, width: float) -> Scale:
    """A horizontal scale with as many ticks as have room for their labels, up to about seven."""
    for count in range(7, 0, -1):
        scale = svg.linear(low, high, start, width - _RIGHT, count=count)
        longest = max((len(label) for _, label in scale.ticks), default=1)
        if len(scale.ticks) * (7.0 * longest + 12) <= width - start:
            break
    return scale


def histogram_chart(r: Residuals, key: str, width: float) -> str:
    """How often residuals of each size occur."""
    height = 260.0 if svg.is_narrow(width) else 300.0
    foot = height - _FOOT
    counts, edges = np.histogram(r.predicted - r.true, bins=min(_BINS, max(1, len(r.true))))
    low, high = min(0.0, float(edges[0])), max(0.0, float(edges[-1]))
    y = svg.linear(0, float(counts.max()), foot, _TOP, count=4, whole=True)
    x = _along(low, high, _beside(y), width)
    bars = []
    for n, left, right in zip(counts.tolist(), edges[:-1], edges[1:], strict=True):
        wide = max(1.0, x(float(right)) - x(float(left)) - 1)
        bars.append(
            element(
                "rect",
                x=x(float(left)) + 0.5,
                y=y(n),
                width=wide,
                height=foot - y(n),
                class_="column",
            )
        )
    described = ", ".join(f"{100 * s:g} %: {v:.4g}" for s, v in r.quantiles.items())
    return svg.drawing(
        key,
        f"{r.name}: residuals",
        f"quantiles {described}",
        (width, height),
        svg.frame(x, y, foot, "residual (predicted − true)", "rows"),
        svg.series_group(0, *bars),
        svg.vertical(x(0.0), [(_TOP, foot)], "zero"),
    )
