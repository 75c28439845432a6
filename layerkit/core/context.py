"""What one pass through a layer leaves behind, and the memory it works in.

A ``Context`` belongs to one layer and one pass at a time: it keeps what feed leaves for backprop,
hands out memory that the next pass uses again, and keeps the functions that a layer has bound to
that memory (``Context.bound``). An ``Arena`` is scratch memory that the layers of a pass share.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Arena", "Array", "Context", "Shape"]

Array = NDArray[Any]
Shape = tuple[int, ...]

Given = TypeVar("Given")
Made = TypeVar("Made")


class Arena:
    """Scratch memory that the layers of one pass share, in two halves taken in turns.

    Whoever runs the layers calls ``turn`` after each, so that a layer never writes where its input
    lies. However deep the network, the memory is that of its two largest neighbours, and stays in
    the processor's cache.
    """

    __slots__ = ("_idle", "_rows", "half", "held")

    def __init__(self) -> None:
        self.half = 0  # which of the two ``held`` is
        self.held: dict[Any, Array] = {}
        self._idle: dict[Any, Array] = {}
        self._rows = -1

    def turn(self) -> None:
        """Let the next layer write into the other half."""
        self.held, self._idle = self._idle, self.held
        self.half ^= 1

    def begin(self, rows: int) -> None:
        """Begin a pass over ``rows`` rows; memory of other batch sizes is given back."""
        if rows != self._rows:
            self._rows = rows
            self.held.clear()
            self._idle.clear()


class _Bound:
    """What a layer bound to memory, by half of the arena, and to what else."""

    __slots__ = ("by_half", "given", "grads", "params")

    def __init__(self, given: object, layer: Any) -> None:
        self.given = given
        self.params, self.grads = layer.params, layer.grads
        self.by_half: list[Any] = [None, None]


class Context:
    """What one pass through one layer leaves behind, and its scratch memory.

    Parameters
    ----------
    dtype
        Of the pass, float32 or float64; the default dtype of ``buffer``.
    training
        True in training, where dropout and the like act.
    rng
        The layer's own random stream; a layer takes randomness from nowhere else.
    wants_dx
        False for the first layer of a model in training: its ``backprop`` may skip dL/dx, and
        what it returns is not used.
    keeps
        False where no backprop will follow: ``saved`` is refused, and a layer may take shortcuts
        that lose what only backprop needs.
    arena
        Scratch memory shared with the other layers of the pass; by default one of its own.
    """

    __slots__ = (
        "_bound",
        "_buffers",
        "_rng",
        "_saved",
        "_scratched",
        "arena",
        "dtype",
        "keeps",
        "training",
        "wants_dx",
    )

    def __init__(
        self,
        dtype: Any = np.float32,
        *,
        training: bool = False,
        rng: np.random.Generator | None = None,
        wants_dx: bool = True,
        keeps: bool = True,
        arena: Arena | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.training = training
        self.wants_dx = wants_dx
        self.keeps = keeps
        self.arena = Arena() if arena is None else arena
        self._rng = rng
        self._saved: tuple[Any, ...] | None = None
        self._buffers: dict[Any, Array] = {}
        self._bound: dict[str, _Bound] = {}
        self._scratched = False  # whether scratch memory was handed out since this was set

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """For copies: all but what is bound, which holds the memory of this one."""
        state = {name: getattr(self, name) for name in self.__slots__}
        return None, {**state, "_bound": {}}

    @property
    def rng(self) -> np.random.Generator:
        """The layer's random stream.

        Raises
        ------
        ValueError
            If the pass was given none (inference has none).
        """
        if self._rng is None:
            raise ValueError(
                "this pass has no random stream: pass rng= to Context or Model.context"
            )
        return self._rng

    @rng.setter
    def rng(self, stream: np.random.Generator | None) -> None:
        self._rng = stream

    def save(self, *values: Any) -> None:
        """Keep ``values`` for the backprop of this pass; nothing where none will follow."""
        if self.keeps:
            self._saved = values

    @property
    def saved(self) -> tuple[Any, ...]:
        """What the feed of this pass kept.

        Raises
        ------
        ValueError
            If nothing was fed through this context yet, or it keeps nothing.
        """
        if self._saved is None or not self.keeps:
            reason = "has seen no feed" if self.keeps else "was made for inference (keeps=False)"
            raise ValueError(f"backprop before feed: this context {reason}")
        return self._saved

    def buffer(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """Array of ``shape``, C order, contents undefined, that lasts until the next feed.

        The same name gives the same memory in the next pass, so nothing is allocated in a steady
        training loop. Two buffers that live at the same time need two names.
        """
        if not self.keeps:
            return self.scratch(name, shape, dtype)
        key = (name, shape) if dtype is None else (name, shape, np.dtype(dtype))
        held = self._buffers.get(key)
        if held is None:
            for old in [old for old in self._buffers if old[0] == name]:
                del self._buffers[old]
            held = self._buffers[key] = _empty(shape, dtype or self.dtype)
        return held

    def scratch(self, name: str, shape: Shape, dtype: Any = None) -> Array:
        """As ``buffer``, but lasting only until the method returns: other layers use it too.

        What ``backprop`` returns may lie in it; what ``feed`` saves or returns may not.
        """
        self._scratched = True
        key = (name, shape) if dtype is None else (name, shape, np.dtype(dtype))
        held = self.arena.held.get(key)
        if held is None:
            held = _empty(shape, dtype or self.dtype)
            self.arena.held[key] = held
        return held

    def bound(self, bind: Callable[[Given, Context], Made], given: Given) -> Made:
        """What ``bind(given, self)`` gives, made once and given again while it holds.

        ``bind`` is a method of a layer. It takes memory and makes views, and gives a function in
        which nothing is left but the computing: a pass of the next batch starts there. It is
        called anew when it would take other memory, that is for another number of rows, for
        parameters or gradients that have moved, or in the other half of the scratch memory.

        Parameters
        ----------
        bind
            ``bind(given, ctx)``; what it gives must not hold ``ctx``, nor the arrays of one batch.
        given
            In feed the number of rows, in backprop the very object that feed saved. Numbers are
            compared, objects told by identity.
        """
        if not self.keeps:  # all memory is scratch, and passes are few
            return bind(given, self)
        layer: Any = bind.__self__  # type: ignore[attr-defined]  # a method
        kept = self._bound.get(bind.__name__)
        if (
            kept is None
            or not (kept.given is given or (type(given) is int and kept.given == given))
            or kept.params is not layer.params
            or kept.grads is not layer.grads
        ):
            kept = self._bound[bind.__name__] = _Bound(given, layer)
        half = self.arena.half
        made: Made | None = kept.by_half[half]
        if made is None:
            self._scratched = False
            made = kept.by_half[half] = bind(given, self)
            if not self._scratched:
                kept.by_half = [made, made]
        return made


def _empty(shape: Shape, dtype: Any) -> Array:
    """As ``np.empty``, from a multiple of 64 bytes on: elementwise steps are up to 1.4x as fast."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    array: Array = memory[start : start + size].view(dtype).reshape(shape)
    return array
