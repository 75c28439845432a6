"""``layerkit diff``: what differs between two model files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options

if TYPE_CHECKING:
    from layerkit.file.diff import Change, FileDiff

__all__ = ["EXAMPLE", "diff"]

EXAMPLE = console.example(
    "layerkit diff before.layerkit after.layerkit",
    "layerkit diff a.layerkit b.layerkit --data rows.csv    and how often they disagree",
)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A model file.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one.")],
    *,
    data: Annotated[
        str | None,
        typer.Option(metavar="ROWS", help="Rows on which to compare predictions as well."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what differs between two model files.

    Spec, layer versions, tensors, metrics and the other sections, each where they differ. No plugin
    is imported and equal tensors are not read, unless --data asks for predictions.
    """
    from layerkit import diff as compare_files
    from layerkit import read_rows

    rows = None if data is None else read_rows(data)
    found = compare_files(before, after, rows=rows)
    if as_json:
        console.emit_json(found.to_json())
    elif found.same:
        console.out(f"the same file: {found.before.file_id}")
    else:
        console.out("\n\n".join(_parts(found)))


def _parts(found: FileDiff) -> list[str]:
    parts = [
        _changes(title, changes)
        for title, changes in (
            ("spec", found.spec),
            ("types", found.types),
            ("metrics", found.metrics),
            ("other sections", found.others),
        )
        if changes
    ]
    if found.tensors:
        head = ["tensor", "", "A", "B", "elements", "|A|", "|B - A|", "largest"]
        rows = [
            [
                t.name,
                t.kind,
                t.before,
                "" if t.after == t.before else t.after,
                *map(_cell, (t.elements, t.norm, t.distance, t.largest)),
            ]
            for t in found.tensors
        ]
        parts.insert(0, console.table(head, rows, "llllrrrr"))
    if found.predictions is not None:
        p = found.predictions
        told = f"predictions on {p.rows:,} rows: largest difference {console.number(p.largest)}"
        told += f", mean {console.number(p.mean)}"
        if p.labels is not None:
            told += f"; {p.labels:,} rows get another class"
        parts.append(told)
    return parts


def _cell(value: Any) -> str:
    return "" if value is None else console.number(value)


def _changes(title: str, changes: list[Change]) -> str:
    rows = [[c.path, _word(c.before), _word(c.after)] for c in changes]
    return console.table([title, "A", "B"], rows, "lll")


def _word(value: Any) -> str:
    text = console.number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
