"""Every installed layer x every check, driven by ``Layer.examples()``; no layer is named here."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import layerkit
from layerkit import Array, Context, Layer, Optimizer, Plan, Shape
from layerkit.fields import PartOf
from layerkit.network import Network, Planned, plan_layers

Example = tuple[type[Layer], dict[str, Any], Shape]

F64 = np.dtype(np.float64)
F32 = np.dtype(np.float32)


def installed(group: str) -> list[str]:
    return sorted({ep.name for ep in entry_points(group=group)})


def examples() -> Iterator[Any]:
    for ep in sorted(entry_points(group="layerkit.layers"), key=lambda e: e.name):
        cls = ep.load()
        for i, (config, shape) in enumerate(cls.examples()):
            yield pytest.param((cls, config, shape), id=f"{ep.name}-{i}")


EXAMPLES = list(examples())
every_example = pytest.mark.parametrize("example", EXAMPLES)


def network_of(example: Example, dtype: np.dtype[Any] = F64, seed: int = 0) -> Network:
    cls, config, shape = example
    network = Network(plan_layers([("layer", cls(**config))], shape), dtype)
    network.initialise(seed)
    network.allocate_grads()
    return network


def shaken(network: Network, seed: int = 3) -> Network:
    """Every parameter moved off its start, so that no zero bias hides a fault."""
    noise = np.random.default_rng(seed).uniform(-0.5, 0.5, network.size)
    network.params[...] += noise.astype(network.dtype)
    return network


def rows(planned: Planned, n: int, dtype: np.dtype[Any] = F64, seed: int = 1) -> Array:
    return np.random.default_rng(seed).standard_normal((n, *planned.in_shape)).astype(dtype)


def cotangent(planned: Planned, n: int, dtype: np.dtype[Any] = F64, seed: int = 2) -> Array:
    shape = (n, *planned.plan.out_shape)
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def one_pass(network: Network, x: Array, dy: Array, **options: Any) -> tuple[Array, Array, Array]:
    """(y, dx, gradient vector), all copies."""
    contexts = fresh(network, **{"wants_dx": True, **options})
    y = network.feed(x, contexts).copy()
    dx = network.backprop(dy, contexts).copy()
    assert network.grads is not None
    return y, dx, network.grads.copy()


def fresh(network: Network, **options: Any) -> list[Context]:
    streams = {p.name: np.random.default_rng(7) for p in network.planned}
    return network.contexts(streams=streams, **options)


def numeric(f: Callable[[], float], values: Array, step: float = 1e-5) -> Array:
    """Central differences of f by every element of ``values``, which is changed in place."""
    slope = np.empty(values.shape)
    for place in np.ndindex(*values.shape):
        kept = values[place]
        values[place] = kept + step
        above = f()
        values[place] = kept - step
        below = f()
        values[place] = kept
        slope[place] = (above - below) / (2 * step)
    return slope


def error_of(found: Array, wanted: Array) -> float:
    """Largest difference, relative to the largest slope."""
    if wanted.size == 0:
        return 0.0
    scale = max(float(np.abs(wanted).max()), float(np.abs(found).max()), 1e-3)
    return float(np.abs(found - wanted).max()) / scale


def worst_gradient(network: Network, x: Array, dy: Array) -> dict[str, float]:
    """Relative error against central differences, of dx and of every parameter's gradient."""
    _, dx, _ = one_pass(network, x, dy)
    grads = {name: g.copy() for name, g in network.layers[0].grads.items()}
    free = np.array(x)

    def loss() -> float:
        return float(np.sum(network.feed(free, fresh(network)) * dy))

    errors = {"dx": error_of(dx, numeric(loss, free))}
    for name, param in network.layers[0].params.items():
        errors[name] = error_of(grads[name], numeric(loss, param))
    return errors


def test_there_is_something_to_check() -> None:
    assert len(EXAMPLES) >= len(installed("layerkit.layers")) >= 3


@pytest.mark.parametrize("name", installed("layerkit.layers"))
def test_every_layer_gives_examples(name: str) -> None:
    (ep,) = entry_points(group="layerkit.layers", name=name)
    cls = ep.load()
    assert cls.type_name == name
    assert cls.examples()
    assert cls.config_version >= 1


@every_example
def test_plan_allocates_nothing_and_is_pure(example: Example) -> None:
    cls, config, shape = example
    layer = cls(**config)
    first, second = layer.plan(shape), layer.plan(shape)
    assert isinstance(first, Plan)
    assert first == second
    assert (layer.params, layer.grads, layer.state) == ({}, {}, {})


