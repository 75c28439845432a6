"""Matrix products for planned steps: the results of plain NumPy, faster.

``matmul`` and ``matmul_both`` share products that take a core 0.2 ms or more among the cores: a
network of 256 units learns batches of 128 rows 1.2 times as fast, one of 512 units batches of 256
rows 1.5 times. The pieces depend on the shapes alone, so the bits of a result do not depend on the
number of threads.
"""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import pairwise

import numpy as np

from layerkit.core.context import Array
from layerkit.threads import together

Product = tuple[Array, Array, Array]
"""a (m, k), b (k, n) and where their product goes, (m, n)."""

LARGE = 8_000_000  # multiply-adds, 0.2 ms: several times what a helper takes to wake
_AHEAD = 2_000_000  # more for the caller, so that it need not wait for a helper that woke late


def matmul(a: Array, b: Array, out: Array) -> Array:
    """Write the product a b (m, n) of a (m, k) and b (k, n) into ``out`` and return it.

    All are of one dtype, and ``out`` shares no memory with the others.
    """
    if a.size * b.shape[1] < LARGE:
        return np.matmul(a, b, out)
    _share((a, b, out))
    return out


def matmul_both(first: Product, second: Product) -> None:
    """Two independent products, as one piece of work for the cores."""
    (a, b, out), (c, d, other) = first, second
    if a.size * b.shape[1] + c.size * d.shape[1] < LARGE:
        np.matmul(a, b, out)
        np.matmul(c, d, other)
    else:
        _share(first, second)


def _share(*products: Product) -> None:
    shapes = tuple((*out.shape, a.shape[1]) for a, _, out in products)
    together([partial(_multiply, products, share) for share in _shares(shapes)])


Share = list[tuple[int, slice]]
"""Which product, and which part of its output along the longer axis."""


def _multiply(products: tuple[Product, ...], share: Share) -> None:
    for which, part in share:
        a, b, out = products[which]
        if len(out) >= out.shape[1]:
            np.matmul(a[part], b, out[part])
        else:
            np.matmul(a, b[:, part], out[:, part])


@lru_cache(maxsize=256)
def _shares(shapes: tuple[tuple[int, int, int], ...]) -> list[Share]:
    """Products of shapes (m, n, k), laid end to end and cut into equal shares, the first longer.

    Within a product the cuts are at multiples of 16.
    """
    works = [m * n * k for m, n, k in shapes]
    count = count_of(sum(works))
    equal = (sum(works) - _AHEAD) / count
    shares: list[Share] = [[] for _ in range(count)]
    before = 0
    for which, ((m, n, _), work) in enumerate(zip(shapes, works, strict=True)):
        size = max(m, n)
        ends = [_AHEAD + equal * i - before for i in range(1, count)]
        inner = [16 * round(end * size / work / 16) for end in ends]
        cuts = [0, *(min(max(cut, 0), size) for cut in inner), size]
        for share, (start, stop) in zip(shares, pairwise(cuts), strict=True):
            if start < stop:
                share.append((which, slice(start, stop)))
        before += work
    return [share for share in shares if share]


def count_of(work: int) -> int:
    """2, 4, 8 or 16 shares: each packs its operands again, so few and large ones are best."""
    count = 2
    while count < 16 and work >= 10 * LARGE:
        count, work = 2 * count, work // 4
    return count
