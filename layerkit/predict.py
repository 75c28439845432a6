"""Prediction: many rows in tiles that the cores share, a single row by its own short path.

Most of the time of a single row would go into the calls between the operations. So a network of
recorded layers runs it as a vector through steps that are bound once, or in one compiled call. The
very first single row runs through the layers as they are written: a process that predicts one row
and ends spends no time on recording.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network, is_read_only
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link
from layerkit.core.rows import Rows
from layerkit.datacontract import InputContract, all_finite
from layerkit.discovery.devices import on_device
from layerkit.discovery.engines import (
    compiled_for_inference,
    eager,
    engines,
    require_compiled,
)
from layerkit.errors import PluginLoadError
from layerkit.threads import single_blas, together

if TYPE_CHECKING:
    from layerkit.execution.devices.engine import OnDevice, OnDeviceChain
    from layerkit.execution.runner import Chain, RowForm

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
        self._used = False  # whether anything was predicted: the first single row is not recorded
        self._tried: set[int] = set()  # tile sizes whose forms have had their trial
        self._there: OnDeviceChain | None = None  # on another device than the CPU

    def __call__(
        self, rows: RawRows, link: Link, inputs: InputContract | None, *, written: bool = False
    ) -> Array:
        """Scores (n, *out) with ``link`` applied, a new array.

        ``inputs``: the contract that ``rows`` keep; None: they are scaled to (n, *in) already.
        ``written``: whether to run the layers as they are written, without engines.
        """
        x: Array = rows  # type: ignore[assignment]  # an array where ``matrix`` is skipped
        check = False
        if inputs is not None:
            # Where rows can be fed as they are, each tile checks that its numbers are finite.
            plain = inputs.missing is None and not inputs.missing_values and inputs.whole is None
            check = plain and inputs.fits(rows)
            x = x if check else inputs.matrix(rows)
        count = len(x)
        # A single row takes the short path also as the last of many, alone in its block.
        alone = count % self.block_rows() == 1 if count > _LEAST else count == 1
        alone = alone and self._there is None
        if not written:
            written = count == 1 and not self._used and not self.fast
            self._used = True
        last = self._one_row(x[-1:], link, inputs, check) if alone and not written else None
        if last is not None and count == 1:
            return last
        planned = self.network.planned
        shape = planned[-1].plan.out_shape if planned else x.shape[1:]
        out: Array = np.empty((count, *shape), self.network.dtype)
        if last is not None:
            out[-1:], count = last, count - 1
        feed = partial(self._feed_tile, x, out, link, inputs, check, written)
        tiles = _tiles(count, self.block_rows())
        if self._there is not None and not written:
            whole = self.block_rows()
            for at in range(0, count, whole):
                feed(slice(at, min(at + whole, count)))
            return out
        with single_blas():
            first = self._first_of_sizes(tiles) if len(tiles) > 1 else tiles
            for tile in first:
                feed(tile)
            together([partial(feed, tile) for tile in tiles if tile not in first])
        return out

    def _first_of_sizes(self, tiles: list[slice]) -> list[slice]:
        """The first tile of each size that no trial has seen, so that trials take turns."""
        first: dict[int, slice] = {}
        for tile in tiles:
            first.setdefault(tile.stop - tile.start, tile)
        new = [tile for size, tile in first.items() if size not in self._tried]
        self._tried |= first.keys()
        return new

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
        row = self._row(link)
        checks = row.tried and row.engine is not None and row.engine.checks_rows
        if row.row is None or (check and not checks and not all_finite(scaled)):
            return None
        try:
            out = row(scaled)
        except Exception:  # noqa: BLE001  # the long path names what is wrong
            return None
        spoilt = out is not None and not checks and link == "softmax" and math.isnan(out.item(0))
        return None if spoilt else out  # one score spoils all probabilities

    def _row(self, link: Link) -> RowForm:
        """The network as one function of a single row, for this thread."""
        key = link, self.fast, self.network.moves
        held: tuple[object, RowForm] | None = getattr(self._local, "row", None)
        if held is None or held[0] != key:
            from layerkit.execution.runner import RowForm

            held = key, RowForm(self.network, engines(compiled=self.fast), link)
            self._local.row = held
        return held[1]

    def _feed_tile(
        self,
        x: Array,
        out: Array,
        link: Link,
        inputs: InputContract | None,
        check: bool,
        written: bool,
        tile: slice,
    ) -> None:
        """Write the predictions for the rows of one tile of ``x`` into ``out``."""
        rows, scores = _sealed(x[tile]), out[tile]
        scaled = rows if inputs is None else inputs.scale_rows(rows)
        if check and inputs is not None and not all_finite(scaled):
            inputs.matrix(x)  # raises: it finds the cell
        feed = self._as_written() if written else self.chain().feed
        copies = self._copies
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

    def _as_written(self) -> Callable[[Array], Array]:
        """The layers' own methods, without engines."""
        return partial(self.network.feed, contexts=self.network.contexts(keeps=False))

    def chain(self) -> Chain | OnDeviceChain:
        """The layers with memory for this thread, kept from call to call."""
        if self._there is not None:
            return self._there
        key = self.fast, self.network.moves
        held: tuple[object, Chain] | None = getattr(self._local, "chain", None)
        if held is None or held[0] != key:
            from layerkit.execution.runner import Chain

            held = key, Chain(self.network, engines(compiled=self.fast))
            self._local.chain = held
        return held[1]

    @property
    def fast(self) -> bool:
        """Whether compiled kernels are used."""
        if self._fast is None:
            self._fast = compiled_for_inference()
        return self._fast

    @property
    def on_device(self) -> OnDevice | None:
        """What runs the network on another device; None on the CPU."""
        return None if self._there is None else self._there.engine

    def move(self, name: str) -> None:
        """Predict on the device called ``name`` from now on; raises same as ``Model.to``."""
        engine = on_device(name)
        if engine is None:
            self._there = None
            return
        from layerkit.execution.devices.engine import OnDeviceChain

        self._there = OnDeviceChain(self.network, engine)

    def accelerate(self, *, on: bool) -> None:
        """Use compiled kernels from now on (MissingExtraError without them), or NumPy again.

        With ``LAYERKIT_EAGER=1`` the layers run as they are written all the same.
        """
        if on:
            require_compiled()
        self._fast = on and not eager()


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
