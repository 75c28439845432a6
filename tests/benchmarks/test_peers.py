"""Peers: each that is installed computes the same function; one that is not is named as left out.

The workloads here are tiny: what is tested is agreement, never a time.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from benchmarks.speed import measure
from benchmarks.speed.agreement import OUTPUTS, STEPS, Reference
from benchmarks.speed.measure import PeerError, Unit, Worker
from benchmarks.speed.peers import ENTRIES
from benchmarks.speed.peers.floor import Floor
from benchmarks.speed.peers.naive import Naive
from benchmarks.speed.worker import loss_of
from benchmarks.speed.workloads import WORKS, Work, flops, initial, products, rows

TINY = Work("W1-tiny", 8, (12,), 2, "adam", 1e-3)
NEEDED = {
    "keras": ("keras", "jax"),
    "onnxruntime": ("onnxruntime", "onnx"),
    "layerkit_call": ("layerkit",),
    "naive": (),
    "floor": (),
}


def missing(name: str) -> list[str]:
    """Packages that a peer needs and that are not installed."""
    entry = ENTRIES[name]
    needed: Sequence[str] = NEEDED.get(entry.family, (entry.family,))
    if entry.options.get("fast"):
        needed = (*needed, "llvmlite")
    return [package for package in needed if importlib.util.find_spec(package) is None]


def outcome_of(name: str, mode: str, work: str = "W1-b32") -> measure.Outcome:
    unit = Unit(mode, work, 32)
    told: list[str] = []
    measured = measure.measure([unit], [name], rounds=1, block=1e-4, pythons={}, tell=told.append)
    assert [name in line for line in told] == [True]
    return measured[0]


# One peer a library; compiling takes a minute and the threads change nothing here.
LIBRARIES = (
    "layerkit",
    "layerkit_fast",
    "layerkit_call",
    "torch_1t",
    "torch_tuned_1t",
    "jax",
    "keras",
    "thinc",
    "sklearn_1t",
    "onnxruntime_1t",
    "naive_1t",
)
OWN = ("layerkit", "layerkit_call", "naive_1t")  # the others are served every night
SERVED = [
    pytest.param(name, mode, marks=[] if name in OWN else pytest.mark.slow)
    for name in LIBRARIES
    for mode in ENTRIES[name].modes
]


@pytest.mark.parametrize(("name", "mode"), SERVED)
def test_a_peer_agrees_or_is_named_as_not_installed(name: str, mode: str) -> None:
    found = outcome_of(name, mode)
    lacking = missing(name)
    if lacking:
        assert found.timings == {}
        assert found.skipped[name].startswith("not installed: No module named")
    else:
        assert found.skipped == {}
        assert len(found.timings[name].seconds) == 1
        assert (name in found.losses) == (mode == "train")


def test_layerkit_agrees_on_a_highway_net() -> None:
    assert outcome_of("layerkit", "train", "W2-b32").skipped == {}


def test_a_library_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sklearn.py").write_text("import a_module_that_nobody_has")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = outcome_of("sklearn_1t", "train")
    assert found.timings == {}
    why = "not installed: No module named 'a_module_that_nobody_has'"
    assert found.skipped == {"sklearn_1t": why}


def test_a_library_that_falls_over_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "sklearn.py").write_text("1 / 0")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PeerError, match="ZeroDivisionError: division by zero"):
        Worker("sklearn_1t", "W1-b32")
    (tmp_path / "sklearn.py").write_text("import os; os._exit(3)")
    with pytest.raises(PeerError, match="its process ended"):
        Worker("sklearn_1t", "W1-b32")


def test_another_function_is_refused_with_numbers() -> None:
    reference = Reference.of(TINY, "train", 4)
    before, after = reference.losses
    assert reference.unlike_losses([before, after]) == ""
    assert reference.unlike_losses([before * (1 + 5e-5), after * 1.004]) == ""
    said = reference.unlike_losses([before * 1.001, after])
    assert f"loss before training {before * 1.001:.6f}, by the equations {before:.6f}" in said
    assert "after 20 steps" in reference.unlike_losses([before, after * 1.006])
    assert reference.unlike_losses([before, float("nan")])


def test_other_outputs_are_refused_with_numbers() -> None:
    reference = Reference.of(TINY, "infer", 4)
    assert reference.unlike_outputs(reference.outputs.tolist()) == ""
    moved = reference.outputs + 3 * OUTPUTS
    assert "outputs differ by 3.0e-04" in reference.unlike_outputs(moved.tolist())
    assert "(3, 10)" in reference.unlike_outputs(reference.outputs[:3].tolist())


def test_a_peer_that_computes_something_else_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Reference.of(WORKS["W1-b32"], "train", 32)
    wrong = Reference("train", "adam", STEPS, (honest.losses[0], 9.0), honest.outputs)
    monkeypatch.setattr(Reference, "of", staticmethod(lambda *_: wrong))
    found = outcome_of("naive_1t", "train")
    assert found.timings == {}
    assert "computes something else: loss after 20 steps" in found.skipped["naive_1t"]
    assert "by the equations 9.000000" in found.skipped["naive_1t"]


@pytest.mark.parametrize("work", [TINY, WORKS["W2-b32"]])
def test_the_reference_follows_its_gradient(work: Work) -> None:
    """dL/dw by central differences, for one weight of every matrix."""
    batch = slice(0, work.batch)
    x, y = rows(64)
    peer = Naive(work, initial(work), x, y)

    def loss() -> float:
        p = peer.predict(peer.x[batch])
        return float(-np.log(p[np.arange(work.batch), y[batch]]).mean())

    still = Naive(work, initial(work), x, y)
    still.stepped = lambda layer, name, w, g: w  # type: ignore[method-assign]
    still.train(0, 1)
    checked = 0
    for mine, its in zip(peer.layers, still.layers, strict=True):
        for name, w in mine.params.items():
            at = np.unravel_index(np.abs(its.grads[name]).argmax(), w.shape)
            kept, h = w[at], 1e-6
            w[at] = kept + h
            above = loss()
            w[at] = kept - h
            slope = (above - loss()) / (2 * h)
            w[at] = kept
            assert slope == pytest.approx(its.grads[name][at], rel=1e-4, abs=1e-9)
            checked += 1
    assert checked == sum(len(p) for p in initial(work))


def test_training_lowers_the_loss_of_the_reference() -> None:
    x, y = rows(1024)
    peer = Naive(TINY, initial(TINY), x, y)
    before = loss_of(peer)
    peer.train(0, 60)
    assert loss_of(peer) < before - 0.05


def test_rows_and_weights_are_the_same_each_time() -> None:
    assert all(np.array_equal(a, b) for a, b in zip(rows(50), rows(50), strict=True))
    for a, b in zip(initial(TINY), initial(TINY), strict=True):
        assert a.keys() == b.keys()
        assert all(np.array_equal(a[k], b[k]) for k in a)


def test_minibatches_go_round_in_order() -> None:
    x, y = rows(20)
    peer = Naive(TINY, initial(TINY), x, y)
    assert [b.start for b in peer.batches(1, 3)] == [8, 0, 8]
    assert list(peer.stretches(1, 4)) == [slice(8, 16), slice(0, 16), slice(0, 8)]


def test_the_products_are_those_of_the_net() -> None:
    found = list(products(TINY, 8, training=True))
    assert found[:2] == [("forward", 8, 784, 12), ("weights", 784, 8, 12)]
    assert found[2:5] == [
        ("forward", 8, 12, 24),
        ("weights", 12, 8, 24),
        ("inputs", 8, 24, 12),
    ]
    assert len(found) == 2 + 3 * 3
    assert flops(TINY, 8, training=False) == 2 * 8 * (784 * 12 + 2 * 12 * 24 + 12 * 10)


@pytest.mark.parametrize("rows_first", [True, False])
def test_the_floor_runs_those_products(rows_first: bool) -> None:
    x, y = rows(64)
    floor = Floor(TINY, initial(TINY), x, y)
    plan = floor.plan(8, True, rows_first)
    shapes = sorted((a.shape, b.shape) for a, b, _ in plan)
    wanted = sorted(((m, k), (k, n)) for _, m, k, n in products(TINY, 8, training=True))
    assert shapes == wanted
    assert all(array.dtype == np.float32 for three in plan for array in three)
    assert all(np.shares_memory(out, a) is False for a, _, out in plan)
