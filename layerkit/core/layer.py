"""Layer: the contract of plan, feed, backprop and update.

A layer stores its settings and nothing else. ``plan`` says, before anything is allocated, what
shapes and parameters it will have. The model sets ``params`` and ``grads``, views into one flat
vector each. Feed keeps what backprop needs in a ``Context``, so several threads can feed a layer at
once.

Arrays are batch-first in shape, (n, *features). Their memory may be feature-major: a layer may
return the transposed view of a (features, n) buffer, and the next one finds ``x.T`` contiguous.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from layerkit.core.context import Array, Context, Shape
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Part, drop_inherited


@dataclass(frozen=True)
class Param:
    """One array of a layer: its shape and how it starts.

    Parameters
    ----------
    shape
        Sizes of the axes; weights are (inputs, outputs).
    init
        Name or configuration of an initializer, or a number that fills the array.
    fan_in, fan_out
        What an initializer scales by. By default the two axes of a matrix; for other ranks both
        are the size.
    decay
        Whether weight decay applies; by default to matrices and larger, not to biases.
    """

    shape: Shape
    init: str | Mapping[str, Any] | float = 0.0
    fan_in: int | None = None
    fan_out: int | None = None
    decay: bool | None = None

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def fans(self) -> tuple[int, int]:
        """(fan_in, fan_out), with the defaults filled in."""
        rows, cols = self.shape if len(self.shape) == 2 else (self.size, self.size)
        return self.fan_in or rows, self.fan_out or cols

    @property
    def decays(self) -> bool:
        """``decay``, with the default filled in."""
        return len(self.shape) >= 2 if self.decay is None else self.decay


@dataclass(frozen=True)
class Plan:
    """Shapes, parameters and cost of a layer for one input shape, before anything is allocated.

    Parameters
    ----------
    out_shape
        Shape of one output row, without the batch axis.
    params
        Trained arrays by name.
    state
        Arrays kept but not trained by gradient, by name (running means).
    macs
        Multiply-accumulate operations of one feed for one row.
    joined
        Name to names of parameters that lie side by side along their last axis, so that one matrix
        product serves them all: ``{"W": ("WH", "WT")}``. ``layer.joined["W"]`` is then the whole
        and ``layer.params["WH"]`` its first columns. Optional; makes the forward product of
        highway layers 1.1 to 1.3 times as fast.
    """

    out_shape: Shape
    params: Mapping[str, Param] = field(default_factory=dict)
    state: Mapping[str, Param] = field(default_factory=dict)
    macs: int = 0
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Layer(Part, ABC):
    """One layer: settings, parameters that the model sets, and its steps.

    Attributes
    ----------
    params, grads
        Name to array, in the plan's order; ``grads`` is empty in a model that only infers.
    state
        Name to array that is kept but not trained.
    joined, joined_grads
        Name to the side-by-side whole of several parameters (see ``Plan.joined``).
    span
        Where this layer's parameters lie in the model's flat vector.
    freeze
        True where training must leave the parameters alone.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Drop inherited fast paths if the subclass overrides what they stand for."""
        super().__init_subclass__(**kwargs)
        drop_inherited(cls, Layer, ("program", "row_feed"), of=("plan", "feed", "backprop"))

    freeze: bool = False

    params: Mapping[str, Array]
    grads: Mapping[str, Array]
    state: Mapping[str, Array]
    joined: Mapping[str, Array]
    joined_grads: Mapping[str, Array]
    span: slice

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the layer with empty arrays, so that constructors need not call super()."""
        layer = super().__new__(cls)
        layer.params, layer.grads, layer.state = {}, {}, {}
        layer.joined, layer.joined_grads = {}, {}
        layer.span = slice(0, 0)
        return layer

    @abstractmethod
    def plan(self, in_shape: Shape) -> Plan:
        """The plan for rows of ``in_shape``; pure, allocates nothing.

        Raises
        ------
        ShapeError
            If the layer cannot take such rows.
        """

    @abstractmethod
    def feed(self, x: Array, ctx: Context) -> Array:
        """Outputs (n, *out_shape) for inputs x (n, *in_shape); never writes to x.

        Networks run their layers with NumPy's floating-point warnings off.
        """

    @abstractmethod
    def backprop(self, dy: Array, ctx: Context) -> Array:
        """dL/dx (n, *in_shape) for dy = dL/dy (n, *out_shape), from the weights as they are now.

        Writes (does not add) dL/dparam to ``self.grads[...]``. Never writes to dy.
        """

    def row_feed(self) -> Callable[[Array], Array] | None:
        """A function from one row (i,) to its output (o,), for one thread, or None.

        Optional. It binds the parameters and its own memory, so that a single row costs no more
        than its NumPy calls; ``predict`` uses it if all layers of a network have one.
        """
        return None

    def program(self) -> tuple[Callable[..., Any], tuple[int, ...]] | None:
        """The maker of a compiled program with this layer, and the layer as numbers, or None.

        Optional. With compiled kernels, in float32, neighbours with the same maker run in one call;
        see ``layerkit.execution.runner`` for what a maker gets.
        """
        return None

    def advice(self, ctx: Context) -> list[str]:
        """Warnings about the pass just fed through ``ctx``, one sentence each; usually none.

        Training calls it once, after the first batch, and shows them.
        """
        return []

    def update(self, rule: Optimizer) -> None:
        """Let ``rule`` change this layer's parameters by their gradients.

        Override it only for another kind of update, and say why.
        """
        if not self.freeze:
            rule.apply(self.span)
