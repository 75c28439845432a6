"""A layer under test: one example built as the model builds it, and passes through it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.context import Array, Context, Shape
from layerkit.core.domains import domain_of, with_whole_numbers
from layerkit.core.layer import Layer, Plan
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer
from layerkit.display import counted, quoted
from layerkit.errors import LayerkitError
from layerkit.testing.arrays import close, equal
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)

_RETURN = "return one array of the shape given by `plan`, with the batch axis first"
_LOOK_UP = (
    "if numbers of a row are places in an array, say which numbers the layer takes: "
    "`Plan(..., takes=Whole(n))` for whole numbers below n; others are then refused before feed, "
    "and feed casts them, `x.astype(np.intp)`. If not, make every place lie within the array"
)
_KEEP_DTYPE = (
    "use Python numbers (0.5) instead of NumPy's (np.float64(0.5)), which widen the arrays they "
    "meet, and make arrays with dtype=ctx.dtype"
)


class Pass(NamedTuple):
    """Results of one feed and backprop, copied: y, dL/dx and the gradient of each parameter."""

    y: Array
    dx: Array
    grads: dict[str, Array]

    def difference(self, other: Pass, tolerance: float = 0.0) -> str | None:
        """The first result in which two passes differ, in words; None if they agree.

        A tolerance is relative, as in ``close``; without one every bit counts.
        """

        def same(a: Array, b: Array) -> bool:
            return close(a, b, tolerance) if tolerance else equal(a, b)

        if not same(self.y, other.y):
            return "the output"
        if not same(self.dx, other.dx):
            return "dL/dx"
        for name, grad in other.grads.items():
            if not same(self.grads[name], grad):
                return f"the gradient of {name!r}"
        return None


class LayerTrial(Trial):
    """One example of a layer, with its memory allocated and noise added to every weight.

    The noise is there because a bias of 0 or a matrix of ones could hide a fault. ``any_dtype``
    accepts results of another dtype than that of the pass; the dtype rules report those.
    """

    def __init__(
        self,
        subject: Subject,
        example: Example,
        dtype: np.dtype[Any] = F64,
        *,
        any_dtype: bool = False,
    ) -> None:
        super().__init__(subject, example)
        self.layer: Layer = self.part
        self.dtype = dtype
        self._any_dtype = any_dtype
        with self.catch("plan"):
            planned = plan_layers([("layer", self.layer)], example.shape)
        self.plan: Plan = planned[0].plan
        self.network = Network(planned, dtype)
        try:
            self.network.initialise(subject.seed, initializer)
        except LayerkitError as error:
            raise Failed(f"initializing the parameters: {error}") from error
        self.network.allocate_grads()
        noise = subject.rng("weights", example.name).uniform(-0.5, 0.5, self.network.size)
        self.network.params[...] += noise.astype(dtype)

    def another(self, dtype: np.dtype[Any] = F64) -> LayerTrial:
        """A new trial of the same example."""
        return LayerTrial(self.subject, self.example, dtype)

    def rows(self, n: int, *words: object, scale: float = 1.0) -> Array:
        """Inputs x (n, *in), normal times ``scale``, or the whole numbers that the layer takes.

        Equal words give equal rows.
        """
        x = self._normal("x", (n, *self.example.shape), words) * self.dtype.type(scale)
        draws = self.subject.rng("whole", self.example.name, n, *words)
        return with_whole_numbers(x, self.domain, draws)

    @cached_property
    def domain(self) -> Array | None:
        """Which numbers of a row are whole ones, and below what; None if there are none."""
        return domain_of(self.plan.takes, math.prod(self.example.shape))

    def movable(self) -> Array:
        """Which numbers of a row may be moved to see a slope: (numbers of a row,) bool."""
        size = math.prod(self.example.shape)
        return np.ones(size, np.bool_) if self.domain is None else self.domain == 0

    def cotangent(self, n: int, *words: object) -> Array:
        """Normal dL/dy (n, *out); equal words give equal numbers."""
        return self._normal("dy", (n, *self.plan.out_shape), words)

    def _normal(self, what: str, shape: Shape, words: tuple[object, ...]) -> Array:
        rng = self.subject.rng(what, self.example.name, shape[0], *words)
        return rng.standard_normal(shape).astype(self.dtype)

    @property
    def kept(self) -> dict[str, Array]:
        """The arrays of the state by the words for them."""
        return {f"state[{name!r}]": array for name, array in self.layer.state.items()}

    def moved(self, x: Array, elsewhere: Array) -> Array:
        """x, with the numbers of ``elsewhere`` where they need not be whole ones."""
        return np.where(self.movable().reshape(self.example.shape), elsewhere, x).astype(x.dtype)

    def draws(self, x: Array) -> bool:
        """Whether a feed of x in training draws random numbers."""
        ctx = self.context()
        before = repr(ctx.rng.bit_generator.state)
        with self.restoring_state():
            self.feed(x, ctx)
        return repr(ctx.rng.bit_generator.state) != before

    def context(self, *, training: bool = True, wants_dx: bool = True) -> Context:
        """A context as a model makes it, with the same random numbers each time."""
        streams = {"layer": np.random.default_rng([self.subject.seed, 0])}
        (ctx,) = self.network.contexts(training=training, streams=streams, wants_dx=wants_dx)
        return ctx

    def feed(self, x: Array, ctx: Context) -> Array:
        """The layer's output.

        Raises ``Failed`` if the layer raises, or the output has a wrong shape or dtype.
        """
        try:
            with self.catch(f"feed of {counted(len(x), 'row')}"):
                y = self.layer.feed(x, ctx)
        except Failed as failed:
            if isinstance(failed.__cause__, IndexError) and self.plan.takes is None:
                failed.hint = _LOOK_UP
            raise
        self._check("feed", y, (len(x), *self.plan.out_shape))
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """dL/dx; fills the gradients.

        Raises ``Failed`` if the layer raises, or dL/dx has a wrong shape or dtype.
        """
        fix = "" if ctx._saved is not None else "feed must call ctx.save(x, ...) before it ends"
        if self.plan.parts:
            fix = "if a part is fed more than once in a pass, give each time a context of its own, "
            fix += "in feed and in backprop: part.feed(x, ctx.part('left'))"
        with self.catch(f"backprop of {counted(len(dy), 'row')}", fix):
            dx = self.layer.backprop(dy, ctx)
        if ctx.wants_dx:
            self._check("backprop", dx, (len(dy), *self.example.shape))
        return dx

    def run(self, x: Array, dy: Array, ctx: Context | None = None, **options: bool) -> Pass:
        """One feed and backprop; the layer's state is restored at the end."""
        ctx = self.context(**options) if ctx is None else ctx
        with self.restoring_state():
            y = self.feed(x, ctx).copy()
            dx = np.array(self.backprop(dy, ctx))
        return Pass(y, dx, self.grads())

    @contextmanager
    def restoring_state(self) -> Iterator[None]:
        """Restore the state at the end: running means must not make one pass unlike the next."""
        before = {name: array.copy() for name, array in self.layer.state.items()}
        try:
            yield
        finally:
            for name, array in before.items():
                self.layer.state[name][...] = array

    def predict(self, x: Array) -> Array:
        """Outputs as in a prediction: no randomness, and nothing kept for a backprop."""
        (ctx,) = self.network.contexts(keeps=False)
        return np.array(self.feed(x, ctx))

    def grads(self) -> dict[str, Array]:
        """Copies of the gradients by parameter."""
        return {name: grad.copy() for name, grad in self.layer.grads.items()}

    def fill_grads(self, value: float = np.nan) -> None:
        """Put ``value`` into every gradient, where it shows what backprop does not write."""
        self.network.allocate_grads().fill(value)

    def _check(self, method: str, array: object, shape: Shape) -> None:
        expected = f"expected a {self.dtype} array of shape {list(shape)}"
        if not isinstance(array, np.ndarray):
            got = type(array).__name__ if isinstance(array, (list, tuple)) else quoted(array)
            raise Failed(f"{method}: {expected}, got {got}", _RETURN)
        if array.shape != shape:
            raise Failed(
                f"{method}: {expected} (by its plan, the batch axis first), got shape "
                f"{list(array.shape)}",
                f"{_RETURN}; or correct out_shape in `plan`",
            )
        if array.dtype != self.dtype and not self._any_dtype:
            raise Failed(f"{method}: {expected}, got {array.dtype}", _KEEP_DTYPE)


def float32_trial(subject: Subject, example: Example) -> LayerTrial:
    """A trial in float32, the dtype of most models."""
    return LayerTrial(subject, example, F32)
