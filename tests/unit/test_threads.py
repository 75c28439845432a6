from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import threads


def test_training_takes_one_thread_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_THREADS", raising=False)
    assert threads.training_threads() == 1
    monkeypatch.setenv("LAYERKIT_THREADS", "2")
    assert threads.training_threads() == 2


@pytest.mark.parametrize("word", ["", "0", "-1", "two", "1.5"])
def test_another_word_is_refused(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAYERKIT_THREADS", word)
    with pytest.raises(layerkit.LayerkitError, match="LAYERKIT_THREADS"):
        threads.training_threads()


def test_the_number_is_set_inside_the_block_and_put_back() -> None:
    controls = threads._controls()
    if controls is None:
        pytest.skip("NumPy has another BLAS than its own OpenBLAS here")
    read, _ = controls
    before = read()
    with threads.blas_threads(1):
        assert read() == 1
    with pytest.raises(RuntimeError), threads.blas_threads(1):
        raise RuntimeError
    assert read() == before


def test_training_runs_inside_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = threads.blas_threads

    def watched(count: int) -> Any:
        seen.append(count)
        return original(count)

    monkeypatch.setattr("layerkit.training.session.blas_threads", watched)
    monkeypatch.delenv("LAYERKIT_THREADS", raising=False)
    spec = {
        "layerkit": 1,
        "input": {"shape": [2]},
        "layers": [{"type": "dense", "units": 2}],
        "train": {"epochs": 1},
    }
    layerkit.train(spec, data=(np.eye(2), [0, 1]))
    assert seen == [1]
