"""Random streams by name: one seed, any number of independent generators."""

from __future__ import annotations

import hashlib

import numpy as np


def random_stream(seed: int, *name: str) -> np.random.Generator:
    """The random stream called ``name`` of ``seed``: equal names give equal streams.

    Streams of different names are independent: adding a layer leaves the other layers' start alone.
    """
    digest = hashlib.sha256("/".join(name).encode()).digest()
    words = np.frombuffer(digest[:16], "<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))
