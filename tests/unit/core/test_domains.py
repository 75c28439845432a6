"""Whole numbers that layers take, and how they are passed back to the input."""

from typing import Any

import numpy as np
import pytest

from layerkit import Layer, Plan, ShapeError, Whole, merged_takes, moves_of, takes_of
from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.core.planning import plan_layers
from layerkit.errors import PluginLoadError


class Fixed(Layer):
    """A layer that is only planned."""

    type_name = "test.domains_fixed"

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def plan(self, in_shape: Any) -> Plan:
        return self._plan

    def feed(self, x: Any, ctx: Any) -> Any:
        return x

    def backprop(self, dy: Any, ctx: Any) -> Any:
        return dy


def planned(*plans: Plan, shape: tuple[int, ...] = (4,)) -> Any:
    return plan_layers([(f"l{i}", Fixed(plan)) for i, plan in enumerate(plans)], shape)


def test_one_domain_is_for_all_numbers_of_a_row() -> None:
    parts = planned(Plan((4, 2), takes=Whole(9)))
    assert input_domains(parts).tolist() == [9, 9, 9, 9]  # type: ignore[union-attr]
    assert takes_of(parts) == (Whole(9),) * 4


def test_a_network_of_real_numbers_has_no_domain() -> None:
    parts = planned(Plan((4,)), Plan((2,), moves=[0, 1]))
    assert input_domains(parts) is None
    assert takes_of(parts) is None
    assert input_domains([]) is None


def test_domains_are_passed_back_through_layers_that_move_numbers() -> None:
    picked = Plan((3,), moves=[3, 1, 1])
    parts = planned(picked, Plan((3,), takes=[Whole(5), None, Whole(7)]))
    assert takes_of(parts) == (None, Whole(7), None, Whole(5))
    twice = planned(Plan((4,), moves=[1, 2, 3, 0]), *[p.plan for p in parts])
    assert takes_of(twice) == (Whole(5), None, Whole(7), None)


def test_the_smaller_bound_holds_where_two_layers_take_one_number() -> None:
    parts = planned(
        Plan((4,), moves=range(4), takes=[Whole(3), None, Whole(8), None]),
        Plan((4,), takes=[Whole(5), Whole(6), Whole(7), None]),
    )
    assert takes_of(parts) == (Whole(3), Whole(6), Whole(7), None)


def test_whole_numbers_are_not_taken_from_layers_that_compute() -> None:
    with pytest.raises(ShapeError, match=r"'l1' takes whole numbers, which 'l0' .* does not give"):
        planned(Plan((4,)), Plan((4,), takes=Whole(3)))
    assert takes_of(planned(Plan((4,)), Plan((4,), takes=[None] * 4))) is None


@pytest.mark.parametrize(
    "plan",
    [
        Plan((4,), takes=3),  # type: ignore[arg-type]
        Plan((4,), takes=[Whole(3)]),
        Plan((4,), takes=[3, 3, 3, 3]),  # type: ignore[list-item]
        Plan((4,), moves=True),  # type: ignore[arg-type]
        Plan((4,), moves=[0, 1]),
        Plan((2,), moves=[0, 4]),
        Plan((2,), moves=[0, -1]),
        Plan((2,), moves=[0.0, 1.0]),  # type: ignore[list-item]
    ],
    ids=["number", "short", "bare", "flag", "few", "beyond", "negative", "floats"],
)
def test_a_malformed_declaration_is_refused(plan: Plan) -> None:
    with pytest.raises(PluginLoadError, match=r"plan: (takes|moves): expected"):
        planned(plan)


@pytest.mark.parametrize("below", [0, -1, 2.0, True, None])
def test_a_bound_is_a_whole_number_of_at_least_one(below: Any) -> None:
    with pytest.raises(ValueError, match="expected a whole number of at least 1"):
        Whole(below)


def test_what_several_layers_take_of_the_same_rows() -> None:
    one, two = (Whole(5), None, None), (Whole(3), Whole(9), None)
    assert merged_takes(one, two) == (Whole(3), Whole(9), None)
    assert merged_takes(one, None, Whole(4)) == (Whole(4),) * 3
    assert merged_takes(Whole(4), None, Whole(6)) == Whole(4)
    assert merged_takes(None, None) is None
    assert merged_takes() is None
    with pytest.raises(ValueError, match="one length"):
        merged_takes(one, (None,))


def test_a_chain_of_moves_is_one_move() -> None:
    first, second = Plan((3,), moves=[3, 1, 2]), Plan((2,), moves=[2, 0])
    assert moves_of(planned(first, second)) == (2, 3)
    assert moves_of(planned(first, Plan((3,)))) is None
    assert np.array(moves_of([])).size == 0


def test_drawn_rows_hold_the_largest_whole_numbers_and_leave_others_alone() -> None:
    x = np.full((3, 2, 2), 0.5, np.float32)
    bounds = np.array([7, 0, 1000, 1])
    rows = with_whole_numbers(x, bounds, np.random.default_rng(0)).reshape(3, 4)
    np.testing.assert_array_equal(rows[-1], [6, 0.5, 999, 0])
    assert rows.dtype == np.float32
    assert (rows[:, 1] == 0.5).all()
    whole = rows[:, bounds > 0]
    assert ((whole >= 0) & (whole < bounds[bounds > 0]) & (whole == np.rint(whole))).all()
    assert with_whole_numbers(x, None, np.random.default_rng(0)) is x
