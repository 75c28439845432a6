"""Metrics, at random points: bounds, and independence of the order of rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from layerkit import Array, Metric
from layerkit.discovery.registry import REGISTRIES

NAMES = REGISTRIES["metrics"].names()
PAIRS = [(name, target) for name in NAMES for target in REGISTRIES["metrics"][name].target]


def make(name: str) -> Metric:
    part: Metric = REGISTRIES["metrics"].create(name)
    return part


@st.composite
def cases(draw: st.DrawFn, target: str) -> tuple[Array, Array, Array]:
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    numbers = st.floats(-1e3, 1e3) if target == "real" else st.floats(0, 1)
    p = draw(arrays(np.float64, (n, k), elements=numbers))
    weights = draw(arrays(np.float64, n, elements=st.floats(0.1, 2)))
    if target == "class":
        return p, draw(arrays(np.int64, n, elements=st.integers(0, k - 1))), weights
    elements = numbers if target == "real" else st.sampled_from([0.0, 1.0])
    return p, draw(arrays(np.float64, (n, k), elements=elements)), weights


@pytest.mark.parametrize(("name", "target"), PAIRS)
@given(data=st.data())
def test_order_of_rows_does_not_matter(name: str, target: str, data: st.DataObject) -> None:
    p, t, w = data.draw(cases(target))
    order = np.array(data.draw(st.permutations(range(len(p)))))
    metric = make(name)
    spread = np.ptp(t, axis=0).min() if name == "r2" else 1
    if spread > 1e-3:  # r2 divides by the spread of the targets
        got, mixed = metric.value(p, t, w), metric.value(p[order], t[order], w[order])
        assert got == pytest.approx(mixed, rel=1e-6, abs=1e-9, nan_ok=True)


def defined(name: str, p: Array, t: Array) -> bool:
    """Whether the rows define the metric: it needs rows of a class, or of more than one."""
    flags = t[:, np.newaxis] == np.arange(p.shape[1]) if t.ndim == 1 else t > 0.5
    if name == "auc":
        return bool((flags.any(axis=0) & ~flags.all(axis=0)).any())
    if name == "recall":
        return bool(flags.any())
    return name != "precision" or t.ndim == 1 or bool((flags | (p > 0.5)).any())


@pytest.mark.parametrize(("name", "target"), PAIRS)
@given(data=st.data())
def test_bounds(name: str, target: str, data: st.DataObject) -> None:
    metric, (p, t, w) = make(name), data.draw(cases(target))
    if name == "r2":  # it divides by the square of the spread, which has to be a number
        spread = np.ptp(t[w > 0], axis=0)
        assume(((spread == 0) | (spread > 1e-150)).all())
        if not spread.any():
            assert np.isnan(metric.value(p, t, w))  # not defined
            return
    got = metric.value(p, t, w)
    if not defined(name, p, t):
        assert np.isnan(got)
        return
    assert np.isfinite(got)
    if metric.higher_is_better:
        assert got <= 1 + 1e-12
        assert got >= 0 or name == "r2"
    else:
        assert got >= 0
    if target != "class" and defined(name, t, t):
        best = metric.value(t, t, w)
        assert best == pytest.approx(1 if metric.higher_is_better else 0, abs=1e-9)
