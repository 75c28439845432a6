"""Programs as text of a plain language: what the writers of C and Python share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from layerkit.recording.loops import Loops, NoLoop, Pick, Place, identifiers, loops_of
from layerkit.recording.program import Program, Step, unsupported
from layerkit.recording.rowwise import is_rowwise


class Function(NamedTuple):
    """The loops that layers of one structure share, and the names of their tensors in order."""

    name: str
    loops: Loops
    tensors: tuple[str, ...]


class Call(NamedTuple):
    """One step: its function, the step whose tensors it is given, and names for those.

    No other tensor of the program has the same name, and each is one in most languages.
    """

    function: Function
    step: Step
    names: tuple[str, ...]


def calls_of(program: Program, form: str, knows: Callable[[str], bool]) -> list[Call]:
    """The steps of a program; those of equal structure call one function.

    Raises ExportError if ``form`` lacks an operation (``knows`` says which it has), or if the rows
    of a batch depend on one another.
    """
    functions: dict[int, Function] = {}
    for step in program.steps:
        if id(step.graph) not in functions:
            name = f"f{len(functions)}"
            functions[id(step.graph)] = _function(name, step, form, knows)
    paths = [
        [f"{step.name}.{key}" for key in functions[id(step.graph)].tensors]
        for step in program.steps
    ]
    names = identifiers(path for group in paths for path in group)
    return [
        Call(functions[id(step.graph)], step, tuple(names[path] for path in group))
        for step, group in zip(program.steps, paths, strict=True)
    ]


def _function(name: str, step: Step, form: str, knows: Callable[[str], bool]) -> Function:
    graph = step.graph
    if not is_rowwise(graph):
        node = graph.y
        raise unsupported(step, node, form, "its rows depend on one another; export it to onnx")
    try:
        loops = loops_of(graph, knows)
    except NoLoop as cause:
        raise unsupported(step, cause.node, form) from cause
    return Function(name, loops, tuple(key for key in step.tensors if key in loops.tensors))


def element(place: Place) -> str:
    """The element of ``place`` at i0, i1, ..., one letter and number for each axis."""
    return f"{place.array}[{subscript(place.offset, place.strides)}]"


def subscript(offset: int, strides: Iterable[int], *, first: int = 0) -> str:
    """Offset + i0 s_0 + i1 s_1 + ...; ``first`` is the number of the first axis."""
    terms = [str(offset)] if offset else []
    for axis, stride in enumerate(strides, start=first):
        if stride:
            terms.append(f"i{axis}" if stride == 1 else f"i{axis} * {stride}")
    return " + ".join(terms) or "0"


def picked(statement: Pick, guard: str = "{key}") -> tuple[str, str]:
    """(the element of ``statement.x`` that a pick takes, the index that decides which).

    ``guard`` is put around the index in it, with the number of elements as ``size``.
    """
    x, keys, axis = statement.x, statement.keys, statement.axis
    strides = [*x.strides[:axis], *([0] * len(keys.shape)), *x.strides[axis + 1 :]]
    key = f"{keys.array}[{subscript(keys.offset, keys.strides, first=axis)}]"
    place = guard.format(key=key, size=x.shape[axis])
    return f"{x.array}[{subscript(x.offset, strides)} + {place} * {x.strides[axis]}]", key