@every_example
def test_the_constructor_only_stores(example: Example) -> None:
    cls, config, _ = example
    layer = cls(**config)
    for name, value in config.items():
        assert getattr(layer, name) is value
    again = cls(**layer.config)
    assert again.config == layer.config
    assert list(layer.config) == list(cls.settings())


@every_example
@pytest.mark.parametrize("n", [0, 1, 7])
def test_shapes_and_dtypes(example: Example, n: int) -> None:
    for dtype in (F32, F64):
        network = network_of(example, dtype)
        (planned,) = network.planned
        x, dy = rows(planned, n, dtype), cotangent(planned, n, dtype)
        y, dx, grads = one_pass(network, x, dy, training=True)
        assert (y.shape, y.dtype) == ((n, *planned.plan.out_shape), dtype)
        assert (dx.shape, dx.dtype) == (x.shape, dtype)
        assert grads.dtype == dtype
        if n == 0:
            assert not grads.any()


@every_example
def test_gradients_are_central_differences(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    errors = worst_gradient(network, rows(planned, 4), cotangent(planned, 4))
    assert max(errors.values()) < 1e-6, errors


def settings_naming(cls: type[Layer], group: str) -> list[str]:
    """Settings of the layer that name a part of ``group``."""
    found = []
    for name, hint in get_type_hints(cls.__init__, include_extras=True).items():
        marks = [hint, *get_args(hint)]
        nested = [m for one in marks for m in get_args(one)]
        if any(isinstance(m, PartOf) and m.group == group for m in [*marks, *nested]):
            found.append(name)
    return found


def activation_cases() -> Iterator[Any]:
    for ep in sorted(entry_points(group="layerkit.layers"), key=lambda e: e.name):
        cls = ep.load()
        config, shape = cls.examples()[0]
        for setting in settings_naming(cls, "activations"):
            for name in installed("layerkit.activations"):
                case = (cls, {**config, setting: name}, shape)
                yield pytest.param(case, id=f"{ep.name}-{setting}-{name}")


@pytest.mark.parametrize("example", list(activation_cases()))
def test_gradients_with_every_activation(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    errors = worst_gradient(network, rows(planned, 3), cotangent(planned, 3))
    assert max(errors.values()) < 1e-6, errors


def strided(a: Array) -> Array:
    wide = np.full((a.shape[0] * 2, *a.shape[1:]), np.nan, a.dtype)
    wide[::2] = a
    return wide[::2]


def backwards(a: Array) -> Array:
    return a[::-1].copy()[::-1]


def locked(a: Array) -> Array:
    kept = a.copy()
    kept.flags.writeable = False
    return kept


def feature_major(a: Array) -> Array:
    return np.asfortranarray(a)


LAYOUTS = [strided, backwards, locked, feature_major]


@every_example
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__)
def test_any_memory_layout_gives_the_same_numbers(
    example: Example, layout: Callable[[Array], Array]
) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x, dy = rows(planned, 6), cotangent(planned, 6)
    plain = one_pass(network, x, dy)
    other = one_pass(network, layout(x), layout(dy))
    for one, two in zip(plain, other, strict=True):
        np.testing.assert_allclose(two, one, rtol=1e-12, atol=1e-12)


@every_example
def test_inputs_and_cotangents_are_never_written(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x, dy = rows(planned, 5), cotangent(planned, 5)
    kept_x, kept_dy, weights = x.copy(), dy.copy(), network.params.copy()
    one_pass(network, x, dy, training=True)
    np.testing.assert_array_equal(x, kept_x)
    np.testing.assert_array_equal(dy, kept_dy)
    np.testing.assert_array_equal(network.params, weights)


@every_example
def test_backprop_writes_gradients_and_does_not_add(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x, dy = rows(planned, 5), cotangent(planned, 5)
    _, _, first = one_pass(network, x, dy)
    network.allocate_grads().fill(np.nan)
    _, _, second = one_pass(network, x, dy)
    np.testing.assert_array_equal(second, first)


@every_example
def test_backprop_twice_gives_the_same(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x, dy = rows(planned, 5), cotangent(planned, 5)
    contexts = fresh(network, wants_dx=True)
    network.feed(x, contexts)
    first = network.backprop(dy, contexts).copy()
    second = network.backprop(dy, contexts).copy()
    np.testing.assert_array_equal(second, first)


@every_example
def test_without_dx_the_parameter_gradients_are_the_same(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x, dy = rows(planned, 5), cotangent(planned, 5)
    _, _, wanted = one_pass(network, x, dy, wants_dx=True)
    _, _, found = one_pass(network, x, dy, wants_dx=False)
    np.testing.assert_array_equal(found, wanted)


@every_example
def test_rows_do_not_see_each_other_at_inference(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x = rows(planned, 7)
    together = network.feed(x, fresh(network)).copy()
    alone = [network.feed(x[i : i + 1], fresh(network)).copy() for i in range(7)]
    np.testing.assert_allclose(np.concatenate(alone), together, rtol=1e-12, atol=1e-13)


@every_example
def test_two_feeds_that_overlap_do_not_mix(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    x1, x2 = rows(planned, 5, seed=1), rows(planned, 5, seed=8)
    dy = cotangent(planned, 5)
    wanted = [one_pass(network, x, dy) for x in (x1, x2)]
    one, two = fresh(network, wants_dx=True), fresh(network, wants_dx=True)
    y1 = network.feed(x1, one)
    y2 = network.feed(x2, two)
    np.testing.assert_array_equal(y1, wanted[0][0])
    np.testing.assert_array_equal(y2, wanted[1][0])
    dx1 = network.backprop(dy, one)
    np.testing.assert_array_equal(dx1, wanted[0][1])
    np.testing.assert_array_equal(network.grads, wanted[0][2])
    dx2 = network.backprop(dy, two)
    np.testing.assert_array_equal(dx2, wanted[1][1])
    np.testing.assert_array_equal(network.grads, wanted[1][2])


@every_example
def test_threads_do_not_mix(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    inputs = [rows(planned, 50, seed=s) for s in range(4)]
    wanted = [network.feed(x, fresh(network)).copy() for x in inputs]
    found: dict[int, list[bool]] = {}

    def work(i: int) -> None:
        contexts = fresh(network)
        found[i] = [
            bool(np.array_equal(network.feed(inputs[i], contexts), wanted[i])) for _ in range(40)
        ]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert found == {i: [True] * 40 for i in range(4)}


@every_example
def test_a_context_may_be_reused_at_another_batch_size(example: Example) -> None:
    network = shaken(network_of(example))
    (planned,) = network.planned
    contexts = fresh(network, wants_dx=True)
    for n in (5, 2, 7, 5):
        x, dy = rows(planned, n), cotangent(planned, n)
        y, dx, grads = one_pass(network, x, dy)
        np.testing.assert_array_equal(network.feed(x, contexts), y)
        np.testing.assert_array_equal(network.backprop(dy, contexts), dx)
        np.testing.assert_array_equal(network.grads, grads)


class Plus(Optimizer):
    """p := p + 1, whatever the gradient."""

    type_name = "test.plus"
    learning_rate = 1.0

    def rule(self, p: Array, g: Array, slots: Any, scratch: Array) -> None:
        p += 1


@every_example
def test_update_moves_what_is_free_and_keeps_the_bytes_of_what_is_not(example: Example) -> None:
    network = shaken(network_of(example, F32))
    (layer,) = network.layers
    before = network.params.copy()
    rule = Plus()
    rule.bind(network.params, network.allocate_grads())
    rule.begin(1.0)
    layer.update(rule)
    if layer.freeze:
        assert network.params.tobytes() == before.tobytes()
    else:
        np.testing.assert_array_equal(network.params, before + np.float32(1))


@every_example
def test_parameters_start_from_their_seed_alone(example: Example) -> None:
    first, second, other = (network_of(example, F32, seed) for seed in (0, 0, 1))
    assert first.params.tobytes() == second.params.tobytes()
    random = [p for p in first.planned[0].plan.params.values() if isinstance(p.init, str)]
    if any(name not in ("ones", "zeros", "eye", "mean") for name in map(_init, random)):
        assert first.params.tobytes() != other.params.tobytes()


def _init(param: Any) -> str:
    return str(param.init)


@every_example
def test_global_random_state_is_untouched(example: Example) -> None:
    before = np.random.get_state(legacy=False)  # noqa: NPY002  # the state that must not change
    network = network_of(example)
    (planned,) = network.planned
    one_pass(network, rows(planned, 3), cotangent(planned, 3), training=True)
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    np.testing.assert_equal(after, before)


@every_example
def test_saved_and_loaded_gives_the_same_bits(example: Example) -> None:
    cls, config, shape = example
    layers = [{"type": cls.type_name, "config": config}]
    model = layerkit.build({"layerkit": 1, "input": {"shape": list(shape)}, "layers": layers})
    stream = io.BytesIO()
    layerkit.save(model, stream)
    stream.seek(0)
    again = layerkit.load(stream)
    x = np.random.default_rng(0).standard_normal((5, *shape))
    np.testing.assert_array_equal(again.predict(x), model.predict(x))
    assert again.spec.layers[0].config == model.spec.layers[0].config
