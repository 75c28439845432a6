"""Layer: the contract of plan, feed, backprop and update.

A layer stores its settings and nothing else. ``plan`` says, before anything is allocated, what
shapes and parameters it will have. ``feed`` and ``backprop`` are its equations, written with NumPy
functions that return new arrays. The model sets ``params`` and ``grads``, views into one flat
vector each. Feed keeps what backprop needs in a ``Context``, so several threads can feed a layer at
once.

Arrays are batch-first in shape, (n, *features), in any memory order.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from layerkit.core.context import Array, Context, Shape
from layerkit.core.optimizer import Optimizer
from layerkit.core.parts import Part

if TYPE_CHECKING:
    from layerkit.core.planning import Parts, PlannedLayer


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
class Whole:
    """A domain of numbers, for ``Plan.takes``: the whole numbers 0, 1, ... below a bound.

    Rows stay arrays of floats; the layer casts: ``x.astype(np.intp)``. It returns 0 as their
    gradient.

    Parameters
    ----------
    below
        At least 1.

    Raises
    ------
    ValueError
        If ``below`` is not a whole number of at least 1.
    """

    below: int

    def __post_init__(self) -> None:
        if type(self.below) is not int or self.below < 1:
            raise ValueError(f"expected a whole number of at least 1, got {self.below!r}")


Takes = Whole | Sequence[Whole | None] | None
"""``Plan.takes``: for all numbers of a row, or for each of them, in C order; None is any number."""


@dataclass(frozen=True)
class Plan:
    """Shapes and parameters of a layer for one input shape, before anything is allocated.

    Parameters
    ----------
    out_shape
        Shape of one output row, without the batch axis.
    params
        Trained arrays by name.
    state
        Arrays kept but not trained by gradient, by name (running means).
    parts
        The layers inside, planned by ``chain`` or ``side_by_side``, if the layer is a container.
    macs
        Deprecated, ignored: costs are counted.
    joined
        Deprecated: which parameters ``layer.joined`` of contract version 1 shows side by side.
    takes
        The whole numbers that the layer takes: ``Whole(n)`` for all numbers of a row, or one entry,
        perhaps None, for each number in C order. Rows that hold others are refused.
    moves
        For a layer whose outputs are inputs at other places, unchanged: where each number of an
        output row lies in an input row, both in C order.
    """

    out_shape: Shape
    params: Mapping[str, Param] = field(default_factory=dict)
    state: Mapping[str, Param] = field(default_factory=dict)
    macs: int = 0
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes: Takes = None
    moves: Sequence[int] | None = None
    parts: Sequence[PlannedLayer] = field(default=(), compare=False)

    @property
    def own(self) -> Plan:
        """The plan without the arrays of the parts, whose names have a dot."""
        if not self.parts:
            return self
        params, state = (
            {name: param for name, param in group.items() if "." not in name}
            for group in (self.params, self.state)
        )
        return replace(self, params=params, state=state)


class Layer(Part, ABC):
    """One layer: settings, parameters that the model sets, and its steps.

    Attributes
    ----------
    params
        Name to array, in the plan's order; only read.
    grads
        Name to the gradient of a parameter: ``self.grads["W"] = x.T @ dz`` copies the value. Empty
        in a model that only infers.
    state
        Name to array that is kept but not trained; assigned like gradients.
    span
        Where this layer's own parameters lie in the model's flat vector.
    parts
        The layers inside, if the plan has some: ``self.parts.feed(x, ctx)`` feeds one after the
        other.
    freeze
        True where training must leave the parameters alone, also those of the layers inside.
    """

    freeze: bool = False

    ties: Mapping[str, str] = MappingProxyType({})
    """Which parameters share the numbers of another layer's, from the spec: {"W": "encoder.W"}."""

    eager: ClassVar[bool] = False
    """Whether ``feed`` and ``backprop`` are always run as they are written. By default layerkit
    records their operations and runs the record, which is faster."""

    params: Mapping[str, Array]
    grads: MutableMapping[str, Array]
    state: MutableMapping[str, Array]
    joined: Mapping[str, Array]  # of contract version 1, as joined_grads
    joined_grads: Mapping[str, Array]
    span: slice
    parts: Parts

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the layer with empty arrays, so that constructors need not call super()."""
        layer = super().__new__(cls)
        layer.params, layer.grads, layer.state = {}, {}, {}
        layer.joined, layer.joined_grads = {}, {}
        layer.span = slice(0, 0)
        layer.parts = ()  # type: ignore[assignment]  # until a model binds the layer
        return layer

    @property
    def config(self) -> dict[str, Any]:
        """The current settings, as a spec has them."""
        found = super().config
        if found.get("layers") and isinstance(found["layers"][0], tuple):
            found["layers"] = [
                {"type": layer.type_name, "name": name, **layer.config}
                for name, layer in found["layers"]
            ]
        return found

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
        """Outputs y (n, *out_shape) for inputs x (n, *in_shape); never writes to x.

        y may be x or a view of it; nobody writes to y either. Networks run their layers with
        NumPy's floating-point warnings off.
        """

    @abstractmethod
    def backprop(self, dy: Array, ctx: Context) -> Array:
        """dL/dx (n, *in_shape) for dy = dL/dy (n, *out_shape), from the weights as they are now.

        Assigns (does not add) dL/dparam to ``self.grads[...]``. Never writes to dy; dx may be dy or
        a view of it.
        """

    def advice(self, ctx: Context) -> list[str]:
        """Warnings about the pass just fed through ``ctx``, one sentence each; usually none.

        Training calls it once, after the first batch, and shows them.
        """
        return []

    def watched(self, ctx: Context) -> Mapping[str, Array]:
        """What can be watched of the pass just fed through ``ctx``: name to array (n, ...).

        It is made from ``ctx.saved``, so a pass that nobody watches pays nothing. A layer that
        mixes two values, y = gate * new + (1 - gate) * carried, gives "gate", "new" and "carried".
        """
        return {}

    def carry(self, x: Array) -> Array:
        """What is left of the layer where its gate is shut: (n, *out_shape) for x (n, *in_shape).

        By default x. A layer that changes the shape of rows and does not override it has no carry.
        ``layerkit lens`` looks at layers that show a gate or override this, even by ``return x``.
        """
        return x

    def update(self, rule: Optimizer) -> None:
        """Let ``rule`` change this layer's parameters by their gradients.

        Override it only for another kind of update, and say why.
        """
        if not self.freeze:
            rule.apply(self.span)
