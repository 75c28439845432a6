"""Record a layer, a loss or an optimizer's rule: run twice, compared, one graph for any n."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import numpy as np

from layerkit.core.context import Shape
from layerkit.core.domains import domain_of
from layerkit.core.planning import PlannedLayer, plan_layers
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.graph import Graph
from layerkit.recording.run import Run, run_once, written
from layerkit.recording.simplify import simplify
from layerkit.recording.unify import SIZES, unify


@dataclass(eq=False)
class Recording:
    """What a layer, a loss or a rule computes, for any number of rows.

    Layers of equal structure share one, so engines keep in ``forms`` what they make of it, by keys
    of their own. ``dtype``, ``training`` and ``keeps`` are of the pass; without ``keeps`` the graph
    has no backprop. ``in_shape`` and ``out_shape`` are of one row, ``params`` and ``state`` shapes
    by name.
    """

    graph: Graph
    dtype: np.dtype[Any]
    training: bool
    keeps: bool
    in_shape: Shape = ()
    out_shape: Shape = ()
    params: Mapping[str, Shape] = field(default_factory=dict)
    state: Mapping[str, Shape] = field(default_factory=dict)
    forms: dict[object, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def rowwise(self) -> bool:
        """Whether halves of a batch may be computed apart and their gradients added."""
        from layerkit.recording.rowwise import is_rowwise  # not needed by planned forms

        return is_rowwise(self.graph)


def record(
    layer: Any,
    in_shape: Shape,
    dtype: Any,
    *,
    training: bool,
    keeps: bool,
    plan: Any = None,
) -> Recording:
    """Record a layer of contract version 2 for rows of ``in_shape``; it is not changed.

    ``training`` is that of the pass, and with ``keeps`` backprop is recorded too. ``plan`` is the
    layer's for such rows; it is asked for where None. Rows hold the whole numbers that it takes.

    Raises
    ------
    NotRecorded
        With what the layer does that cannot be recorded, and where.
    """
    planned = (
        plan_layers([("layer", layer)], in_shape)[0]
        if plan is None
        else PlannedLayer("layer", layer, in_shape, plan)
    )
    plan = planned.plan
    for one in planned.nested():
        inside = "" if one.layer is layer else f"{one.name.partition('.')[2]}: "
        if getattr(one.layer, "eager", False):
            raise NotRecorded(f"{inside}the class says eager = True")
        if getattr(one.layer, "contract_version", 2) < 2:
            raise NotRecorded(f"{inside}the class is written for contract version 1")
    params = {name: p.shape for name, p in plan.params.items()}
    states = {name: p.shape for name, p in plan.state.items()}

    def steps(run: Run, twin: Any) -> Graph:
        state = run.arrays("state", states)
        grads = run.arrays("undefined", params if keeps else {})
        bound = PlannedLayer(
            "layer", twin, in_shape, replace(plan, parts=twin.parts if plan.parts else ())
        )
        bound.bind(params=run.arrays("param", params), state=state, grads=grads)
        ctx = run.context(training=training, keeps=keeps)
        given = (run.n, *in_shape)
        x = run.leaf("input", "x", given, domain=domain_of(plan.takes, math.prod(in_shape)))
        fed = twin.feed(x, ctx)
        y = run.result(fed, "feed", (run.n, *plan.out_shape))
        new, dx = written(state, "state"), None
        if keeps:
            back = twin.backprop(run.leaf("input", "dy", (run.n, *plan.out_shape)), ctx)
            if back is not None:
                dx = run.result(back, "backprop", given)
            if isinstance(fed, np.ndarray) and run.result(fed, "feed", fed.shape) is not y:
                raise run.tape.refuse("backprop writes into what feed returned")
            if written(state, "state") != new:
                raise run.tape.refuse("backprop writes to self.state: only feed may")
        return Graph(y, dx, written(grads, "undefined"), new, tuple(run.draws))

    graph = _twice(layer, dtype, steps, plan.parts)
    shapes = in_shape, plan.out_shape, params, states
    return Recording(graph, np.dtype(dtype), training, keeps, *shapes)


def record_function(function: Callable[[Any], Any], shape: Shape, dtype: Any) -> Recording:
    """Record a function from rows (n, *shape) of ``dtype`` to rows of the same shape.

    Raises NotRecorded.
    """

    def steps(run: Run, _: Any) -> Graph:
        given = (run.n, *shape)
        y = function(run.leaf("input", "x", given))
        return Graph(run.result(y, "the function", given))

    graph = _twice(SimpleNamespace(), dtype, steps)
    return Recording(graph, np.dtype(dtype), False, False, shape, shape)


def record_loss(
    loss: Any, out_shape: Shape, dtype: Any, target_shape: Shape, target_dtype: Any
) -> Recording:
    """Record a loss: ``y`` (n,) are the losses of the rows, ``dx`` the gradient of the scores.

    Inputs are "x" (the scores, rows of ``out_shape``), "targets" (of ``target_shape`` and
    ``target_dtype``; whole numbers are classes) and "weights" (n,). Raises NotRecorded.
    """

    def steps(run: Run, twin: Any) -> Graph:
        ctx = run.context(training=True, keeps=True)
        x = run.leaf("input", "x", (run.n, *out_shape))
        known = (run.n, *target_shape)
        targets = run.leaf("input", "targets", known, dtype=target_dtype, whole=out_shape[-1])
        y = run.result(twin.feed(x, targets, ctx), "feed", (run.n,))
        weights = run.leaf("input", "weights", (run.n,))
        dx = run.result(twin.backprop(weights, ctx), "backprop", (run.n, *out_shape))
        return Graph(y, dx, draws=tuple(run.draws))

    return Recording(_twice(loss, dtype, steps), np.dtype(dtype), True, True, out_shape)


def record_rule(optimizer: Any, dtype: Any) -> Recording:
    """Record an optimizer's rule; n is the number of parameters.

    Inputs are "p", "g", "slot:NAME" and "decay", numbers "rate" and "steps". ``y`` are the new
    parameters, ``state`` the new slots by their names. Raises NotRecorded.
    """

    def steps(run: Run, twin: Any) -> Graph:
        def vector(name: str, op: str = "input") -> Any:
            return run.leaf(op, name, (run.n,), frozen=name == "decay")

        p, g, scratch = vector("p"), vector("g"), vector("scratch", "undefined")
        slots = {f"slot:{name}": vector(f"slot:{name}") for name in twin.slot_names}
        twin.decay = vector("decay")
        twin.rate, twin.steps = run.number("rate", 0.37), run.number("steps", 2)
        twin.rule(p, g, list(slots.values()), scratch)
        new = {name[5:]: node for name, node in written(slots, "input").items()}
        return Graph(run.result(p, "rule", (run.n,)), None, {}, new)

    return Recording(_twice(optimizer, dtype, steps), np.dtype(dtype), True, True)


def _twice(
    part: Any,
    dtype: Any,
    steps: Callable[[Run, Any], Graph],
    inside: Sequence[PlannedLayer] = (),
) -> Graph:
    """The graph of two runs with different numbers of rows; ``inside`` are a container's parts."""
    first, second = (run_once(part, n, dtype, steps, inside) for n in SIZES)
    return simplify(unify(first, second))
