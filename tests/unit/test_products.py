from __future__ import annotations

import numpy as np
import pytest

from layerkit import matmul, products, sum_rows
from layerkit.products import _blocks, _cuts

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


@pytest.mark.parametrize("shapes", [(3, 4, 5), (300, 260, 290), (700, 120, 400), (64, 5000, 96)])
@pytest.mark.parametrize("transposed", [False, True])
def test_matmul_is_the_product(shapes: tuple[int, int, int], transposed: bool) -> None:
    m, k, n = shapes
    a, b = (normal(k, m).T, normal(n, k).T) if transposed else (normal(m, k), normal(k, n))
    out = np.full((m, n), np.nan)
    assert matmul(a, b, out) is out
    np.testing.assert_allclose(out, a @ b, rtol=1e-12, atol=1e-12)


def test_large_products_are_cut_and_small_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs: list[int] = []
    monkeypatch.setattr(products, "together", lambda tasks: jobs.append(len(tasks)))
    matmul(normal(100, 100), normal(100, 100), np.empty((100, 100)))
    assert jobs == []
    matmul(normal(300, 300), normal(300, 300), np.empty((300, 300)))
    assert jobs == [2]


@pytest.mark.parametrize("size", [1, 15, 16, 17, 100, 784, 1000])
@pytest.mark.parametrize("blocks", [2, 4, 8, 16])
def test_cuts_cover_everything_once(size: int, blocks: int) -> None:
    cuts = _cuts(size, blocks)
    assert [i for cut in cuts for i in range(size)[cut]] == list(range(size))
    assert len(cuts) <= blocks


def test_blocks_grow_with_the_work() -> None:
    found = [_blocks(20_000_000 * 4**k) for k in range(6)]
    assert found == [2, 4, 8, 16, 16, 16]


def test_sum_rows() -> None:
    z = normal(5, 7)
    np.testing.assert_allclose(sum_rows(z, np.empty(5)), z.sum(axis=1), rtol=1e-13)
