"""Recordings of a network: one for each structure, and recording disturbs nothing."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from layerkit import Layer, Param, Plan
from layerkit.core.network import Network
from layerkit.core.planning import plan_layers
from layerkit.recording.arrays import NotRecorded
from layerkit.recording.record import Recording, record
from layerkit.recording.recordings import Recordings
from tests.unit.recording import written
from tests.unit.recording.eager import Case
from tests.unit.recording.test_idioms import One, casts, views_of_arrays


def planned(*layers: Any, in_shape: tuple[int, ...] = (4,)) -> list[Any]:
    return plan_layers([(f"l{i}", layer) for i, layer in enumerate(layers)], in_shape)


def test_layers_of_equal_structure_share_a_recording() -> None:
    known = Recordings(np.float32)
    dense = partial(written.Dense, units=4)
    a, b, c, d = planned(dense(), dense(), dense(slope="tanh"), dense(note=[1, {"k": None}]))
    first = known.get(a, training=True, keeps=True)
    assert isinstance(first, Recording)
    assert known.get(b, training=True, keeps=True) is first
    others = [
        known.get(c, training=True, keeps=True),
        known.get(d, training=True, keeps=True),
        known.get(a, training=False, keeps=True),
        known.get(a, training=True, keeps=False),
        known.get(planned(dense(), in_shape=(5,))[0], training=True, keeps=True),
        known.get(planned(written.Highway())[0], training=True, keeps=True),
    ]
    assert len({id(one) for one in [first, *others]}) == 7
    assert (first.in_shape, first.out_shape) == ((4,), (4,))
    assert first.params == {"W": (4, 4), "b": (4,)}


def test_objects_as_settings_are_one_only_if_they_are_the_same() -> None:
    known = Recordings(np.float32)
    a, b, c = planned(One(views_of_arrays), One(views_of_arrays), One(casts))
    found = [known.get(layer, training=False, keeps=False) for layer in (a, b, c)]
    assert found[0] is found[1]
    assert found[2] is not found[0]


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [("eager", True, "eager = True"), ("contract_version", 1, "contract version 1")],
)
def test_classes_that_say_so_are_not_recorded(attribute: str, value: Any, reason: str) -> None:
    layer = type("Said", (written.Dense,), {attribute: value})()
    found = Recordings(np.float32).get(planned(layer)[0], training=True, keeps=True)
    assert isinstance(found, NotRecorded)
    assert reason in found.reason


def test_a_refusal_is_kept_and_holds_no_arrays() -> None:
    calls = []

    def steers(x: Any, c: Any, s: Any) -> Any:
        calls.append(1)
        return x * math.exp(x.sum()) if calls else x

    known, (layer,) = Recordings(np.float32), planned(One(steers))
    found = known.get(layer, training=True, keeps=True)
    assert known.get(layer, training=True, keeps=True) is found
    assert isinstance(found, NotRecorded)
    assert found.line.startswith("test_recordings.py:")
    assert found.__traceback__ is None
    assert found.__context__ is None
    assert len(calls) == 1


def test_recording_leaves_layer_and_streams_as_they_were() -> None:
    layer: Any = written.Residual(a=written.BatchNorm(), noise=written.Dropout())
    case = Case(layer, (4,), np.float32)
    arrays = case.params | case.state
    layer.params, layer.state, layer.grads = case.params, case.state, {}
    layer.tables = [np.ones(3), {"k": [1, 2]}]
    before = {k: v.tobytes() for k, v in arrays.items()}, dict(vars(layer))
    streams = random.getstate(), np.random.get_state()[1].tobytes()  # type: ignore[index]  # noqa: NPY002
    record(layer, (4,), np.float32, training=True, keeps=True)
    assert {k: v.tobytes() for k, v in arrays.items()} == before[0]
    assert vars(layer) == before[1]
    assert all(vars(layer)[k] is v for k, v in before[1].items())
    assert random.getstate() == streams[0]
    assert np.random.get_state()[1].tobytes() == streams[1]  # type: ignore[index]  # noqa: NPY002


def test_what_feed_returned_must_stay() -> None:
    class Layer(One):
        def backprop(self, dy: Any, ctx: Any) -> Any:
            ctx.saved[0][:, 1] = 0
            return dy

    def feed(x: Any, c: Any, s: Any) -> Any:
        y = x * 2
        c.save(y)
        return y

    with pytest.raises(NotRecorded, match="backprop writes into what feed returned"):
        record(Layer(feed), (4,), np.float32, training=True, keeps=True)


def test_backprop_must_not_write_state() -> None:
    class Layer(One):
        def backprop(self, dy: Any, ctx: Any) -> Any:
            self.state["s"] = dy.sum(axis=0)
            return dy

    with pytest.raises(NotRecorded, match="only feed may"):
        record(Layer(lambda x, c, s: x * 2), (4,), np.float32, training=True, keeps=True)


def _append(s: Any) -> None:
    s.seen.append(1)


def _fill(s: Any) -> None:
    s.table[0] += 1


def _nest(s: Any) -> None:
    s.parts["a"].scale = 3


def _draw(s: Any) -> None:
    s.stream.random()


def _slow(s: Any) -> None:
    s.rate *= 0.5


def _drop(s: Any) -> None:
    del s.seen


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (_append, "seen"),
        (_fill, "table"),
        (_nest, "parts"),
        (_draw, "stream"),
        (_drop, "seen"),
        (_slow, "rate"),
    ],
)
def test_changed_fields_are_seen_and_not_changed(change: Callable[[Any], None], field: str) -> None:
    layer: Any = One(lambda x, c, s: (change(s), x * 2)[1])  # type: ignore[func-returns-value]
    layer.seen, layer.table, layer.rate = [], np.zeros(2), 0.5
    layer.parts, layer.stream = {"a": written.Dense()}, np.random.default_rng(0)
    with pytest.raises(NotRecorded, match=f"changes its own field '{field}'"):
        record(layer, (4,), np.float32, training=True, keeps=True)
    assert layer.seen == []
    assert layer.table.tolist() == [0, 0]
    assert not hasattr(layer.parts["a"], "scale")


def test_threads_record_without_meeting() -> None:
    known = Recordings(np.float64)
    layers = [planned(written.Recurrent(units=2 + i % 3), in_shape=(4, 2))[0] for i in range(12)]
    found: dict[int, Any] = {}

    def get(i: int) -> None:
        found[i] = known.get(layers[i], training=True, keeps=True)

    threads = [threading.Thread(target=get, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found.values()}) == 3
    for i in range(3):
        case = Case(layers[i].layer, (4, 2), np.float64)
        wanted, _ = case.eager(5, training=True, keeps=True)
        again, _ = case.replayed(found[i], 5)
        assert all(np.array_equal(wanted[k], again[k]) for k in wanted)


class _Remembers(Layer):
    """y = w x; the first pass keeps what it finds by ``pick`` in a field.  dw = x dy, dx = w dy."""

    type_name = "tests.remembers"

    def __init__(self, pick: Callable[[Any], Any]) -> None:
        self.pick = pick

    def plan(self, in_shape: tuple[int, ...]) -> Plan:
        return Plan(in_shape, {"w": Param(in_shape, 1.0)})

    def feed(self, x: Any, ctx: Any) -> Any:
        if not hasattr(self, "kept"):
            self.kept = self.pick(self)
        kept = self.kept if isinstance(self.kept, np.ndarray) else self.kept[0]["w"]
        ctx.save(x)
        return x * kept

    def backprop(self, dy: Any, ctx: Any) -> Any:
        (x,) = ctx.saved
        self.grads["w"] = (x * dy).sum(axis=0)
        return dy * self.params["w"]


@pytest.mark.parametrize(
    "pick",
    [
        lambda layer: layer.params["w"],
        lambda layer: layer.params["w"][:],
        lambda layer: [layer.params],
    ],
    ids=["array", "view", "mapping"],
)
def test_parameters_that_a_field_holds_since_an_earlier_pass_are_no_constants(pick: Any) -> None:
    network = Network(planned(_Remembers(pick)), np.dtype(np.float32))
    network.feed(np.ones((1, 4), np.float32), network.contexts(keeps=False))
    found = Recordings(np.float32).get(network.planned[0], training=True, keeps=True)
    assert isinstance(found, NotRecorded)
    assert "holds self.params['w']: read it in each pass" in found.reason
