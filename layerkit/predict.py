"""Predictions: many rows in tiles that the cores share, a single row by a way of its own.

Of a single row most of the time would go into the calls between the operations. So a network whose
layers all can (``Layer.row_feed``) runs it as a vector through functions that have everything
bound, and a network that is one compiled program (``Layer.program``) runs it in one call.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from layerkit.core.layer import Array
from layerkit.core.network import Network, is_read_only
from layerkit.core.output_functions import apply_link, link_row
from layerkit.core.parts import Link
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract, all_finite
from layerkit.errors import PluginLoadError
from layerkit.execution.kernels import kernels_for_inference, require
from layerkit.execution.runner import Chain, Program, program_of
from layerkit.threads import single_blas, together

__all__ = ["Predictor", "RawRows", "RowChain"]

RawRows = Rows | Array | Sequence[Any] | Mapping[str, Any]
"""Raw rows: an array (n, *shape), nested lists, named columns, or what a reader gave."""

# Rows fed at once. Activations of few rows stay in the processor's cache; but the threads hold each
# other up between the operations, and the fewer those are, the less.
_TILE, _ALONE = 512, 256

# Many rows are predicted by blocks of a fixed size, so that whoever reads a file in such blocks
# gets the bits that all rows at once give: a product of other sizes may round otherwise.
_BLOCK, _LEAST, _NUMBERS = 8192, 64, 1 << 21


class Predictor:
    """Feeds raw rows through ``network``, by several threads at a time if they ask."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._local = threading.local()
        self._fast: bool | None = None
        self._copies = False
        self._program: tuple[Program | None] | None = None

    def __call__(self, inputs: InputContract, rows: RawRows, link: Link) -> Array:
        """Scores (n, *out) with ``link`` applied, a new array, for rows that keep ``inputs``."""
        # That all numbers are finite, each tile sees to: the threads share the work.
        check = inputs.missing is None and not inputs.missing_values and inputs.fits(rows)
        x: Array = rows if check else inputs.matrix(rows)  # type: ignore[assignment]  # it fits
        return self._tiled(x, link, inputs, check=check)

    def scaled(self, x: Array, link: Link = "identity") -> Array:
        """As a call gives for rows that are scaled to x (n, *in), to the bit."""
        return self._tiled(x, link, None, check=False)

    def block_rows(self) -> int:
        """Rows of a block: a power of two, fewer where rows or predictions are wide."""
        planned = self.network.planned
        shapes = [p.in_shape for p in planned[:1]] + [p.plan.out_shape for p in planned[-1:]]
        widest = max(map(math.prod, shapes), default=1)
        wanted = min(_BLOCK, max(_LEAST, _NUMBERS // max(widest, 1)))
        return 1 << (wanted.bit_length() - 1)

    def _tiled(self, x: Array, link: Link, inputs: InputContract | None, *, check: bool) -> Array:
        """Scores for the rows x, still to be scaled by ``inputs`` if it is given.

        ``check``: they may hold numbers that are not finite.
        """
        # A single row goes its short way also where it is the last of many, alone in its block.
        if len(x) % self.block_rows() == 1 if len(x) > _LEAST else len(x) == 1:
            one = self._one_row(inputs, x[-1:], link, check=check)
            if one is not None:
                return one if len(x) == 1 else self._many(x, link, inputs, check=check, last=one)
        return self._many(x, link, inputs, check=check)

    def _many(
        self,
        x: Array,
        link: Link,
        inputs: InputContract | None,
        *,
        check: bool,
        last: Array | None = None,
    ) -> Array:
        """As ``_tiled``, all in tiles but the last row, if ``last`` (1, *out) is given."""
        planned = self.network.planned
        shape = planned[-1].plan.out_shape if planned else x.shape[1:]
        out: Array = np.empty((len(x), *shape), self.network.dtype)
        rest = len(x)
        if last is not None:
            out[-1:], rest = last, len(x) - 1
        feed = partial(self._feed, inputs, x, out, link, check)
        tiles = _tiles(rest, self.block_rows())
        with single_blas():
            if len(tiles) < 2:
                for tile in tiles:
                    feed(tile)
            else:
                together([partial(feed, tile) for tile in tiles])
        return out

    def _one_row(
        self, inputs: InputContract | None, x: Array, link: Link, *, check: bool
    ) -> Array | None:
        """Predictions (1, k) for x (1, *in) by the short way; None where it has none.

        It has none if a layer has none, if one raises, or if numbers are not finite: what to say of
        them, an error or NumPy's warnings, is left to the long way.
        """
        scaled = x if inputs is None else inputs.scale_rows(x)
        if scaled is x:
            scaled = scaled.copy()  # a layer may write into its row, never into the caller's
        if self.fast and (program := self.program()) is not None:
            out = program.row(self.network.params, scaled, link)
            if out is not None:
                return out
        chain: RowChain | None = getattr(self._local, "row", None)
        if chain is None or chain.mapped is not self.network.mapped:
            chain = self._local.row = RowChain(self.network)
        if not chain.whole or (check and not all_finite(scaled)):
            return None
        try:
            with single_blas():
                out = chain(scaled, link)
        except Exception:  # noqa: BLE001  # whatever a plugin raises: the long way names the layer
            return None
        spoilt = link == "softmax" and math.isnan(out.item(0))  # one score spoils all of them
        return None if spoilt else out

    def _feed(
        self,
        inputs: InputContract | None,
        x: Array,
        out: Array,
        link: Link,
        check: bool,
        tile: slice,
    ) -> None:
        """Write the predictions for the rows of one tile into ``out``."""
        rows, linked = _sealed(x[tile]), out[tile]
        scaled = rows if inputs is None else inputs.scale_rows(rows)
        if check and inputs is not None and not all_finite(scaled):
            inputs.matrix(x)  # says where
        linked[...] = self._unchanged(scaled)
        apply_link(link, linked, in_place=True)

    def _unchanged(self, x: Array) -> Array:
        """Scores for x, which stays as it is: a layer that writes into it is given a copy."""
        if not self._copies:
            try:
                return self.chain().feed(x)
            except PluginLoadError as error:
                if not is_read_only(error.__cause__):
                    raise
        scores = self.chain().feed(x.copy())
        self._copies = True  # by now it is known that this helps
        return scores

    def chain(self) -> Chain:
        """The layers with memory of this thread's own, which is kept from call to call."""
        held: tuple[bool, Chain] | None = getattr(self._local, "chain", None)
        if held is None or held[0] is not self.fast:
            held = self.fast, Chain(self.network, fast=self.fast, keeps=False)
            self._local.chain = held
        return held[1]

    @property
    def fast(self) -> bool:
        """Whether compiled kernels are used."""
        if self._fast is None:
            self._fast = kernels_for_inference()
        return self._fast

    def accelerate(self, *, on: bool) -> None:
        """Use compiled kernels from now on, or NumPy again.

        Raises
        ------
        MissingExtraError
            If numba is not installed.
        """
        if on:
            require()
        self._fast, self._program = on, None

    def program(self) -> Program | None:
        """The compiled program of all layers, if there is one."""
        if self._program is None:
            self._program = (program_of(self.network),)
        return self._program[0]


class RowChain:
    """The layers of one network as functions of one row, for one thread.

    ``whole`` says whether all layers have such a function; ``mapped`` is that of the network when
    they were bound, since training a mapped model moves its parameters.
    """

    def __init__(self, network: Network) -> None:
        self.mapped = network.mapped
        found = [p.layer.row_feed() for p in network.planned]
        self.steps = [step for step in found if step is not None]
        self.whole = bool(found) and len(self.steps) == len(found)

    def __call__(self, x: Array, link: Link) -> Array:
        """Predictions (1, k) for x (1, i), a new array."""
        row = x[0]
        with np.errstate(all="ignore"):
            for step in self.steps:
                row = step(row)
            return link_row(link, row)


def _sealed(x: Array) -> Array:
    """The numbers of x, so that no layer can change them, nor make them writeable again."""
    return np.asarray(x.data.toreadonly())


def _tiles(n: int, block: int) -> list[slice]:
    """The tiles of each block of ``n`` rows, in order."""
    return [
        slice(at + tile.start, at + tile.stop)
        for at in range(0, n, block)
        for tile in _equal_tiles(min(block, n - at))
    ]


def _equal_tiles(n: int) -> list[slice]:
    """``n`` rows in equal pieces of at most ``_TILE``, an even number of them where several."""
    if n <= _ALONE:
        return [slice(0, n)] if n else []
    count = -(-n // (2 * _TILE)) * 2
    size = -(-n // (16 * count)) * 16  # products like sizes that are multiples of 16
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]
