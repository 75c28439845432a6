"""Each rule of joining, order and memory, on small graphs: what it does, and where it must not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from layerkit import Param, Plan
from layerkit.execution.planned.joins import Layout, join
from layerkit.execution.planned.memory import (
    Places,
    is_view,
    part,
    prepare,
    root,
    split,
)
from layerkit.execution.planned.stage import PlannedStage, Template
from layerkit.recording.graph import Graph, Node
from layerkit.recording.record import record
from tests.unit.execution.planned.nets import Passed, Plain, highway, network, recorded

D = 6
SQUARES = {"A": (D, D), "B": (D, D), "C": (D, D), "a": (D,), "b": (D,), "c": (D,)}


def plain(feed: Callable[..., Any], backprop: Callable[..., Any], **arrays: Any) -> Plain:
    return Plain(feed, backprop, **({"params": SQUARES} | arrays))


def no_back(layer: Any, dy: Any, ctx: Any) -> Any:
    return dy * 2


def joined(layer: Plain) -> Graph:
    """The graph of a layer after joining."""
    plan = layer.plan((D,))
    recording = record(layer, (D,), np.float64, training=True, keeps=True, plan=plan)
    graph = prepare(recording.graph, keeps=True, wants_dx=True)
    return join(graph, Layout(plan))


def params_of(graph: Graph, op: str) -> list[str]:
    """Names of the parameters among the arguments of all nodes of one operation."""
    found = []
    for node in graph.nodes():
        if node.op == op:
            found += [root(arg).args[0] for arg in node.inputs() if root(arg).op == "param"]
    return sorted(found)


def check(layer: Plain, **more: Any) -> None:
    """Two layers of this kind agree with their replay, for several numbers of rows."""
    net = network([layer, layer], (D,), np.float64)
    members = recorded(net)
    stage = PlannedStage(net, members, keeps=True, wants_dx=True)
    numbers = np.random.default_rng(8)
    for n in (5, 1, 2, 0, 5):
        x, dy = numbers.standard_normal((2, n, D))
        names = [p.name for p in net.planned]
        wanted = Passed(members, x, dy, {name: np.random.default_rng(1) for name in names})
        stage.streams = {name: np.random.default_rng(1) for name in names}
        assert np.allclose(stage.feed(x), wanted.y, rtol=1e-12, atol=1e-12)
        state = {f"{p.name}.{k}": v for p in net.planned for k, v in p.layer.state.items()}
        for name, array in wanted.state.items():
            assert np.allclose(state[name], array, rtol=1e-12, atol=1e-12), name
        assert np.allclose(stage.backprop(dy), wanted.dx, rtol=1e-12, atol=1e-12)
        found = net.split(net.allocate_grads())
        for name, array in wanted.grads.items():
            assert np.allclose(found[name], array, rtol=1e-12, atol=1e-12), name


# layout


def test_the_layout_names_neighbours_in_memory_order() -> None:
    shapes = {"A": (D, 2), "B": (D, 3), "u": (4, 3), "a": (2,), "b": (3,)}
    plan = Plan((2,), {name: Param(shape) for name, shape in shapes.items()})
    layout = Layout(plan)
    assert layout.runs(["B", "A"]) == [("A", "B")]
    assert layout.runs(["u", "B", "A", "b"]) == [("A", "B"), ("u",), ("b",)]
    flat = np.arange(sum(p.size for p in plan.params.values()) + 5, dtype=np.float64)
    whole = layout.array(flat, 5, "A|B")
    assert whole.shape == (D, 5)
    assert np.array_equal(whole[:, :2], layout.array(flat, 5, "A"))
    assert np.array_equal(whole[:, 2:], layout.array(flat, 5, "B"))


# joins


def test_products_of_one_input_and_their_biases_become_one() -> None:
    graph = joined(highway_like := highway(D))
    assert params_of(graph, "matmul") == ["WH|WT", "WH|WT"]  # forwards, and for dx
    assert params_of(graph, "add") == ["bH|bT"]
    assert sorted(graph.grads) == ["WH|WT", "bH|bT"]
    assert sum(node.op == "matmul" for node in graph.nodes()) == 3
    check(highway_like)


def test_products_of_two_inputs_stay_apart() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return x @ layer.params["A"] + np.tanh(x) @ layer.params["B"]

    layer = plain(feed, no_back)
    assert params_of(joined(layer), "matmul") == ["A", "B"]
    check(layer)


def test_parameters_that_are_no_neighbours_stay_apart() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return np.tanh(x @ layer.params["A"]) * (x @ layer.params["C"])

    layer = plain(feed, no_back)
    assert params_of(joined(layer), "matmul") == ["A", "C"]
    check(layer)


def test_a_product_that_is_read_twice_keeps_its_bias_apart() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        p = layer.params
        u, v = x @ p["A"], x @ p["B"]
        return np.tanh(u + p["a"]) * (v + p["b"]) + u

    layer = plain(feed, no_back)
    graph = joined(layer)
    assert params_of(graph, "matmul") == ["A|B"]
    assert params_of(graph, "add") == ["a", "b"]
    check(layer)


def test_biases_in_another_order_than_their_matrices_stay_apart() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        p = layer.params
        return np.tanh(x @ p["A"] + p["b"]) * (x @ p["B"] + p["a"])

    layer = plain(feed, no_back)
    assert params_of(joined(layer), "add") == ["a", "b"]
    check(layer)


def gradients(*names: str, parts: Callable[..., Any], sums: bool = True) -> Plain:
    """A layer with dWk = x^T dk for the dk that ``parts`` gives, and dx = sum of dk Wk^T."""

    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        ctx.save(x)
        return np.tanh(x)

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        (x,) = ctx.saved
        found = parts(x, dy)
        dx = dy
        for name, d in zip(names, found, strict=True):
            layer.grads[name] = x.T @ d
            if sums:
                layer.grads[name.lower()] = d.sum(axis=0)
            dx = dx + d @ layer.params[name].T
        return dx

    return plain(feed, backprop)


def test_gradients_of_neighbours_become_one_product() -> None:
    layer = gradients("A", "B", parts=lambda x, dy: (dy * x, dy - x))
    graph = joined(layer)
    assert sorted(graph.grads) == ["A|B", "a|b"]
    assert params_of(graph, "matmul") == ["A|B"]
    check(layer)


def test_gradients_of_a_view_or_of_dy_itself_stay_apart() -> None:
    for parts in (lambda x, dy: (dy, dy * x), lambda x, dy: (dy[:, ::-1], dy * x)):
        layer = gradients("A", "B", parts=parts)
        assert sorted(joined(layer).grads) == ["A", "B", "a", "b"]
        check(layer)


def test_one_part_cannot_lie_in_two_places() -> None:
    def parts(x: Any, dy: Any) -> Any:
        d = dy * x
        return d, d

    layer = gradients("A", "B", parts=parts)
    assert sorted(joined(layer).grads) == ["A", "B", "a", "b"]
    check(layer)


def test_a_part_that_is_also_a_result_stays_apart() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        ctx.save(x)
        return np.tanh(x)

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        (x,) = ctx.saved
        d, e = dy * x, dy - x
        layer.grads["A"], layer.grads["B"] = x.T @ d, x.T @ e
        return d

    layer = plain(feed, backprop)
    assert sorted(joined(layer).grads) == ["A", "B"]
    check(layer)


def test_one_missing_sum_over_rows_leaves_the_other_alone() -> None:
    layer = gradients("A", "B", parts=lambda x, dy: (dy * x, dy - x), sums=False)
    assert sorted(joined(layer).grads) == ["A|B"]
    check(layer)


def test_a_sum_keeps_terms_that_do_not_belong_to_it() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return np.tanh(x)

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        p = layer.params
        u, v = np.tanh(dy), dy * dy
        first = u @ p["A"].T
        return (first + dy) + (v @ p["B"].T + first)  # read twice: not part of the sum alone

    layer = plain(feed, backprop)
    assert params_of(joined(layer), "matmul") == ["A", "B"]
    check(layer)


# memory


def places_of(layer: Plain, *, keeps: bool = True) -> tuple[Template, Places]:
    plan = layer.plan((D,))
    recording = record(layer, (D,), np.float64, training=True, keeps=keeps, plan=plan)
    template = Template.of(recording, Layout(plan), keeps=keeps, wants_dx=True)
    return template, template.places


def slot_of(places: Places, node: Node) -> Any:
    home = places.home(node)
    assert home is not None
    return places.slots[home.slot]


def test_dx_does_not_take_over_what_feed_keeps() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        ctx.save(np.tanh(x))
        return np.negative(x)

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        return ctx.saved[0] * dy  # the last use of what was kept

    layer = plain(feed, backprop)
    _, places = places_of(layer)
    kinds = sorted(slot.kind for slot in places.slots)
    assert kinds == ["half", "own", "own"]
    check(layer)


def test_booleans_take_no_memory_of_numbers() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        z = np.tanh(x)
        return np.where(z > 0, 1.5, -0.5) * np.negative(x)

    layer = plain(feed, no_back)
    template, places = places_of(layer)
    for node in template.forward:
        assert slot_of(places, node).dtype == node.dtype
    check(layer)


def test_an_operand_that_is_also_read_as_another_view_is_not_overwritten() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        z = np.tanh(x)
        return z + z[:, ::-1]

    layer = plain(feed, no_back)
    template, places = places_of(layer, keeps=False)
    tanh, y = template.forward
    assert places.homes[id(tanh)] != places.homes[id(y)]
    check(layer)


def test_a_step_overwrites_an_operand_that_dies_there() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return np.negative(np.tanh(np.square(x)))

    template, places = places_of(plain(feed, no_back), keeps=False)
    assert len({places.homes[id(node)] for node in template.forward}) == 1


def test_columns_lie_where_their_whole_lies() -> None:
    template, places = places_of(highway(D))
    for node in (node for node in template.graph.nodes() if node.op == "index"):
        home, whole = places.home(node), places.home(part(node).root)
        assert home is not None
        assert whole is not None
        assert (home.slot, home.width) == (whole.slot, D)
    assert places.copied == {id(n): () for n in template.backward if n.op == "concatenate"}


def test_scratch_slots_with_overlapping_lives_lie_apart() -> None:
    _, places = places_of(gradients("A", "B", parts=lambda x, dy: (np.sin(dy) * x, dy - x)))
    for n in (1, 7, 300):
        sizes = places.layout(n)
        spans = [
            (slot, offset, offset + slot.nbytes(n))
            for slot, offset in zip(places.slots, sizes.offsets, strict=True)
            if slot.kind == "scratch"
        ]
        for i, (one, low, high) in enumerate(spans):
            assert low % 64 == 0
            assert high <= sizes.scratch
            for other, start, stop in spans[:i]:
                alive = one.begin <= other.end and other.begin <= one.end
                assert not alive or high <= start or stop <= low


@pytest.mark.parametrize("shape", [(D,), (1, D), (2, 3)])
def test_reshapes_are_views_only_where_they_never_copy(shape: tuple[int, ...]) -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        z = np.tanh(x).reshape(len(x), *shape)
        return np.sin(z).reshape(len(x), D)

    template, _ = places_of(plain(feed, no_back), keeps=False)
    computed = [node for node in template.forward if node.op == "reshape"]
    shown = [node for node in template.graph.nodes() if node.op == "reshape" and is_view(node)]
    # Cut axes are views; put together again, they are too, since sin(z) lies in C order.
    assert (len(computed), len(shown)) == ((0, 2) if shape != (D,) else (0, 0))
    check(plain(feed, no_back))


def test_a_reshape_that_would_copy_has_memory_of_its_own() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        z = np.tanh(x)  # lies feature by feature
        return np.sin(z.reshape(-1)).reshape(len(x), D)

    template, _ = places_of(plain(feed, no_back), keeps=False)
    assert [n.op for n in template.forward] == ["tanh", "reshape", "sin", "copy"]
    check(plain(feed, no_back))


# results


def test_a_result_that_is_the_input_a_parameter_or_another_result_is_copied() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        ctx.save(x)
        return x

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        p, g = layer.params, layer.grads
        g["A"], g["B"] = p["B"], p["B"]
        s = dy.sum(axis=0)
        g["a"], g["b"], g["c"] = s, s, p["c"]
        return dy

    check(plain(feed, backprop))


def test_a_state_is_read_by_backprop_as_feed_found_it() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        old = layer.state["m"]
        ctx.save(old)
        new = 0.9 * old + 0.1 * x.sum(axis=0)
        layer.state["m"] = new
        layer.state["k"] = old
        return x * new

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        return dy * ctx.saved[0]

    layer = plain(feed, backprop, state={"m": (D,), "k": (D,)})
    recording = record(layer, (D,), np.float64, training=True, keeps=True)
    forward, _ = split(prepare(recording.graph, keeps=True, wants_dx=True))
    assert [n.op for n in forward if n.op == "snapshot"] == ["snapshot"]
    check(layer)


def test_draws_keep_their_order_also_those_that_nothing_uses() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        ctx.rng.random(len(x))
        scale = ctx.rng.uniform()
        ctx.save(ctx.rng.standard_normal(x.shape), scale)
        return x * scale

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        noise, scale = ctx.saved
        return dy * noise * scale + ctx.rng.random(dy.shape)

    check(plain(feed, backprop))


def test_a_single_element_is_a_view() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return x * ctx.rng.random(2)[0] + x * layer.params["A"].sum(axis=0)[1]

    check(plain(feed, no_back))


def test_names_of_arrays_may_be_words_of_python_and_of_the_steps() -> None:
    names = ("steps", "_steps", "make", "x", "dy", "in", "_copyto", "_numbers", "0", "m0", "a:b")

    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        for name in names:
            x = np.tanh(x + layer.params[f"{name}@"])
            layer.state[name] = layer.state[name] + 1
        return x

    params, state = {f"{name}@": (D,) for name in names}, dict.fromkeys(names, ())
    check(plain(feed, no_back, params=params, state=state))


def test_what_feed_computed_for_backprop_is_kept_and_not_computed_again() -> None:
    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        z = np.tanh(x)
        ctx.save(z > 0)
        return np.negative(x)

    def backprop(layer: Any, dy: Any, ctx: Any) -> Any:
        return dy * ctx.saved[0]

    template, places = places_of(plain(feed, backprop))
    assert [n.op for n in template.backward] == ["multiply"]
    own = [slot.dtype for slot in places.slots if slot.kind == "own"]
    assert own == [np.dtype(bool), np.dtype(np.float64)]


def test_inputs_of_any_strides_are_left_as_they_are() -> None:
    layer = highway(D)
    net = network([layer], (D,), np.float64)
    members = recorded(net)
    stage = PlannedStage(net, members, keeps=True, wants_dx=True)
    base = np.random.default_rng(3).standard_normal((9, 2 * D))
    for x in (base[:, ::2], base[::-1, :D], np.asfortranarray(base[:, :D]), base[:, D:]):
        dy = np.broadcast_to(base[0, :D], x.shape)
        before = base.copy()
        wanted = Passed(members, x, dy, {})
        assert np.allclose(stage.feed(x), wanted.y, rtol=1e-12)
        assert np.allclose(stage.backprop(dy), wanted.dx, rtol=1e-12)
        assert np.array_equal(base, before)


def test_an_error_in_a_step_names_its_layer() -> None:
    from layerkit.errors import PluginLoadError

    def feed(layer: Any, x: Any, ctx: Any) -> Any:
        return np.tanh(x)

    net = network([plain(feed, no_back)], (D,), np.float64)
    stage = PlannedStage(net, recorded(net), keeps=True, wants_dx=True)
    with pytest.raises(PluginLoadError, match=r"layer 'l0'.*feed raised ValueError"):
        stage.feed(np.zeros((2, D + 1)))


def test_steps_show_in_a_traceback() -> None:
    import traceback

    net = network([highway(D)], (D,), np.float64)
    stage = PlannedStage(net, recorded(net), keeps=True, wants_dx=True)
    try:
        stage.feed(np.zeros((2, D + 1)))
    except Exception as error:  # noqa: BLE001  # whatever it is, its cause is looked at
        shown = "".join(traceback.format_exception(error))
    assert "_matmul(WH_WT_T, x_T, m0_T)" in shown
