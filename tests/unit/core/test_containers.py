"""Layers inside layers: names, arrays, random streams, freezing, files, forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Plan, Shape, ShapeError, SpecError, chain
from layerkit.core.network import Network
from layerkit.errors import PluginLoadError
from layerkit.execution.planned_engine import PlannedNumPy
from layerkit.execution.runner import Chain
from layerkit.fields import Fraction, Layers
from layerkit.recording.recordings import Recordings
from layerkit.specs.layers import layers_of

DENSE = {"type": "dense", "units": 4, "activation": "tanh"}


def spec(*layers: Any, shape: Shape = (4,), **train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "dtype": "float64",
        "input": {"shape": list(shape)},
        "layers": [*layers, {"type": "dense", "units": 2}],
        "output": {"classes": ["a", "b"]},
        "train": {"epochs": 2, "batch_size": 8, "loss": "softmax_cross_entropy", **train},
    }


def rows(n: int = 24, width: int = 4) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, width)), np.array(["a", "b"])[rng.integers(0, 2, n)]


def trained(given: dict[str, Any], **how: Any) -> layerkit.Model:
    return layerkit.train(given, **how).model


NESTED = {"type": "residual", "layers": [DENSE, {"type": "sequence", "layers": [DENSE]}]}


def test_arrays_of_parts_are_named_by_their_paths() -> None:
    model = layerkit.build(spec(NESTED))
    names = [name for name in model.tensors() if name.startswith("residual_1")]
    assert names == [
        *("residual_1.dense_1.W", "residual_1.dense_1.b"),
        *("residual_1.sequence_1.dense_1.W", "residual_1.sequence_1.dense_1.b"),
    ]
    layer = model.network.layers[0]
    inner = layer.parts[1].layer.parts[0].layer
    assert inner.params["W"] is layer.params["sequence_1.dense_1.W"]
    assert np.shares_memory(inner.params["W"], model.network.params)
    spans = [one.layer.span for p in model.network.planned for one in p.nested()]
    assert [s for s in spans if s.stop > s.start] == [slice(0, 20), slice(20, 40), slice(40, 50)]


def test_a_part_starts_as_its_path_says_whatever_stands_beside_it() -> None:
    one = layerkit.build(spec({"type": "sequence", "layers": [DENSE]})).tensors()
    two = layerkit.build(spec({"type": "sequence", "layers": [DENSE, DENSE]})).tensors()
    assert (one["sequence_1.dense_1.W"] == two["sequence_1.dense_1.W"]).all()
    assert (two["sequence_1.dense_1.W"] != two["sequence_1.dense_2.W"]).any()


@pytest.mark.parametrize("where", ["container", "part"])
def test_frozen_parts_stay_and_others_learn(where: str) -> None:
    inner = [{**DENSE, "freeze": where == "part"}, DENSE]
    outer = {"type": "sequence", "layers": inner, "freeze": where == "container"}
    optimizer = {"type": "adamw", "weight_decay": 0.5}
    given = spec(outer, optimizer=optimizer)
    before = layerkit.build(given).tensors()
    after = trained(given, data=rows()).tensors()
    moved = {name for name in before if (before[name] != after[name]).any()}
    stays = {"sequence_1.dense_1.W", "sequence_1.dense_1.b"}
    stays |= {"sequence_1.dense_2.W", "sequence_1.dense_2.b"} if where == "container" else set()
    assert moved == set(before) - stays


def test_a_container_is_the_layers_inside() -> None:
    flat = layerkit.build(spec(DENSE, DENSE))
    held = layerkit.build(spec({"type": "sequence", "layers": [DENSE, DENSE]}))
    held.network.params[...] = flat.network.params
    x = rows()[0]
    assert (flat.predict(x) == held.predict(x)).all()
    wide = {**DENSE, "name": "wide"}
    deep = {"type": "sequence", "name": "deep", "layers": [DENSE, DENSE]}
    both = layerkit.build(spec({"type": "branch", "layers": [wide, deep]}))
    parts = both.network.layers[0].parts
    contexts = both.network.contexts()
    first = both.network.layers[0].feed(x, contexts[0])
    alone = [np.tanh(x @ parts[0].layer.params["W"] + parts[0].layer.params["b"])]
    h = x
    for part in parts[1].layer.parts:
        h = np.tanh(h @ part.layer.params["W"] + part.layer.params["b"])
    assert np.allclose(first, np.concatenate([*alone, h], axis=1), rtol=1e-14, atol=0)


def test_layers_of_equal_structure_share_a_recording() -> None:
    other = {"type": "residual", "layers": [{**DENSE, "activation": "relu"}]}
    same = {"type": "residual", "layers": [DENSE]}
    model = layerkit.build(spec(same, same, other))
    recordings = Recordings(np.float64)
    a, b, c, _ = (recordings.get(p, training=True, keeps=True) for p in model.network.planned)
    assert a is b
    assert a is not c


class Noisy(Layer):
    """x times numbers drawn from the layer's own stream, in training."""

    type_name = "tests.noisy-part"

    def __init__(self, *, rate: Fraction = 0.5) -> None:
        self.rate = rate

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        if not ctx.training:
            return x
        kept = ctx.rng.random(x.shape) >= self.rate
        ctx.save(kept)
        y: Array = x * kept
        return y

    def backprop(self, dy: Array, ctx: Context) -> Array:
        (kept,) = ctx.saved
        dx: Array = dy * kept
        return dx


