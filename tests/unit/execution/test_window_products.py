"""Products of windows against einsum itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from layerkit import threads
from layerkit.execution.window_products import multiply_windows, plan_of

RNG = np.random.default_rng(3)
FEED, GRADIENT = "nchwij,ijcf->nfhw", "nchwij,nfhw->ijcf"


def image(n: int, c: int, h: int, w: int, dtype: Any = np.float64) -> Any:
    """Random numbers that lie pixel by pixel, rows last."""
    return RNG.normal(size=(h, w, c, n)).astype(dtype).transpose(3, 2, 0, 1)


def operands(n: int, c: int, f: int, size: int, k: int, s: int) -> tuple[Any, Any, Any]:
    """Windows, a matrix, and an image as large as their product."""
    windows = sliding_window_view(image(n, c, size, size + 1), (k, k), (2, 3))[:, :, ::s, ::s]
    return windows, RNG.normal(size=(k, k, c, f)), image(n, f, *windows.shape[2:4])


@pytest.mark.parametrize("n", [0, 1, 2, 7, 64, 130, 600])
@pytest.mark.parametrize(
    ("c", "f", "size", "k", "s"),
    [(3, 4, 6, 3, 1), (1, 2, 7, 5, 1), (2, 3, 9, 3, 2), (2, 5, 6, 2, 3), (4, 1, 3, 1, 1)],
)
def test_products_of_windows(n: int, c: int, f: int, size: int, k: int, s: int) -> None:
    windows, W, z = operands(n, c, f, size, k, s)
    V, w, dW, dV = W * 2, z.copy(order="K"), np.empty_like(W), np.empty_like(W)
    multiply_windows(FEED, windows, (W, z), (V, w))
    np.testing.assert_allclose(z, np.einsum(FEED, windows, W), rtol=0, atol=1e-12)
    np.testing.assert_allclose(w, np.einsum(FEED, windows, V), rtol=0, atol=1e-12)
    multiply_windows(GRADIENT, windows, (z, dW), (w, dV))
    np.testing.assert_allclose(dW, np.einsum(GRADIENT, windows, z), rtol=1e-12, atol=1e-10)
    np.testing.assert_allclose(dV, np.einsum(GRADIENT, windows, w), rtol=1e-12, atol=1e-10)


def test_windows_are_packed_where_they_lie_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of windows is one piece, and einsum is not called."""
    monkeypatch.setattr(np, "einsum", None)
    windows, W, z = operands(9, 3, 4, 6, 3, 1)
    multiply_windows(FEED, windows, (W, z))
    multiply_windows(GRADIENT, windows, (z, np.empty_like(W)))
    shapes = (windows.shape, windows.strides, W.shape, W.strides, z.shape, z.strides)
    plan = plan_of(FEED, *shapes)
    assert plan is not None
    assert (plan.lines, plan.shape, plan.tap, plan.step) == (1, (4, 7, 3, 3, 9), 3, 1)


def test_other_arrays_are_left_to_einsum() -> None:
    windows, W, z = operands(4, 3, 4, 6, 3, 1)
    for given in (windows.copy(), windows[::-1], windows[::2]):
        out = np.empty((len(given), *z.shape[1:]))
        multiply_windows(FEED, given, (W, out))
        np.testing.assert_allclose(out, np.einsum(FEED, given, W), rtol=0, atol=1e-12)


def test_flipped_matrices_and_blocks_of_results() -> None:
    windows, W, z = operands(40, 3, 4, 6, 3, 1)
    whole = image(40, 6, *z.shape[2:])
    multiply_windows(FEED, windows, (W[::-1, ::-1], whole[:, 1:5]))
    wanted = np.einsum(FEED, windows, W[::-1, ::-1])
    np.testing.assert_allclose(whole[:, 1:5], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("letters", [FEED, GRADIENT])
def test_bits_do_not_depend_on_threads(letters: str, monkeypatch: pytest.MonkeyPatch) -> None:
    windows, W, z = operands(128, 16, 16, 14, 3, 1)
    found = []
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        b, out = (W, np.empty_like(z)) if letters == FEED else (z, np.empty_like(W))
        multiply_windows(letters, windows, (b, out))
        found.append(out.tobytes())
    assert len(set(found)) == 1
