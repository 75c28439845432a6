"""The search of a study as text: what fewer trials would have found, and what was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from layerkit.cli import console
from layerkit.display import counted

if TYPE_CHECKING:
    from layerkit.studies.search_result import SearchReport, TunedPoint

_NONE = "–"


def show_search(found: SearchReport, axes: tuple[str, ...], level: str) -> None:
    """The table of the trials, the settings chosen, and what to make of them."""
    within = f", or {found.seconds:g} s of training" if found.seconds else ""
    console.out(f"search ({found.engine}): {counted(found.trials, 'trial')} a point{within}; the "
                f"best by {found.on} is trained")  # fmt: skip
    half = max((p.expected.solid for p in found.points if p.expected), default=found.trials // 2)
    counts = sorted({1, max(1, half // 4), max(1, half)})
    head = [", ".join(axes) or "spec", "trials", "best", *(f"of {n}" for n in counts)]
    head += [f"{level} band of {counts[-1]}"] if not found.adaptive else []
    rows = [_cells(p, found, counts) for p in found.points]
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    console.out()
    for note in _notes(found):
        console.out(note)
    console.out()


def _cells(p: TunedPoint, found: SearchReport, counts: list[int]) -> list[str]:
    from layerkit.studies.search_words import title, trials_done

    curve = p.so_far if p.expected is None else p.expected.values
    reached = [curve[n - 1] if n <= len(curve) else None for n in counts]
    cells = [title(p), trials_done(p), _value(found, p.value), *(_value(found, v) for v in reached)]
    if not found.adaptive:
        n, e = counts[-1], p.expected
        known = e is not None and n <= e.solid
        cells.append(f"{_value(found, e.low[n - 1])} to {_value(found, e.high[n - 1])}"
                     if known and e else _NONE)  # fmt: skip
    return cells


def _value(found: SearchReport, value: float | None) -> str:
    return _NONE if value is None else console.metric(found.on, value)


def _notes(found: SearchReport) -> Iterator[str]:
    """The settings chosen, and the limits of the search."""
    from layerkit.studies.search_words import chosen, limits, title

    yield from (f"{title(p)}: {chosen(p)}" for p in found.points if p.settings is not None)
    if not found.adaptive:
        yield "of n: expected best of n trials, measured on validation rows"
    else:
        yield "of n: best of the first n trials of this one search; another might find others"
    yield from limits(found)