@pytest.fixture
def noisy(register: Any) -> Any:
    return register(Noisy)


def test_each_part_draws_from_the_stream_of_its_path(noisy: Any) -> None:
    inner = {"type": "tests.noisy-part"}
    model = layerkit.build(spec({"type": "sequence", "layers": [inner, DENSE, inner]}))
    chained = Chain(model.network, [PlannedNumPy()], training=True, wants_dx=True)
    drawing = chained.drawing()
    assert "sequence_1.tests-noisy-part_2" in drawing
    x = np.ones((6, 4))
    for form in "recorded", "as written":
        streams = {name: np.random.default_rng(i) for i, name in enumerate(drawing)}
        first = np.random.default_rng(drawing.index("sequence_1.tests-noisy-part_1"))
        if form == "recorded":
            for name, stream in streams.items():
                chained.set_stream(name, stream)
            chained.feed(x)
        else:
            contexts = model.network.contexts(training=True, streams=streams)
            model.network.feed(x, contexts)
        first.random((6, 4))
        told = streams["sequence_1.tests-noisy-part_1"].bit_generator.state
        assert told == first.bit_generator.state, form


class Odd(Noisy):
    """A layer that gives something other than it planned."""

    type_name = "tests.odd-part"
    gives: Any = None
    eager = True

    def feed(self, x: Array, ctx: Context) -> Any:
        return self.gives


@pytest.mark.parametrize(
    ("gives", "got"),
    [(None, "None"), (np.zeros((5, 4)), r"float64 of shape \[5, 4\]")],
    ids=["none", "rows"],
)
def test_a_part_that_gives_something_else_is_named(register: Any, gives: Any, got: str) -> None:
    register(Odd)
    model = layerkit.build(
        spec({"type": "sequence", "layers": [DENSE, {"type": "tests.odd-part"}]})
    )
    odd: Any = model.network.layers[0].parts[1].layer
    odd.gives = gives
    planned = r"'tests-odd-part_1'.*expected float64 of shape \[6, 4\] as planned, got "
    with pytest.raises(PluginLoadError, match=planned + got):
        model.network.feed(np.ones((6, 4)), model.network.contexts())


def test_recorded_and_written_forms_train_alike(noisy: Any, monkeypatch: Any) -> None:
    inner = {"type": "tests.noisy-part"}
    given = spec({"type": "residual", "layers": [DENSE, inner, DENSE]}, NESTED)
    recorded = trained(given, data=rows())
    monkeypatch.setattr(Noisy, "eager", True)
    from layerkit_plugins.layers.dense import Dense

    monkeypatch.setattr(Dense, "eager", True)
    written = trained(given, data=rows())
    for name, array in recorded.tensors().items():
        assert np.allclose(array, written.tensors()[name], rtol=1e-11, atol=1e-13), name


def test_a_file_keeps_the_layers_inside(tmp_path: Path) -> None:
    given = spec(NESTED, {"type": "branch", "layers": [DENSE, NESTED], "join": "sum"})
    model = trained(given, data=rows())
    layerkit.save(model, tmp_path / "nested.layerkit")
    again = layerkit.load(tmp_path / "nested.layerkit")
    x = rows()[0]
    assert (again.predict(x) == model.predict(x)).all()
    assert again.spec == model.spec
    layerkit.save(again, tmp_path / "again.layerkit")
    first, second = ((tmp_path / f"{n}.layerkit").read_bytes() for n in ("nested", "again"))
    assert first == second
    mapped = layerkit.load(tmp_path / "nested.layerkit", mmap=True)
    assert (mapped.predict(x) == model.predict(x)).all()
    mapped.network.params  # noqa: B018  # copied out of the file
    assert (mapped.predict(x) == model.predict(x)).all()


