"""``layerkit explain``: what an error code, a field of a spec or study, or a part means.

With ``--trace`` it shows what a layer computes, operation by operation, below its equations.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from layerkit.cli import console, failures, options
from layerkit.display import byte_size, printable

if TYPE_CHECKING:
    from layerkit.cli.explain_topics import Topic
    from layerkit.cli.explain_trace import Statement, Trace
    from layerkit.core.planning import PlannedLayer

EXAMPLE = console.example(
    "layerkit explain LK-201",
    "layerkit explain train.optimizer",
    "layerkit explain search.rows",
    "layerkit explain highway",
    "layerkit explain highway.gate_bias",
    "layerkit explain highway --trace --set activation=relu --shape 64",
)


def explain(
    term: Annotated[
        str,
        typer.Argument(
            metavar="TERM",
            help="An error code, a field of a spec or study, a part, or PART.SETTING.",
        ),
    ],
    *,
    trace: Annotated[
        bool, typer.Option("--trace", help="Show each operation of a layer, beside its equations.")
    ] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SETTING=VALUE",
            help="With --trace: a setting of the layer, such as activation=relu. Repeatable.",
        ),
    ] = None,
    shape: Annotated[
        str | None,
        typer.Option(metavar="N,...", help="With --trace: the shape of a row, such as 8 or 3,4."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Explain an error code, a field or a part."""
    if trace:
        _trace(term, settings or [], shape, as_json=as_json)
        return
    if settings or shape:
        raise failures.UsageError("--set and --shape are for --trace")
    from layerkit.cli.explain_topics import is_code, suggestion, topics

    found = topics(term)
    if not found:
        kind = "code" if is_code(term) else "term"
        raise failures.UsageError(f"unknown {kind} {term!r}{suggestion(term)}")
    if as_json:
        console.emit_json({"term": term, "topics": found})
    else:
        console.out("\n\n".join(map(_text, found)))


def _text(topic: Topic) -> str:
    lines = [f"{topic['name']} ({topic['kind']})", ""]
    width = (console.width() or 102) - 2
    lines += [f"  {line}".rstrip() for line in _filled(topic["description"], width)]
    keys = ("type", "default", "names", "provider", "settings")
    facts: dict[str, Any] = {key: topic.get(key) for key in keys}
    shown = {k: v if isinstance(v, str) else ", ".join(v) for k, v in facts.items() if v}
    lines += ["", *(f"  {key:<8}  {text}" for key, text in shown.items())] if shown else []
    return "\n".join(map(printable, lines))


def _trace(term: str, settings: list[str], shape: str | None, *, as_json: bool) -> None:
    from layerkit.cli.explain_trace import planned_layer, to_json, trace
    from layerkit.recording.arrays import NotRecorded

    planned = planned_layer(term, settings, shape)
    try:
        found = trace(planned, _DTYPE)
    except NotRecorded as reason:
        raise failures.UsageError(
            f"{term} has no trace: it cannot be recorded and runs as it is written; {reason}"
        ) from None
    if as_json:
        console.emit_json(to_json(planned, _DTYPE, found))
    else:
        console.out("\n".join(map(printable, _trace_lines(planned, found))))


_DTYPE = "float32"


def _width() -> int:
    """Columns of a trace: 80, or those of a narrower terminal."""
    return max(56, min(80, console.width() or 80))


def _trace_lines(planned: PlannedLayer, found: Trace) -> Iterator[str]:
    """The trace for people."""
    config = {k: v for k, v in planned.layer.config.items() if v is not None}
    told = ", ".join(f"{name} {json.dumps(value)}" for name, value in config.items())
    rows = " x ".join(map(str, planned.in_shape)) or "one number"
    yield from wrap(
        f"{planned.layer.type_name}, n rows of {rows}: {told or 'no settings'}", _width()
    )
    if "" in found.equations:
        yield from ("", *_page(found.equations[""]))
    for step in ("feed", "backprop"):
        yield from ("", *_page(found.equations.get(step, step.capitalize())), "")
        yield _row("operation", "shape", "dtype", "multiply-adds")
        yield "-" * _width()
        for statement in found.statements[step]:
            yield from _statement_lines(statement)
        for name, value in found.results[step].items():
            if name != value:
                yield f"{name} = {value}"
        yield "-" * _width()
        total = found.multiply_adds[step]
        yield _row("", "", "per row", "?" if total is None else f"{total:,}")
    kept = "?" if found.kept is None else byte_size(found.kept)
    yield from ("", f"kept for backprop: {kept} a row")


def _page(text: str) -> Iterator[str]:
    """The lines of a docstring, wrapped; what is left of an equation goes under its own indent."""
    for line in _filled(text, _width()):
        own = _indent(line)
        indent = " " * (own + 4 if own else 0)
        yield from wrap(line, _width(), subsequent_indent=indent, replace_whitespace=False) or [""]


_WRITTEN = 96  # columns that a docstring has, behind the indent of a class


def _filled(text: str, width: int) -> Iterator[str]:
    """The lines of a docstring, its prose wrapped anew where it is wider than ``width``."""
    for written in _paragraphs(text):
        lines = [line.replace("``", "") for line in written]  # the marks of reStructuredText
        if len(lines) == 1 or max(map(len, lines)) <= width:
            yield from lines
            continue
        own = " " * _indent(lines[0])
        yield from wrap(
            " ".join(map(str.strip, lines)), width, initial_indent=own, subsequent_indent=own,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip


def _paragraphs(text: str) -> Iterator[list[str]]:
    """The lines of a docstring; together those that were one line, but for its width.

    A line goes on in the next one of its indent if that one's first word had no room on it. The
    lines of a block after ``::`` stay apart.
    """
    found: list[str] = []
    block: int | None = None  # the indent of the line that opened it
    for line in text.split("\n"):
        if block is not None and line and _indent(line) <= block:
            block = None
        if found and not (block is None and _goes_on(found[-1], line)):
            yield found
            found = []
        found.append(line)
        if line.endswith("::"):
            block = _indent(line)
    yield found


def _goes_on(line: str, after: str) -> bool:
    if not after or _indent(line) != _indent(after):
        return False
    return len(line) + 1 + len(after.split()[0]) > _WRITTEN


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _statement_lines(statement: Statement) -> Iterator[str]:
    """A statement with its place and its operations; without it if it reads as its operation."""
    texts = [f"{one.name} = {one.text}" for one in statement.operations]
    indent = ""
    if texts != [statement.source]:
        indent = "    "
        first, *rest = wrap(statement.source, _width() - len(statement.place) - 2) or [""]
        yield first.ljust(_width() - len(statement.place)) + statement.place
        yield from (f"  {line}" for line in rest)
    from layerkit.cli.operation_text import count_text, size_text

    for text, one in zip(texts, statement.operations, strict=True):
        lines = wrap(text, _width() - 38 - len(indent), break_on_hyphens=False)
        yield from (indent + line for line in lines[:-1])
        adds = "" if one.multiply_adds == (0, 0, 0) else size_text(one.multiply_adds)
        shape = f"({', '.join(map(count_text, one.shape))}{',' if len(one.shape) == 1 else ''})"
        yield _row(indent + lines[-1], shape, one.dtype, adds)


def _row(text: str, shape: str, dtype: str, multiply_adds: str) -> str:
    return f"{text:<{_width() - 38}} {shape:<14} {dtype:<8} {multiply_adds:>13}".rstrip()
