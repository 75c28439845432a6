"""What each layer of a network costs for one row; what cannot be recorded is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from layerkit.core.planning import PlannedLayer
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.counting import Size, costs, feed_only, products
from layerkit.recording.graph import Graph
from layerkit.recording.recordings import Recordings


class RowCosts(NamedTuple):
    """What one more row costs; None where that is not known, or depends on the other rows.

    Parameters
    ----------
    macs, flops
        Multiply-adds and floating-point operations of a feed in inference.
    """

    macs: int | None
    flops: int | None


UNKNOWN = RowCosts(None, None)


def costs_of_layers(planned: Sequence[PlannedLayer], dtype: Any) -> list[RowCosts]:
    """The costs of each layer; layers of equal structure are recorded and counted once."""
    recordings = Recordings(dtype)
    known: dict[int, RowCosts] = {}
    found = []
    for one in planned:
        recording = recordings.get(one, training=False, keeps=False)
        if id(recording) not in known:
            known[id(recording)] = (
                UNKNOWN if isinstance(recording, NotRecorded) else _row_costs(recording.graph)
            )
        found.append(known[id(recording)])
    return found


def _row_costs(graph: Graph) -> RowCosts:
    counted = costs(graph)
    flops = None if counted.unknown else per_row(counted.flops)
    return RowCosts(macs_per_row(graph), flops)


def macs_per_row(graph: Graph) -> int | None:
    """Multiply-adds of a feed for one row."""
    found = [products(node) for node in feed_only(graph).nodes()]
    sizes = [size for size in found if size is not None]
    return per_row(sum_of(sizes)) if len(sizes) == len(found) else None


def sum_of(sizes: Iterable[Size]) -> Size:
    """The sum of ``sizes``."""
    total = Size()
    for size in sizes:
        total = total.plus(size)
    return total


def per_row(size: Size) -> int | None:
    """What one more row adds; None if that depends on the number of rows."""
    return None if size.squares else size.rows


def total(counts: Iterable[int | None]) -> int | None:
    """The sum of ``counts``; None if one of them is not known."""
    found = list(counts)
    known = [count for count in found if count is not None]
    return sum(known) if len(known) == len(found) else None
