"""Recorded layers: the record, and all that is made of it, gives what the methods give."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.engines import compiled_engine, trouble
from layerkit.discovery.registry import EXPORTERS
from layerkit.errors import ExportError, LayerkitError, MissingExtraError
from layerkit.execution.engine import Engine
from layerkit.execution.planned_engine import PLANNED
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.program import Program, Step
from layerkit.recording.record import Recording, record
from layerkit.recording.replay import replay
from layerkit.testing.forms import ROWS, Results, compare, named
from layerkit.testing.layer_trial import F32, F64, LayerTrial
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.verdicts import Failed, at

BATTERY = Battery("dtype.float64", "dtype.float32", "stochastic.replay", *INTACT, trial=LayerTrial)

_SAME = (
    "let the number of rows decide nothing (`if len(x) > 100`), read no value that changes between "
    "calls, and draw from ctx.rng alone; or set `eager = True` on the class, which then runs as it "
    "is written"
)
_ENGINE = (
    "report it with the layer: what layerkit makes of a record must give the record's numbers; "
    "`eager = True` on the class helps meanwhile"
)


def _recorded(trial: LayerTrial, *, training: bool) -> Recording | NotRecorded:
    """The recording of the layer, or why there is none."""
    try:
        return record(
            trial.layer,
            trial.example.shape,
            trial.dtype,
            training=training,
            keeps=training,
            plan=trial.plan,
        )
    except NotRecorded as refusal:
        return refusal


def _written(trial: LayerTrial, x: Array, dy: Array | None) -> Results:
    """A pass by the methods as written: in training with dy, in inference without."""
    training = dy is not None
    (ctx,) = [trial.context()] if training else trial.network.contexts(keeps=False)
    with trial.restoring_state():
        y = np.array(trial.feed(x, ctx))
        state = named("state", trial.layer.state)
        if dy is None:
            return Results({"the output": y, **state})
        dx = np.array(trial.backprop(dy, ctx))
    return _results(y, dx, named("grads", trial.layer.grads), state, ctx.rng, dy)


def _results(
    y: Array,
    dx: Array,
    grads: dict[str, Array],
    state: dict[str, Array],
    rng: np.random.Generator,
    dy: Array,
) -> Results:
    arrays = {"the output": y, **state, "dL/dx": dx, **grads}
    scale = float(np.abs(dy).max(initial=0))
    stream = repr(rng.bit_generator.state)
    return Results(arrays, stream, frozenset(("dL/dx", *grads)), scale)


def _replayed(trial: LayerTrial, recording: Recording, x: Array, dy: Array | None) -> Results:
    """A pass by the record, node by node."""
    rng = trial.context().rng
    inputs = {"x": x} if dy is None else {"x": x, "dy": dy}
    layer = trial.layer
    found = replay(recording, inputs, len(x), params=layer.params, state=layer.state, rng=rng)
    state = named("state", {**layer.state, **found.state})
    if dy is None or found.dx is None:
        return Results({"the output": np.array(found.y), **state})
    grads = {name: np.zeros_like(array) for name, array in layer.grads.items()}
    grads = named("grads", {**grads, **found.grads})
    return _results(np.array(found.y), np.array(found.dx), grads, state, rng, dy)


def _reference(trial: LayerTrial, recording: Recording, x: Array, dy: Array | None) -> Results:
    """The pass that a form must repeat: that of the methods, for no rows that of the record."""
    return _written(trial, x, dy) if len(x) else _replayed(trial, recording, x, dy)


def _batches(trial: LayerTrial, *, training: bool) -> Any:
    if training:
        return lambda n: (trial.rows(n, "forms"), trial.cotangent(n, "forms"))
    return lambda n: (trial.rows(n, "forms"), None)


@BATTERY.rule(
    "recorded.replay",
    why="layerkit records a layer's operations once and runs the record in place of the methods.",
    fix=_SAME,
)
def _replay(trial: LayerTrial) -> str:
    empty = True  # whether the record holds for no rows
    for dtype in (F64, F32):
        one = trial.another(dtype)
        for training in (True, False):
            recording = _recorded(one, training=training)
            if isinstance(recording, NotRecorded):
                return f"not recorded, it runs as it is written, slower: {recording}"
            with at(f"{dtype}, {'training' if training else 'inference'}"):
                run = partial(_replayed, one, recording)
                batches = _batches(one, training=training)
                written = partial(_written, one)
                compare("the record", run, written, batches, bits=True, rows=ROWS[1:])
                none = batches(0)
                empty = empty and not run(*none).difference(written(*none), bits=True)
    note = "recorded" if empty else "recorded; batches of no rows run as they are written"
    return note + _unwritten(trial, _recorded(trial, training=False))


def _unwritten(trial: LayerTrial, recording: Recording | NotRecorded) -> str:
    """Which forms of export lack an operation of the layer, for a note; "" if none does."""
    if isinstance(recording, NotRecorded):
        return ""
    shapes = trial.example.shape, trial.plan.out_shape
    tensors = {**trial.layer.params, **trial.layer.state}
    step = Step("layer", recording.graph, tensors, *shapes)
    program = Program("layer", np.dtype(trial.dtype), *shapes, (step,), None, None, None, {})
    lacks: dict[str, list[str]] = {}
    for form in EXPORTERS.names():
        try:
            EXPORTERS.create(form).content(program)
        except ExportError as error:
            lacks.setdefault(error.message.rpartition("the operation ")[2], []).append(form)
        except MissingExtraError:
            continue
    return "".join(f"; not exported to {', '.join(fs)}, for {op}" for op, fs in lacks.items())


@BATTERY.rule(
    "recorded.rows",
    why="Where the record shows that rows do not meet, two threads may train halves of a batch.",
    fix=_ENGINE,
    needs=("recorded.replay",),
)
def _rows(trial: LayerTrial) -> str | None:
    recording = _recorded(trial, training=True)
    if isinstance(recording, NotRecorded) or not recording.rowwise:
        return "rows of a batch meet, or that is not known: a batch is trained as one"
    x, dy = trial.rows(7), trial.cotangent(7)
    whole = _written(trial, x, dy)
    parts = [_written(trial, x[cut], dy[cut]) for cut in (slice(0, 4), slice(4, 7))]
    joined: dict[str, Array] = {}
    for name in whole.arrays:
        halves = [part.arrays[name] for part in parts]
        if name in ("the output", "dL/dx"):
            joined[name] = np.concatenate(halves)
        elif name.startswith("state["):  # which such a record leaves alone
            joined[name] = halves[1]
        else:
            joined[name] = halves[0] + halves[1]
    found = Results(joined, whole.stream, whole.slopes, whole.scale)
    if differs := found.difference(whole, bits=False):
        raise Failed(f"computed in two halves, {differs} is different")
    return None


@BATTERY.rule(
    "recorded.planned",
    why="Models run a layer's record as NumPy steps in memory that is used again and again.",
    fix=_ENGINE,
    needs=("recorded.replay",),
)
def _planned(trial: LayerTrial) -> str | None:
    notes = [_check_engine(trial.another(dtype), PLANNED) for dtype in (F64, F32)]
    return notes[0]


@BATTERY.rule(
    "recorded.compiled",
    why="With the extra `fast` models run a layer's record as native code.",
    fix=_ENGINE,
    needs=("recorded.replay",),
)
def _compiled(trial: LayerTrial) -> str | None:
    if reason := trouble():
        return f"nothing is compiled here: {reason}"
    return _check_engine(trial.another(F32), compiled_engine())


def _check_engine(trial: LayerTrial, engine: Engine) -> str | None:
    """Compare all forms of an engine with the methods as written, alone and three in a row."""
    form = f"the {engine.type_name} form"
    (planned,) = trial.network.planned
    for training in (True, False):
        recording = _recorded(trial, training=training)
        if isinstance(recording, NotRecorded):
            return "not recorded"
        if refused := engine.refuses(recording, planned):
            return f"not in this form: {refused}"
        with at(f"{trial.dtype}, {'training' if training else 'inference'}"):
            run = _Staged(trial, engine, recording, training=training)
            batches = _batches(trial, training=training)
            compare(form, run, partial(_reference, trial, recording), batches, bits=False)
        if not training and recording.rowwise:
            _check_row(trial, engine, recording)
    if trial.plan.out_shape == trial.example.shape:
        with at(f"{trial.dtype}, three in a row"):
            _check_stacked(trial, engine)
    return None


class _Staged:
    """Passes through one stage with the layer alone."""

    def __init__(
        self, trial: LayerTrial, engine: Engine, recording: Recording, *, training: bool
    ) -> None:
        self.trial = trial
        (planned,) = trial.network.planned
        with trial.catch("making the form"):
            self.stage = engine.stage(
                trial.network, [(planned, recording)], keeps=training, wants_dx=True
            )

    def __call__(self, x: Array, dy: Array | None) -> Results:
        """A pass; state is put back."""
        trial, rng = self.trial, self.trial.context().rng
        self.stage.streams = {"layer": rng}
        trial.fill_grads(7)
        with trial.restoring_state(), np.errstate(all="ignore"), trial.catch("the form"):
            y = np.array(self.stage.feed(x))
            state = named("state", trial.layer.state)
            if dy is None:
                return Results({"the output": y, **state})
            dx = np.array(self.stage.backprop(dy))
        return _results(y, dx, named("grads", trial.layer.grads), state, rng, dy)


def _check_row(trial: LayerTrial, engine: Engine, recording: Recording) -> None:
    """Compare the form for single rows, if there is one, for rows and weights that change."""
    (planned,) = trial.network.planned
    row = engine.row(trial.network, [(planned, recording)], "identity")
    for turn in range(3) if row is not None else ():
        x = trial.rows(1, "row", turn)
        expected = Results({"the output": trial.predict(x)})
        y = row(x) if row is not None else None
        if y is None or Results({"the output": np.array(y)}).difference(expected, bits=False):
            raise Failed(f"the {engine.type_name} form for single rows gives another output")
        trial.network.params[...] *= 1.25


def _check_stacked(trial: LayerTrial, engine: Engine) -> None:
    """Compare a stage of three equal layers, which share their form and its memory."""
    subject, example = trial.subject, trial.example
    layers = [(f"layer_{i}", subject.make(example.config)) for i in range(3)]
    try:
        network = Network(plan_layers(layers, example.shape), trial.dtype)
    except LayerkitError:
        return
    draws = subject.rng("stacked", example.name)
    network.params[...] = draws.uniform(-0.5, 0.5, network.size).astype(trial.dtype)
    network.allocate_grads()
    recording = _recorded(trial, training=True)
    if isinstance(recording, NotRecorded):
        return
    members = [(p, recording) for p in network.planned]
    stage = engine.stage(network, members, keeps=True, wants_dx=True)
    start = [array.copy() for p in network.planned for array in p.layer.state.values()]

    def reset() -> dict[str, np.random.Generator]:
        states = [array for p in network.planned for array in p.layer.state.values()]
        for array, before in zip(states, start, strict=True):
            array[...] = before
        return {p.name: np.random.default_rng(i) for i, p in enumerate(network.planned)}

    def results(y: Any, dx: Any, dy: Array) -> Results:
        slopes = {"dL/dx": np.array(dx), "a gradient": network.allocate_grads().copy()}
        scale = float(np.abs(dy).max(initial=0))
        return Results({"the output": np.array(y), **slopes}, "", frozenset(slopes), scale)

    def staged(x: Array, dy: Array) -> Results:
        stage.streams = reset()
        with np.errstate(all="ignore"):
            y = np.array(stage.feed(x))
            return results(y, stage.backprop(dy), dy)

    def written(x: Array, dy: Array) -> Results:
        contexts = network.contexts(training=True, streams=reset(), wants_dx=True)
        y = np.array(network.feed(x, contexts))
        return results(y, network.backprop(dy, contexts), dy)

    batches = _batches(trial, training=True)
    compare(f"the {engine.type_name} form", staged, written, batches, bits=False)
