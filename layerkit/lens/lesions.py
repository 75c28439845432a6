"""Scores of a network with layers left out, for many choices of them at once.

A choice begins at the first layer that differs, with the values that reach it: those of the whole
network, or of the network without any of the layers. What follows the last layer that differs is
the network's own tail, in its fast form. So n single lesions cost n / 2 passes, not n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from layerkit.core.context import Array
from layerkit.core.inside import without
from layerkit.core.network import Network
from layerkit.lens.gates import row_blocks
from layerkit.predict import Predictor

_HELD = 1 << 25  # numbers of values between layers, and of scores, held at once: 128 MB of float32


class Choice(NamedTuple):
    """Layers that are left out: the places of the first and of the last that differ.

    ``bare``: it begins with values of the network without any of the layers.
    """

    left: tuple[str, ...]
    first: int
    last: int
    bare: bool = False


def lesion(network: Network, name: str) -> Choice:
    """One layer left out."""
    at = _place(network, name)
    return Choice((name,), at, at)


def keep_first(network: Network, names: Sequence[str], k: int) -> Choice:
    """All but the first ``k`` < len(names) left out."""
    left = tuple(names[k:])
    return Choice(left, _place(network, left[0]), _place(network, left[-1]))


def keep_last(network: Network, names: Sequence[str], k: int) -> Choice:
    """All but the last ``k`` < len(names) left out."""
    left = tuple(names[: len(names) - k])
    at = _place(network, left[-1])
    return Choice(left, at, at, bare=True)


def scores_without(
    network: Network,
    x: Array,
    names: Sequence[str],
    choices: Sequence[Choice],
    progress: Callable[[int], object] = lambda _: None,
) -> Iterator[tuple[int, Array]]:
    """The number of each choice and its scores (n, *out) for x (n, *in); in any order.

    ``names`` are the layers that ``bare`` values are without. ``progress`` is told how many
    multiples of a row are done.
    """
    shape = network.planned[-1].plan.out_shape
    together = max(1, _HELD // max(1, len(x) * math.prod(shape)))
    numbers = 2 * sum(math.prod(p.in_shape) for p in network.planned)
    bare_network = without(network, names)
    done = 0
    order = sorted(range(len(choices)), key=lambda k: choices[k].last)
    for at in range(0, len(order), together):
        group = order[at : at + together]
        held = {k: np.empty((len(x), *shape), network.dtype) for k in group}
        for rows in row_blocks(len(x), numbers, _HELD):
            values = [
                _values_before(one, x[rows], {choices[k].first for k in group})
                for one in (network, bare_network)
            ]
            tail, tail_from = Predictor(network.part([])), -1
            for k in group:
                choice = choices[k]
                if choice.last != tail_from:
                    tail = Predictor(network.part(network.planned[choice.last + 1 :]))
                    tail_from = choice.last
                y = values[choice.bare][choice.first]
                view = without(network, choice.left)
                head = view.part(view.planned[choice.first : choice.last + 1])
                y = head.feed(y, head.contexts(keeps=False))
                held[k][rows] = tail(y, "identity", None)
                done += rows.stop - rows.start
                progress(done)
        yield from held.items()


def _place(network: Network, path: str) -> int:
    return [p.name for p in network.planned].index(path.partition(".")[0])


def _values_before(network: Network, x: Array, places: set[int]) -> dict[int, Array]:
    """What the layers at ``places`` are fed; read-only, since several choices begin with it."""
    found = {}
    for i, p in enumerate(network.planned[: max(places, default=-1) + 1]):
        if i in places:
            found[i] = x.view()
            found[i].flags.writeable = False
        alone = network.part([p])
        x = alone.feed(x, alone.contexts(keeps=False))
    return found
