"""Child processes: what importing a part does in a new interpreter, and loading a file of it there.

A child cannot import a class of a notebook or a function. For a class that is importable but not
installed, the metadata of a distribution in a temporary folder offers it to the child.
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
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.models import spec_of
from layerkit.testing.subject import Example, Subject
from layerkit.testing.verdicts import Failed

_HERE = Path(__file__).parent
_LIMIT = 120.0  # seconds of one child; a part whose import hangs must not hang the kit


def importable(part: type[Part]) -> bool:
    """Whether another process could import the class."""
    if part.__module__ == "__main__" or "<locals>" in part.__qualname__:
        return False
    try:
        return importlib.util.find_spec(part.__module__) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _child(script: str, request: dict[str, Any], *, site: Path | None = None) -> dict[str, Any]:
    """The reply of one of our scripts in a new interpreter.

    Raises ``Failed`` if it does not reply in time, or dies.
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
            input=json.dumps(request),
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=environment,
            timeout=_LIMIT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise Failed(f"a new process did not end within {_LIMIT:.0f} s") from error
    last = done.stdout.strip().rpartition("\n")[2]
    try:
        reply: dict[str, Any] = json.loads(last)
    except ValueError as error:
        end = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise Failed(f"a new process died: {end[:500]}") from error
    if reply["error"]:
        raise Failed(f"in a new process {reply['error']}")
    return reply


def import_in_child(subject: Subject) -> dict[str, Any]:
    """What importing and making the part does in a new process; run once per subject.

    Raises ``Failed`` if it raises there.
    """
    if "import" not in subject.replies:
        try:
            subject.replies["import"] = import_again(subject)
        except Failed as failed:
            subject.replies["import"] = failed
    reply = subject.replies["import"]
    if isinstance(reply, Failed):
        raise reply
    return dict(reply)


def import_again(subject: Subject) -> dict[str, Any]:
    """The same in one more child. Raises ``Failed`` if it raises there."""
    module, name = subject.part.__module__, subject.part.__qualname__
    return _child("child_import.py", {"module": module, "name": name, "kind": subject.kind})


def predict_in_child(subject: Subject) -> list[tuple[Example, str, str]]:
    """For each example the digest of a model's predictions, before saving and after loading it.

    Raises ``Failed`` if the model cannot be built, saved or loaded there.
    """
    specs, rows = [], []
    for case in subject.examples:
        specs.append(spec_of(subject, case.config, case.shape))
        rows.append(LayerTrial(subject, case).rows(5, "fresh").tolist())
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        files = [str(Path(folder) / f"{i}.layerkit") for i in range(len(specs))]
        request = {"specs": specs, "files": files, "rows": rows, "seed": subject.seed}
        with _offered(subject) as site:
            before = _child("child_save.py", request, site=site)
            after = _child("child_load.py", {"files": files, "rows": rows}, site=site)
    return list(zip(subject.examples, before["digests"], after["digests"], strict=True))


@contextmanager
def _offered(subject: Subject) -> Iterator[Path | None]:
    """A folder for sys.path with a distribution that offers the part; None if one is installed."""
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
