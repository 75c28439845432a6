from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from layerkit.execution import products
from layerkit.execution.products import _shares, count_of, matmul, matmul_both

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


@pytest.mark.parametrize("n", [3, 40, 70, 300])
def test_matmul_both_is_both_products(n: int) -> None:
    x, dz, W = normal(500, n), normal(300, n), normal(500, 300)
    dW, dx = np.full((500, 300), np.nan), np.full((500, n), np.nan)
    matmul_both((x, dz.T, dW), (W, dz, dx))
    np.testing.assert_allclose(dW, x @ dz.T, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, W @ dz, rtol=1e-12, atol=1e-12)


def tasks_of(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> list[int]:
    jobs: list[int] = []
    monkeypatch.setattr(products, "together", lambda tasks: jobs.append(len(tasks)))
    do()
    return jobs


@pytest.mark.parametrize(("size", "jobs"), [(100, []), (300, [2]), (450, [4])])
def test_large_products_are_shared_and_small_ones_are_not(
    size: int, jobs: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    a, out = normal(size, size), np.empty((size, size))
    assert tasks_of(monkeypatch, lambda: matmul(a, a, out)) == jobs


def test_two_products_are_one_piece_of_work(monkeypatch: pytest.MonkeyPatch) -> None:
    a, out = normal(170, 170), np.empty((170, 170))  # 5 million multiply-adds each
    assert tasks_of(monkeypatch, lambda: matmul(a, a, out)) == []
    both = (a, a, out), (a, a, out.copy())
    assert tasks_of(monkeypatch, lambda: matmul_both(*both)) == [2]


SHAPES = [
    ((1, 1, 1),),
    ((16, 10, 100_000),),
    ((256, 128, 784),),
    ((784, 256, 128),),
    ((17, 1000, 9000),),
    ((256, 256, 128), (256, 128, 256)),
    ((10, 10, 10), (1024, 1024, 1024)),
    ((1024, 1024, 1024), (10, 10, 10)),
    ((512, 1024, 256), (512, 256, 1024)),
]


@pytest.mark.parametrize("shapes", SHAPES)
def test_shares_cover_every_product_once(shapes: tuple[tuple[int, int, int], ...]) -> None:
    shares = _shares(shapes)
    assert all(shares)
    for which, (m, n, _) in enumerate(shapes):
        parts = [part for share in shares for at, part in share if at == which]
        assert [i for part in parts for i in range(max(m, n))[part]] == list(range(max(m, n)))
        assert all(part.start % 16 == 0 for part in parts)


@pytest.mark.parametrize("shapes", [s for s in SHAPES if s[0][0] >= 256])
def test_shares_are_equal_but_the_first_is_longer(
    shapes: tuple[tuple[int, int, int], ...],
) -> None:
    works = [
        sum((part.stop - part.start) * m * n * k / max(m, n) for at, part in share
            for m, n, k in [shapes[at]])
        for share in _shares(shapes)
    ]  # fmt: skip
    grain = max(16 * m * n * k / max(m, n) for m, n, k in shapes)
    first, *others = works
    assert max(others) - min(others) <= 2 * grain
    assert abs(first - max(others) - 2_000_000) <= 2 * grain


def test_shares_grow_with_the_work() -> None:
    assert [count_of(8_000_000 * 4**k) for k in range(6)] == [2, 2, 4, 8, 16, 16]
