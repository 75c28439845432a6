"""Checks that need a fresh interpreter: what importing a part does, and loading a file of it.

A class that no other process could import (of a notebook, of a function) is not reachable. One
that is importable and not installed is offered, for these checks alone, by the metadata of a
distribution in a temporary folder.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from layerkit.core.parts import Part
from layerkit.testing.models import spec_of
from layerkit.testing.rules import Failed
from layerkit.testing.subject import Example, Subject

__all__ = ["import_afresh", "import_again", "predict_afresh", "reachable"]

_HERE = Path(__file__).parent
_LIMIT = 120.0  # seconds of one child; a part whose import hangs must not hang the kit


def reachable(part: type[Part]) -> bool:
    """Whether a fresh process could import the class."""
    if part.__module__ == "__main__" or "<locals>" in part.__qualname__:
        return False
    try:
        return importlib.util.find_spec(part.__module__) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _child(script: str, asked: dict[str, Any], *, site: Path | None = None) -> dict[str, Any]:
    """The answer of a script of ours in an interpreter of its own.

    Raises
    ------
    Failed
        If it does not answer in time, or dies.
    """
    places = [str(site)] if site is not None else []
    places += [place or str(Path.cwd()) for place in sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(places), "PYTHONWARNINGS": "ignore"}
    if site is not None:
        environment.pop("LAYERKIT_PLUGINS", None)  # the list cannot name what is not installed
    command = [sys.executable, "-P", "-B", str(_HERE / script)]
    try:
        done = subprocess.run(  # noqa: S603  # our own script
            command,
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"a fresh process did not end within {_LIMIT:.0f} s") from error
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        told: dict[str, Any] = json.loads(last)
    except ValueError as error:
        end = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise Failed(f"a fresh process died: {end[:500]}") from error
    return told


def import_afresh(subject: Subject) -> dict[str, Any]:
    """What importing and making the part did in a fresh process; asked once a subject.

    Raises
    ------
    Failed
        If it raises there.
    """
    if "import" not in subject.answers:
        subject.answers["import"] = _import(subject)
    told: dict[str, Any] = subject.answers["import"]
    if told["error"]:
        raise Failed(f"in a fresh process {told['error']}")
    return told


def _import(subject: Subject) -> dict[str, Any]:
    module, name = subject.part.__module__, subject.part.__qualname__
    return _child("child_import.py", {"module": module, "name": name, "kind": subject.kind})


def import_again(subject: Subject) -> float:
    """Seconds of one more import, for a machine that was busy the first time."""
    return float(_import(subject).get("seconds", 0.0))


def predict_afresh(subject: Subject) -> str | list[tuple[Example, str, str]]:
    """For each example the digests of what its model predicts: where it was saved, where loaded.

    A text says what went wrong instead.
    """
    specs, rows = [], []
    for case in subject.examples:
        specs.append(spec_of(subject, case.config, case.shape))
        draws = subject.rng("fresh", case.words)
        rows.append(draws.standard_normal((5, *case.shape)).tolist())
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        files = [str(Path(folder) / f"{i}.layerkit") for i in range(len(specs))]
        asked = {"specs": specs, "files": files, "rows": rows, "seed": subject.seed}
        with _offered(subject) as site:
            made = _child("child_save.py", asked, site=site)
            if made["error"]:
                return f"building and saving raised {made['error']}"
            told = _child("child_load.py", {"files": files, "rows": rows}, site=site)
    if told["error"]:
        return str(told["error"])
    return list(zip(subject.examples, made["digests"], told["digests"], strict=True))


@contextmanager
def _offered(subject: Subject) -> Iterator[Path | None]:
    """A folder for sys.path in which a distribution offers the part; None if one is installed."""
    if subject.candidate is not None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        info = Path(folder) / "layerkit_testing_offer-0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: layerkit-testing-offer\nVersion: 0\n", "utf-8"
        )
        line = f"[layerkit.{subject.kind}]\n{subject.name} = {subject.address}\n"
        (info / "entry_points.txt").write_text(line, "utf-8")
        yield Path(folder)