def test_a_resumed_training_ends_in_the_same_bytes(tmp_path: Path, noisy: Any) -> None:
    given = spec({"type": "residual", "layers": [DENSE, {"type": "tests.noisy-part"}, DENSE]})
    whole, part = tmp_path / "whole.layerkit", tmp_path / "part.layerkit"
    layerkit.save(trained(given, data=rows(), settings=["train.epochs=4"]), whole)
    layerkit.save(trained(given, data=rows(), settings=["train.epochs=2"]), part)
    layerkit.save(layerkit.resume(part, data=rows(), epochs=4).model, part)
    assert part.read_bytes() == whole.read_bytes()


WRONG = {
    "no layers": ({"type": "sequence"}, "layers[0].layers", "missing field 'layers'"),
    "empty": ({"type": "sequence", "layers": []}, "layers[0].layers", "one or more layers"),
    "no list": ({"type": "sequence", "layers": 3}, "layers[0].layers", "one or more layers"),
    "wrong setting": (
        {"type": "sequence", "layers": [{"type": "dense", "units": 0}]},
        "layers[0].layers[0].units",
        "an integer >= 1",
    ),
    "unknown setting": (
        {"type": "sequence", "layers": [{"type": "dense", "unit": 1}]},
        "layers[0].layers[0].unit",
        "units",
    ),
    "one name twice": (
        {"type": "sequence", "layers": [{**DENSE, "name": "a"}, {**DENSE, "name": "a"}]},
        "layers[0].layers[1].name",
        "layers[0].layers[0] has the name",
    ),
    "no container": ({**DENSE, "layers": [DENSE]}, "layers[0].layers", "unknown field"),
    "shapes inside": (
        {"type": "sequence", "layers": [DENSE, {"type": "highway", "units": 7}]},
        "layers[0].layers[1]",
        "does not fit after 'dense_1' (output shape [4])",
    ),
    "shapes two deep": (
        {"type": "sequence", "layers": [{"type": "sequence", "layers": [
            {"type": "highway", "units": 7}]}]},
        "layers[0].layers[0].layers[0]",
        "the container's input (shape [4])",
    ),
    "shape of the sum": (
        {"type": "residual", "layers": [{"type": "dense", "units": 3}]},
        "layers[0]",
        '"project": true',
    ),
    "shapes side by side": (
        {"type": "branch", "join": "sum", "layers": [DENSE, {"type": "dense", "units": 3}]},
        "layers[0]",
        "[4] from 'dense_1' and [3] from 'dense_2'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_inside_are_shown_where_they_are(name: str) -> None:
    layer, location, words = WRONG[name]
    with pytest.raises(SpecError) as refused:
        layerkit.build(spec(layer))
    assert refused.value.location == location
    assert words in str(refused.value)


def test_an_unknown_type_inside_is_named_with_its_place() -> None:
    with pytest.raises(layerkit.UnknownTypeError, match=r"layers\[0\].layers\[0\].type: unknown"):
        layerkit.build(spec({"type": "sequence", "layers": [{"type": "dens", "units": 3}]}))


def test_a_repeated_container_is_unrolled_with_all_inside() -> None:
    model = layerkit.build(spec({**NESTED, "repeat": 3, "name": "block"}))
    assert [r.name for r in model.spec.layers] == ["block_1", "block_2", "block_3", "dense_1"]
    assert model.spec.to_document()["layers"][2]["layers"][1]["layers"][0]["name"] == "dense_1"


def test_overrides_reach_inside() -> None:
    settings = ["layers.0.layers.0.units=7"]
    sequence = {"type": "sequence", "layers": [DENSE]}
    model = layerkit.build(spec(sequence), settings=settings)
    assert model.network.planned[0].plan.out_shape == (7,)


class Wrong(Noisy):
    """Gives another shape than it plans, inside a container."""

    type_name = "tests.wrong-part"

    def feed(self, x: Array, ctx: Context) -> Array:
        return x[:, :2]


class Raising(Noisy):
    """Raises in feed."""

    type_name = "tests.raising-part"

    def feed(self, x: Array, ctx: Context) -> Array:
        raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    ("part", "words"),
    [(Wrong, "expected float64 of shape [24, 4]"), (Raising, "in its part 'tests-raising-part_1'")],
)
def test_an_error_names_the_part(register: Any, part: type[Layer], words: str) -> None:
    register(part)
    model = layerkit.build(spec({"type": "sequence", "layers": [{"type": part.type_name}]}))
    with pytest.raises(layerkit.PluginLoadError) as refused:
        model.predict(rows()[0])
    assert words in str(refused.value)


class Doubled(Layer):
    """A stranger's container: the layers inside, one after the other, twice."""

    type_name = "tests.doubled"

    def __init__(self, *, layers: Layers) -> None:
        self.layers = layers

    def plan(self, in_shape: Shape) -> Plan:
        parts = chain(self.layers, in_shape)
        if parts[-1].out_shape != in_shape:
            raise ShapeError(f"expected layers that keep the shape {list(in_shape)}")
        return Plan(in_shape, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        return self.parts.feed(x, ctx) * 2

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return self.parts.backprop(dy * 2, ctx)

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        return [({"layers": [DENSE, {"type": "highway"}]}, (4,))]


def test_a_strangers_container_trains_and_is_saved(register: Any, tmp_path: Path) -> None:
    register(Doubled)
    layer = {"type": "tests.doubled", "layers": [{"type": "tests.doubled", "layers": [DENSE]}]}
    model = trained(spec(layer), data=rows())
    layerkit.save(model, tmp_path / "doubled.layerkit")
    assert (layerkit.load(tmp_path / "doubled.layerkit").predict(rows()[0])
            == model.predict(rows()[0])).all()  # fmt: skip


class Twins(Doubled):
    """One tower for both halves of a row, each with a context of its own."""

    type_name = "tests.twins"

    def plan(self, in_shape: Shape) -> Plan:
        parts = chain(self.layers, (in_shape[0] // 2,))
        return Plan(parts[-1].out_shape, parts=parts)

    def feed(self, x: Array, ctx: Context) -> Array:
        half = x.shape[1] // 2
        left, right = ctx.part("left"), ctx.part("right")
        return self.parts.feed(x[:, :half], left) - self.parts.feed(x[:, half:], right)

    def backprop(self, dy: Array, ctx: Context) -> Array:
        left, right = ctx.part("left"), ctx.part("right")
        pieces = [self.parts.backprop(dy, left), self.parts.backprop(-dy, right)]
        return np.concatenate(pieces, axis=1)


@pytest.mark.parametrize("eager", ["", "1"])
def test_gradients_of_a_part_fed_twice_add(register: Any, monkeypatch: Any, eager: str) -> None:
    """A step of the container is that of two layers that are tied."""
    register(Twins)
    monkeypatch.setenv("LAYERKIT_EAGER", eager)
    ways: list[Any] = [
        {"type": "sequence", "layers": [{"type": "select", "columns": columns}, DENSE]}
        for columns in ([0, 1, 2], [3, 4, 5])
    ]
    ways[1]["layers"][1] = DENSE | {"tie": {n: f"both.sequence_1.dense_1.{n}" for n in "Wb"}}
    turned = {"type": "dense", "units": 4, "use_bias": False, "freeze": True, "name": "turned"}
    twins = layerkit.build(spec({"type": "tests.twins", "layers": [DENSE]}, shape=(6,)))
    tied = layerkit.build(
        spec({"type": "branch", "name": "both", "layers": ways}, turned, shape=(6,))
    )
    mine, theirs = twins.tensors(), tied.tensors()
    for name in "Wb":
        theirs[f"both.sequence_1.dense_1.{name}"] = mine[f"tests-twins_1.dense_1.{name}"]
        theirs[f"both.sequence_2.dense_1.{name}"] = mine[f"tests-twins_1.dense_1.{name}"]
        theirs[f"dense_2.{name}"] = mine[f"dense_1.{name}"]
    theirs["turned.W"] = np.concatenate([np.eye(4), -np.eye(4)])
    tied.set_tensors(theirs)
    data = rows(width=6)
    after, expected = (trained_on(model, data) for model in (twins, tied))
    for name in "Wb":
        np.testing.assert_allclose(
            after[f"tests-twins_1.dense_1.{name}"],
            expected[f"both.sequence_1.dense_1.{name}"],
            rtol=1e-10,
        )


def trained_on(model: layerkit.Model, data: tuple[Array, Array]) -> dict[str, Array]:
    return layerkit.train(model, data=data).model.tensors()


def test_a_plan_that_forgets_the_layers_inside_is_refused(register: Any) -> None:
    class Forgetful(Doubled):
        type_name = "tests.forgetful"

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape, parts=chain(self.layers, in_shape)[:1])

    register(Forgetful)
    with pytest.raises(layerkit.PluginLoadError, match="'highway_1' is among the layers inside"):
        layerkit.build(spec({"type": "tests.forgetful", "layers": [DENSE, {"type": "highway"}]}))


def test_made_by_hand() -> None:
    from layerkit_plugins.layers.residual import Residual

    layer = Residual(layers=layers_of([DENSE]))
    assert layer.config["layers"][0]["units"] == 4
    planned = chain([("block", layer)], (4,))
    network = Network(planned, np.dtype(np.float64))
    x = rows()[0]
    assert (network.feed(x, network.contexts()) == x).all()  # tanh(0) is 0
