"""The same specs on several data sets: how they adapt, what is refused, ranks and verdicts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit.comparison import AcrossDataSets, Comparison, ComparisonStoppedError, compare_across
from layerkit.comparison.across import across
from layerkit.comparison.data_sets import read_data_set
from layerkit.comparison.results import Contestant, Summary
from layerkit.errors import DataError, LayerkitError, SpecError
from layerkit.specs import read_spec
from layerkit.training import Listener


def spec(name: str, *layers: dict[str, Any], **train: Any) -> dict[str, Any]:
    """Made for rows that no data set here has: four numbers, two classes."""
    return {
        "layerkit": 1,
        "name": name,
        "input": {"shape": [4]},
        "layers": [*layers, {"type": "dense", "units": 2}],
        "output": {"classes": ["no", "yes"]},
        "train": {"epochs": 1, "batch_size": 32, **train},
    }


LINEAR, PLAIN = spec("linear"), spec("plain", {"type": "dense", "units": 5})


def table(path: Path, columns: int, classes: int, rows: int = 60) -> str:
    """A table with its label in the last column."""
    rng = np.random.default_rng(columns)
    labels = np.arange(rows) % classes
    values = rng.normal(size=(rows, columns)) + labels[:, np.newaxis]
    names = [f"x{j}" for j in range(columns)]
    lines = [",".join([*names, "kind"])]
    lines += [",".join([*(f"{v:.3f}" for v in row), f"k{k}"])
              for row, k in zip(values, labels, strict=True)]  # fmt: skip
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("tables")
    return [table(folder / f"t{i}.csv", columns=2 + i, classes=2 + i % 2) for i in range(3)]


@pytest.fixture(scope="module")
def found(tables: list[str]) -> AcrossDataSets:
    return compare_across([LINEAR, PLAIN], tables, seeds=2, settings=["train.epochs=2"])


def test_specs_adapt(found: AcrossDataSets) -> None:
    assert found.contestants == ("linear", "plain")
    assert found.data == ("t0", "t1", "t2")
    for each, columns, classes in zip(found.comparisons, (2, 3, 4), (2, 3, 2), strict=True):
        for c in each.contestants:
            assert c.layers[0].in_shape == (columns,)
            assert c.layers[-1].out_shape == (classes,)
            assert len(c.seeds) == 2
        assert each.rows == 12  # a fifth
    assert found.comparisons[0].contestants[1].layers[0].out_shape == (5,)  # layers stay


def test_numbers_agree_with_each_comparison(found: AcrossDataSets) -> None:
    for i, each in enumerate(found.comparisons):
        means = [c.metrics["accuracy"].mean for c in each.contestants]
        assert found.means[i] == pytest.approx(means)
    assert np.mean(found.ranks, axis=0) == pytest.approx(found.average_ranks)
    assert sum(found.average_ranks) == 3


def test_few_data_sets_give_no_verdict(found: AcrossDataSets) -> None:
    assert not found.enough
    assert found.headline[0].startswith("3 data sets are too few")
    assert [pair.verdict for pair in found.pairs] == [None]
    assert found.groups == ()


def test_outputs(found: AcrossDataSets) -> None:
    values = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert len(values["comparisons"]) == 3
    assert values["pairs"][0]["first"] == "linear"
    lines = found.to_csv().splitlines()
    assert len(lines) == 1 + 3 * 2
    assert lines[1].startswith("t0,linear,accuracy,")
    page = found.to_html()
    assert page.count("<figure") == len(found.figures())
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert found.table()[-1][0] == "average rank"
    assert found.command.count("--data") == 3
    assert all(c.command == found.command for c in found.comparisons)


def test_a_stopped_comparison_names_all_that_is_left(tables: list[str], tmp_path: Path) -> None:
    class Stop(Listener):
        runs = 0

        def end(self, *_: Any, **__: Any) -> None:
            self.runs += 1

        def stop(self) -> bool:
            return self.runs >= 3

    how: dict[str, Any] = {"seeds": 1, "keep": tmp_path / "kept"}
    with pytest.raises(ComparisonStoppedError) as stopped:
        compare_across([LINEAR, PLAIN], tables, listener=Stop(), **how)
    names = [name for name, _ in stopped.value.finished]
    assert names == ["linear on t0", "plain on t0", "linear on t1"]
    names = [name for name, _ in stopped.value.unfinished]
    assert names == ["plain on t1", "linear on t2", "plain on t2"]
    assert stopped.value.command.count("--data") == 3
    done: list[tuple[str, int, int]] = []
    again = compare_across([LINEAR, PLAIN], tables, finished=lambda *a: done.append(a), **how)
    kept = [c.kept for each in again.comparisons for c in each.contestants]
    assert kept == [(0,), (0,), (0,), (), (), ()]
    assert done == [("t0", 1, 3), ("t1", 2, 3), ("t2", 3, 3)]


REFUSED: dict[str, tuple[Any, Any, type[LayerkitError], str]] = {
    "same data twice": ([LINEAR, PLAIN], [0, 0], DataError, "are the same data set"),
    "one contestant": ([LINEAR], [0, 1], SpecError, "two contestants or more"),
    "numbers against classes": (
        [LINEAR, {**LINEAR, "output": {"targets": ["y"]},
                  "layers": [{"type": "dense", "units": 1}]}],
        [0, 1], DataError, "numbers against classes",
    ),
    "no recipe": ([LINEAR, {k: v for k, v in PLAIN.items() if k != "train"}], [0, 1], SpecError,
                  "'plain' has no 'train' section"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_any_training(tables: list[str], case: str) -> None:
    contestants, numbers, error, words = REFUSED[case]
    with pytest.raises(error, match=words):
        compare_across(contestants, [tables[i] for i in numbers], listener=_Never())


class _Never(Listener):
    def begin(self, *_: Any, **__: Any) -> None:
        pytest.fail("a training began")


def test_another_path_to_a_table_is_no_other_table(tables: list[str]) -> None:
    path = Path(tables[0])
    twice = [str(path), str(path.parent / ".." / path.parent.name / path.name)]
    with pytest.raises(DataError, match="are the same data set"):
        compare_across([LINEAR, PLAIN], twice, listener=_Never())


def test_what_does_not_fit_is_named(tables: list[str]) -> None:
    """The first data set suits, the second does not: both names are in the message."""
    digits = {**spec("image", {"type": "maxpool"}, {"type": "flatten"})}
    digits["input"] = {"shape": [1, 8, 8]}
    with pytest.raises(SpecError, match=r"'image' cannot be trained on t1: .*maxpool"):
        compare_across([digits, LINEAR], ["digits", tables[1]], listener=_Never())


def test_a_data_set_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{i * i % 7},{i / 3}\n" for i in range(40)))
    with pytest.raises(DataError, match="learn classes, and the target is numbers"):
        read_data_set(path, numbers=False)
    assert read_data_set(path, numbers=True).output["targets"] == ["y"]


def test_arrays_have_one_unit(tables: list[str]) -> None:
    digits = read_data_set("digits", numbers=False)
    assert (digits.input, digits.outputs) == ({"shape": [64], "scale": {"divide": 16.0}}, 10)
    image = read_spec({**PLAIN, "input": {"shape": [4, 4, 4]}, "layers": [
        {"type": "flatten"}, {"type": "dense", "units": 2}]})  # fmt: skip
    assert digits.fit(image, "image").in_shape == (4, 4, 4)  # the shape the layers take
    assert digits.fit(read_spec(PLAIN), "plain").in_shape == (64,)


def test_a_spec_stands_for_its_data(tables: list[str], tmp_path: Path) -> None:
    """Another target than the last column, fewer inputs, its own test rows."""
    given = spec("x0-alone", test=0.5, data=tables[2])
    given["input"] = {"columns": ["x0", "x3"]}
    given["output"] = {"column": "kind", "classes": ["k0", "k1"]}
    path = tmp_path / "given.json"
    path.write_text(json.dumps(given))
    fitted = read_data_set(path, numbers=False).fit(read_spec(PLAIN), "plain")
    assert fitted.column_names == ("x0", "x3")
    assert fitted.train is not None
    assert (fitted.train["test"], fitted.train["data"]) == (0.5, tables[2])
    given["train"].pop("data")
    path.write_text(json.dumps(given))
    with pytest.raises(SpecError, match="names no data"):
        read_data_set(path, numbers=False)


def made(
    names: list[str], table: list[list[list[float]]], lost: int = 0, *, share: bool = True
) -> AcrossDataSets:
    """From the runs of each contestant on each data set; the last contestant has ``lost`` runs."""
    comparisons = []
    for row in table:
        contestants = []
        for name, runs in zip(names, row, strict=True):
            s = Summary(tuple(runs), float(np.mean(runs)), None, None, True, share, 100)
            c = Contestant(name, "spec", (), (0, 1, 2), 1, 1, 1, (), {}, {}, {"accuracy": s})
            contestants.append(c)
        if lost:
            failures = {9 + i: "diverged" for i in range(lost)}
            contestants[-1] = replace(contestants[-1], failures=failures)
        comparisons.append(Comparison(tuple(contestants), "accuracy", "data", "test", 100, 0.95))
    return across(names, [f"d{i}" for i in range(len(table))], comparisons, 0.95)


def steady(levels: list[list[float]]) -> list[list[list[float]]]:
    """Three equal runs at each of ``levels`` (data sets, contestants)."""
    return [[[level] * 3 for level in row] for row in levels]


def test_two_contestants_are_told_apart_by_signed_ranks() -> None:
    gains = [0.01 * (i + 1) for i in range(6)]
    six = made(["a", "b"], steady([[0.5, 0.5 + g] for g in gains]))
    assert six.pairs[0].verdict == "better"
    assert six.groups == ()
    assert "b is better than a: 6 wins, 0 losses on 6 data sets" in six.headline[0]
    one_lost = made(["a", "b"], steady([[0.5, 0.5 + g] for g in [-0.06, *gains[:5]]]))
    assert one_lost.pairs[0].verdict == "open"
    assert one_lost.groups == (("b", "a"),)
    five = made(["a", "b"], steady([[0.5, 0.5 + g] for g in gains[:5]]))
    assert five.pairs[0].verdict is None


def test_three_contestants_are_told_apart_by_their_ranks() -> None:
    found = made(["a", "b", "c"], steady([[0.5, 0.6, 0.7]] * 8))
    assert found.average_ranks == (3, 2, 1)
    assert found.critical_difference == pytest.approx(1.1719, abs=1e-4)
    verdicts = {(p.first, p.other): p.verdict for p in found.pairs}
    assert verdicts == {("a", "b"): "open", ("a", "c"): "better", ("b", "c"): "open"}
    assert found.groups == (("c", "b"), ("b", "a"))
    assert [line.split() for line in found.diagram()] == [
        ["1.000", "c", "|"],
        ["2.000", "b", "|", "|"],
        ["3.000", "a", "|"],
    ]
    assert found.interquartile_means[0] is not None
    assert found.interquartile_means[0].value == pytest.approx(0.5)


def test_without_a_sign_of_difference_none_are_told_apart() -> None:
    turns = [[0.1, 0.2, 0.3], [0.2, 0.3, 0.1], [0.3, 0.1, 0.2]] * 3
    found = made(["a", "b", "c"], steady(turns))
    assert {p.verdict for p in found.pairs} == {"open"}
    assert [set(group) for group in found.groups] == [{"a", "b", "c"}]
    assert found.headline[0].startswith("No difference between the 3 contestants")


def test_ranks_far_apart_are_nothing_without_a_difference_of_all() -> None:
    """Five contestants whose extremes differ by the critical difference, Friedman's p 0.07."""
    ranks = np.argsort(np.random.default_rng(57).random((6, 5)), axis=1)
    found = made(list("abcde"), steady((0.9 - 0.1 * ranks).tolist()))
    assert found.critical_difference is not None
    assert np.ptp(found.average_ranks) > found.critical_difference
    assert found.friedman.p == pytest.approx(0.07, abs=1e-4)
    assert {p.verdict for p in found.pairs} == {"open"}
    assert len(found.groups) == 1


def test_a_diverged_run_ranks_last_where_there_is_no_worst_value() -> None:
    found = made(["a", "b"], steady([[0.5, 0.6]] * 6), lost=1, share=False)
    assert np.isnan(found.means[0][1])
    assert found.average_ranks == (1, 2)
    assert found.pairs[0].signed is None
    assert found.pairs[0].verdict == "open"
    assert found.pairs[0].improvement.value == pytest.approx(0.75)
    assert found.interquartile_means[1] is None
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["means"][0][1] is None
    assert found.to_html()


def test_diverged_runs_count_as_no_row_right() -> None:
    found = made(["a", "b"], steady([[0.5, 0.6]] * 6), lost=1)
    assert found.means[0] == pytest.approx((0.5, 0.45))
    assert found.average_ranks == (1, 2)
    assert found.pairs[0].improvement.value == pytest.approx(0.75)
    assert any("6 runs diverged" in note for note in found.footnotes)


def test_one_data_set_is_not_several(tables: list[str]) -> None:
    with pytest.raises(ValueError, match="two data sets or more"):
        compare_across([LINEAR, PLAIN], tables[:1])
