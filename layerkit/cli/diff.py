"""``layerkit diff``: show what differs between two model files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, options
from layerkit.display import counted, shortened

if TYPE_CHECKING:
    from layerkit.file.diff import Change, Disagreement, FileDiff, TensorChange

EXAMPLE = console.example(
    "layerkit diff before.layerkit after.layerkit",
    "layerkit diff a.layerkit b.layerkit --data rows.csv    predictions too",
)


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A model file.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Another model file.")],
    *,
    data: Annotated[
        str | None, typer.Option(metavar="ROWS", help="Also compare predictions on these rows.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show what differs between two model files.

    Compares spec, layer versions, tensors, metrics and the other sections. Without --data, imports
    no plugin and skips equal tensors.
    """
    from layerkit import diff as diff_files
    from layerkit import read_rows

    rows = None if data is None else read_rows(data)
    found = diff_files(before, after, rows=rows)
    if as_json:
        console.emit_json(found.to_json())
    elif found.same:
        console.out(f"the same file: {found.before.file_id}")
    else:
        console.out("\n\n".join(_parts(found)))


def _parts(found: FileDiff) -> list[str]:
    sections = {
        "spec": found.spec,
        "types": found.types,
        "metrics": found.metrics,
        "other sections": found.others,
    }
    parts = [_changes(title, changes) for title, changes in sections.items() if changes]
    if found.tensors:
        parts.insert(0, _tensors(found.tensors))
    if found.predictions is not None:
        parts.append(_predictions(found.predictions))
    return parts


def _tensors(tensors: list[TensorChange]) -> str:
    head = ["tensor", "", "A", "B", "elements", "|A|", "|B - A|", "largest"]
    rows = []
    for t in tensors:
        numbers = (t.elements, t.norm, t.distance, t.largest)
        cells = ["" if n is None else console.number(n) for n in numbers]
        rows.append([t.name, t.kind, t.before, "" if t.after == t.before else t.after, *cells])
    return console.table(head, rows, "llllrrrr")


def _predictions(p: Disagreement) -> str:
    largest, mean = console.number(p.largest), console.number(p.mean)
    text = f"predictions on {counted(p.rows, 'row')}: largest difference {largest}, mean {mean}"
    return text if p.labels is None else f"{text}; class differs in {counted(p.labels, 'row')}"


def _changes(title: str, changes: list[Change]) -> str:
    rows = [[c.path, *map(_short, _only(c.before, c.after))] for c in changes]
    return console.table([title, "A", "B"], rows, "lll")


def _only(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two lists of names, such as categories, those that only one has and how many there are."""
    lists = (before, after)
    if not all(isinstance(x, list) and all(isinstance(y, str) for y in x) for x in lists):
        return before, after
    common = {*before} & {*after}
    if len(common) == len(before) == len(after):  # in another order
        return before, after
    lone = [", ".join(name for name in x if name not in common) for x in lists]
    first, second = (f"{len(x):,}: {text or '-'}" for x, text in zip(lists, lone, strict=True))
    return first, second


def _short(value: Any) -> str:
    return shortened(console.number(value) if isinstance(value, float) else str(value))
