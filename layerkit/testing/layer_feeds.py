"""Feeds that overlap: nothing of a pass is kept in the layer, so none disturbs another."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping

import numpy as np

from layerkit.core.layer import Array, Layer
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer
from layerkit.errors import LayerkitError
from layerkit.testing.bench import F64, Bench, close, equal
from layerkit.testing.rules import INTACT, Battery, Failed, Skipped
from layerkit.testing.subject import Example, Subject

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float64", *INTACT)

_SAVE = (
    "what feed leaves for backprop goes through the context: `ctx.save(x, z)` and "
    "`x, z = ctx.saved`"
)


@BATTERY.rule(
    "feeds.stateless",
    why="A model is fed from many threads at once, with one layer object for all.",
    fix=f"keep nothing in self: {_SAVE}; arrays that last belong into Plan.state",
)
def _stateless(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        layer = bench.layer
        before = {n: (v, _mutable(v)) for n, v in vars(layer).items()}
        ctx = bench.context()
        for step in ("feed", "backprop"):
            if step == "feed":
                bench.feed(bench.rows(3), ctx)
            else:
                bench.backprop(bench.cotangent(3), ctx)
            for name, value in vars(layer).items():
                if name not in before or before[name][0] is not value:
                    raise Failed(f"{case}: {step} stores something in self.{name}")
                if _mutable(value) != before[name][1]:
                    raise Failed(f"{case}: {step} changes what self.{name} holds")
    return None


def _mutable(value: object) -> object:
    """What tells a change inside of ``value``: the items of a container."""
    if isinstance(value, dict):
        return {key: id(one) for key, one in value.items()}
    if isinstance(value, (list, set)):
        return [id(one) for one in value]
    return None


@BATTERY.rule(
    "feeds.interleaved",
    why="Two passes may overlap: feed, feed, backprop, backprop. Each backprop belongs to its own.",
    fix=f"{_SAVE}; no cache in the class or the module",
)
def _interleaved(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        rows = [bench.rows(5, "one"), bench.rows(5, "two")]
        dy = bench.cotangent(5)
        start = {name: array.copy() for name, array in bench.layer.state.items()}
        wanted = []
        for x in rows:
            _restore(bench, start)
            wanted.append(bench.run(x, dy))
        contexts, outputs = [bench.context(), bench.context()], []
        for x, ctx in zip(rows, contexts, strict=True):
            _restore(bench, start)  # a feed in training may move it, and the next may read it
            outputs.append(bench.feed(x, ctx))
        for which, y, alone in zip(("first", "second"), outputs, wanted, strict=True):
            if not equal(y, alone.y):
                raise Failed(
                    f"{case}: of two feeds that overlap, the {which} one's output was overwritten",
                    "return memory of the context, ctx.buffer, not of the layer or the module",
                )
        for which, ctx, alone in zip(("first", "second"), contexts, wanted, strict=True):
            dx = np.array(bench.backprop(dy, ctx))
            grads = bench.grads()
            if not equal(dx, alone.dx) or any(not equal(grads[n], alone.grads[n]) for n in grads):
                raise Failed(
                    f"{case}: of two feeds that overlap, the backprop of the {which} one uses what "
                    "the other left"
                )
    return None


def _restore(bench: Bench, state: Mapping[str, Array]) -> None:
    for name, array in state.items():
        bench.layer.state[name][...] = array


_THREADS, _TIMES = 4, 25


@BATTERY.rule(
    "feeds.threads",
    why="A server predicts from several threads with one model.",
    fix="no scratch memory in self, the class or the module: ctx.buffer gives each pass its own",
)
def _threads(subject: Subject) -> str | None:
    for case in subject.examples:
        bench = Bench(subject, case)
        rows = [bench.rows(40, str(i)) for i in range(_THREADS)]
        wanted = [bench.predict(x) for x in rows]
        wrong: list[int] = []
        raised: list[Failed] = []
        begin = threading.Barrier(_THREADS)

        def work(
            i: int,
            bench: Bench = bench,
            rows: list[Array] = rows,
            wanted: list[Array] = wanted,
            wrong: list[int] = wrong,
            raised: list[Failed] = raised,
            begin: threading.Barrier = begin,
        ) -> None:
            begin.wait()
            try:
                found = (bench.predict(rows[i]) for _ in range(_TIMES))
                wrong.extend(i for y in found if not equal(y, wanted[i]))
            except Failed as error:
                raised.append(error)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)  # change threads as often as possible
        try:
            threads = [threading.Thread(target=work, args=(i,)) for i in range(_THREADS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        if raised:
            raise Failed(f"fed from {_THREADS} threads at once: {raised[0]}", raised[0].hint)
        if wrong:
            raise Failed(
                f"{case}: fed from {_THREADS} threads at once, {len(wrong)} of "
                f"{_THREADS * _TIMES} outputs were wrong"
            )
    return None


@BATTERY.rule(
    "feeds.stacked",
    why="In a model the layers of a pass share scratch memory, and each reads what the last wrote.",
    fix="write only into memory of ctx.buffer and ctx.scratch, and never where the input lies",
    needs=("gradient.inputs", "gradient.parameters"),
)
def _stacked(subject: Subject) -> str | None:
    for case in subject.examples:
        layers = _stack(subject, case)
        if layers is not None:
            _compare(subject, case, layers)
            return None
    raise Skipped("no example takes rows of the shape that it gives, so it follows no layer alike")


def _stack(subject: Subject, case: Example) -> list[Layer] | None:
    """Three layers in a row, if they fit."""
    layers = [subject.make(case.config) for _ in range(3)]
    try:
        plan_layers([(f"layer_{i}", layer) for i, layer in enumerate(layers)], case.shape)
    except LayerkitError:
        return None
    return layers


def _compare(subject: Subject, case: Example, layers: list[Layer]) -> None:
    """One pass through a network of all of them, against one after the other on their own."""
    names = [f"layer_{i}" for i in range(len(layers))]
    network = Network(plan_layers(list(zip(names, layers, strict=True)), case.shape), F64)
    network.initialise(subject.seed, initializer)
    network.params[...] += subject.rng("stacked").uniform(-0.5, 0.5, network.size)
    network.allocate_grads()
    x = subject.rng("stacked x").standard_normal((5, *case.shape))
    dy = subject.rng("stacked dy").standard_normal((5, *network.planned[-1].plan.out_shape))

    def streams() -> dict[str, np.random.Generator]:
        return {name: np.random.default_rng(i) for i, name in enumerate(names)}

    apart = [network.contexts(training=True, streams=streams(), wants_dx=True) for _ in layers]
    flow = x
    state = {n: array.copy() for n, (role, array) in network.tensors().items() if role == "state"}
    for i, layer in enumerate(layers):
        flow = layer.feed(flow, apart[i][i]).copy()
    outputs, flow = flow, dy
    for i, layer in reversed(list(enumerate(layers))):
        flow = np.array(layer.backprop(flow, apart[i][i]))
    wanted = network.grads.copy() if network.grads is not None else flow
    together = network.contexts(training=True, streams=streams(), wants_dx=True)
    for name, array in state.items():  # training may move it, the same way both times
        network.tensors()[name][1][...] = array
    try:
        y = network.feed(x, together)
        same = close(y, outputs)
        dx = network.backprop(dy, together)
    except LayerkitError as error:
        raise Failed(f"{case}, three in a row: {error}") from error
    grads = network.grads
    if not (same and close(dx, flow) and grads is not None and close(grads, wanted)):
        what = "dL/dx or a gradient" if same else "the output"
        raise Failed(f"{case}: three in a row share scratch memory, and {what} is another")
    predicted = network.feed(x, network.contexts(keeps=False))
    alone = network.feed(x, network.contexts())
    if not close(predicted, alone):
        raise Failed(f"{case}: three in a row predict something else where memory is shared")
