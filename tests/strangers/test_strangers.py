"""Layers that strangers wrote from the contract alone train as they do when run as written.

``LAYERKIT_EAGER=1`` runs every layer's methods as they stand; without it they are recorded, and
planned or compiled forms run. Five layers cannot be recorded.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Layer, Model
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.discovery.registry import LAYERS
from layerkit.execution.runner import recordings_of
from layerkit.execution.trial import trials_of
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording
from layerkit.testing import check_part
from layerkit.testing.central_differences import slopes_of
from tests.strangers import unrecordable
from tests.strangers.attention import Attention
from tests.strangers.batchnorm import BatchNorm
from tests.strangers.conv1d import Conv1d
from tests.strangers.dropout import Dropout
from tests.strangers.excite import Excite
from tests.strangers.gated import Gated
from tests.strangers.layernorm import LayerNorm
from tests.strangers.maxout import Maxout
from tests.strangers.radial import Radial
from tests.strangers.recurrent import Recurrent

RECORDABLE: tuple[type[Layer], ...] = (
    *(Attention, BatchNorm, Conv1d, Dropout, Excite, Gated, LayerNorm, Maxout, Radial, Recurrent),
)
ALL: tuple[type[Layer], ...] = (*RECORDABLE, *unrecordable.UNRECORDABLE)
needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None, reason="the extra `fast` is not installed"
)
FORMS = ["0", pytest.param("1", marks=needs_llvm)]


def name_of(kind: Any) -> str:
    name: str = kind.type_name
    return name


each = pytest.mark.parametrize("kind", ALL, ids=name_of)
recordable = pytest.mark.parametrize("kind", RECORDABLE, ids=name_of)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    for kind in ALL:
        LAYERS.register(kind)
    yield
    for kind in ALL:
        LAYERS.unregister(kind.type_name)


def trained(kind: type[Layer], *, dtype: str = "float32", twice: bool = False) -> Model:
    """A net with the layer after four epochs of full batches and a short one."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((75, 5))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 0.5)
    layer = {"type": kind.type_name}
    spec = {
        "layerkit": 1,
        "dtype": dtype,
        "input": {"shape": [5]},
        "layers": [
            {"type": "dense", "units": 6, "activation": "tanh"},
            *[layer] * (1 + twice),
            {"type": "dense", "units": 3},
        ],
        "output": {"classes": [0, 1, 2]},
        "train": {
            "epochs": 4,
            "batch_size": 16,
            "optimizer": {"type": "momentum", "learning_rate": 0.05},
            "validation": 0.2,
            "seed": 3,
        },
    }
    return layerkit.train(spec, data=(x, labels)).model


def agree(one: Model, other: Model, tolerance: float) -> None:
    """The same parameters, state and predictions."""
    for name, (_, array) in one.network.tensors().items():
        wanted = other.network.tensors()[name][1]
        scale = max(float(np.abs(wanted).max(initial=0)), 1e-3)
        np.testing.assert_allclose(array, wanted, rtol=0, atol=tolerance * scale, err_msg=name)
    for n in (1, 2, 40, 300):
        rows = np.random.default_rng(n).standard_normal((n, 5))
        wanted = other.predict(rows)
        for _ in range(3):  # a form may be made at the second call
            np.testing.assert_allclose(one.predict(rows), wanted, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("fast", FORMS)
@recordable
def test_strangers_train_as_written(
    kind: type[Layer], fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    as_written = trained(kind)
    monkeypatch.delenv("LAYERKIT_EAGER")
    monkeypatch.setenv("LAYERKIT_FAST", fast)
    agree(trained(kind), as_written, 2e-4)


@each
def test_strangers_train_as_written_in_double_precision(
    kind: type[Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind is unrecordable.Counting:
        pytest.skip("it counts its calls, so no two runs are the same")
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    as_written = trained(kind, dtype="float64", twice=kind not in (Conv1d, Radial, Recurrent))
    monkeypatch.delenv("LAYERKIT_EAGER")
    now = trained(kind, dtype="float64", twice=kind not in (Conv1d, Radial, Recurrent))
    agree(now, as_written, 1e-10)


def test_a_layer_that_counts_its_passes_counts_all_of_them() -> None:
    before = unrecordable.COUNT["passes"]
    trained(unrecordable.Counting)
    assert unrecordable.COUNT["passes"] >= before + 16  # 4 epochs of 4 batches


@recordable
def test_their_gradients_are_right(kind: type[Layer]) -> None:
    layer = kind()
    network = Network(plan_layers([("a", layer)], (6,)), np.dtype(np.float64))
    rng = np.random.default_rng(2)
    for array in (*layer.params.values(), *layer.state.values()):
        array[...] = 0.7 * rng.standard_normal(array.shape)
    x = rng.standard_normal((7, 6))
    dy = rng.standard_normal((7, *network.planned[0].plan.out_shape))

    def contexts() -> Any:
        streams = {"a": np.random.default_rng(3)}
        return network.contexts(training=True, streams=streams, wants_dx=True)

    def total() -> float:
        return float((network.feed(x, contexts()) * dy).sum())

    made = contexts()
    network.feed(x, made)
    dx = network.backprop(dy, made).copy()
    grads = network.grads
    assert grads is not None
    grads = grads.copy()
    assert not slopes_of(total, x).wrong(dx.ravel(), 1e-6).any()
    assert not slopes_of(total, network.params).wrong(grads, 1e-6).any()


@recordable
def test_they_are_recorded_and_pass_their_trials(kind: type[Layer]) -> None:
    network = trained(kind).network
    planned = network.planned[1]
    assert isinstance(recordings_of(network).get(planned, training=True, keeps=True), Recording)
    assert trials_of(network).failed == set()
    assert trials_of(network)._passed  # forms did run


@pytest.mark.parametrize("kind", unrecordable.UNRECORDABLE, ids=name_of)
def test_what_cannot_be_recorded_is_refused_with_line_and_reason(kind: type[Layer]) -> None:
    network = trained(kind).network
    refusal = recordings_of(network).get(network.planned[1], training=True, keeps=True)
    assert isinstance(refusal, NotRecorded)
    assert refusal.reason
    # Inside a library the line is the library's.
    assert refusal.line.startswith("" if kind is unrecordable.Shares else "unrecordable.py:")


def test_the_gates_of_a_stranger_are_watched() -> None:
    """Seven lines of its author let a layer join: its gates are shown, and it can be left out."""
    model, name = trained(Gated), "strangers-gated_1"
    rows = np.random.default_rng(3).standard_normal((30, 5))
    shown = model.watch(rows)[name]
    y = model.encode(rows, layer=name)
    np.testing.assert_allclose(shown["gate"] * shown["new"], y, rtol=1e-6)
    view = model.without([name])
    bias = model.tensors()["dense_2.b"]
    for n in (30, 1, 30, 1):  # a form may be made at the second call
        np.testing.assert_array_equal(view.scores(rows[:n]), np.tile(bias, (n, 1)))
    report = check_part(Gated, only=["watched.*", "carry.*"])
    report.raise_if_failed()
    assert [
        report[rule].message for rule in ("watched.arrays", "watched.passes", "carry.shape")
    ] == [""] * 3
