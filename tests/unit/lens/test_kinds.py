"""The lens on images, sequences, containers, numbers, steps, strangers' layers, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import layerkit
from layerkit import Array, Context, DataError, Layer, Model, Param, Plan, Shape
from layerkit.cli import lens_text
from layerkit.core.rows import Rows
from layerkit.lens import html_page, look
from layerkit.lens.lesions import keep_first, keep_last, lesion, scores_without
from layerkit.lens.results import Scores

Register = Callable[[Any], Any]
N = 30


def built(shape: list[int], layers: list[Any], **output: Any) -> Model:
    """A model in float64 with weights that are not those of its start."""
    spec = {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": shape},
        "layers": layers,
        "output": output or {"classes": ["a", "b"]},
        "train": {"loss": "mse", "metrics": ["mae"]} if "targets" in output else {},
    }
    model = layerkit.build(spec)
    draws = np.random.default_rng(4).uniform(-0.4, 0.4, model.network.size)
    model.network.params[...] += draws
    return model


def sigmoid(z: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-z))
    return found


def drawn(*shape: int) -> Array:
    found: Array = np.random.default_rng(6).normal(size=(N, *shape))
    return found


def labels() -> Array:
    return np.where(np.arange(N) % 3 == 0, "a", "b")


def loss_and_right(z: Array) -> tuple[Array, Array]:
    truth = (labels() == "b").astype(int)
    log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    return -log_p[np.arange(N), truth], z.argmax(axis=1) == truth


def written(model: Model, x: Array) -> Array:
    """Scores without engines, whose trials take longer than the rest of a test."""
    return model.network.feed(x, model.network.contexts(keeps=False))


def is_of(scores: Scores | None, z: Array) -> None:
    """Whether loss and accuracy are those of the scores z (n, 2)."""
    assert scores is not None
    losses, right = loss_and_right(z)
    assert scores["loss"].value == pytest.approx(float(losses.mean()), rel=1e-9)
    assert scores["accuracy"].value == pytest.approx(float(right.mean()))


def test_images_have_a_unit_for_each_channel() -> None:
    highway = {"type": "conv_highway", "activation": "tanh", "gate_bias": -1.0}
    head = [{"type": "reshape", "shape": [24]}, {"type": "dense", "units": 2, "name": "out"}]
    model = built([2, 3, 4], [{**highway, "name": "a"}, {**highway, "name": "b"}, *head])
    x, p = drawn(2, 3, 4), model.tensors()

    def block(x: Array, name: str) -> tuple[Array, Array]:
        windows = sliding_window_view(
            np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), (3, 3), axis=(2, 3)
        )
        aH, aT = (
            np.einsum("nchwij,ijcf->nfhw", windows, p[f"{name}.W{k}"])
            + p[f"{name}.b{k}"][:, None, None]
            for k in "HT"
        )
        gate = sigmoid(aT)
        return gate, gate * np.tanh(aH) + (1 - gate) * x

    def out(x: Array) -> Array:
        z: Array = x.reshape(N, -1) @ p["out.W"] + p["out.b"]
        return z

    seen = look(model, Rows(x, None, labels()))
    gate, y = block(x, "a")
    first, second = seen.blocks
    assert first.gates is not None
    np.testing.assert_allclose(first.gates.units, gate.mean(axis=(0, 2, 3)))
    of_a = gate[labels() == "a"].mean(axis=(0, 2, 3)) - gate.mean(axis=(0, 2, 3))
    np.testing.assert_allclose(first.gates.class_units["a"], of_a)
    size = np.sqrt(((y - x) ** 2).sum(axis=(1, 2, 3)) / (x**2).sum(axis=(1, 2, 3)))
    assert first.change is not None
    assert first.change.median == pytest.approx(float(np.median(size)))
    assert [d.parameter for d in first.drift] == ["bT"]
    assert first.drift[0].mean == pytest.approx(float(p["a.bT"].mean() + 1))
    is_of(seen.whole, out(block(y, "b")[1]))
    is_of(first.without, out(block(x, "b")[1]))
    is_of(second.without, out(y))
    is_of(seen.first[0], out(x))
    is_of(seen.first[1], out(y))
    is_of(seen.last[1], out(block(x, "b")[1]))


def test_sequences_have_gates_by_step() -> None:
    rnn = {"type": "highway_rnn", "units": 2, "depth": 2, "sequence": True, "name": "r"}
    head = [{"type": "reshape", "shape": [6]}, {"type": "dense", "units": 2, "name": "out"}]
    model = built([3, 2], [rnn, *head])
    x, p = drawn(3, 2), model.tensors()
    S, gates, ys = np.zeros((N, 2)), [], []
    for s in range(3):
        for j in (1, 2):
            a = S @ p[f"r.R{j}"] + (x[:, s] @ p["r.W"] if j == 1 else 0)
            gate = sigmoid(a[:, 2:] + p[f"r.bT{j}"])
            S = gate * np.tanh(a[:, :2] + p[f"r.bH{j}"]) + (1 - gate) * S
            gates.append(gate)
        ys.append(S)
    T = np.stack(gates, axis=1).reshape(N, 3, 4)  # steps, layers of the stack times units
    (block,) = look(model, Rows(x, None, labels()), row=2).blocks
    assert block.gates is not None
    np.testing.assert_allclose(block.gates.steps, T.mean(axis=(0, 2)))
    np.testing.assert_allclose(block.gates.units, T.mean(axis=(0, 1)))
    assert [d.parameter for d in block.drift] == ["bT1", "bT2"]
    seen = look(model, Rows(x, None, labels()), row=2)
    assert seen.row is not None
    np.testing.assert_allclose(seen.row.gates["r"], T[2])
    is_of(seen.whole, np.stack(ys, axis=1).reshape(N, -1) @ p["out.W"] + p["out.b"])
    is_of(block.without, x.reshape(N, -1) @ p["out.W"] + p["out.b"])


def test_a_gru_drifts_from_zero() -> None:
    model = built([2, 3], [{"type": "gru", "units": 3, "name": "g"}, {"type": "dense", "units": 2}])
    (block,) = look(model, Rows(drawn(2, 3), None, labels())).blocks
    assert [(d.parameter, d.start) for d in block.drift] == [("b", 0.0), ("c", 0.0)]
    assert block.drift[0].mean == pytest.approx(float(model.tensors()["g.b"].mean()))
    assert block.change is None


@pytest.fixture
def nested() -> Model:
    """Highway layers inside a residual block, and in one of two ways side by side."""
    highway = {"type": "highway", "gate_bias": -0.5, "activation": "tanh"}
    dense = {"type": "dense", "units": 3, "activation": "tanh"}
    way = {"type": "sequence", "name": "deep", "layers": [dense, highway]}
    layers = [
        {**highway, "name": "h", "repeat": 2},
        {"type": "residual", "name": "r", "layers": [dense, highway]},
        {"type": "branch", "name": "b", "layers": [way, dense]},
        {"type": "dense", "units": 2},
    ]
    return built([3], layers)


def test_blocks_inside_containers_are_seen_and_left_out(nested: Model) -> None:
    raw = drawn(3)
    seen = look(nested, Rows(raw, None, labels()))
    names = ["h_1", "h_2", "r", "r.highway_1", "b.deep.highway_1"]
    assert [block.name for block in seen.blocks] == names
    assert seen.curve == ["h_1", "h_2", "r", "b.deep.highway_1"]
    shown = nested.watch(raw)
    for block in seen.blocks:
        is_of(block.without, written(nested.without([block.name]), raw))
        if block.name != "r":
            assert block.gates is not None
            np.testing.assert_allclose(
                block.gates.units, shown[block.name]["gate"].mean(axis=0), rtol=1e-9
            )
            assert block.change is not None
            y, carried = (nested.encode(raw, layer=block.name), shown[block.name]["carried"])
            size = np.linalg.norm(y - carried, axis=1) / np.linalg.norm(carried, axis=1)
            assert block.change.median == pytest.approx(float(np.median(size)))
    for k in range(5):
        is_of(seen.first[k], written(nested.without(seen.curve[k:]), raw))
        is_of(seen.last[k], written(nested.without(seen.curve[: 4 - k]), raw))


def test_blocks_of_rows_and_groups_of_choices_change_nothing(
    nested: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, names = Rows(drawn(3), None, labels()), ["h_1", "h_2", "r"]
    before = look(nested, rows)
    choices = [lesion(nested.network, "r"), keep_first(nested.network, names, 1)]
    choices.append(keep_last(nested.network, names, 1))
    whole = dict(scores_without(nested.network, drawn(3), names, choices))
    told: list[tuple[int, int]] = []
    monkeypatch.setattr("layerkit.lens.lesions._HELD", 400)  # eight rows, six choices
    monkeypatch.setattr("layerkit.lens.gates._NUMBERS", 200)
    parts = dict(scores_without(nested.network, drawn(3), names, choices))
    after = look(nested, rows, progress=lambda done, of: told.append((done, of)))
    for k, choice in enumerate(choices):
        np.testing.assert_allclose(parts[k], whole[k], rtol=1e-12)
        expected = written(nested.without(choice.left), drawn(3))
        np.testing.assert_allclose(whole[k], expected, rtol=1e-12)
    for one, other in zip(before.blocks, after.blocks, strict=True):
        assert one.without is not None
        assert other.without is not None
        assert one.without["loss"].value == pytest.approx(other.without["loss"].value)
        assert (one.gates is None) == (other.gates is None)
        if one.gates is not None and other.gates is not None:
            np.testing.assert_allclose(one.gates.units, other.gates.units)
    assert told[-1][0] == told[-1][1] == N * (5 + 4 + 3)
    assert len(told) > 40


def test_numbers_have_intervals_of_their_loss_alone() -> None:
    layers = [{"type": "highway", "name": "h"}, {"type": "dense", "units": 1}]
    model = built([3], layers, targets=["y"])
    seen = look(model, Rows(drawn(3), None, drawn(1)[:, 0]))
    (block,) = seen.blocks
    assert block.gates is not None
    assert block.gates.classes == {}
    assert block.without is not None
    loss, mae = block.without["loss"], block.without["mae"]
    assert (mae.low, mae.gap_low) == (None, None)
    expected = np.abs(model.without(["h"]).predict(drawn(3)) - drawn(1)).mean()
    assert mae.value == pytest.approx(float(expected))
    assert loss.low is not None
    assert loss.high is not None
    assert loss.low < loss.value < loss.high


def test_intervals_are_those_of_the_statistics_room() -> None:
    from layerkit.statistics.estimates import estimate_from_rows, estimate_from_shares

    model = built([3], [{"type": "highway", "name": "h"}, {"type": "dense", "units": 2}])
    (block,) = look(model, Rows(drawn(3), None, labels())).blocks
    assert block.without is not None
    (losses, right), (old, old_right) = (
        loss_and_right(m.scores(drawn(3))) for m in (model.without(["h"]), model)
    )
    loss, accuracy = block.without["loss"], block.without["accuracy"]
    found = [(s.low, s.high, s.gap_low, s.gap_high) for s in (loss, accuracy)]
    shares = right.astype(float), right.astype(float) - old_right
    expected = [
        [
            *estimate_from_rows(losses[None]).over_rows(0.95),
            *estimate_from_rows((losses - old)[None]).over_rows(0.95),
        ],
        [
            *estimate_from_shares(shares[0][None], single=True).over_rows(0.95),
            *estimate_from_shares(shares[1][None]).over_rows(0.95),
        ],
    ]
    np.testing.assert_allclose(np.array(found, float), expected, rtol=1e-6)


def test_a_metric_that_does_not_count_right_rows_has_no_interval() -> None:
    model = built([3], [{"type": "highway", "name": "h"}, {"type": "dense", "units": 2}])
    train = {**(model.spec.train or {}), "metrics": ["macro_f1", "accuracy"]}
    model.spec = model.spec.with_train(**train)
    (block,) = look(model, Rows(drawn(3), None, labels())).blocks
    assert block.without is not None
    assert block.without["macro_f1"].low is None
    assert block.without["accuracy"].low is not None


def test_flags_and_one_output_for_two_classes_have_classes_and_intervals() -> None:
    layers = [{"type": "highway", "name": "h"}, {"type": "dense", "units": 1}]
    model = layerkit.build(
        {
            "layerkit": 1,
            "input": {"shape": [3]},
            "layers": layers,
            "output": {"classes": ["a", "b"], "link": "sigmoid"},
            "train": {"loss": "sigmoid_cross_entropy"},
        }
    )
    (block,) = look(model, Rows(drawn(3), None, labels())).blocks
    assert block.gates is not None
    assert block.without is not None
    gate = model.watch(drawn(3))["h"]["gate"]
    assert block.gates.classes["b"] == pytest.approx(float(gate[labels() == "b"].mean()))
    assert block.without["accuracy"].low is not None


def test_steps_count_in_their_rows() -> None:
    layers = [
        {"type": "gru", "units": 2, "sequence": True, "name": "g"},
        {"type": "dense", "units": 2},
    ]
    model = built([2, 2], layers)
    truth = np.array([["a", "b"], ["b", None], ["a", "a"]] * (N // 3), object)
    seen = look(model, Rows(drawn(2, 2), None, truth))
    (block,) = seen.blocks
    assert block.without is not None
    known = truth != None  # noqa: E711  # of each element
    z = model.without(["g"]).scores(drawn(2, 2))[known]
    right = z.argmax(axis=1) == (truth[known] == "b")
    accuracy = block.without["accuracy"]
    assert accuracy.value == pytest.approx(float(right.mean()))
    assert accuracy.low is not None
    assert accuracy.high is not None
    assert accuracy.low < accuracy.value < accuracy.high


def test_rows_without_labels_show_gates_and_changes(nested: Model) -> None:
    seen = look(nested, Rows(drawn(3)), row=1)
    labelled = look(nested, Rows(drawn(3), None, labels()), row=1)
    assert (seen.whole, seen.curve, seen.first, seen.last) == ({}, [], [], [])
    for one, other in zip(seen.blocks, labelled.blocks, strict=True):
        assert one.without is None
        assert (one.change, one.drift) == (other.change, other.drift)
        if one.gates is not None and other.gates is not None:
            assert (one.gates.units, one.gates.classes) == (other.gates.units, {})
    assert "no labels" in seen.notes[0]
    assert seen.row is not None
    assert labelled.row is not None
    assert (seen.row.label, labelled.row.label) == (None, "b")
    assert seen.row.answer == labelled.row.answer == nested.classify(drawn(3)[1:2])[0]
    assert seen.row.gates == labelled.row.gates
    np.testing.assert_allclose(seen.row.gates["h_2"][0], nested.watch(drawn(3))["h_2"]["gate"][1])


@pytest.mark.parametrize("row", [-1, N])
def test_a_row_that_is_not_there_is_refused(nested: Model, row: int) -> None:
    with pytest.raises(DataError, match=rf"expected a row from 0 to {N - 1}, got row {row}"):
        look(nested, Rows(drawn(3), None, labels()), row=row)


def test_no_rows_have_no_numbers(nested: Model) -> None:
    seen = look(nested, Rows(drawn(3)[:0], None, labels()[:0]))
    assert all(block.gates is None and block.change is None for block in seen.blocks)
    assert np.isnan(seen.whole["loss"].value)


def test_rows_that_carry_nothing_are_no_part_of_the_change() -> None:
    model = built([3], [{"type": "highway", "name": "h"}, {"type": "dense", "units": 2}])
    raw = drawn(3)
    raw[:5] = 0
    (block,) = look(model, Rows(raw, None, labels())).blocks
    size = np.linalg.norm(model.encode(raw, layer="h") - raw, axis=1)[5:]
    assert block.change is not None
    expected = np.median(size / np.linalg.norm(raw[5:], axis=1))
    assert block.change.median == pytest.approx(float(expected))


def test_numbers_that_are_not_finite_are_shown_as_none() -> None:
    model = built([3], [{"type": "highway", "name": "h"}, {"type": "dense", "units": 2}])
    model.network.params[...] = np.nan
    seen = look(model, Rows(drawn(3), None, labels()), row=0)
    found = seen.to_json()
    assert found["blocks"][0]["gates"]["mean"] is None
    assert found["blocks"][0]["change"] is None
    assert found["whole"]["loss"]["value"] is None
    assert "figure-gates" in html_page(seen)
    assert any("without one layer" in text for text in lens_text.blocks(seen))


class Leaky(Layer):
    """A stranger's gated layer, y = g * tanh(x) with g = sigmoid(x * w + start)."""

    type_name = "test.leaky"

    def __init__(self, *, start: float = -1.0) -> None:
        self.start = start

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape, {"w": Param(in_shape), "shift": Param(in_shape, self.start)})

    def feed(self, x: Array, ctx: Context) -> Array:
        gate = 1 / (1 + np.exp(-(x * self.params["w"] + self.params["shift"])))
        ctx.save(x, gate)
        y: Array = gate * np.tanh(x)
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        raise NotImplementedError

    def watched(self, ctx: Context) -> dict[str, Array]:
        x, gate = ctx.saved
        return {"gate": gate, "new": np.tanh(x), "carried": np.zeros_like(x)}

    def carry(self, x: Array) -> Array:
        return np.zeros_like(x)


def test_a_strangers_layer_joins_with_watched_and_carry(register: Register) -> None:
    register(Leaky)
    model = built([3], [{"type": "test.leaky", "name": "l"}, {"type": "dense", "units": 2}])
    (block,) = look(model, Rows(drawn(3), None, labels())).blocks
    p = model.tensors()
    gate = sigmoid(drawn(3) * p["l.w"] + p["l.shift"])
    assert block.gates is not None
    np.testing.assert_allclose(block.gates.units, gate.mean(axis=0))
    # The bias of its gate falls out of the rule: a setting says where it starts.
    assert [(d.parameter, d.start) for d in block.drift] == [("shift", -1.0)]
    assert block.drift[0].mean == pytest.approx(float(p["l.shift"].mean() + 1))
    assert block.change is None  # nothing is carried, so there is nothing to compare with
    assert block.without is not None
    is_of(block.without, np.tile(p["dense_1.b"], (N, 1)))
