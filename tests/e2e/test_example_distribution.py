"""Plugins as strangers ship them: wheels, a clean environment, and the commands installed there.

Nothing here runs in the environment of the tests: layerkit and the distribution in docs/examples
are built as wheels and installed with pip into a new one, with the requirements that pip finds. The
tutorial on layers, which installs what it writes, runs there too.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from layerkit.testing import rules_for

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "acme-maxout-carry"
TUTORIAL = ROOT / "docs" / "tutorial" / "first-layer.md"
TYPE, DIST = "acme.maxout_carry", "acme-maxout-carry"
UNREACHABLE = ("establish a new connection", "name resolution", "timed out", "NewConnectionError")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Clean:
    """An environment of its own; commands run in ``folder``."""

    python: Path
    folder: Path
    wheels: dict[str, Path]

    def run(self, *words: object) -> Done:
        """Run Python there with these arguments."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("LAYERKIT_", "PYTHON"))}
        done = subprocess.run(
            [self.python, *map(str, words)],
            cwd=self.folder,
            env={
                **kept,
                "PYTHONNOUSERSITE": "1",
                "NO_COLOR": "1",
                "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def layerkit(self, *words: object) -> Done:
        """Run the installed command."""
        return self.run(self.python.with_name("layerkit"), *words)

    def good(self, *words: object) -> Done:
        """Run the installed command, which must succeed."""
        done = self.layerkit(*words)
        assert done.code == 0, done.out + done.err
        return done

    def pip(self, *words: object) -> None:
        """Run pip there."""
        done = self.run("-m", "pip", *words)
        if done.code != 0 and any(sign in done.err for sign in UNREACHABLE):
            pytest.skip(f"pip cannot reach the package index: {done.err[-300:]}")
        assert done.code == 0, done.out + done.err

    @contextmanager
    def without_plugin(self) -> Iterator[None]:
        """While this lasts, the example distribution is not installed."""
        self.pip("uninstall", "-y", DIST)
        try:
            yield
        finally:
            self.pip("install", "--no-deps", self.wheels[DIST])


@dataclass(frozen=True)
class Trained:
    """A model file, and what its training told of it."""

    file: Path
    metrics: dict[str, float]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Clean:
    """A new environment with the wheels of layerkit and of the example, and what they require."""
    base = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "venv", base / "env"], check=True, timeout=120)
    scripts = base / "env" / ("Scripts" if os.name == "nt" else "bin")
    made = Clean(scripts / "python", base / "work", {})
    made.folder.mkdir()
    for dist, source in (("layerkit", ROOT), (DIST, EXAMPLE)):
        made.pip("wheel", "--quiet", "--no-deps", "--wheel-dir", base / dist, source)
        (made.wheels[dist],) = (base / dist).iterdir()
    made.pip("install", "--quiet", made.wheels["layerkit"], f"{made.wheels[DIST]}[test]")
    return made


@pytest.fixture(scope="module")
def trained(clean: Clean) -> Trained:
    """A model file with the example's layer, trained by the installed command."""
    file = clean.folder / "trained.layerkit"
    shutil.copy(EXAMPLE / "digits.json", clean.folder)
    (told,) = clean.good("train", "digits.json", "--json", "-o", file).json["runs"]
    return Trained(file, told["metrics"])


def test_what_is_in_the_wheel(clean: Clean) -> None:
    names = {
        name for name in zipfile.ZipFile(clean.wheels[DIST]).namelist() if "dist-info" not in name
    }
    assert names == {
        f"acme_maxout_carry/{n}" for n in ("__init__.py", "maxout_carry.py", "py.typed")
    }
    clean.pip("check")


def test_everything_comes_from_the_clean_environment(clean: Clean) -> None:
    code = """
import json, sys, numpy, layerkit, layerkit_plugins, acme_maxout_carry
modules = [numpy, layerkit, layerkit_plugins, acme_maxout_carry]
print(json.dumps([sys.prefix, *(m.__file__ for m in modules)]))
"""
    prefix, *files = clean.run("-I", "-c", code).json
    assert Path(prefix) == clean.python.parents[1]
    assert len(files) == 4
    assert all(Path(file).is_relative_to(prefix) for file in files)


def test_the_plugin_is_listed_and_healthy(clean: Clean) -> None:
    listed = clean.good("plugins", "list", "--check", "--json").json["plugins"]
    (found,) = [p for p in listed if p["type"] == TYPE]
    assert (found["distribution"], found["version"], found["status"]) == (DIST, "0.1.0", "ok")
    assert {p["distribution"] for p in listed} == {"layerkit", DIST}
    assert "0 problems, 0 notices" in clean.good("plugins", "doctor").out


