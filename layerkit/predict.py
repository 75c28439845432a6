"""Prediction: many rows in tiles that the cores share, a single row by its own short path.

Most of the time of a single row would go into the calls between the operations. So a network whose
layers all can (``Layer.row_feed``) runs it as a vector through functions that are bound once, and a
network that is one compiled program (``Layer.program``) runs it in one call.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network, is_read_only
from layerkit.core.output_functions import apply_link, link_row
from layerkit.core.parts import Link
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract, all_finite
from layerkit.errors import PluginLoadError
from layerkit.execution.kernels import kernels_for_inference, require_numba
from layerkit.execution.runner import Chain, Program, program_of
from layerkit.threads import single_blas, together

RawRows = Rows | Array | Sequence[Any] | Mapping[str, Any]
"""Raw rows: an array (n, *shape), nested lists, named columns, or what a reader gave."""

# Rows fed at once. Activations of few rows stay in the processor's cache; but threads wait for each
# other between operations, and fewer operations mean fewer waits.
_TILE, _ALONE = 512, 256

# Many rows are predicted in blocks of a fixed size, so that reading a file in such blocks gives the
# same bits as all rows at once: a product of another size may round otherwise.
_BLOCK, _LEAST, _NUMBERS = 8192, 64, 1 << 21


class Predictor:
    """Feeds raw rows through ``network``; several threads may call it at once."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._local = threading.local()
        self._fast: bool | None = None
        self._copies = False  # whether a layer writes into its input, so that it is given copies
        self._program: tuple[Program | None] | None = None

    def __call__(self, rows: RawRows, link: Link, inputs: InputContract | None) -> Array:
        """Scores (n, *out) with ``link`` applied, a new array.

        ``inputs``: the contract that ``rows`` keep; None: they are scaled to (n, *in) already.
        """
        x: Array = rows  # type: ignore[assignment]  # an array where ``matrix`` is skipped
        check = False
        if inputs is not None:
            # Where rows can be fed as they are, each tile checks that its numbers are finite.
            check = inputs.missing is None and not inputs.missing_values and inputs.fits(rows)
            x = x if check else inputs.matrix(rows)
        count = len(x)
        # A single row takes the short path also as the last of many, alone in its block.
        alone = count % self.block_rows() == 1 if count > _LEAST else count == 1
        last = self._one_row(x[-1:], link, inputs, check) if alone else None
        if last is not None and count == 1:
            return last
        planned = self.network.planned
        shape = planned[-1].plan.out_shape if planned else x.shape[1:]
        out: Array = np.empty((count, *shape), self.network.dtype)
        if last is not None:
            out[-1:], count = last, count - 1
        feed = partial(self._feed_tile, x, out, link, inputs, check)
        tiles = _tiles(count, self.block_rows())
        with single_blas():
            if len(tiles) > 1:
                together([partial(feed, tile) for tile in tiles])
            elif tiles:
                feed(tiles[0])
        return out

    def block_rows(self) -> int:
        """Rows per block: a power of two, fewer where rows or predictions are wide."""
        planned = self.network.planned
        shapes = [p.in_shape for p in planned[:1]] + [p.plan.out_shape for p in planned[-1:]]
        widest = max(map(math.prod, shapes), default=1)
        rows = min(_BLOCK, max(_LEAST, _NUMBERS // max(widest, 1)))
        return 1 << (rows.bit_length() - 1)

    def _one_row(
        self, x: Array, link: Link, inputs: InputContract | None, check: bool
    ) -> Array | None:
        """Predictions (1, k) for x (1, *in) by the short path, or None.

        None if a layer has no short path or raises, or if numbers are not finite: the long path
        then gives the error or NumPy's warnings.
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
        except Exception:  # noqa: BLE001  # a plugin may raise anything: the long path names it
            return None
        spoilt = link == "softmax" and math.isnan(out.item(0))  # one score spoils all of them
        return None if spoilt else out

    def _feed_tile(
        self,
        x: Array,
        out: Array,
        link: Link,
        inputs: InputContract | None,
        check: bool,
        tile: slice,
    ) -> None:
        """Write the predictions for the rows of one tile of ``x`` into ``out``."""
        rows, scores = _sealed(x[tile]), out[tile]
        scaled = rows if inputs is None else inputs.scale_rows(rows)
        if check and inputs is not None and not all_finite(scaled):
            inputs.matrix(x)  # raises: it finds the cell
        feed, copies = self.chain().feed, self._copies
        if not copies:
            try:
                scores[...] = feed(scaled)
            except PluginLoadError as error:
                copies = is_read_only(error.__cause__)
                if not copies:
                    raise
        if copies:
            scores[...] = feed(scaled.copy())
            self._copies = True  # only now it is known that this helps
        apply_link(link, scores, in_place=True)

    def chain(self) -> Chain:
        """The layers with memory for this thread, kept from call to call."""
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
        """Use compiled kernels from now on (MissingExtraError without numba), or NumPy again."""
        if on:
            require_numba()
        self._fast, self._program = on, None

    def program(self) -> Program | None:
        """The compiled program of all layers, if there is one."""
        if self._program is None:
            self._program = (program_of(self.network),)
        return self._program[0]


class RowChain:
    """The layers of a network as functions of one row, for one thread.

    ``whole``: whether all layers have such a function. ``mapped``: ``Network.mapped`` when they
    were bound, since training a mapped model moves its parameters.
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
    """A view of x that no layer can write to, nor make writeable again."""
    return np.asarray(x.data.toreadonly())


def _tiles(n: int, block: int) -> list[slice]:
    """The tiles of each block of ``n`` rows, in order."""
    return [
        slice(at + tile.start, at + tile.stop)
        for at in range(0, n, block)
        for tile in _equal_tiles(min(block, n - at))
    ]


def _equal_tiles(n: int) -> list[slice]:
    """``n`` rows in equal tiles of at most ``_TILE``; an even number of tiles if several."""
    if n <= _ALONE:
        return [slice(0, n)] if n else []
    count = -(-n // (2 * _TILE)) * 2
    size = -(-n // (16 * count)) * 16  # products are fastest at multiples of 16
    return [slice(at, min(at + size, n)) for at in range(0, n, size)]
