"""data_parallel: processes with rows of their own take one step together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from layerkit import MissingExtraError

pytest.importorskip("mpi4py.MPI", reason="the extra mpi", exc_type=ImportError)
MPIEXEC = Path(sys.executable).with_name("mpiexec")

SPEC: dict[str, Any] = {
    "layerkit": 1,
    "dtype": "float64",
    "input": {"shape": [3]},
    "layers": [
        {"type": "dense", "units": 4, "activation": "tanh"},
        {"type": "dense", "units": 1},
    ],
    "output": {"targets": ["y"]},
    "train": {"loss": "mse", "metrics": [], "batch_size": 64, "epochs": 5, "test": 0},
}

SCRIPT = """
import sys
import numpy as np
from mpi4py import MPI
import layerkit
from tests.unit.plugins.test_data_parallel import PARALLEL, SPEC, rows

rank = MPI.COMM_WORLD.rank
x, y = rows()
train = layerkit.train(SPEC, data=(x[rank::2], y[rank::2]), settings=[PARALLEL], seed=3)
np.save(f"rank-{rank}.npy", train.model.network.params)
try:
    layerkit.train(SPEC, data=(x, y), settings=[PARALLEL], seed=rank)
except layerkit.LayerkitError as error:
    print(f"[{rank}: {error.message}]", flush=True)
"""

ALONE = 'train.optimizer={"type": "momentum", "learning_rate": 0.05}'
PARALLEL = (
    'train.optimizer={"type": "data_parallel", "learning_rate": 0.05, "optimizer": "momentum"}'
)


def rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 3))
    return x, np.sin(x).sum(1)


def params(setting: str) -> Any:
    return layerkit.train(SPEC, data=rows(), settings=[setting], seed=3).model.network.params


def test_one_process_trains_as_with_the_optimizer_alone() -> None:
    np.testing.assert_array_equal(params(PARALLEL), params(ALONE))


def test_two_processes_with_half_the_rows_train_as_one(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [str(MPIEXEC), "-n", "2", sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    first, second = (np.load(tmp_path / f"rank-{rank}.npy") for rank in (0, 1))
    assert first.tobytes() == second.tobytes()
    np.testing.assert_allclose(first, params(ALONE), rtol=1e-10)
    told = "data_parallel: the processes start with different parameters"
    assert f"[0: {told}]" in done.stdout
    assert f"[1: {told}]" in done.stdout


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(MissingExtraError, match=r"data_parallel needs the package mpi4py"):
        params(PARALLEL)
