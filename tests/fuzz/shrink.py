"""Smaller programs: with fewer statements, saved values, parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from tests.fuzz.programs import Line, Program, Save, mentions


def smaller_programs(program: Program) -> Iterator[Program]:
    """Programs with something less, those with the most less first."""
    yield from _without_dead_lines(program)
    for field in ("feed", "backprop"):
        lines = getattr(program, field)
        size = len(lines) // 2
        while size >= 1:
            for start in range(len(lines) - size, -1, -size):
                yield _with(program, field, lines[:start] + lines[start + size :])
            size //= 2
        for i in range(len(lines) - 1, -1, -1):
            if isinstance(lines[i], Line) and lines[i].makes:
                yield from _replaced(program, field, i)
    yield from _saves(program)
    yield from _arrays(program)
    yield from (replace(program, dx=other) for other in ("dy", "x") if program.dx != other)
    for line in program.feed:
        if isinstance(line, Line) and line.makes and line.makes != program.y:
            yield replace(program, y=line.makes)


def _with(program: Program, field: str, lines: tuple[Any, ...]) -> Program:
    if field == "feed":
        return replace(program, feed=lines)
    return replace(program, backprop=lines)


def _arrays(program: Program) -> Iterator[Program]:
    """Without a parameter or a state that nothing mentions."""
    text = program.source().partition("def feed")[2]
    for name in (name for name in program.params if f'"{name}"' not in text):
        yield replace(program, params={k: v for k, v in program.params.items() if k != name})
    for name in (name for name in program.state if f'"{name}"' not in text):
        yield replace(program, state={k: v for k, v in program.state.items() if k != name})


def _without_dead_lines(program: Program) -> Iterator[Program]:
    """Without any line whose name nothing reads."""
    for field, last in (("backprop", program.dx), ("feed", program.y)):
        needed, kept = mentions(last), []
        for line in reversed(getattr(program, field)):
            names = mentions(" ".join(line.names) if isinstance(line, Save) else line.text)
            if isinstance(line, Save) or not line.makes or line.makes in needed:
                kept.append(line)
                needed |= names
        if len(kept) < len(getattr(program, field)):
            yield _with(program, field, tuple(kept[::-1]))


def _replaced(program: Program, field: str, i: int) -> Iterator[Program]:
    """Without line i, whose name stands for one of those that it reads."""
    lines = getattr(program, field)
    gone = lines[i]
    for other in sorted(mentions(gone.text) - {gone.makes}):
        if not re.fullmatch(r"(v|dx|s)\d+|x|dy|[Wbc]\d", other):
            continue

        def put(text: str, other: str = other) -> str:
            return re.sub(rf"\b{gone.makes}\b", other, text)

        def new(line: Any) -> Any:
            if isinstance(line, Save):
                names = tuple(dict.fromkeys(put(n) for n in line.names))
                return Save(names, line.part)
            return Line(put(line.text), line.makes)

        rest = tuple(new(line) for line in lines[i + 1 :])
        made = _with(program, field, lines[:i] + rest)
        if field == "feed":
            made = replace(made, y=put(program.y), backprop=tuple(map(new, program.backprop)))
        yield replace(made, dx=put(program.dx))


def _saves(program: Program) -> Iterator[Program]:
    """With fewer saved values."""
    for i, line in enumerate(program.feed):
        if not isinstance(line, Save):
            continue
        for name in line.names:
            rest = tuple(n for n in line.names if n != name)
            new = (Save(rest, line.part),) if rest else ()
            yield replace(program, feed=program.feed[:i] + new + program.feed[i + 1 :])
        if line.part:
            new = (Save(line.names),)
            yield replace(program, feed=program.feed[:i] + new + program.feed[i + 1 :])
