"""The harness's arithmetic: medians, ratios, disturbed blocks, what goes into the pages."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import layerkit
from benchmarks.speed import measure, page, report
from benchmarks.speed.goals import GOALS, GROUPS, Goal, quickest, reached
from benchmarks.speed.machine import facts
from benchmarks.speed.measure import Outcome, Timing, Unit, Worker
from benchmarks.speed.peers import ENTRIES
from benchmarks.speed.picture import Panel, drawn, short
from benchmarks.speed.scale import AXES, Measured, Point, power, spec
from benchmarks.speed.workloads import WORKS

UNIT = Unit("train", "W2-b128", 128)


def timing(*milliseconds: float) -> Timing:
    return Timing([m / 1000 for m in milliseconds], [m / 1000 for m in milliseconds])


@pytest.fixture
def outcome() -> Outcome:
    timings = {
        "layerkit": timing(2, 1, 30),
        "torch_1t": timing(5.5, 6, 2),
        "torch_tuned_2t": timing(5, 3, 9),
        "floor_1t": timing(1, 1, 1),
    }
    return Outcome(UNIT, timings, {"jax": "not installed: No module named 'jax'"})


def test_a_group_is_its_quickest_member_by_median(outcome: Outcome) -> None:
    assert quickest(outcome, "the best PyTorch") == ("torch_tuned_2t", timing(5, 3, 9))
    assert quickest(outcome, "eager PyTorch") == ("torch_1t", timing(5.5, 6, 2))
    assert quickest(outcome, "jax.jit") is None


def test_a_goal_is_judged_by_the_ratio_of_medians(outcome: Outcome) -> None:
    found = reached({UNIT: outcome}, Goal(UNIT, "the best PyTorch", 2.5, 3.0), "pure")
    assert found is not None
    assert (found.rival, found.ratio, found.ratio_of_least) == ("torch_tuned_2t", 2.5, 2.0)
    assert found.met
    more = reached({UNIT: outcome}, Goal(UNIT, "the best PyTorch", 2.51, 3.0), "pure")
    assert more is not None
    assert not more.met


def test_the_floor_is_a_part_of_its_speed(outcome: Outcome) -> None:
    found = reached({UNIT: outcome}, Goal(UNIT, "the floor", 0.5, 0.6), "pure")
    assert found is not None
    assert found.ratio == 0.5


def test_what_was_not_measured_is_no_goal_met(outcome: Outcome) -> None:
    assert reached({UNIT: outcome}, Goal(UNIT, "jax.jit", 0.0, 0.0), "pure") is None
    assert reached({UNIT: outcome}, Goal(UNIT, "the floor", 0.0, 0.0), "fast") is None
    assert reached({}, Goal(UNIT, "the floor", 0.0, 0.0), "pure") is None


def test_goals_and_groups_name_peers_and_works_that_there_are() -> None:
    assert {name for group in GROUPS.values() for name in group} <= ENTRIES.keys()
    for goal in GOALS:
        assert goal.group in GROUPS
        assert goal.unit.work in WORKS
        members = [ENTRIES[name] for name in GROUPS[goal.group]]
        assert any(entry.serves(goal.unit.mode, goal.unit.work) for entry in members), goal
        if goal.unit.mode == "train":
            assert goal.unit.rows == WORKS[goal.unit.work].batch


def test_a_table_says_met_missed_and_who_was_left_out(outcome: Outcome) -> None:
    lines = report.goal_table({UNIT: outcome})
    assert lines[0] == "NumPy alone: 2 of 3 goals met."
    torch = next(line for line in lines if "the best PyTorch" in line)
    assert "(torch_tuned_2t) | 2.50 (2.00) | 2.00 | met |" in torch
    eager = next(line for line in lines if "eager PyTorch" in line)
    assert "2.75 (2.00) | 2.80 | **missed** |" in eager
    floor = next(line for line in lines if "the floor" in line)
    assert "0.50 (1.00) | 0.50 | met" in floor
    whole = list(report.unit_table(outcome))
    assert whole[2].startswith("| floor_1t | 1000.0 | 1000.0 | 128,000 | 0.50 | 100 |")
    assert "| jax | not measured: not installed: No module named 'jax' |" in whole[-1]


def test_outcomes_survive_their_lines(outcome: Outcome, tmp_path: Path) -> None:
    later = Outcome(UNIT, {"layerkit": timing(1)})
    lines = [{"run": {"date": "today"}}, outcome.to_json()]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    assert report.read([file]) == ([{"date": "today"}], {UNIT: outcome})
    more = tmp_path / "b.jsonl"
    more.write_text(json.dumps(later.to_json()))
    assert report.read([file, more])[1] == {UNIT: later}, "one unit is never two runs"


class Fake:
    """A worker whose blocks take a millisecond a step, and some answers to take."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def ask(self, do: str, **more: int) -> dict[str, Any]:
        self.asked.append(more["steps"])
        return {"seconds": more["steps"] * 1e-3, "processor": 0.5}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setattr(time, "sleep", lambda _: None)
    clock = itertools.count()  # every block lasts one second
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(clock)))
    return Fake()


