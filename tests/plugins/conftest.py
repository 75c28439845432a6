"""One environment with good and bad distributions side by side, and commands run in it.

Distributions are written as pip would leave them (modules, and a folder of metadata) into one
folder that commands find on PYTHONPATH. Every module leaves a mark when it is imported.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

MARK = """
import os, pathlib
pathlib.Path(os.environ["MARKS"], __name__).touch()
"""
LAYER = """
from layerkit import Layer, Param, Plan


class Part(Layer):
    '''y = x * w'''

    type_name = "{type}"

    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale

    def plan(self, in_shape):
        return Plan(in_shape, {{"w": Param(in_shape, self.scale)}})

    def feed(self, x, ctx):
        ctx.save(x)
        return x * self.params["w"]

    def backprop(self, dy, ctx):
        (x,) = ctx.saved
        self.grads["w"] = (dy * x).sum(axis=0)
        return dy * self.params["w"]
"""


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str
    marks: frozenset[str]

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self.err)["error"]
        return told


@dataclass
class Site:
    """A folder of distributions; ``run`` starts a command that finds them."""

    folder: Path
    count: int = 0

    def add(
        self,
        dist: str,
        types: Mapping[str, str] | None = None,
        *,
        first: str = "",
        last: str = "",
        version: str = "1.0",
        requires: str | None = None,
        entry_points: str | None = None,
        editable: Path | None = None,
    ) -> None:
        """Install ``dist`` with layers of these ``types`` (name to target).

        ``first`` and ``last`` are lines around the layer in the module of each target.
        """
        types = types or {}
        stem = dist.replace("-", "_")
        info = self.folder / f"{stem}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = [f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}"]
        lines += [] if requires is None else [f"Requires-Dist: {requires}"]
        (info / "METADATA").write_text("\n".join(lines) + "\n")
        listed = "\n".join(["[layerkit.layers]", *(f"{n} = {t}" for n, t in types.items())])
        text = f"{listed}\n" if entry_points is None else entry_points
        (info / "entry_points.txt").write_text(text)
        (info / "RECORD").write_text("")
        if editable is not None:
            told = {"url": editable.as_uri(), "dir_info": {"editable": True}}
            (info / "direct_url.json").write_text(json.dumps(told))
        for name, target in types.items():
            module = target.partition(":")[0]
            code = f"{MARK}\n{first}\n{LAYER.format(type=name)}\n{last}\n"
            (self.folder / f"{module}.py").write_text(code)

    def run(self, *words: object, env: Mapping[str, str] | None = None) -> Done:
        """Run ``layerkit WORDS`` in the folder above, with ``env`` in its environment."""
        return self._run("-m", "layerkit", *words, env=env or {})

    def python(self, code: str, env: Mapping[str, str] | None = None) -> Done:
        """Run Python code likewise."""
        return self._run("-c", code, env=env or {})

    def _run(self, *words: object, env: Mapping[str, str]) -> Done:
        self.count += 1
        marks = self.folder.parent / f"marks{self.count}"
        marks.mkdir()
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LAYERKIT_")}
        path = os.pathsep.join([str(self.folder), kept.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            stdin=subprocess.DEVNULL,
            env={**kept, "PYTHONPATH": path, "MARKS": str(marks), "NO_COLOR": "1", **env},
            cwd=self.folder.parent,
            capture_output=True,
            check=False,
            timeout=120,
        )
        found = frozenset(p.name for p in marks.iterdir())
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), found)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An environment without any plugin."""
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """An environment with every kind of bad plugin beside a good one."""
    folder = tmp_path_factory.mktemp("crowd") / "site"
    folder.mkdir()
    made = Site(folder)
    made.add("acme-good", {"acme.good": "acme_good:Part"}, requires="layerkit>=0.1")
    made.add("acme-broken", {"acme.broken": "acme_broken:Part"}, first="raise RuntimeError('luck')")
    made.add("acme-exits", {"acme.exits": "acme_exits:Part"}, first="raise SystemExit(3)")
    made.add("acme-slow", {"acme.slow": "acme_slow:Part"}, first="import time; time.sleep(3)")
    noise = "print('hello from acme')\nimport os\nos.write(1, b'and lower down\\n')"
    made.add("acme-prints", {"acme.prints": "acme_prints:Part"}, first=noise)
    made.add("acme-one", {"acme.twice": "acme_one:Part", "acme.once": "acme_once:Part"})
    made.add("acme-two", {"acme.twice": "acme_two:Part"}, version="2.0")
    made.add("acme-thief", {"dense": "acme_thief:Part"})
    made.add("acme-new", {"acme.new": "acme_new:Part"}, last="Part.contract_version = 3")
    made.add("acme-later", {"acme.later": "acme_later:Part"}, requires="layerkit>=9", version="3.1")
    made.add("acme-stale", {"acme.stale": "acme_stale:Gone"})
    made.add("acme-gone", {}, entry_points="[layerkit.layers]\nacme.gone = acme_gone:Part\n")
    return made


@pytest.fixture
def spec() -> Callable[..., dict[str, Any]]:
    """A small spec with a layer of that type: ``spec("acme.good", scale=2.0)``."""

    def make(kind: str, **settings: Any) -> dict[str, Any]:
        layers = [{"type": kind, **settings}, {"type": "dense", "units": 2}]
        return {"layerkit": 1, "name": "net", "input": {"shape": [3]}, "layers": layers}

    return make
