"""Thread safety of layers: passes that overlap do not disturb each other, alone or stacked."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from layerkit.core.context import Array, Context
from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.core.layer import Layer
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer
from layerkit.errors import LayerkitError
from layerkit.testing.arrays import close, equal
from layerkit.testing.layer_trial import F64, LayerTrial, Pass
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed, Skipped, at

BATTERY = Battery("dtype.float64", *INTACT, trial=LayerTrial)

_SAVE = (
    "what feed keeps for backprop goes through the context: `ctx.save(x, z)` and `x, z = ctx.saved`"
)


@BATTERY.rule(
    "feeds.stateless",
    why="Many threads feed a model at once, with one layer object for all of them.",
    fix=f"keep nothing in self: {_SAVE}; lasting arrays belong in Plan.state",
)
def _stateless(trial: LayerTrial) -> None:
    ctx = trial.context()
    before = {n: (v, _contents(v)) for n, v in vars(trial.layer).items()}
    trial.feed(trial.rows(3), ctx)
    _check_attributes("feed", trial.layer, before)
    trial.backprop(trial.cotangent(3), ctx)
    _check_attributes("backprop", trial.layer, before)


def _check_attributes(
    method: str, layer: Layer, before: Mapping[str, tuple[object, object]]
) -> None:
    for name, value in vars(layer).items():
        if name not in before or before[name][0] is not value:
            raise Failed(f"{method} stores something in self.{name}")
        if _contents(value) != before[name][1]:
            raise Failed(f"{method} changes the contents of self.{name}")


def _contents(value: object) -> object:
    """The items of a container, for a comparison later."""
    if isinstance(value, dict):
        return {key: id(one) for key, one in value.items()}
    if isinstance(value, (list, set)):
        return [id(one) for one in value]
    return None


@BATTERY.rule(
    "feeds.interleaved",
    why="Two passes may overlap: feed, feed, backprop, backprop. Each backprop belongs to its own "
    "feed.",
    fix=f"{_SAVE}; no cache in the class or the module",
    needs=("dtype.float64", "feeds.stateless", *INTACT),
)
def _interleaved(trial: LayerTrial) -> None:
    rows = [trial.rows(5, "one"), trial.rows(5, "two")]
    dy = trial.cotangent(5)
    expected = [trial.run(x, dy) for x in rows]
    contexts, outputs = [trial.context(), trial.context()], []
    for x, ctx in zip(rows, contexts, strict=True):
        with trial.restoring_state():  # a feed in training may move it, and the next may read it
            outputs.append(trial.feed(x, ctx))
    for which, y, alone in zip(("first", "second"), outputs, expected, strict=True):
        if not equal(y, alone.y):
            raise Failed(
                f"of two feeds that overlap, the output of the {which} one is overwritten",
                "return a new array, not memory of the layer or the module",
            )
    for which, ctx, alone in zip(("first", "second"), contexts, expected, strict=True):
        found = Pass(alone.y, np.array(trial.backprop(dy, ctx)), trial.grads())
        if changed := found.difference(alone):
            raise Failed(
                f"of two feeds that overlap, the backprop of the {which} one uses data of the "
                f"other: {changed} is different"
            )


_THREADS, _TIMES = 4, 25


@BATTERY.rule(
    "feeds.threads",
    why="A server predicts from several threads with one model.",
    fix="no scratch memory in self, the class or the module: let NumPy make new arrays",
)
def _threads(trial: LayerTrial) -> None:
    rows = [trial.rows(40, str(i)) for i in range(_THREADS)]
    expected = [trial.predict(x) for x in rows]
    wrong: list[int] = []
    raised: list[Failed] = []
    begin = threading.Barrier(_THREADS)

    def work(i: int) -> None:
        begin.wait()
        try:
            found = (trial.predict(rows[i]) for _ in range(_TIMES))
            wrong.extend(i for y in found if not equal(y, expected[i]))
        except Failed as error:
            raised.append(error)

    with _switching_often():
        threads = [threading.Thread(target=work, args=(i,)) for i in range(_THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with at(f"fed from {_THREADS} threads at once"):
        if raised:
            raise raised[0]
        if wrong:
            raise Failed(f"{len(wrong)} of {_THREADS * _TIMES} outputs are wrong")


@contextmanager
def _switching_often() -> Iterator[None]:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)


@BATTERY.once(
    "feeds.stacked",
    why="A model has several layers of one class, and each reads the output of the one before.",
    fix="return new arrays, share no memory between layers of a class, never write into the input",
    needs=("gradient.inputs", "gradient.parameters"),
)
def _stacked(subject: Subject) -> None:
    for case in subject.examples:  # the first that fits is enough
        network = _three(subject, case)
        if network is not None:
            with at(f"{case}, three in a row"):
                _compare(subject, case, network)
            return
    if any(LayerTrial(subject, case).plan.takes is not None for case in subject.examples):
        raise Skipped("the layer takes whole numbers and gives others, so it cannot be stacked")
    raise Skipped("no example has an output of the shape of its input, so it cannot be stacked")


def _three(subject: Subject, case: Example) -> Network | None:
    """A network of three equal layers, if they fit."""
    layers = [(f"layer_{i}", subject.make(case.config)) for i in range(3)]
    try:
        planned = plan_layers(layers, case.shape)
    except LayerkitError:
        return None
    network = Network(planned, F64)
    network.initialise(subject.seed, initializer)
    network.params[...] += subject.rng("stacked").uniform(-0.5, 0.5, network.size)
    network.allocate_grads()
    return network


def _compare(subject: Subject, case: Example, network: Network) -> None:
    """A pass through the whole network against passes through one layer after the other."""
    rng = subject.rng("stacked x")
    x = rng.standard_normal((5, *case.shape))
    x = with_whole_numbers(x, input_domains(network.planned), rng)
    dy = subject.rng("stacked dy").standard_normal((5, *network.planned[-1].plan.out_shape))
    state = [array for role, array in network.tensors().values() if role == "state"]
    before = [array.copy() for array in state]
    outputs, dx, expected = _one_by_one(network, x, dy)
    for array, kept in zip(state, before, strict=True):  # training may move it, both times alike
        array[...] = kept
    (together,) = _contexts(network, 1)
    try:
        y = network.feed(x, together)
        same = close(y, outputs)
        found = network.backprop(dy, together)
    except LayerkitError as error:
        raise Failed(str(error)) from error
    grads = network.allocate_grads()
    if not (same and close(found, dx) and close(grads, expected)):
        what = "dL/dx or a gradient" if same else "the output"
        raise Failed(f"they disturb each other: {what} is different")
    predicted = network.feed(x, network.contexts(keeps=False))
    if not close(predicted, network.feed(x, network.contexts())):
        raise Failed("in inference (ctx.keeps = False) the outputs are different")


def _one_by_one(network: Network, x: Array, dy: Array) -> tuple[Array, Array, Array]:
    """(y, dL/dx, all gradients), with separate contexts and copies between the layers."""
    layers = list(enumerate(network.layers))
    contexts = _contexts(network, len(layers))
    for i, layer in layers:
        x = layer.feed(x, contexts[i][i]).copy()
    for i, layer in reversed(layers):
        dy = np.array(layer.backprop(dy, contexts[i][i]))
    return x, dy, network.allocate_grads().copy()


def _contexts(network: Network, count: int) -> list[list[Context]]:
    """Contexts for ``count`` passes, all with the same random numbers."""

    def streams() -> dict[str, np.random.Generator]:
        return {p.name: np.random.default_rng(i) for i, p in enumerate(network.planned)}

    return [network.contexts(training=True, streams=streams(), wants_dx=True) for _ in range(count)]
