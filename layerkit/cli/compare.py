"""``layerkit compare``: architectures trained and judged alike, with intervals."""

from __future__ import annotations

import shlex
import signal
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit.cli.progress import Quiet
    from layerkit.comparison import Comparison

__all__ = ["EXAMPLE", "compare", "show"]

EXAMPLE = console.example(
    "layerkit compare plain.json highway.json --seeds 5 --html report.html",
    "layerkit compare runs/plain-s*.layerkit runs/highway-s*.layerkit",
    "layerkit compare a.layerkit b.layerkit --data new.csv --csv numbers.csv",
)

_WIDTH = 100
_KEPT = Path("compare-runs")
_NAMED = 6  # unfinished trainings that are named


def compare(
    contestants: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|SPEC...",
            help="Specs are trained here, models only judged; the others are compared with the "
            "first. Models that differ in their seed alone are one contestant.",
        ),
    ],
    *,
    data: options.Data = None,
    seeds: Annotated[int, typer.Option(min=1, help="How often each spec is trained.")] = 5,
    on: Annotated[
        Literal["test", "validation"],
        typer.Option(help="Rows to judge on; validation to choose without touching the test rows."),
    ] = "test",
    confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="Of each interval.")] = 0.95,
    csv: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Write all numbers as CSV.")
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write a report, one HTML page.")
    ] = None,
    timing: Annotated[
        bool, typer.Option("--timing/--no-timing", help="Whether to time inference.")
    ] = True,
    dialect: options.Dialect,
    keep: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Where every training is kept as soon as it is done; those that are there are not "
            "done again.",
        ),
    ] = _KEPT,
    no_keep: Annotated[
        bool, typer.Option("--no-keep", help="Keep no training, and use none that was kept.")
    ] = False,
    settings: options.Settings = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Compare specs and models on the same rows.

    Differences come with intervals. A difference counts only if it would hold for another training
    and for other test rows.
    """
    from layerkit import compare as judge
    from layerkit.cli import files
    from layerkit.cli.progress import watcher

    for path in (csv, html):
        if path is not None:
            files.check_folder(Path(path))
    files.keep_inputs([csv, html], [*contestants, data])
    files.keep_others([csv, html])
    with watcher(quiet=quiet, as_json=as_json) as watch, _told_what_is_left(keep, watch):
        watch.promise = "then stopping"
        found = judge(
            contestants,
            data=data,
            dialect=dialect,
            seeds=seeds,
            settings=settings or (),
            listener=watch,
            confidence=confidence,
            timing=timing,
            on=on,
            keep=None if no_keep else keep,
        )
    if csv is not None:
        console.write_file(Path(csv), [found.to_csv()])
    if html is not None:
        console.write_file(Path(html), [found.to_html()])
    if as_json:
        console.emit_json({**found.to_json(), "notices": watch.notices})
        return
    show(found)
    trained = sum(len(c.seeds) - len(c.kept) for c in found.contestants if c.kind == "spec")
    if trained and not no_keep and not quiet:
        models = "model" if trained == 1 else "models"
        console.note(f"kept {trained} trained {models} in {printable(str(keep))}")
    for path in (csv, html):
        if path is not None:
            console.note(f"wrote {printable(path)}")


@contextmanager
def _told_what_is_left(keep: Path, watch: Quiet) -> Iterator[None]:
    """After an interruption, say which trainings are done, which are not, and how to go on."""
    from layerkit.cli import failures
    from layerkit.comparison import ComparisonStoppedError

    try:
        yield
    except ComparisonStoppedError as stopped:
        total = len(stopped.finished) + len(stopped.unfinished)
        where = f", kept in {stopped.folder}" if stopped.folder and stopped.finished else ""
        left = ", ".join(f"{name} seed {seed}" for name, seed in stopped.unfinished[:_NAMED])
        more = len(stopped.unfinished) - _NAMED
        left += f" and {more} more" if more > 0 else ""
        message = f"{len(stopped.finished)} of {total} trainings are finished{where}; not: {left}"
        chosen = "" if keep == _KEPT else f" --keep {shlex.quote(str(keep))}"
        hint = "" if stopped.folder is None else f"go on with: {stopped.command}{chosen}"
        if not watch.silent:
            for line in (message, hint):
                console.note(printable(line))
        kind = failures.Terminated if watch.signal == signal.SIGTERM else KeyboardInterrupt
        error = kind(message)
        error.hint = hint  # type: ignore[attr-defined]  # told by --json
        raise error from stopped


def show(found: Comparison) -> None:
    """The table, what came out, and what the numbers do not mean."""
    head, *rows = found.table()
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    for block in (found.headline, found.footnotes):
        console.out()
        for sentence in block:
            console.out(textwrap.fill(printable(sentence), _WIDTH, subsequent_indent="  "))
    console.out()