def test_the_kit_finds_it_conforming(clean: Clean) -> None:
    told = clean.good("plugins", "check", TYPE, "--json").json
    planned = [rule.id for rule in rules_for("layers")]
    assert [check["id"] for check in told["checks"]] == planned
    ended = {check["id"]: check["status"] for check in told["checks"]}
    assert ended.pop("golden.migration") == "skipped"  # its settings have one version so far
    assert ended.pop("reference.feed") == "skipped"  # it has none
    assert set(ended.values()) == {"passed"}
    assert told["ok"]
    assert told["origin"] == f"{DIST} 0.1.0"


def test_its_own_tests_pass(clean: Clean, tmp_path: Path) -> None:
    for name in ("tests", "digits.json", "pyproject.toml"):  # not src: the wheel is what is tested
        whole = EXAMPLE / name
        (shutil.copytree if whole.is_dir() else shutil.copy)(whole, tmp_path / name)
    done = clean.run("-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path)
    assert done.code == 0, done.out + done.err
    passed = int(done.out.split(" passed")[0].split()[-1])
    assert passed > len(rules_for("layers"))


def test_a_trained_file_is_loaded_by_a_fresh_process(clean: Clean, trained: Trained) -> None:
    told = clean.good("eval", trained.file, "--json").json["metrics"]
    assert told["accuracy"] == trained.metrics["test_accuracy"] > 0.9
    np.save(clean.folder / "rows.npy", np.random.default_rng(0).integers(0, 17, (5, 64)))
    code = """
import sys, layerkit, numpy
model = layerkit.load("trained.layerkit", allow_plugins={"layerkit", "acme-maxout-carry"})
assert "acme_maxout_carry.maxout_carry" in sys.modules
numpy.save("told.npy", model.predict(numpy.load("rows.npy")))
"""
    done = clean.run("-I", "-c", code)
    assert done.code == 0, done.err
    lines = clean.good("infer", trained.file, "rows.npy", "--to", "jsonl").out.splitlines()
    inferred = [list(json.loads(line)["probabilities"].values()) for line in lines]
    assert np.array_equal(np.load(clean.folder / "told.npy"), np.array(inferred, np.float32))


def test_without_the_plugin_a_file_can_be_kept_and_read_but_not_run(
    clean: Clean, trained: Trained
) -> None:
    file, copy = trained.file, clean.folder / "copy.layerkit"
    with clean.without_plugin():
        assert f"{DIST} 0.1.0" in clean.good("inspect", file).out
        assert clean.good("verify", file).out.startswith("ok")
        clean.good("diff", file, file)
        clean.good("upgrade", file, "--as-is", "-o", copy)
        assert copy.read_bytes() == file.read_bytes()
        read = "import layerkit; print(*layerkit.load_tensors('trained.layerkit'))"
        assert "acme-maxout_carry_1.WA" in clean.run("-I", "-c", read).out.split()

        done = clean.layerkit("eval", file)
        assert done.code == 1
        assert "LK-102" in done.err
        assert f"python -m pip install {DIST}==0.1.0" in done.err
        code = """
import layerkit
try:
    layerkit.load("trained.layerkit")
except layerkit.PluginMissingError as error:
    print(error.code)
"""
        assert clean.run("-I", "-c", code).out == "LK-102\n"
        assert "LK-101" in clean.layerkit("build", "digits.json", "--dry-run").err
    clean.good("eval", file)  # and it is back


def docs() -> ModuleType:
    """The module that runs the other pages."""
    spec = importlib.util.spec_from_file_location(
        "test_docs", Path(__file__).with_name("test_docs.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["test_docs"] = module  # dataclasses look themselves up
    spec.loader.exec_module(module)
    return module


def test_the_tutorial_on_layers_works_from_an_empty_folder(clean: Clean, tmp_path: Path) -> None:
    pages = docs()
    with clean.without_plugin():
        try:
            told = pages.run_page(TUTORIAL, tmp_path, clean.python)
        finally:
            clean.pip("uninstall", "-y", "acme-spline")
    pages.hold(TUTORIAL, told)
    assert sum(block.mark == "output" for block in pages.blocks(TUTORIAL)) > 10


def test_the_readme_works_from_an_empty_folder(clean: Clean, tmp_path: Path) -> None:
    pages = docs()
    readme = ROOT / "README.md"
    pages.hold(readme, pages.run_page(readme, tmp_path, clean.python))
    demo = clean.layerkit("demo", "--seeds", 1, "--set", "train.epochs=1", "-q")
    assert "open demo-out/report.html in a browser" in demo.out, demo.err
