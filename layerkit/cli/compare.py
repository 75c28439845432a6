"""``layerkit compare``: architectures trained and judged alike, with intervals."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from layerkit.cli import console, options

if TYPE_CHECKING:
    from layerkit.comparison import Comparison

__all__ = ["EXAMPLE", "compare", "show"]

EXAMPLE = console.example(
    "layerkit compare plain.json highway.json --seeds 5 --html report.html",
    "layerkit compare runs/plain-s*.layerkit runs/highway-s*.layerkit",
    "layerkit compare a.layerkit b.layerkit --data new.csv --csv numbers.csv",
)

_WIDTH = 100


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
    delimiter: options.Delimiter = None,
    decimal: options.Decimal = None,
    thousands: options.Thousands = None,
    quote: options.Quote = None,
    header: options.Header = None,
    comment: options.Comment = None,
    missing_values: options.MissingValues = None,
    encoding: options.Encoding = None,
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
    dialect = options.dialect(
        delimiter=delimiter,
        decimal=decimal,
        thousands=thousands,
        quote=quote,
        header=header,
        comment=comment,
        missing_values=missing_values,
        encoding=encoding,
    )
    with watcher(quiet=quiet, as_json=as_json) as watch:
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
        )
    if csv is not None:
        console.write_file(Path(csv), [found.to_csv()])
    if html is not None:
        console.write_file(Path(html), [found.to_html()])
    if as_json:
        console.emit_json({**found.to_json(), "notices": watch.notices})
        return
    show(found)
    for path in (csv, html):
        if path is not None:
            console.note(f"wrote {console.safe(path)}")


def show(found: Comparison) -> None:
    """The table, what came out, and what the numbers do not mean."""
    head, *rows = found.table()
    console.out(console.table(head, rows, "l" + "r" * (len(head) - 1)))
    for block in (found.headline, found.footnotes):
        console.out()
        for sentence in block:
            console.out(textwrap.fill(console.safe(sentence), _WIDTH, subsequent_indent="  "))
    console.out()
