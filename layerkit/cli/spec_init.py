"""``layerkit spec init``: write the spec that a table starts from."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from layerkit.cli import console, failures, options
from layerkit.display import counted, printable, shortened

if TYPE_CHECKING:
    from layerkit.profile.inputs import Decision
    from layerkit.profile.starting_spec import StartingSpec

EXAMPLE = console.example(
    "layerkit spec init adult.csv --target income",
    "layerkit spec init wine.csv --task numbers -o wine-quality.json",
    "layerkit spec init flats.csv --delimiter ';' --decimal ,",
    "layerkit train adult.json                    what to do next",
)

_LINE = 100  # characters of a line of the spec
_ALL = 50  # columns of a table that are listed one by one
_CLASSES = 8


def init(
    data: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="A table: delimited text, JSON or Parquet, perhaps with .gz."
        ),
    ],
    *,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column to predict, by name; without a header by position from 0.",
            show_default="the last column",
        ),
    ] = None,
    task: Annotated[
        Literal["classes", "numbers"] | None,
        typer.Option(
            metavar="TASK",
            help="Learn the target as classes or as numbers.",
            show_default="the likely one",
        ),
    ] = None,
    output: Annotated[
        str | None, options.output_option("./TABLE.json", "Write the spec to this file.")
    ] = None,
    max_categories: Annotated[
        int,
        typer.Option(min=2, metavar="N", help="Leave out text of more different values than this."),
    ] = 64,
    force: Annotated[bool, typer.Option("--force", help="Replace OUT if it is a spec.")] = False,
    dialect: options.Dialect,
    as_json: options.Json = False,
) -> None:
    """Write a spec for a table, ready to train.

    Looks at every column and says what it becomes and why: numbers are scaled, text of few values
    becomes categories, which the spec lists, and identifiers, dates, free text and constants are
    left out. The target is learned as classes if it is text or has few whole numbers, else as
    numbers. Equal tables give equal specs. Edit the spec, or train it as it is.
    """
    from layerkit.cli import files
    from layerkit.profile.starting_spec import name_of, starting_spec

    if data == "-":
        raise failures.UsageError("expected a file, which the spec names as its data, got -")
    given = f"{name_of(data)}.json" if output is None else output
    files.check_spec_target(given, force=force)
    start = starting_spec(
        data, target=target, task=task, max_categories=max_categories, dialect=dialect
    )
    console.write_file(files.path_of(given), [spec_text(start.document)])
    if as_json:
        console.emit_json(_values(start, given))
        return
    console.out("\n".join(_lines(start, data, is_default=target is None)))
    console.out(f"\nsaved {printable(given)}\nnext: layerkit train {printable(shlex.quote(given))}")


def spec_text(document: Any) -> str:
    """A spec as JSON text: a value on one line if that is short enough."""
    return "\n".join(_json_lines(document, "", "")) + "\n"


def _json_lines(value: Any, before: str, after: str) -> Iterator[str]:
    flat = _flat(value)
    indent = len(before) - len(before.lstrip())
    items: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        items = [(f"{json.dumps(key)}: ", item) for key, item in value.items()]
    elif isinstance(value, list):
        items = [("", item) for item in value]
    if not items or (indent and len(before) + len(flat) + len(after) <= _LINE):
        yield before + flat + after
        return
    yield before + flat[0]
    if not any(isinstance(item, (dict, list)) for _, item in items) and not items[0][0]:
        yield from _filled([_flat(item) for _, item in items], " " * (indent + 2))
        items = []
    for i, (key, item) in enumerate(items):
        comma = "," if i + 1 < len(items) else ""
        yield from _json_lines(item, " " * (indent + 2) + key, comma)
    yield " " * indent + flat[-1] + after


def _flat(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _filled(words: Sequence[str], indent: str) -> Iterator[str]:
    """``words`` with commas between them, as many on a line as it has room for."""
    line = ""
    for i, word in enumerate(words):
        piece = word + ("," if i + 1 < len(words) else "")
        if line and len(indent) + len(line) + 1 + len(piece) > _LINE:
            yield indent + line
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    yield indent + line


def _values(start: StartingSpec, file: str) -> dict[str, Any]:
    from dataclasses import asdict

    columns = [
        {**asdict(decision.column), "use": decision.use, "reason": decision.reason}
        for decision in start.decisions
    ]
    target = start.target
    chosen = {"column": target.column.name, "task": target.task, "reason": target.reason}
    return {
        "file": file,
        "rows": start.rows,
        "target": {**chosen, "classes": {str(k): n for k, n in target.classes.items()}},
        "inputs": start.width,
        "columns": columns,
        "spec": start.document,
    }


def _lines(start: StartingSpec, data: str, *, is_default: bool) -> Iterator[str]:
    size = f"{counted(start.rows, 'row')}, {counted(len(start.decisions), 'column')}"
    yield printable(f"{data}: {size}")
    if start.dialect is not None and not start.dialect.header:
        yield "the first line is a row, so columns go by position (or --header)"
    yield ""
    yield _column_table(start.decisions)
    yield ""
    yield from _target_lines(start, is_default=is_default)
    yield ""
    yield from _training_lines(start)


def _column_table(decisions: Sequence[Decision]) -> str:
    """A line per column; of a wide table, of the columns with something to say."""
    listed, more = list(decisions), []
    if len(decisions) > _ALL:
        unusual = [d for d in decisions if d.use in ("categories", "left out") or d.column.missing]
        listed = [*unusual[: _ALL - 1], *(d for d in decisions if d.use == "target")]
        for use, count in Counter(d.use for d in decisions).items():
            left = count - sum(d.use == use for d in listed)
            if left:
                more.append([f"({left:,} more)", use, ""])
    name = min(max(len(printable(d.column.name)) for d in listed or decisions), 24)
    room = max(60, shutil.get_terminal_size((80, 24)).columns) - name - 14
    rows = [[_cut(d.column.name, name), d.use, _cut(d.reason, room)] for d in listed]
    return console.table(["column", "input", "why"], [*rows, *more], "lll")


def _cut(text: object, room: int) -> str:
    return shortened(printable(text), room)


def _target_lines(start: StartingSpec, *, is_default: bool) -> Iterator[str]:
    target = start.target
    other = "numbers" if target.task == "classes" else "classes"
    last = ", the last column (or --target NAME)" if is_default else ""
    yield f"target: {_cut(target.column.name, 30)}{last}"
    possible = other == "classes" or target.column.numbers
    why = target.reason if target.reason.startswith("as ") else f"as it has {target.reason}"
    yield f"task: {target.task}, {why}" + (f" (or --task {other})" * possible)
    rows = sorted(target.classes.items(), key=lambda item: -item[1])
    shown = [
        [_cut(name, 40), f"{count:,}", f"{100 * count / start.rows:.1f} %"]
        for name, count in rows[:_CLASSES]
    ]
    if shown:
        yield ""
        yield console.table(["class", "rows", "share"], shown, "lrr")
    if len(rows) > _CLASSES:
        name, count = rows[-1]
        more = f"{len(rows) - _CLASSES:,} more classes"
        yield f"and {more}; the rarest is {_cut(name, 30)}, {counted(count, 'row')}"


def _training_lines(start: StartingSpec) -> Iterator[str]:
    spec = start.document
    hidden = " and ".join(str(layer["units"]) for layer in spec["layers"][:-1])
    inputs, outputs = counted(start.width, "input"), spec["layers"][-1]["units"]
    yield f"network: {inputs}, {hidden} hidden units, {counted(outputs, 'output')}"
    recipe = spec["train"]
    early = "at most " if "early_stopping" in recipe else ""
    epochs = f"{early}{counted(recipe['epochs'], 'epoch')} in batches of {recipe['batch_size']}"
    shares = [
        f"{100 * recipe[key]:.0f} % of the rows for {name}"
        for key, name in (("test", "testing"), ("validation", "validation"))
        if recipe.get(key)
    ]
    yield f"training: {epochs}"
    yield f"rows: {', '.join(shares)}" if shares else "rows: all for training, as there are few"
