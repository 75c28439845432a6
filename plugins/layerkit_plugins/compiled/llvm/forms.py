"""What is made of a recording once: its machine code, and the plan of its memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from layerkit.core.layer import Plan
from layerkit.execution.planned.joins import Layout, join
from layerkit.execution.planned.memory import Places, Slot, place, prepare, split
from layerkit.recording.graph import LEAVES, Graph, N
from layerkit.recording.record import Recording
from layerkit_plugins.compiled.llvm.lowering import Code, Memory
from layerkit_plugins.compiled.llvm.machine import addresses
from layerkit_plugins.compiled.llvm.places import Cell, NotCompiled
from layerkit_plugins.compiled.llvm.schedule import in_loop, kernels, rewritten


class Form(NamedTuple):
    """One structure in one form. ``y`` and ``dx`` are where results lie: slot and first column."""

    ir: str
    cells: list[Cell]
    constants: list[np.ndarray[Any, Any]]
    places: Places
    y: tuple[int, int]
    dx: tuple[int, int] | None
    apart: bool  # the rows x need not lie side by side

    def addresses(self) -> tuple[int, int]:
        """Of feed and backprop; compiles at the first call."""
        found = addresses(self.ir, ("feed", "back"))
        return found["feed"], found["back"]


def form_of(
    recording: Recording,
    plan: Plan | None,
    *,
    keeps: bool,
    wants_dx: bool,
    first: bool = False,
    row: bool = False,
) -> Form:
    """The form of a layer, or of a loss (no ``plan``); made once for each recording.

    ``first`` says that x comes from outside, ``row`` asks for the form of one row. Raises
    NotCompiled.
    """
    key = "compiled", keeps, wants_dx, first, row
    found = recording.forms.get(key)
    if found is None:
        try:
            found = _make(recording, plan, keeps, wants_dx, first, row)
        except NotCompiled as reason:
            found = str(reason)
        recording.forms[key] = found
    if isinstance(found, str):
        raise NotCompiled(found)
    assert isinstance(found, Form)  # noqa: S101  # what was kept
    return found


def _make(
    recording: Recording, plan: Plan | None, keeps: bool, wants_dx: bool, first: bool, row: bool
) -> Form:
    graph = recording.graph
    if recording.dtype != np.float32:
        raise NotCompiled(f"computes in {recording.dtype}")
    if graph.draws:
        raise NotCompiled("draws random numbers")
    for node in graph.nodes():
        if node.op == "input" and node.args[0] == "x" and node.dtype != np.float32:
            raise NotCompiled(f"takes rows of {node.dtype}")
    layout = None if plan is None else Layout(plan)
    if layout is not None:
        graph = join(graph, layout)
    graph = rewritten(prepare(graph, keeps=keeps, wants_dx=wants_dx))
    feed, back = (kernels(nodes) for nodes in split(graph))
    places = place(feed, back, graph, keeps=keeps)
    homes = {key: (home.slot, home.start) for key, home in places.homes.items()}
    apart = ["targets"] + ["x"] * (first and not row and _only_multiplied(graph))
    cells: dict[int, Cell] = {key: ("grad", name) for key, name in places.grads.items()}
    memory = Memory(homes, cells, places.copied, len(places.slots))
    code = Code(graph, memory, layout=layout, row=row, apart=apart)
    ir = code.text(feed, back)
    for size in code.buffers.values():  # in use all the time, and so nobody else's
        shape, life = (N if size.a else 1, max(size)), (0, len(feed) + len(back) + 1)
        places.slots.append(Slot(shape, np.dtype(np.float32), 1, *life))
    dx = None if graph.dx is None else homes[id(graph.dx)]
    return Form(ir, code.cells, code.constants, places, homes[id(graph.y)], dx, "x" in apart)


def rule_of(recording: Recording) -> tuple[int, Code]:
    """The address of a rule, which changes its arrays in one loop, and its code.

    ``code.numbers`` are computed in Python at each step. Raises NotCompiled.
    """
    graph = recording.graph
    if recording.dtype != np.float32:
        raise NotCompiled(f"computes in {recording.dtype}")
    ends: dict[int, Cell] = {id(graph.y): ("input", "p")}
    ends |= {id(node): ("input", f"slot:{name}") for name, node in graph.state.items()}
    results = [graph.y, *graph.state.values()]
    nodes = [node for node in graph.nodes() if node.op not in LEAVES]
    found = kernels(nodes)
    if len(found) != 1 or len(ends) < len(results) or not all(map(in_loop, found[0])):
        raise NotCompiled("a rule that is not one pass over its arrays")
    if not {id(node) for node in results} <= {id(node) for node in found[0]}:
        raise NotCompiled("a rule that gives what it is given")
    code = Code(graph._replace(state={}), Memory({}, ends, {}))
    return addresses(code.text(found, []), ("feed",))["feed"], code


def _only_multiplied(graph: Graph) -> bool:
    """Whether the rows x enter nothing but products: these read any order of memory."""
    shown = {id(n) for n in graph.nodes() if n.op == "input" and n.args[0] == "x"}
    for node in graph.nodes():
        if any(id(arg) in shown for arg in node.inputs()):
            if node.op == "transpose":
                shown.add(id(node))
            elif node.op != "matmul" or len(node.shape) != 2:
                return False
    return True
