"""Widths for an equal cost: which numbers are free, which follow, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

import layerkit
from layerkit import Matched, SpecError, match_widths
from layerkit.specs import Spec, read_spec
from layerkit.studies import budget
from layerkit.studies.costs import cost_of
from layerkit.studies.seconds import Ratio, seconds_ratio


def spec_of(*layers: dict[str, Any], shape: tuple[int, ...] = (6,), **more: Any) -> dict[str, Any]:
    return {"layerkit": 1, "input": {"shape": list(shape)}, "layers": list(layers), **more}


def dense(units: int, **more: Any) -> dict[str, Any]:
    return {"type": "dense", "units": units, **more}


def built(spec: Any, found: Matched) -> layerkit.Model:
    return layerkit.build(spec, settings=found.settings)


@pytest.mark.parametrize(
    ("depth", "width", "off"), [(10, 63, 0.84), (50, 69, 0.65), (100, 70, 0.56)]
)
def test_the_plain_nets_of_the_depth_table(depth: int, width: int, off: float) -> None:
    to = f"depth-highway-{depth}"
    tied = match_widths(f"depth-plain-{depth}", to, tied=True)
    assert tied.widths == {"layers.0.units": width, "layers.1.units": width}
    assert round(100 * tied.remainder, 2) == off
    found = match_widths(f"depth-plain-{depth}", to)
    assert abs(found.remainder) <= 0.005
    assert built(f"depth-plain-{depth}", found).network.size == found.cost
    assert found.target == layerkit.build(to).network.size


def test_a_width_that_is_only_checked_follows_and_copies_move_together() -> None:
    checked = {"type": "highway", "units": 8, "repeat": 2}
    spec = spec_of(dense(8), checked, {"type": "highway", "units": 8}, dense(3))
    found = match_widths(spec, 1059)
    assert set(found.widths) == {"layers.0.units", "layers.1.units", "layers.2.units"}
    assert len(set(found.widths.values())) == 1
    assert built(spec, found).network.size == found.cost
    by_hand = match_widths(spec, 1059, free=["layers.0.units", "layers.-2.units"])
    assert by_hand.widths == found.widths


def test_the_end_of_a_residual_block_follows_its_stream() -> None:
    block = {"type": "residual", "repeat": 2, "layers": [dense(16), dense(8)]}
    spec = spec_of(dense(8), block, dense(3))
    found = match_widths(spec, 3000)
    assert list(found.widths) == [
        "layers.0.units", "layers.1.layers.1.units", "layers.1.layers.0.units",
    ]  # fmt: skip
    stream, end, inner = found.widths.values()
    assert stream == end != inner
    assert built(spec, found).network.size == found.cost
    assert abs(found.remainder) <= 0.005
    inside = match_widths(spec, 3000, free=["layers.1.layers.0.units"])
    assert list(inside.widths) == ["layers.1.layers.0.units"]
    w = inside.widths["layers.1.layers.0.units"]
    assert inside.cost == 56 + 2 * (8 * w + w + 8 * w + 8) + 27


@pytest.mark.parametrize(
    ("layer", "shape", "path"),
    [
        ({"type": "maxout", "units": 4}, (6,), "layers.0.pieces"),
        ({"type": "conv2d", "filters": 4}, (2, 6, 6), "layers.0.filters"),
        ({"type": "conv2d", "filters": 4}, (2, 6, 6), "layers.0.kernel"),
        ({"type": "highway_rnn", "units": 4}, (3, 2), "layers.0.depth"),
    ],
)
def test_any_whole_number_may_be_free(layer: dict[str, Any], shape: Any, path: str) -> None:
    flat = [{"type": "flatten"}] if layer["type"] == "conv2d" else []
    spec = spec_of(layer, *flat, dense(3), shape=shape)
    aim = layerkit.build(spec, settings=[f"{path}=5"]).network.size
    found = match_widths(spec, aim, free=[path])
    assert found.widths == {path: 5}
    assert found.cost == aim


def test_widths_that_come_in_steps_stay_in_them() -> None:
    heads = {"type": "attention", "units": 8, "heads": 4}
    spec = spec_of(heads, {"type": "flatten"}, dense(3), shape=(3, 5))
    costs = {w: layerkit.build(spec, settings=[f"layers.0.units={w}"]).network.size
             for w in range(4, 80, 4)}  # fmt: skip
    nearest = min(costs, key=lambda w: abs(costs[w] - 3000))
    assert match_widths(spec, 3000, allow=0.1).widths == {"layers.0.units": nearest}


def test_what_is_tied_stays_equal() -> None:
    spec = spec_of(dense(8), dense(8), dense(5), dense(3))
    free = ["layers.0.units", "layers.1.units", "layers.2.units"]
    ties: list[list[list[str | int]]] = [
        [[0, 2]],
        [["layers.0.units", "layers.2.units"]],
        [[0, "layers.-2.units"]],
    ]
    for tied in ties:
        found = match_widths(spec, 2000, free=free, tied=tied)
        assert found.widths["layers.0.units"] == found.widths["layers.2.units"]
        assert found.widths["layers.0.units"] != found.widths["layers.1.units"]
    by_value = match_widths(spec, 2000, tied=True)
    assert by_value.widths["layers.0.units"] == by_value.widths["layers.1.units"]


@pytest.mark.parametrize("more", [0, 1])
def test_many_free_widths(more: int) -> None:
    spec = spec_of(*(dense(10 + more * i) for i in range(20)), dense(3))
    found = match_widths(spec, 54_321)
    assert len(found.widths) == 20
    assert abs(found.remainder) <= 0.005
    factors = [w / (10 + more * i) for i, w in enumerate(found.widths.values())]
    assert max(factors) < 1.2 * min(factors)


def test_multiply_adds_are_those_of_the_tables() -> None:
    found = match_widths("gru-digits", "highway-rnn-digits", what="macs")
    assert found.target == cost_of(read_spec("highway-rnn-digits"), "macs")
    again = read_spec("gru-digits", settings=found.settings)
    assert cost_of(again, "macs") == found.cost


LEARNED = {"columns": ["a", {"name": "b", "categories": "learn"}]}
REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a path that leads nowhere": (
        {}, {"free": ["layers.0.unit"]},
        r"free: expected the path of a whole number.*layers\.0\.unit'; did you mean 'layers",
    ),
    "a number that changes nothing": (
        {"layers": [{"type": "shift"}, {"type": "flatten"}, dense(3)],
         "input": {"shape": [1, 4, 4]}},
        {"free": ["layers.0.most"]}, r"free: layers.0.most does not change the parameters",
    ),
    "a path named twice": (
        {}, {"free": ["layers.0.units", "layers.-2.units"]}, r"layers.0.units is named twice",
    ),
    "the width of the output": (
        {}, {"free": ["layers.1.units"]}, r"free: layers.1.units cannot change alone",
    ),
    "no width at all": ({"layers": [dense(3)]}, {}, r"free: there is no width to solve for"),
    "a target that is too small": (
        {}, {"to": 5}, r"no widths come within 2 % of 5 parameters: the nearest, layers.0.units 1, "
        r"have 13 \(\+160.00 %\)",
    ),
    "a target that is too large": (
        {}, {"to": 1e12}, r"with layers.0.units 1048576: .*this machine|no widths co",
    ),
    "a cost that is no float": ({}, {"to": 10**400}, r"to: expected a spec, or a cost > 0 .*10000"),
    "a cost that is none": ({}, {"to": -1}, r"to: expected a spec, or a cost > 0 .*, got -1"),
    "a tie to what is not free": (
        {}, {"tied": [["layers.0.units", "layers.1.units"]]},
        r"tied: expected a path that is free \(layers.0.units\), or its position in 'free', got "
        r"'layers.1.units'",
    ),
    "a position without a list": ({}, {"tied": [[0, 1]]}, r"tied: expected a path that is.*got 0"),
    "columns that are learned": ({"input": LEARNED}, {}, "are learned from training rows"),
    "learned columns, a path": (
        {"input": LEARNED}, {"free": ["layers.0.units"]}, "are learned from training rows",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_solved_is_refused(what: str) -> None:
    changes, options, words = REFUSED[what]
    spec = {**spec_of(dense(4), dense(3)), **changes}
    with pytest.raises(SpecError, match=words):
        match_widths(spec, **{"to": 100, **options})


def test_a_remainder_is_refused_unless_it_is_allowed() -> None:
    spec = spec_of(dense(4), dense(3))  # 10 parameters a unit, and 3
    with pytest.raises(SpecError, match=re.escape("layers.0.units 2, have 23 (−8.00 %)")):
        match_widths(spec, 25)
    assert match_widths(spec, 25, allow=0.08).widths == {"layers.0.units": 2}
    with pytest.raises(ValueError, match="expected what to be one of params, macs, seconds"):
        match_widths(spec, 25, what="watts")  # type: ignore[arg-type]


def test_layers_that_run_as_written_have_no_known_multiply_adds(register: Any) -> None:
    @register
    class Opaque(layerkit.Layer):
        type_name = "opaque_cost"
        eager = True

        def plan(self, in_shape: Any) -> Any:
            return layerkit.Plan(in_shape, {})

        def feed(self, x: Any, ctx: Any) -> Any:
            return x if float(x.sum()) > 0 else x + 1

        def backprop(self, dy: Any, ctx: Any) -> Any:
            return dy

    spec = spec_of(dense(4), {"type": "opaque_cost"}, dense(3))
    with pytest.raises(SpecError, match=r"what: the multiply-adds of layer 'opaque_cost_1'"):
        match_widths(spec, 100, what="macs")
    assert match_widths(spec, 103).widths == {"layers.0.units": 10}


@pytest.mark.parametrize("to", ["highway-digits", 2e-5])
def test_seconds_are_equal_after_two_corrections(monkeypatch: pytest.MonkeyPatch, to: Any) -> None:
    asked: list[Spec] = []

    def seconds(spec: Spec) -> float:  # of a machine with an overhead for each layer
        return 1e-9 * cost_of(spec, "macs") * (0.5 if spec.name == "plain-digits" else 1) + 4e-6

    def measured(spec: Spec, other: Spec | float) -> Ratio:
        asked.append(spec)
        whole = seconds(other) if isinstance(other, Spec) else other
        ratio = seconds(spec) / whole
        return Ratio(0.97 * ratio, ratio, 1.03 * ratio, whole)

    monkeypatch.setattr(budget, "seconds_ratio", measured)
    found = match_widths("plain-digits", to, what="seconds")
    assert len(asked) == 3
    assert abs(found.remainder) < 0.02
    assert found.interval == pytest.approx(
        (0.97 * found.remainder - 0.03, 1.03 * found.remainder + 0.03)
    )
    assert found.target == pytest.approx(seconds(read_spec(to)) if isinstance(to, str) else to)
    assert re.search(r"seconds per row \(.* %, 95 % interval .* to .*\)", str(found))


def test_a_network_that_does_twice_as_much_takes_longer() -> None:
    small = spec_of(dense(64), dense(3), shape=(64,))
    large = spec_of(dense(1024), dense(256), dense(3), shape=(64,))
    ratio = seconds_ratio(read_spec(large), read_spec(small))
    assert 2 < ratio.low <= ratio.middle <= ratio.high
    assert ratio.seconds > 0
