"""Exporters: the written form gives the numbers of the program, or says what it lacks."""

from __future__ import annotations

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.layer import Layer, Param, Plan
from layerkit.core.parts import Exporter
from layerkit.errors import ExportError, LayerkitError, MissingExtraError
from layerkit.recording.program import Program, Step
from layerkit.recording.record import record
from layerkit.recording.replay import replay
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, Skipped

_SHAPE = (3,)
_CLOSE = {"float32": 1e-5, "float64": 1e-11}  # of the largest output


class _Filled(Layer):
    """Missing numbers are 2, all are divided by 3."""

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = np.where(np.isnan(x), np.array(2, x.dtype), x) / 3
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        raise NotImplementedError


class _Gated(_Filled):
    """y = tanh(x W + b) s + x (1 - s) with s = 1 / (1 + exp(-x)), then a softmax."""

    def plan(self, in_shape: Shape) -> Plan:
        (k,) = in_shape
        return Plan(in_shape, params={"W": Param((k, k), "zeros"), "b": Param((k,), "zeros")})

    def feed(self, x: Array, ctx: Context) -> Array:
        s = 1 / (1 + np.exp(-x))
        y = np.tanh(x @ self.params["W"] + self.params["b"]) * s + x * (1 - s)
        e = np.exp(y - y.max(axis=1, keepdims=True))
        p: Array = e / e.sum(axis=1, keepdims=True)
        return p


class _Odd(_Filled):
    """An operation that hardly any form has."""

    def feed(self, x: Array, ctx: Context) -> Array:
        y: Array = np.partition(x, 1, axis=1)
        return y


class _Trial(Trial):
    """An exporter and small programs."""

    part: Exporter

    def content(self, program: Program) -> bytes:
        """The form of ``program``."""
        try:
            with self.catch("content(program)"):
                return self.part.content(program)
        except Failed as failed:
            if isinstance(failed.__cause__, MissingExtraError):
                raise Skipped(str(failed.__cause__)) from failed
            raise

    def computed(self, content: bytes, rows: Array) -> Array:
        """What the form gives for ``rows``."""
        try:
            with self.catch("run(content, rows)"):
                return self.part.run(content, rows)
        except Failed as failed:
            if isinstance(failed.__cause__, NotImplementedError):
                raise Skipped(f"the form is not run here: {failed.__cause__}") from failed
            raise

    def program(self, dtype: str, *layers: Layer) -> Program:
        """A program of ``layers``, whose parameters are drawn."""
        rng = self.subject.rng("exporters")
        steps = []
        for number, layer in enumerate(layers, 1):
            plan = layer.plan(_SHAPE)
            tensors = {k: rng.normal(size=p.shape).astype(dtype) for k, p in plan.params.items()}
            graph = record(layer, _SHAPE, np.dtype(dtype), training=False, keeps=False).graph
            steps.append(Step(f"layer_{number}", graph, tensors, _SHAPE, _SHAPE))
        names = ("a", "b", "c")
        return Program("kit", np.dtype(dtype), _SHAPE, _SHAPE, tuple(steps), names, names, None, {})


BATTERY = Battery("settings.constructor", trial=_Trial)


@BATTERY.rule(
    "pass.writes",
    why="Equal models must give equal files, which can be compared and signed.",
    fix="return bytes that depend on the program alone: no time, no order of a set, no counter",
)
def _writes(trial: _Trial) -> None:
    program = trial.program("float32", _Filled(), _Gated(), _Gated())
    first, again = trial.content(program), trial.content(program)
    if not isinstance(first, bytes) or not first:
        raise Failed(f"content(program): expected bytes, got {type(first).__name__}")
    if first != again:
        raise Failed("content(program) gives other bytes the second time")
    if not str(getattr(trial.subject.part, "extension", "")).startswith("."):
        raise Failed('expected an `extension` of the class that begins with ".", such as ".onnx"')


@BATTERY.rule(
    "pass.equals",
    why="Whoever deploys the form expects the model's own predictions.",
    fix="compare each operation with `layerkit.recording.replay` on the rows of the message",
    needs=("pass.writes",),
)
def _equals(trial: _Trial) -> None:
    for dtype, close in _CLOSE.items():
        program = trial.program(dtype, _Filled(), _Gated(), _Gated())
        rows = trial.subject.rng("rows").normal(size=(5, *_SHAPE)).astype(dtype)
        rows[1, 2] = np.nan
        expected = rows
        for step in program.steps:
            expected = replay(step.graph, {"x": expected}, len(rows), params=step.tensors).y
        found = trial.computed(trial.content(program), rows)
        if np.shape(found) != expected.shape:
            raise Failed(f"run: expected shape {expected.shape}, got {np.shape(found)}")
        away = np.abs(found.astype(np.float64) - expected)
        if not away.max() <= close * np.abs(expected).max():
            row = int(np.nan_to_num(away, nan=np.inf).max(axis=1).argmax())
            raise Failed(
                f"{dtype}, row {rows[row].tolist()}: expected {expected[row].tolist()}, got "
                f"{found[row].tolist()}"
            )


@BATTERY.rule(
    "pass.refuses",
    why="A form that leaves an operation out gives wrong predictions without a word.",
    fix="raise layerkit.recording.program.unsupported(step, node, form) for an unknown operation",
    needs=("pass.writes",),
)
def _refuses(trial: _Trial) -> None:
    program = trial.program("float32", _Odd())
    try:
        content = trial.part.content(program)
    except ExportError:
        return
    except LayerkitError as error:
        if isinstance(error, MissingExtraError):
            raise Skipped(str(error)) from error
        raise Failed(f"np.partition: expected an ExportError, got {error!r}") from error
    except Exception as error:
        raise Failed(f"np.partition: expected an ExportError, got {error!r}") from error
    rows = np.array([[3.0, 1.0, 2.0]], np.float32)
    found = trial.computed(content, rows)  # skipped where the form computes nothing
    expected = np.partition(rows, 1, axis=1)
    if not np.array_equal(found, expected):
        raise Failed(f"np.partition: expected an ExportError or {expected}, got {found}")