def busy(monkeypatch: pytest.MonkeyPatch, *others: float) -> None:
    """Let others use that many processors in one block after the other."""

    def readings() -> Iterator[float]:
        now = 0.0
        for used in others:
            yield now
            now += 0.5 + used
            yield now

    found = readings()
    monkeypatch.setattr(measure, "busy_seconds", lambda: next(found))


def block(fake: Fake) -> Timing:
    found = Timing()
    measure._block(cast(Worker, fake), UNIT, 10, found)
    return found


def test_a_quiet_block_counts_at_once(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 0.01)
    found = block(fake)
    assert fake.asked == [10]
    assert (found.seconds, found.processor, found.disturbed) == ([1e-3], [0.05], 0)


def test_a_disturbed_block_is_repeated(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, 0.9, 0.3, 0.0)
    assert block(fake).disturbed == 0
    assert fake.asked == [10, 10, 10]


def test_what_stays_disturbed_is_marked(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    busy(monkeypatch, *[0.9] * measure.RETRIES)
    found = block(fake)
    assert (len(found.seconds), found.disturbed) == (1, 1)
    assert fake.asked == [10] * measure.RETRIES


def test_a_machine_that_does_not_tell_is_believed(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "busy_seconds", lambda: None)
    assert block(fake).disturbed == 0
    assert fake.asked == [10]


def test_blocks_are_filled(fake: Fake) -> None:
    assert measure._steps_for(cast(Worker, fake), UNIT, 0.2) == 200


def test_peers_start_with_their_own_thread_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setenv("LAYERKIT_THREADS", "7")
    assert "OMP_NUM_THREADS" not in ENTRIES["jax"].environ()
    assert "LAYERKIT_THREADS" not in ENTRIES["layerkit"].environ()
    assert ENTRIES["layerkit_1t"].environ()["LAYERKIT_THREADS"] == "1"
    assert ENTRIES["torch_2t"].environ()["OMP_NUM_THREADS"] == "2"


def test_places_on_this_machine_are_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["run.py", "--python", "jax,thinc=/opt/x/python", "--out", "../a/b.jsonl", "--write"]
    monkeypatch.setattr("sys.argv", words)
    told = facts("run")["command"]
    assert told == ("python -m benchmarks.speed.run --python jax,thinc=PATH --out PATH --write")


def test_growth_is_the_power_of_the_work() -> None:
    def at(rows: int, seconds: float) -> Measured:
        return Measured(Point(rows, 10, 64, 128), seconds, 0, 0)

    assert power(AXES["rows"], at(1000, 1.0), at(4000, 4.0)) == "1.00"
    assert power(AXES["rows"], at(1000, 1.0), at(4000, 16.0)) == "2.00"
    assert power(AXES["rows"], at(1000, 1.0), at(1000, 3.0)) == ""


def test_parameters_of_a_point_are_those_of_its_net() -> None:
    point = Point(100, 3, 32, 10)
    assert layerkit.build(spec(point, -2.0)).network.size == point.parameters


def test_a_picture_has_every_point() -> None:
    text = drawn([Panel("Depth (width 50)", "depth", [(10, 1.0), (100, 10.0)])], "ms a step")
    assert text.count("<circle") == 2
    assert ">Depth<" in text
    assert text.startswith("<svg")


@pytest.mark.parametrize(
    ("size", "text"),
    [(10, "10"), (1000, "1k"), (1024, "1024"), (33_898, "34k"), (2_508_298, "2.5M")],
)
def test_sizes_are_short(size: float, text: str) -> None:
    assert short(size) == text


def test_measured_lines_replace_those_before() -> None:
    text = "a\n<!-- measured: x -->\nold\n<!-- end -->\nb\n<!-- measured: y -->\n<!-- end -->\n"
    new = page.put(text, "x", ["1 | \\2"])
    assert new.startswith("a\n<!-- measured: x -->\n\n1 | \\2\n\n<!-- end -->\nb\n")
    assert page.put(new, "x", ["1 | \\2"]) == new
    with pytest.raises(ValueError, match="one place"):
        page.put(text, "z", [])


def test_the_page_has_every_place() -> None:
    text = page.PAGE.read_text("utf-8")
    for name in ("goals", "scale", "thousand", "threads"):
        assert "new" in page.put(text, name, ["new"])
