"""Scores to predictions."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.core.output_functions import apply_link, link_row
from layerkit.core.parts import Link

SCORES = np.array([[0.0, np.log(3.0)], [1.0, 1.0]])


def test_softmax_by_hand() -> None:
    np.testing.assert_allclose(apply_link("softmax", SCORES), [[0.25, 0.75], [0.5, 0.5]])


def test_sigmoid_by_hand() -> None:
    e = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(apply_link("sigmoid", SCORES), [[0.5, 0.75], [e, e]])


def test_identity_copies() -> None:
    out = apply_link("identity", SCORES)
    np.testing.assert_array_equal(out, SCORES)
    assert not np.shares_memory(out, SCORES)


LINKS: list[Link] = ["softmax", "sigmoid", "identity", "exp"]


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_layout_and_input_are_kept(link: Link, dtype: type[np.floating]) -> None:
    scores = np.asfortranarray(np.random.default_rng(0).standard_normal((5, 3)).astype(dtype))
    scores.flags.writeable = False
    kept = scores.copy()
    out = apply_link(link, scores)
    assert out.dtype == dtype
    assert out.flags.c_contiguous
    assert out.flags.writeable
    np.testing.assert_array_equal(scores, kept)


@pytest.mark.parametrize("link", LINKS)
def test_no_rows(link: Link) -> None:
    assert apply_link(link, np.empty((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("big", [1e4, 1e38])
def test_large_scores_do_not_overflow(big: float) -> None:
    scores = np.array([[big, -big, 0.0]], np.float32)
    soft = apply_link("softmax", scores)
    np.testing.assert_array_equal(soft, [[1, 0, 0]])
    np.testing.assert_array_equal(apply_link("sigmoid", scores), [[1, 0, 0.5]])


def test_softmax_sums_to_one_and_ignores_a_shift() -> None:
    scores = np.random.default_rng(1).standard_normal((20, 7))
    out = apply_link("softmax", scores)
    np.testing.assert_allclose(out.sum(axis=1), 1)
    np.testing.assert_allclose(apply_link("softmax", scores + 50), out)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 2, 10, 200])
def test_one_row_gets_the_bits_that_many_get(link: Link, dtype: type[np.floating], k: int) -> None:
    scores = (5 * np.random.default_rng(k).standard_normal(k)).astype(dtype)
    kept = scores.copy()
    out = link_row(link, scores)
    assert out.dtype == dtype
    np.testing.assert_array_equal(out, apply_link(link, scores[None]))
    np.testing.assert_array_equal(scores, kept)
    assert not np.shares_memory(out, scores)


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_an_odd_score_spoils_the_softmax_of_one_row(odd: float) -> None:
    with np.errstate(all="ignore"):
        assert np.isnan(link_row("softmax", np.array([1, odd, 2], np.float32))).all()
