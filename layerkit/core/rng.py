"""Random streams by name: one seed, any number of independent generators."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np


def random_stream(seed: int, *name: str) -> np.random.Generator:
    """The random stream called ``name`` of ``seed``: equal names give equal streams.

    Streams of different names are independent: adding a layer leaves the other layers' start alone.
    """
    digest = hashlib.sha256("/".join(name).encode()).digest()
    words = np.frombuffer(digest[:16], "<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def stream_of(streams: Mapping[str, np.random.Generator], path: str) -> np.random.Generator:
    """The random stream of the layer at ``path``, else of the nearest layer that it lies in."""
    while path not in streams and "." in path:
        path = path.rpartition(".")[0]
    return streams[path]


def streams_within(
    streams: Mapping[str, np.random.Generator], name: str
) -> dict[str, np.random.Generator]:
    """Those of the layers inside the one called ``name``, by their paths from it."""
    start = f"{name}."
    return {k[len(start) :]: v for k, v in streams.items() if k.startswith(start)}
