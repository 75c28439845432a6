"""Running figures as they will be: a network whose states have settled on the rows looked at.

At the start, and after few steps, running means and variances are far from those of the batches.
The layers then do something else in inference than in training, and checks of the former would
find units and gradients that training does not have.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from layerkit.core.arrays import Arrays
from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.rng import random_stream
from layerkit.errors import LayerkitError

_NEAR = 1e-5  # of a state's size: changes under it are rounding


def settled(network: Network, x: Array) -> Network:
    """A network of the same parameters whose states are what feeding x (n, *in) again leads to.

    Two feeds in training tell: a state that moves a share of the way to a figure of the batch
    in each of them ends there. States that move in another way, as counts do, stay. ``network`` is
    returned as it is if it has no states or cannot be fed, and is never changed.
    """
    if not len(x) or not any(p.plan.state for p in network.planned):
        return network
    twin = network.twin()
    for p in twin.planned:
        own = Arrays({name: array.copy() for name, array in p.layer.state.items()}, "state")
        p.bind(params=p.layer.params, joined=p.layer.joined, state=own)
    seen = [_states(twin)]
    try:
        for _ in range(2):
            streams = {p.name: random_stream(0, p.name) for p in twin.planned}
            twin.feed(x, twin.contexts(training=True, streams=streams, keeps=False))
            seen.append(_states(twin))
    except LayerkitError:
        return network
    with np.errstate(all="ignore"):
        for name, (role, array) in twin.tensors().items():
            if role == "state":
                array[...] = _limit(*(states[name] for states in seen))
    return twin


def _states(network: Network) -> Mapping[str, Array]:
    tensors = network.tensors()
    return {name: array.copy() for name, (role, array) in tensors.items() if role == "state"}


def _limit(first: Array, second: Array, third: Array) -> Array:
    """Where a geometric sequence ends, element by element; ``first`` where it is none.

    With d and d' the two changes, r = d' / d: first + d (1 + r + r^2 + ...) = first + d / (1 - r).
    """
    d, r = second - first, (third - second) / (second - first)
    moves = (np.abs(d) > _NEAR * np.maximum(np.abs(first), 1)) & (r >= 0) & (r < 1 - _NEAR)
    return np.where(moves, first + d / (1 - r), first)
