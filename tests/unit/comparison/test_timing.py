"""Turns, medians and ratios, with a clock that the test moves."""

from __future__ import annotations

import numpy as np
import pytest

from layerkit.comparison.timing import is_steady, take_turns, time_models
from layerkit.core.rows import Rows
from layerkit.model import build


class Machine:
    """A clock, and calls that take a known time on it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log: list[str] = []

    def clock(self) -> float:
        return self.now

    def call(self, name: str, seconds: float) -> None:
        self.log.append(name)
        self.now += seconds


def test_contestants_take_turns_and_times_are_of_one_call() -> None:
    machine = Machine()
    calls = [lambda: machine.call("a", 1.0), lambda: machine.call("b", 0.001)]
    slow, fast = take_turns(calls, rounds=3, clock=machine.clock)
    assert slow == pytest.approx([1.0] * 3)
    assert fast == pytest.approx([0.001] * 3)
    rounds = "".join(machine.log[4:])  # after two calls each to warm up and to count
    block = "b" * (rounds.count("b") // 3)
    assert rounds == f"a{block}{block}aa{block}"  # another one begins each round


def test_a_machine_that_slows_down_slows_all_alike() -> None:
    machine = Machine()

    def work(seconds: float) -> None:
        machine.now += seconds * (1 + machine.now)

    first, second = take_turns(
        [lambda: work(0.02), lambda: work(0.04)], rounds=9, clock=machine.clock
    )
    assert max(first) > 1.3 * min(first)
    assert [b / a for a, b in zip(first, second, strict=True)] == pytest.approx([2.0] * 9, rel=0.1)


def test_unsteady_machines_are_found_out() -> None:
    assert is_steady([1.0, 1.1, 1.2], [20.0, 21.0, 22.0], 100)
    assert not is_steady([1.0, 1.1, 9.0, 9.1], [20.0, 20.0], 100)
    assert not is_steady([1.0, 1.0], [200.0, 200.0], 100)  # a batch slower a row than single rows


def test_ratios_are_to_the_first_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    rounds = [[1.0, 2.0, 4.0], [2.0, 6.0, 16.0], [1.0, 2.0, 4.4]]  # ratios 2, 3 and 4
    monkeypatch.setattr("layerkit.comparison.timing.take_turns", lambda calls: rounds)
    model = build({"layerkit": 1, "input": {"shape": [2]}, "layers": []})
    timed = time_models([(model, Rows(values=np.zeros((4, 2))))] * 2)
    second = timed.times[1]
    assert timed.control == (1.0, 1.0)
    assert second.single_ratio == second.batch_ratio == (2.5, 3.0, 3.5)
    assert (second.single, second.batch) == (6.0, 1.5)


def test_models_are_timed_on_raw_rows() -> None:
    model = build(
        {"layerkit": 1, "input": {"shape": [2]}, "layers": [{"type": "dense", "units": 1}]}
    )
    rows = Rows(values=np.zeros((8, 2)))
    first, second = time_models([(model, rows)] * 2).times
    assert first.single_ratio == first.batch_ratio == (1.0, 1.0, 1.0)
    assert second.batch_rows == 8
    assert min(second.single, second.batch, *second.batch_ratio) > 0


@pytest.mark.parametrize(("again", "steady"), [(1.04, True), (1.06, False), (0.94, False)])
def test_times_are_unsteady_where_the_first_differs_from_itself(
    monkeypatch: pytest.MonkeyPatch, again: float, steady: bool
) -> None:
    rounds = [[1.0] * 9, [2.0] * 9, [again] * 9]
    monkeypatch.setattr("layerkit.comparison.timing.take_turns", lambda calls: rounds)
    model = build({"layerkit": 1, "input": {"shape": [2]}, "layers": []})
    timed = time_models([(model, Rows(values=np.zeros((4, 2))))] * 2)
    assert timed.control == (again, again)
    assert [t.steady for t in timed.times] == [steady, steady]
