"""What loading a model and predicting imports: NumPy, msgpack, layerkit and little else.

Times are not tested; the modules are what makes them. ``benchmarks/cold`` measures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import layerkit

LOAD = """
import sys
import numpy
before = set(sys.modules)
import layerkit
model = layerkit.load(sys.argv[1])
assert model.predict([[0.5] * 5]).shape == (1, 3)
print(" ".join(sorted(set(sys.modules) - before)))
"""

# Each costs milliseconds and comes in easily: a default, an annotation, one more convenience.
HEAVY = {
    *("argparse", "asyncio", "csv", "difflib", "email", "http", "importlib.metadata", "logging"),
    *("multiprocessing", "numpy.ma", "numpy.random", "numpy.testing", "pickle", "socket", "ssl"),
    *("subprocess", "tempfile", "unittest", "urllib.request", "zipfile"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A model that was trained for a moment, with a recipe and everything that goes with it."""
    spec = {
        "layerkit": 1,
        "input": {"shape": [5], "scale": "standardize", "missing": "mean"},
        "layers": [
            {"type": "dense", "units": 4, "activation": "relu"},
            {"type": "highway", "activation": {"type": "leaky_relu", "slope": 0.1}, "repeat": 2},
            {"type": "dense", "units": 3},
        ],
        "output": {"classes": ["a", "b", "é"]},
        "train": {
            "optimizer": {"type": "momentum", "learning_rate": 0.1},
            "schedule": "cosine",
            "epochs": 1,
            "early_stopping": {"patience": 2},
            "validation": 0.2,
        },
    }
    rows = layerkit.Rows(
        values=np.arange(150.0).reshape(30, 5) % 7, labels=np.array(["a", "b", "é"] * 10)
    )
    run = layerkit.train(spec, data=rows)
    layerkit.save(run.model, tmp_path / "m.layerkit")
    return tmp_path / "m.layerkit"


def loaded_by(code: str, *words: str | Path) -> set[str]:
    """The modules that ``code`` prints; nothing of the environment changes the way it starts."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_loading_and_predicting_brings_in_no_other_package(file: Path) -> None:
    loaded = loaded_by(LOAD, file)
    ours = {"layerkit", "layerkit_plugins", "msgpack", "numpy"}
    names = {m.partition(".")[0] for m in loaded if "cython" not in m}  # msgpack's runtime
    assert names - sys.stdlib_module_names == ours
    assert sorted(loaded & HEAVY) == []
    assert {"layerkit_plugins.layers.highway", "layerkit.file.load"} <= loaded


def test_only_the_parts_that_the_file_names_are_imported(file: Path) -> None:
    loaded = {m for m in loaded_by(LOAD, file) if m.startswith("layerkit_plugins.")}
    assert {m.removeprefix("layerkit_plugins.") for m in loaded if m.count(".") == 2} == {
        *("layers.dense", "layers.highway", "activations.linear", "activations.relu"),
        *("activations.leaky_relu", "initializers.scaled", "losses.softmax_cross_entropy"),
        *("optimizers.momentum", "schedules.cosine", "metrics.accuracy"),
    }


def test_what_writes_files_trains_or_draws_is_not_loaded(file: Path) -> None:
    loaded = loaded_by(LOAD, file)
    for name in ("cli", "comparison", "data", "codec.writer", "file.save", "training"):
        home = f"layerkit.{name}"
        assert not {m for m in loaded if m == home or m.startswith(f"{home}.")}, name


def test_explaining_a_field_of_a_study_loads_none() -> None:
    code = """
import sys
from layerkit.cli.explain_topics import topics
assert [topic["name"] for topic in topics("trials")] == ["search.trials"]
print(" ".join(sys.modules))
"""
    ours = {m for m in loaded_by(code) if m.startswith("layerkit.studies.")}
    assert ours == {"layerkit.studies.sections"}


def test_building_a_right_spec_needs_no_validator() -> None:
    code = """
import sys
import layerkit
spec = {"layerkit": 1, "input": {"shape": [2]}, "layers": [{"type": "dense", "units": 1}]}
layerkit.build(spec).predict([[1.0, 2.0]])
assert "pydantic" not in sys.modules
try:
    layerkit.build(spec | {"name": 3})
except layerkit.SpecError as error:
    assert "a name of at most 64 letters" in str(error)
print(" ".join(sys.modules))
"""
    assert "pydantic" in loaded_by(code)  # it words what is wrong
