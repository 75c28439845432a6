"""Which kernels a training uses: by the work to be done, told in the file, out of the clock."""

from __future__ import annotations

import importlib.util
import io
import os
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import Listener
from layerkit.discovery import engines as choice
from layerkit.training.kernel_choice import kernels_pay
from layerkit.training.loop import Loop
from layerkit.training.recipe import Recipe

needs_llvm = pytest.mark.skipif(
    importlib.util.find_spec("llvmlite") is None,
    reason="llvmlite, the extra `fast`, is not installed",
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


@needs_llvm
@pytest.mark.parametrize(("epochs", "wanted"), [(1, False), (100, False), (1_000_000, True)])
def test_the_work_decides(epochs: int, wanted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = layerkit.build(spec(epochs=epochs))
    recipe = Recipe.of(model.spec)
    for word, found in (("", wanted), ("0", False), ("1", True)):
        monkeypatch.setenv("LAYERKIT_FAST", word)
        assert kernels_pay(model.network, recipe, 60) is found


@needs_llvm
def test_a_small_training_does_not_load_llvmlite() -> None:
    code = (
        "import sys, numpy as np, layerkit\n"
        f"layerkit.train({spec()!r}, data=(np.ones((60, 4)), np.arange(60) % 2))\n"
        "assert 'llvmlite' not in sys.modules"
    )
    env = {k: v for k, v in os.environ.items() if k != "LAYERKIT_FAST"}
    subprocess.run([sys.executable, "-c", code], check=True, env=env)


@needs_llvm
def test_loading_kernels_is_told_apart_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that take long to load do so once, and not on the training's clock."""
    monkeypatch.setenv("LAYERKIT_FAST", "1")
    run = layerkit.train(spec(), data=DATA)
    assert run.preparing > 0
    assert layerkit.train(spec(epochs=1), data=DATA).model.fit == run.model.fit
    real, calls = Loop._prepare, []

    def slow(loop: Loop, index: Any) -> None:
        calls.append(len(index))
        time.sleep(2)
        real(loop, index)

    monkeypatch.setattr(Loop, "_prepare", slow)
    again = layerkit.train(spec(), data=DATA)
    assert calls == [16]
    assert again.seconds < 1.5
    assert (again.model.network.params == run.model.network.params).all()
    monkeypatch.setattr(Loop, "_prepare", lambda *_: None)
    cold = layerkit.train(spec(), data=DATA)
    assert (cold.model.network.params == run.model.network.params).all()
    monkeypatch.setenv("LAYERKIT_FAST", "0")
    assert layerkit.train(spec(), data=DATA).preparing == 0.0


@needs_llvm
@pytest.mark.parametrize("begun", ["0", "1"])
def test_resume_uses_the_kernels_of_the_training_so_far(
    begun: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAYERKIT_FAST", begun)
    whole = layerkit.train(spec(), data=DATA).model
    assert whole.fit is not None
    assert ("llvmlite" in whole.fit.kernels) is (begun == "1")
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


def test_layers_that_run_as_written_are_told_from_planned_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LAYERKIT_EAGER", "1")
    part = copied(layerkit.train(spec(), data=DATA, listener=Told(1)).model)
    assert part.fit is not None
    assert part.fit.kernels == {"layers": "as-written", "numpy": np.__version__}
    monkeypatch.setenv("LAYERKIT_EAGER", "0")
    monkeypatch.delenv("LAYERKIT_FAST", raising=False)
    monkeypatch.setattr(choice, "trouble", lambda: "")  # as if the extra fast were there
    told = Told()
    rest = layerkit.resume(part, data=DATA, listener=told).model
    assert rest.fit is not None
    assert rest.fit.kernels == {"numpy": np.__version__}  # not compiled ones, which it never had
    assert len(told.notices) == 1
    assert "the training used layers as-written and numpy" in told.notices[0]


@needs_llvm
def test_nothing_is_imported_to_find_that_it_does_not_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAYERKIT_FAST", raising=False)
    monkeypatch.setattr(choice, "trouble", lambda: pytest.fail("llvmlite was looked for"))
    assert choice.compiled_for_training(0.5) is False
