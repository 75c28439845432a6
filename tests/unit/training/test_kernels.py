"""Which kernels a training uses: by the work to be done, told in the file, out of the clock."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Listener
from layerkit.execution import kernels as fast
from layerkit.training.kernel_choice import kernels_pay
from layerkit.training.loop import Loop
from layerkit.training.recipe import Recipe

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba, the extra `fast`, is not installed"
)

rng = np.random.default_rng(1)
X = rng.standard_normal((60, 4)).astype(np.float32)
DATA = (X, (X[:, 0] > 0).astype(int))


def spec(**train: Any) -> dict[str, Any]:
    return {
        "layerkit": 1,
        "input": {"shape": [4]},
        "layers": [{"type": "highway", "repeat": 2}, {"type": "dense", "units": 2}],
        "train": {"epochs": 3, "batch_size": 16, "schedule": "cosine", **train},
    }


class Told(Listener):
    def __init__(self, epochs: int = 99) -> None:
        self.notices: list[str] = []
        self.left = epochs

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def epoch(self, epoch: int, values: Any) -> None:
        self.left -= 1

    def stop(self) -> bool:
        return self.left == 0


def copied(model: layerkit.Model) -> layerkit.Model:
    stream = io.BytesIO()
    layerkit.save(model, stream)
    stream.seek(0)
    return layerkit.load(stream)


@needs_numba
@pytest.mark.parametrize(("epochs", "wanted"), [(1, False), (100, False), (1_000_000, True)])
def test_the_work_decides(epochs: int, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = layerkit.build(spec(epochs=epochs))
    recipe = Recipe.of(model.spec)
    for word, found in (("", wanted), ("0", False), ("1", True)):
        monkeypatch.setenv("LAYERKIT_FAST", word)
        assert kernels_pay(model.network, recipe, 60) is found


@needs_numba
def test_a_small_training_does_not_load_numba() -> None:
    code = (
        "import sys, numpy as np, layerkit\n"
        f"layerkit.train({spec()!r}, data=(np.ones((60, 4)), np.arange(60) % 2))\n"
        "assert 'numba' not in sys.modules"
    )
    env = {k: v for k, v in os.environ.items() if k != "LAYERKIT_FAST"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


def _noting(real: Any, name: str, order: list[str]) -> Any:
    def noted(*given: Any) -> Any:
        order.append(name)
        return real(*given)

    return noted


@needs_numba
def test_loading_kernels_is_told_apart_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that takes long to load does so before the training's clock runs."""
    monkeypatch.setenv("LAYERKIT_FAST", "1")
    run = layerkit.train(spec(), data=DATA)
    assert run.preparing > 0
    assert layerkit.train(spec(epochs=1), data=DATA).model.fit == run.model.fit
    order: list[str] = []
    for owner, name in ((Loop, "_warm"), (Loop, "epoch")):
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, _noting(real, name, order))
    again = layerkit.train(spec(), data=DATA)
    assert order[:2] == ["_warm", "epoch"]
    assert (again.model.network.params == run.model.network.params).all()
    monkeypatch.setattr(Loop, "_warm", lambda *_: None)
    cold = layerkit.train(spec(), data=DATA)
    assert (cold.model.network.params == run.model.network.params).all()
    monkeypatch.setenv("LAYERKIT_FAST", "0")
    assert layerkit.train(spec(), data=DATA).preparing == 0.0


@needs_numba
@pytest.mark.parametrize("begun", ["0", "1"])
def test_resume_uses_the_kernels_of_the_training_so_far(
    begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", begun)
    whole = layerkit.train(spec(), data=DATA).model
    assert whole.fit is not None
    assert ("numba" in whole.fit.kernels) is (begun == "1")
    part = layerkit.train(spec(), data=DATA, listener=Told(1)).model
    monkeypatch.delenv("LAYERKIT_FAST")
    told = Told()
    rest = layerkit.resume(copied(part), data=DATA, listener=told).model
    assert (rest.network.params == whole.network.params).all()
    assert (rest.fit, told.notices) == (whole.fit, [])
    monkeypatch.setenv("LAYERKIT_FAST", "0" if begun == "1" else "1")
    layerkit.resume(copied(part), data=DATA, listener=told)
    assert len(told.notices) == 1
    assert "continues with" in told.notices[0]


@needs_numba
def test_nothing_is_imported_to_find_that_it_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_FAST", raising=False)
    monkeypatch.setattr(fast, "_trouble", lambda: pytest.fail("numba was looked for"))
    assert fast.kernels_for_training(0.5) is False
