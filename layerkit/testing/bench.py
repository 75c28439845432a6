"""A layer on the bench: one example built as the model builds it, and passes through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from layerkit.core.layer import Array, Context, Layer, Shape
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import initializer
from layerkit.display import quoted
from layerkit.errors import LayerkitError
from layerkit.testing.rules import Failed
from layerkit.testing.subject import Example, Subject, calling

__all__ = ["F32", "F64", "Bench", "Pass", "close", "equal", "worst"]

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)

_ONE_BACK = "return one array of the shape that `plan` gives, with the batch axis first"


class Pass(NamedTuple):
    """Copies of what one feed and backprop gave: y, dx and gradients by parameter."""

    y: Array
    dx: Array
    grads: dict[str, Array]


class Bench:
    """One example, allocated.

    Parameters
    ----------
    subject
        The layer class.
    example
        Settings and input shape.
    dtype
        Of all arrays.
    any_dtype
        Let pass what comes back in another dtype; one check is about that alone.

    Every weight is moved off its start, so that no bias at 0 and no matrix of ones hides a fault.
    """

    def __init__(
        self,
        subject: Subject,
        example: Example,
        dtype: np.dtype[Any] = F64,
        *,
        any_dtype: bool = False,
    ) -> None:
        self.subject = subject
        self.example = example
        layer = subject.make(example.config)
        with calling(subject.part, f"{example}: plan"):
            planned = plan_layers([("layer", layer)], example.shape)
        self.network = Network(planned, dtype)
        try:
            self.network.initialise(subject.seed, initializer)
        except LayerkitError as error:
            raise Failed(f"{example}: its parameters cannot start: {error}") from error
        self.network.allocate_grads()
        noise = subject.rng("weights", example.words).uniform(-0.5, 0.5, self.network.size)
        self.network.params[...] += noise.astype(dtype)
        self.layer: Layer = layer
        self._any_dtype = any_dtype
        self.dtype = dtype
        self.out_shape: Shape = planned[0].plan.out_shape
        self.plan = planned[0].plan

    def rows(self, n: int, *words: object) -> Array:
        """Inputs x (n, *in), normal; equal words give equal rows."""
        draws = self.subject.rng("x", self.example.words, n, *words)
        return draws.standard_normal((n, *self.example.shape)).astype(self.dtype)

    def cotangent(self, n: int, *words: object) -> Array:
        """dL/dy (n, *out), normal."""
        draws = self.subject.rng("dy", self.example.words, n, *words)
        return draws.standard_normal((n, *self.out_shape)).astype(self.dtype)

    def context(self, *, training: bool = True, stream: int = 0, **options: Any) -> Context:
        """A context as the model would make it; ``stream`` seeds its random numbers."""
        streams = {"layer": np.random.default_rng([self.subject.seed, stream])}
        options = {"wants_dx": True, **options}
        (ctx,) = self.network.contexts(training=training, streams=streams, **options)
        return ctx

    def feed(self, x: Array, ctx: Context) -> Array:
        """The layer's output, of the shape and dtype that its plan says.

        Raises
        ------
        Failed
            If it raises, or gives something else.
        """
        with calling(self.subject.part, f"{self.example}: feed of {len(x)} rows"):
            y = self.layer.feed(x, ctx)
        self._hold("feed", y, (len(x), *self.out_shape))
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        """dL/dx; fills the gradients.

        Raises
        ------
        Failed
            If it raises, or gives something else than an array like the inputs.
        """
        unsaved = "" if ctx._saved is not None else "feed must call ctx.save(x, ...) before it ends"
        what = f"{self.example}: backprop of {len(dy)} rows"
        with calling(self.subject.part, what, unsaved):
            dx = self.layer.backprop(dy, ctx)
        if ctx.wants_dx:
            self._hold("backprop", dx, (len(dy), *self.example.shape))
        return dx

    def run(self, x: Array, dy: Array, ctx: Context | None = None, **options: Any) -> Pass:
        """One feed and backprop, copied; the layer's state is then as it was before."""
        ctx = self.context(**options) if ctx is None else ctx
        with self.steady():
            y = self.feed(x, ctx).copy()
            dx = np.array(self.backprop(dy, ctx))
        return Pass(y, dx, self.grads())

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Put back the state at the end: running means must not make one pass unlike the next."""
        before = {name: array.copy() for name, array in self.layer.state.items()}
        try:
            yield
        finally:
            for name, array in before.items():
                self.layer.state[name][...] = array

    def predict(self, x: Array, **options: Any) -> Array:
        """Outputs as predictions are made: no randomness, and nothing kept for a backprop."""
        (ctx,) = self.network.contexts(keeps=False, **options)
        y: Array = np.array(self.feed(x, ctx))
        return y

    def grads(self) -> dict[str, Array]:
        """Copies of the gradients by parameter."""
        return {name: grad.copy() for name, grad in self.layer.grads.items()}

    def blank(self) -> None:
        """NaN in every gradient: what backprop does not write stays so."""
        self.network.allocate_grads().fill(np.nan)

    def _hold(self, step: str, array: object, shape: Shape) -> None:
        wanted = f"{self.dtype} of shape {list(shape)}"
        if not isinstance(array, np.ndarray):
            came = quoted(array) if not isinstance(array, (list, tuple)) else type(array).__name__
            raise Failed(f"{self.example}: {step} gave {came}, no array of {wanted}", _ONE_BACK)
        if array.shape != shape:
            raise Failed(
                f"{self.example}: {step} gave shape {list(array.shape)}, by its plan it is "
                f"{list(shape)} (the batch axis first)",
                f"{_ONE_BACK}; or correct out_shape in `plan`",
            )
        if array.dtype != self.dtype and not self._any_dtype:
            raise Failed(
                f"{self.example}: {step} gave {array.dtype} in a pass of {self.dtype}",
                "take scratch memory from ctx.buffer, which has the dtype of the pass; use Python "
                "numbers (0.5) instead of NumPy's (np.float64(0.5)), which widen what they meet; "
                "make arrays with dtype=ctx.dtype",
            )


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays have the same values, NaN equal to NaN."""
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=True))


def close(a: Array, b: Array, tolerance: float = 1e-11) -> bool:
    """Whether two arrays agree but for the order in which sums were rounded."""
    scale = max(float(np.abs(b).max(initial=0.0)), 1.0)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= tolerance * scale))


def worst(a: Mapping[str, Array], b: Mapping[str, Array], tolerance: float = 1e-11) -> str | None:
    """The first name whose arrays do not agree, or None."""
    return next((name for name in b if not close(a[name], b[name], tolerance)), None)
