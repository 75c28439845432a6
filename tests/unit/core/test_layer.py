"""The contract of a layer: Param, Plan, Context, Part."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from layerkit import Array, Context, Layer, Param, Plan, Shape


class Tiny(Layer):
    type_name = "test.tiny"

    def __init__(self, *, size: int, label: str = "x") -> None:
        self.size = size
        self.label = label

    def plan(self, in_shape: Shape) -> Plan:
        return Plan(in_shape)

    def feed(self, x: Array, ctx: Context) -> Array:
        return x

    def backprop(self, dy: Array, ctx: Context) -> Array:
        return dy


@pytest.mark.parametrize(
    ("shape", "size", "fans", "decays"),
    [
        ((3, 4), 12, (3, 4), True),
        ((4,), 4, (4, 4), False),
        ((), 1, (1, 1), False),
        ((2, 3, 4), 24, (24, 24), True),
        ((0, 4), 0, (0, 4), True),
    ],
)
def test_param_defaults(
    shape: Shape,
    size: int,
    fans: tuple[int, int],
    decays: bool,  # a parameter
) -> None:
    param = Param(shape)
    assert (param.size, param.decays) == (size, decays)
    assert param.fans == fans
    assert param.init == 0.0


def test_param_says_otherwise() -> None:
    param = Param((3, 4), "ones", fan_in=7, fan_out=9, decay=False)
    assert param.fans == (7, 9)
    assert not param.decays
    assert Param((4,), decay=True).decays


def test_a_plan_is_small_by_default() -> None:
    plan = Plan((3,))
    assert (plan.params, plan.state, plan.macs, plan.joined) == ({}, {}, 0, {})


def test_two_contexts_share_nothing() -> None:
    one, two = Context(), Context()
    one.save(1, 2)
    assert one.saved == (1, 2)
    with pytest.raises(ValueError, match="backprop before feed"):
        _ = two.saved


def test_saving_nothing_counts_as_fed() -> None:
    ctx = Context()
    ctx.save()
    assert ctx.saved == ()


def test_a_context_without_a_stream_says_so() -> None:
    ctx = Context()
    with pytest.raises(ValueError, match="no random stream"):
        _ = ctx.rng
    stream = np.random.default_rng(0)
    ctx.rng = stream
    assert ctx.rng is stream
    ctx.rng = None
    with pytest.raises(ValueError, match="no random stream"):
        _ = ctx.rng


def test_context_defaults() -> None:
    ctx = Context()
    assert (ctx.dtype, ctx.training, ctx.wants_dx) == (np.dtype(np.float32), False, True)


def test_settings_are_the_keywords_of_the_constructor() -> None:
    assert list(Tiny.settings()) == ["size", "label"]
    assert Tiny(size=3).config == {"size": 3, "label": "x"}


def test_a_layer_starts_with_tables_of_its_own() -> None:
    one, two = Tiny(size=1), Tiny(size=2)
    one.params = {**one.params, "w": np.zeros(1)}
    assert two.params == {}
    assert (one.span, one.freeze) == (slice(0, 0), False)


def test_a_layer_without_its_steps_cannot_be_made() -> None:
    class Half(Layer):
        type_name = "test.half"

        def plan(self, in_shape: Shape) -> Plan:
            return Plan(in_shape)

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_migrate_by_default_refuses_and_names_both_versions() -> None:
    with pytest.raises(ValueError, match=r"version 3.*its own version is 1"):
        Tiny.migrate({}, 3)


def test_by_default_there_is_no_advice() -> None:
    assert Tiny(size=1).advice(Context()) == []


class Recorder:
    def __init__(self) -> None:
        self.spans: list[slice] = []

    def apply(self, span: slice) -> None:
        self.spans.append(span)


@pytest.mark.parametrize("freeze", [False, True])
def test_update_applies_the_rule_to_the_span_unless_frozen(freeze: bool) -> None:
    layer: Any = Tiny(size=1)
    layer.span, layer.freeze = slice(3, 9), freeze
    rule: Any = Recorder()
    layer.update(rule)
    assert rule.spans == ([] if freeze else [slice(3, 9)])
