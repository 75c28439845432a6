"""Costs by hand for a few layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from layerkit.recording.counting import Size, costs, feed_only
from layerkit.recording.graph import Count
from layerkit.recording.record import record
from tests.unit.recording import written
from tests.unit.recording.test_idioms import One


def of(layer: Any, in_shape: tuple[int, ...], **more: Any) -> Any:
    return record(layer, in_shape, np.float32, training=True, keeps=True, **more).graph


def test_a_size_is_a_polynomial_in_the_rows() -> None:
    assert Size.of([(3, 4)]) == Size(12)
    assert Size.of([(Count(2), 5)]) == Size(0, 10)
    assert Size.of([(Count(1, 1), Count(1), 2)]) == Size(0, 2, 2)
    assert Size.of([(), (Count(3, 2),), (Count(1), Count(1))]) == Size(3, 3, 1)
    assert Size(1, 2).per_row == 2
    assert Size(1, 2, 3).per_row is None


def test_a_dense_layer() -> None:
    graph = of(written.Dense(units=5), (7,))
    found = costs(graph)
    assert costs(feed_only(graph)).macs == Size(0, 35)
    assert found.macs == Size(0, 3 * 35)  # y, dW, dx
    # z + b and max(z, 0) of 5; y > 0 and where of 5; the sum of 5
    assert found.flops == Size(0, 2 * 3 * 35 + 5 * 5)
    assert found.kept == Size(0, 4 * 5)  # y; x is the input
    assert found.unknown == ()


def test_a_convolution_counts_its_product_and_calls_nothing_else() -> None:
    graph = of(written.Conv(filters=8, size=3), (28, 28, 1))
    assert costs(feed_only(graph)).macs == Size(0, 26 * 26 * 9 * 8)
    assert costs(graph).unknown == ()
    assert costs(graph).kept == Size(0, 4 * 26 * 26 * 9)  # the columns


def test_einsum_and_rows_against_rows() -> None:
    layer = One(lambda x, c, s: np.einsum("ni,mi->nm", x, x) @ x + x @ np.cumsum(x.T @ x, 1))
    found = costs(feed_only(of(layer, (4,))))
    assert found.macs == Size(0, 16 + 16, 4 + 4)
    assert found.unknown == ("cumsum",)


def test_arrays_of_fixed_size_are_fixed_costs() -> None:
    graph = of(written.BatchNorm(), (4,))
    assert costs(graph).flops.fixed > 0
    assert costs(graph).kept == Size(4 * 4, 4 * 4)  # r, and h of each row
