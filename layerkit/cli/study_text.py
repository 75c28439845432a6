"""The result of ``layerkit study`` as text: the table with its notes, and how far it is."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from layerkit.cli import console
from layerkit.display import counted, printable

if TYPE_CHECKING:
    from layerkit.studies import PointRow, Study

_NONE = "–"
_LISTED = 12  # unfinished points


def show(found: Study) -> None:
    """The table, best first, and what it means."""
    from layerkit.reporting.numbers import level_text

    level = level_text(found.confidence)
    head = [", ".join(found.axes) or "spec", found.metric or "metric", f"{level} interval",
            "seeds", "parameters"]  # fmt: skip
    if found.machine is not None:
        head.append("one row")
    marked = any(row.among_best for row in found.rows) and len(found.rows) > 1
    rows = [_cells(row, found, marked=marked) for row in found.rows]
    if found.search is not None:
        from layerkit.cli.search_text import show_search

        show_search(found.search, found.axes, level)
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    console.out()
    for note in _notes(found, level, marked=marked):
        _say(note)


def _say(text: str, indent: str = "  ") -> None:
    """A sentence, folded to the terminal's width."""
    width = console.width()
    console.out(text if width is None else textwrap.fill(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ))  # fmt: skip


def _cells(row: PointRow, found: Study, *, marked: bool) -> list[str]:
    from layerkit.comparison import formatting as fmt
    from layerkit.comparison.tables import time_text

    s, t = row.summary, row.timing
    done = f"{len(row.seeds)}"
    if row.missing:
        done += f" of {len(row.seeds) + len(row.missing)}"
    return [
        f"{'* ' if row.among_best else '  ' if marked else ''}{found.title(row)}",
        _NONE if s is None else fmt.mean_and_sd(s),
        _NONE if s is None else fmt.summary_ends(s) or _NONE,
        done,
        _NONE if row.parameters is None else f"{row.parameters:,}",
        *([] if found.machine is None else [_NONE if t is None else time_text(t)]),
    ]


def _notes(found: Study, level: str, *, marked: bool) -> Iterator[str]:
    """What the table means, and its limits."""
    from layerkit.studies.inference import time_notes

    if marked:
        yield f"* not told apart from the best ({level}, all pairs jointly)"
    over = {r.summary.interval.over for r in found.rows if r.summary and r.summary.interval}
    meaning = {
        "both": "other trainings and other rows like those judged",
        "seeds": "other trainings on the same rows",
        "rows": "other test rows, of one training",
    }
    covered = " or ".join(meaning[source] for source in sorted(over))
    if covered:
        yield f"mean ± deviation over seeds; the interval is for {covered}"
    for row in found.rows:
        if row.diverged:
            seeds = ", ".join(map(str, row.diverged))
            others = "; the numbers are of its other runs" if row.summary else ""
            yield f"{found.title(row)}: diverged with seed {seeds}{others}"
        yield from _failures(row, found)
    if matched := [row for row in found.rows if row.matched]:
        yield f"solved for equal {_unit(matched)}: {_worst(matched, found)}; --status shows widths"
    if len(found.kernels) > 1:
        yield f"runs differ in what ran the layers: {'; '.join(found.kernels)}"
    if found.precision is not None:
        yield printable(found.precision.words)
    if found.search is not None and found.metric.startswith("val_"):
        yield "there are no test rows: the best trials were chosen by rows like those judged here"
    yield from time_notes(found)
    yield _progress(found)


def _failures(row: PointRow, found: Study) -> Iterator[str]:
    """The runs of a point that failed when they were last tried."""
    for seed, reason in row.failed.items():
        first = reason.partition("\n")[0]
        yield f"{found.title(row)}, seed {seed}: {printable(f'failed: {first}')}"


def _progress(found: Study) -> str:
    return f"{found.done} of {counted(found.total, 'run')} finished, in {printable(found.folder)}"


def _unit(matched: Sequence[PointRow]) -> str:
    from layerkit.studies.costs import WORDS

    return next(WORDS[row.matched.what] for row in matched if row.matched)


def _worst(matched: Sequence[PointRow], found: Study) -> str:
    """How many widths were solved for, and how far off at most."""
    from layerkit.studies.budget import remainder_text

    off = {found.title(row): row.matched.remainder for row in matched if row.matched}
    title = max(off, key=lambda name: abs(off[name]))
    return f"{counted(len(matched), 'point')}, at most {remainder_text(off[title])} off ({title})"


def show_status(found: Study) -> None:
    """How many runs are finished, which are missing, and the widths that were solved for."""
    console.out(_progress(found))
    matched = [row for row in found.rows if row.matched]
    for row in matched[:_LISTED]:
        _say(f"  {found.title(row)}: {row.matched}", "    ")
    if len(matched) > _LISTED:
        console.out(f"  and widths of {counted(len(matched) - _LISTED, 'point')} more (--json)")
    if found.search is not None:
        points = found.search.points
        done, every = sum(p.done for p in points), sum(p.total for p in points)
        console.out(f"{done} of {counted(every, 'trial')} of its search finished")
    unfinished = [row for row in found.rows if row.missing]
    for row in unfinished[:_LISTED]:
        seeds = ", ".join(map(str, row.missing))
        _say(f"  missing: {found.title(row)}, seed {seeds}", "    ")
        for text in _failures(row, found):
            _say(f"    {text}", "      ")
    if len(unfinished) > _LISTED:
        console.out(f"  and of {counted(len(unfinished) - _LISTED, 'point')} more")
