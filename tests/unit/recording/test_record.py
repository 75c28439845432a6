"""A recorded layer, replayed, gives the bits of the layer run as it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.recording import written
from tests.unit.recording.eager import Case

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "dense": (written.Dense(), (4,)),
    "dense tanh": (written.Dense(slope="tanh"), (4,)),
    "highway": (written.Highway(), (6,)),
    "projection": (written.Projection(), (4,)),
    "layernorm": (written.LayerNorm(), (5,)),
    "layernorm of two axes": (written.LayerNorm(), (2, 5)),
    "maxout": (written.Maxout(), (4,)),
    "dropout": (written.Dropout(), (2, 3)),
    "batchnorm": (written.BatchNorm(), (4,)),
    "counting": (written.Counting(), (3,)),
    "conv": (written.Conv(), (6, 5, 2)),
    "recurrent": (written.Recurrent(), (4, 2)),
    "embedding": (written.Embedding(), (2,)),
    "a whole number and a real one": (written.Weighted(), (2,)),
    "container": (written.Residual(a=written.Dense(), b=written.Dense(units=4)), (4,)),
    "container of containers": (
        written.Residual(
            noise=written.Dropout(),
            inner=written.Residual(norm=written.BatchNorm(), gate=written.Highway()),
        ),
        (4,),
    ),
}


def case_of(name: str, dtype: Any) -> Case:
    layer, in_shape = LAYERS[name]
    return Case(layer, in_shape, dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_replayed_recording_gives_the_bits_of_the_layer(
    name: str, training: bool, dtype: Any
) -> None:
    case = case_of(name, dtype)
    whole = case.hold(training=training)
    feed = case.hold(training=training, keeps=False)
    assert whole.graph.dx is not None
    assert feed.graph.dx is None
    assert not feed.graph.grads
    assert set(whole.graph.grads) == set(case.params)
    assert set(whole.params) == set(case.params)
    assert set(whole.graph.state) == (set(case.state) if training else set())
