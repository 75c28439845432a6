from __future__ import annotations

import os
import threading
from functools import partial
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import threads
from layerkit.discovery.registry import LAYERS


def test_all_cores_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_THREADS", raising=False)
    assert threads.thread_count() == threads._cores() >= 1
    monkeypatch.setenv("LAYERKIT_THREADS", "3")
    assert threads.thread_count() == 3


@pytest.mark.parametrize("word", ["", "0", "-1", "two", "1.5"])
def test_another_word_is_refused(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", word)
    with pytest.raises(layerkit.LayerkitError, match="LAYERKIT_THREADS"):
        threads.thread_count()


@pytest.mark.parametrize("count", ["1", "2", "4"])
def test_every_task_runs_once(count: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", count)
    for _ in range(50):
        done: list[int] = []
        threads.together([partial(done.append, i) for i in range(7)])
        assert sorted(done) == list(range(7))


def test_helpers_take_tasks_while_the_caller_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    met = threading.Barrier(2, timeout=30)  # broken unless both tasks run at the same time
    names: set[str] = set()

    def meet() -> None:
        met.wait()
        names.add(threading.current_thread().name)

    threads.together([meet, meet])
    assert len(names) == 2


def test_a_tasks_error_reaches_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    done: list[int] = []

    def fail() -> None:
        raise ZeroDivisionError("in a task")

    with pytest.raises(ZeroDivisionError, match="in a task"):
        threads.together([fail, partial(done.append, 1), partial(done.append, 2)])
    assert sorted(done) == [1, 2]


def test_several_callers_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    results: dict[int, int] = {}

    def caller(number: int) -> None:
        for _ in range(30):
            done: list[int] = []
            threads.together([partial(done.append, i) for i in range(5)])
            results[number] = results.get(number, 0) + len(done)

    callers = [threading.Thread(target=caller, args=(n,)) for n in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join(60)
    assert results == dict.fromkeys(range(4), 150)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_has_helpers_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    threads.together([int, int])  # the parent's helper is there now
    child = os.fork()
    if child == 0:
        met = threading.Barrier(2, timeout=20)
        try:
            threads.together([met.wait, met.wait])
        except BaseException:  # noqa: BLE001  # told by the exit status
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_blas_has_one_thread_until_the_last_block_ends() -> None:
    controls = threads._controls()
    if controls is None:
        pytest.skip("NumPy has another BLAS than its own OpenBLAS here")
    read, write = controls
    before = read()
    write(2)
    try:
        if read() != 2:
            pytest.skip("this BLAS was built for one thread")
        first, second = threads.single_blas(), threads.single_blas()
        first.__enter__()
        second.__enter__()
        assert read() == 1
        first.__exit__(None, None, None)
        assert read() == 1
        second.__exit__(None, None, None)
        assert read() == 2
        with pytest.raises(RuntimeError), threads.single_blas():
            raise RuntimeError
        assert read() == 2
    finally:
        write(before)


def test_training_and_prediction_run_inside_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    controls = threads._controls()
    if controls is None:
        pytest.skip("NumPy has another BLAS than its own OpenBLAS here")
    read, write = controls
    seen: set[int] = set()

    @layerkit.register
    class Watching(layerkit.Layer):
        type_name = "test.watching"

        def plan(self, in_shape: layerkit.Shape) -> layerkit.Plan:
            return layerkit.Plan(in_shape)

        def feed(self, x: Any, ctx: layerkit.Context) -> Any:
            if type(x) is np.ndarray:  # a recording computes nothing
                seen.add(read())
            return x

        def backprop(self, dy: Any, ctx: layerkit.Context) -> Any:
            return dy

    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "test.watching"}, {"type": "dense", "units": 2}],
        "train": {"epochs": 1},
    }
    before = read()
    write(2)
    try:
        model = layerkit.train(spec, data=(np.eye(2), [0, 1])).model
        model.predict(np.eye(2))
        assert seen == {1}
        other = layerkit.build(spec)
        for rows in (1, 1, 1, 2):  # as it is written, on trial, in the short form, several
            other.predict(np.eye(2)[:rows])
        assert seen == {1}
    finally:
        write(before)
        LAYERS.unregister("test.watching")


def test_results_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((256, 300)), rng.integers(0, 3, 256)
    spec = {
        "layerkit": 1,
        "input": {"shape": [300]},
        "layers": [
            {"type": "dense", "units": 600, "activation": "tanh"},
            {"type": "dense", "units": 3},
        ],
        "train": {"epochs": 2, "batch_size": 256},
    }
    kept = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("LAYERKIT_THREADS", count)
        model = layerkit.train(spec, data=(x, y)).model
        kept.append((model.network.params.tobytes(), model.predict(x).tobytes()))
    assert model.network.size > 100_000  # one product is large enough to be cut
    assert kept[0] == kept[1] == kept[2]
