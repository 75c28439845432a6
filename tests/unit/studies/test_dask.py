"""A study on a Dask cluster: the same files, whatever happens to its workers."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from layerkit import (
    Listener,
    MissingExtraError,
    PluginError,
    SpecError,
    StudyError,
    compare,
    study,
)
from layerkit.studies.run import StudyStoppedError
from layerkit_plugins.executors import dask as plugin

pytest.importorskip("distributed", reason="the extra dask")

Truth = Callable[[str], dict[str, str]]


@pytest.fixture
def few(small: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Four runs, long enough to be lost; what a worker in this process sets is put back."""
    monkeypatch.delenv("LAYERKIT_EAGER")
    monkeypatch.setenv("LAYERKIT_THREADS", "1")
    return {**small, "grid": {"layers.1.repeat": [1, 2]}}


@contextmanager
def cluster(workers: int = 1, *, processes: bool = False, **more: Any) -> Iterator[Any]:
    """A local cluster, its page at any free port: tests run side by side."""
    import distributed

    kind = {"processes": processes, "threads_per_worker": 1 if processes else 2}
    local: Any = distributed.LocalCluster
    with local(n_workers=workers, dashboard_address=":0", **kind, **more) as made:
        yield made


def on(made: Any) -> dict[str, Any]:
    return {"type": "dask", "scheduler": made.scheduler_address}


def test_a_cluster_gives_the_same_files(few: dict[str, Any], truth: Truth) -> None:
    study(few, folder="serial")
    with cluster() as made:
        study(few, folder="dask", executor=on(made))
        assert truth("dask") == truth("serial")
        how: dict[str, Any] = {"settings": ["train.epochs=1"], "seeds": 1, "keep": "compared"}
        there = compare(["highway-digits"], executor=on(made), timing=False, **how)
        with pytest.raises(StudyStoppedError, match="0 of 4 runs finished"):
            study(few, folder="stopped", executor=on(made), listener=Impatient())
        with pytest.raises(
            StudyError, match=r"has lost its workers: the connection to .* was lost"
        ):
            study(few, folder="lost", executor=on(made), finished=lambda *_: made.close())
    here = compare(["highway-digits"], timing=False, **how)
    assert here.contestants[0].kept == (0,)  # what the cluster has trained
    assert here.contestants[0].metrics == there.contestants[0].metrics
    assert 1 <= len(Path("lost/runs.jsonl").read_text().splitlines()) < 4
    study(few, folder="lost")
    assert truth("lost") == truth("serial")


class Impatient(Listener):
    """Stops at once."""

    def stop(self) -> bool:
        return True


def test_runs_wait_for_workers(few: dict[str, Any]) -> None:
    with cluster(0) as made:

        class Scaling(Listener):
            def stop(self) -> bool:
                made.scale(1)
                return False

        with pytest.warns(UserWarning, match="has no workers yet: the runs wait"):
            study(few, executor=on(made), listener=Scaling())
    assert len(Path("small.study/runs.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize(
    ("executor", "kind", "words"),
    [
        ("dask", StudyError, "expected an address such as .*, got none"),
        ({"type": "dask", "scheduler": "foo"}, StudyError, "got 'foo' .missing port number"),
        ({"type": "dask", "scheduler": "127.0.0.1:1"}, StudyError, "no Dask scheduler answers at"),
        ({"type": "dask", "scheduler": 3}, SpecError, "executor.scheduler: expected a string"),
        ({"type": "dask", "address": "x"}, SpecError, "executor.address: unknown"),
        ("dusk", PluginError, "unknown executor 'dusk'; did you mean 'dask'"),
        (3, SpecError, "expected the name of an executor.*got 3"),
    ],
    ids=["none", "no-port", "nobody", "number", "setting", "name", "type"],
)
def test_an_executor_that_cannot_be_used_is_told(
    few: dict[str, Any],
    executor: Any,
    kind: type[Exception],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin, "_PATIENCE", 0.2)
    with pytest.raises(kind, match=words):
        study(few, executor=executor)
    assert not list(Path().glob("*/models/*"))


def test_the_extra_is_named(few: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"needs the package distributed(.|\n)*dask"):
        study(few, executor="dask")


def test_a_worker_without_layerkit_is_told(
    few: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "_CALL", plugin._CALL.replace("on_worker", "'nowhere:at_all'"))
    with cluster() as made, pytest.raises(StudyError, match=r"4 of 4 .*another layerkit") as caught:
        study(few, executor=on(made))
    assert "install the same version of layerkit" in str(caught.value.hint)


@pytest.mark.slow
def test_killed_workers_cost_their_runs_only(small: dict[str, Any], truth: Truth) -> None:
    study(small, folder="serial")
    with cluster(2, processes=True) as made:

        def kill_one(line: Mapping[str, Any], done: int, total: int) -> None:
            if done in (2, 5, 8):
                nanny = list(made.workers.values())[done % 2]
                os.kill(nanny.process.process.pid, signal.SIGKILL)

        study(small, folder="dask", executor=on(made), finished=kill_one)
    assert truth("dask") == truth("serial")


@pytest.mark.slow
def test_a_worker_with_other_kernels_is_refused(few: dict[str, Any]) -> None:
    with (
        cluster(1, processes=True, env={"LAYERKIT_EAGER": "1"}) as made,
        pytest.raises(StudyError, match=r"4 of 4 runs failed: .* kernels as written instead of"),
    ):
        study(few, executor=on(made))
