"""What the lens has seen as tables of at most 80 columns, with a sentence under each."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from layerkit.cli import console
from layerkit.display import printable, shortened
from layerkit.lens import words

if TYPE_CHECKING:
    from layerkit.lens import Lens, Score

_SHOWN = 12  # rows of the table of curves
_NAME, _METRIC = 20, 10
_CLASSES = 12


def blocks(seen: Lens) -> Iterator[str]:
    """The tables, each with its title and what is seen in it."""
    if seen.whole:
        yield _whole(seen)
    yield _with(_gates(seen), words.gates_words(seen), words.change_words(seen))
    several = _drifts(seen)
    if several:
        yield several
    if any(gates.classes for _, gates in seen.gated):
        yield _with(_classes(seen), words.class_words(seen))
    if seen.first:
        yield _with(_lesions(seen), words.lesion_words(seen))
        yield _with(_curves(seen), words.curve_words(seen))
    elif not any(one.change for one in seen.blocks):
        yield "No layer has a carry that could stand in its place, so none is left out."
    if seen.row is not None:
        yield _with(_row(seen), words.row_words(seen))


def _with(table: str, *sentences: str) -> str:
    text = " ".join(filter(None, sentences)).replace(" %", "\N{NO-BREAK SPACE}%")
    filled = textwrap.fill(text, console.width() or 80).replace("\N{NO-BREAK SPACE}", " ")
    return f"{table}\n\n{filled}" if text else table


def _whole(seen: Lens) -> str:
    shown = [f"{name} {_value(name, seen.whole[name])}" for name in _main(seen)[::-1]]
    return f"whole model: {', '.join(shown)}"


def _main(seen: Lens) -> list[str]:
    return list(seen.whole)[:2]


def _value(name: str, score: Score) -> str:
    """A score with its interval."""
    text = console.metric(name, score.value)
    if score.low is None or score.high is None:
        return text
    low, high = (console.metric(name, end).removesuffix(" %") for end in (score.low, score.high))
    return f"{text} ({low} to {high})"


def _gap(name: str, score: Score) -> str:
    """The difference to the whole model, with its interval; of shares in points."""
    from layerkit.reporting.numbers import is_share

    factor = 100 if is_share(name) else 1

    def signed(value: float) -> str:
        return f"{factor * value:+.2f}" if factor == 100 else f"{value:+.2g}"

    if score.gap_low is None or score.gap_high is None:
        return signed(score.gap)
    return f"{signed(score.gap)} ({signed(score.gap_low)} to {signed(score.gap_high)})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _gates(seen: Lens) -> str:
    rows = []
    for one in seen.blocks:
        g = one.gates
        by_class: list[float | None] = [None, None] if g is None else [*sorted(g.classes.values())]
        ends = [by_class[0], by_class[-1]] if by_class else [None, None]
        numbers = [None, None] if g is None else [g.mean, g.spread]
        drift = one.drift[0].mean if len(one.drift) == 1 else None
        change = None if one.change is None else one.change.median
        cells = map(_number, [*numbers, *ends, change])
        moved = "" if drift is None else f"{drift:+.3f}"
        rows.append([shortened(one.name, _NAME), *cells, moved])
    head = ["layer", "gate", "spread", "low", "high", "change", "drift"]
    kept = [0, *(j for j in range(1, len(head)) if any(row[j] for row in rows))]
    found = [[row[j] for j in kept] for row in rows]
    table = console.table([head[j] for j in kept], found, "l" + "r" * (len(kept) - 1))
    title = "gates, and the change of what is carried" if "change" in table else "gates"
    return f"{title}\n\n{table}"


def _drifts(seen: Lens) -> str:
    """The layers of which several parameters started at one number."""
    rows = [
        [
            shortened(one.name, _NAME),
            shortened(d.parameter, 12),
            f"{d.start:g}",
            *(f"{value:+.3f}" for value in (d.mean, d.low, d.high)),
            f"{100 * d.below:.0f} %",
        ]
        for one in seen.blocks
        if len(one.drift) > 1
        for d in one.drift
    ]
    if not rows:
        return ""
    head = ["layer", "parameter", "start", "drift", "lowest", "highest", "below"]
    return f"drift of parameters from their start\n\n{console.table(head, rows, 'llrrrrr')}"


def _classes(seen: Lens) -> str:
    names = list(dict.fromkeys(name for _, g in seen.gated for name in g.classes))
    shown = names[:_CLASSES]
    rows = [
        [shortened(layer, _NAME), *(_number(g.classes.get(name)) for name in shown)]
        for layer, g in seen.gated
    ]
    heads = ["layer", *(shortened(printable(name), 12) for name in shown)]
    table = console.table(heads, rows, "l" + "r" * len(shown))
    more = f", the first {len(shown)} of {len(names):,}" if len(names) > len(shown) else ""
    return f"gates of the rows of each class{more} (--json has them by unit)\n\n{table}"


def _lesions(seen: Lens) -> str:
    main = _main(seen)
    rows = [
        [
            shortened(name, _NAME),
            *(
                cell
                for m in main
                for cell in (console.metric(m, scores[m].value), _gap(m, scores[m]))
            ),
        ]
        for name, scores in seen.lesions
    ]
    heads = [cell for m in main for cell in (shortened(m, _METRIC), "more (95 %)")]
    table = console.table(["without", *heads], rows, "l" + "r" * len(heads))
    return f"the scores without one layer, and how much more that is\n\n{table}"


def _curves(seen: Lens) -> str:
    count, metric = len(seen.curve), words.main_metric(seen)
    steps = sorted({round(i * count / (_SHOWN - 1)) for i in range(_SHOWN)})
    rows = [
        [
            str(k),
            *(
                cell
                for curve in (seen.first, seen.last)
                for cell in (
                    *([console.metric("loss", curve[k]["loss"].value)] if metric != "loss" else []),
                    _value(metric, curve[k][metric]),
                )
            ),
        ]
        for k in steps
    ]
    short = shortened(metric, _METRIC)
    loss = [] if metric == "loss" else ["loss"]
    heads = [head for end in ("first", "last") for head in (*loss, f"{end}: {short}")]
    table = console.table(["kept", *heads], rows, "r" * (1 + len(heads)))
    return f"the scores with only the first or the last layers kept\n\n{table}"


def _row(seen: Lens) -> str:
    assert seen.row is not None  # noqa: S101  # asked before
    rows = []
    for name, steps in seen.row.gates.items():
        values = [v for units in steps for v in units]
        if values:
            mean = sum(values) / len(values)
            largest = max(range(len(values)), key=values.__getitem__)
            unit = f"{largest % len(steps[0])}"
            where = f"{unit}, step {largest // len(steps[0])}" if len(steps) > 1 else unit
            cells = mean, min(values), max(values)
            rows.append([shortened(name, _NAME), *map(_number, cells), where])
    table = console.table(["layer", "gate", "lowest", "highest", "in unit"], rows, "lrrrl")
    told = [f"{shortened(k, 20)}: {shortened(v, 56)}" for k, v in seen.row.text.items()]
    title = "\n".join([f"gates of row {seen.row.row}, counted from 0", *told[:3]])
    return f"{title}\n\n{table}" if rows else title
