"""Context: what one pass through one layer keeps for its backprop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from layerkit.core.rng import streams_within

Array = NDArray[Any]
Shape = tuple[int, ...]


class Context:
    """What one pass through one layer is given, and what its feed keeps for backprop.

    Parameters
    ----------
    dtype
        Of the pass, float32 or float64.
    training
        True in training, where dropout and the like act.
    rng
        The layer's random stream, its only source of randomness.
    wants_dx
        False for the first layer of a model in training: the value that its ``backprop`` returns is
        not used.
    keeps
        False where no backprop will follow: nothing is kept, and ``saved`` is refused.
    streams
        Random streams of the layers inside, by their paths from this one ("dense_1.dropout_1"). A
        layer without one draws from that of its container.
    """

    __slots__ = (
        "_memory",
        "_parts",
        "_path",
        "_places",
        "_read",
        "_rng",
        "_saved",
        "dtype",
        "keeps",
        "streams",
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
        streams: Mapping[str, np.random.Generator] | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.training = training
        self.wants_dx = wants_dx
        self.keeps = keeps
        self._rng = rng
        self.streams = dict(streams or {})
        self._saved: tuple[Any, ...] | None = None
        self._read = False  # whether backprop has read what was saved
        self._parts: dict[str, Context] = {}
        self._path = ""  # from the context of the layer of the network
        self._places: dict[int, str] = {}  # id of a layer inside to the path of a context
        self._memory: dict[Any, Array] = {}  # of a layer of contract version 1

    if not TYPE_CHECKING:  # type checkers point out what is no longer part of the contract

        def __getattr__(self, name: str) -> Any:
            """What contexts had in contract version 1; AttributeError for any other name."""
            from layerkit.core import version_one

            return version_one.context_attribute(self, name)

    def begin(self) -> None:
        """Begin a pass: what the last one saved is gone. A network does this before each feed."""
        self._saved = None
        self._read = False
        if self._parts:
            self._parts = {}
            self._places.clear()

    @property
    def rng(self) -> np.random.Generator:
        """The layer's random stream.

        Raises
        ------
        ValueError
            If the pass has none, as in inference.
        """
        if self._rng is None:
            raise ValueError(
                "this pass has no random stream: pass rng= to Context or Model.context"
            )
        return self._rng

    @rng.setter
    def rng(self, stream: np.random.Generator | None) -> None:
        for part in self._parts.values():
            if part._rng is self._rng:  # it has none of its own
                part.rng = stream
        self._rng = stream

    def save(self, *values: Any) -> None:
        """Keep ``values`` for the backprop of this pass, after those that feed saved before.

        Does nothing if no backprop will follow. The first ``save`` after a backprop belongs to the
        next pass.
        """
        if self.keeps:
            earlier = () if self._read or self._saved is None else self._saved
            self._saved = earlier + values
            self._read = False

    @property
    def saved(self) -> tuple[Any, ...]:
        """The values that the feed of this pass saved, in order.

        Raises
        ------
        ValueError
            If nothing has been fed through this context, or it keeps nothing.
        """
        if self._saved is None or not self.keeps:
            reason = "has not been fed" if self.keeps else "was made for inference (keeps=False)"
            raise ValueError(f"backprop before feed: this context {reason}")
        self._read = True
        return self._saved

    def part(self, name: str) -> Context:
        """The context of the nested part called ``name``: the same pass, with saves of its own.

        A layer that is made of others gives each of them one, in feed and again in backprop. It
        draws from its own random stream if it has one, else from that of this context.
        """
        part = self._parts.get(name)
        if part is None:
            streams = streams_within(self.streams, name)
            part = self._parts[name] = Context(
                self.dtype,
                training=self.training,
                rng=self.streams.get(name, self._rng),
                keeps=self.keeps,
                streams=streams,
            )
            part._path, part._places = f"{self._path}.{name}", self._places
        return part

    def first_of(self, layer: object) -> bool:
        """Whether backprop of ``layer``, a part, runs in this context first of all of the pass."""
        return self._places.setdefault(id(layer), self._path) == self._path
