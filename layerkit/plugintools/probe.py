"""The program that ``trial_import`` runs: it imports parts and reports on each.

``python -m layerkit.plugintools.probe JOB``, where JOB is a JSON object: ``path``, the sys.path
to use, and ``candidates``, what to import. Each gets one JSON line on standard output. What plugins
print, in Python or in C, is captured in a file and becomes part of the report.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, BinaryIO

_LIMIT = 4000  # characters kept of what a plugin prints


def main(job: str) -> None:
    """Report on every candidate of ``job``."""
    given = json.loads(job)
    sys.path[:] = given["path"]
    with os.fdopen(os.dup(1), "wb") as reports, tempfile.TemporaryFile() as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
        from layerkit.discovery.candidates import Candidate
        from layerkit.discovery.compatibility import requirement
        from layerkit.discovery.importing import import_part
        from layerkit.discovery.registry import REGISTRIES

        requirement("layerkit")  # imports importlib.metadata, so that no plugin is charged for it
        for fields in given["candidates"]:
            candidate = Candidate(**fields)
            registry = REGISTRIES[candidate.group.removeprefix("layerkit.")]
            load = partial(import_part, candidate, registry.base, registry.singular)
            report = _tried(load, candidate.value, printed)
            reports.write(json.dumps(report).encode() + b"\n")
            reports.flush()


def _tried(load: Callable[[], Any], target: str, printed: BinaryIO) -> dict[str, Any]:
    """The report on one import: the fields of a ``Trial``."""
    printed.seek(0)
    printed.truncate()
    before = set(sys.modules)
    start = time.perf_counter()
    try:
        part = load()
    except BaseException as error:  # noqa: BLE001  # any error is part of the report
        report = _described(error, target)
    else:
        report = {key: getattr(part, key, None) for key in ("contract_version", "config_version")}
    report["seconds"] = time.perf_counter() - start
    new = set(sys.modules) - before
    report["modules"] = sorted(m for m in new if m.partition(".")[0] not in ("layerkit", "numpy"))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    printed.seek(0)
    report["printed"] = printed.read(4 * _LIMIT).decode("utf-8", "replace")[:_LIMIT]
    if "code" not in report and hasattr(part, "plan"):
        report["recorded"] = _recorded(part)
    return report


def _recorded(layer: Any) -> str:
    """Whether the layer, as in its first example, is recorded; if not, why."""
    from layerkit.recording.arrays import NotRecorded
    from layerkit.recording.record import record
    from layerkit.specs.layers import arguments

    try:
        config, shape = layer.examples()[0]
        made = layer(**arguments(layer, config))
        record(made, tuple(shape), "float32", training=True, keeps=True)
    except NotRecorded as refusal:
        return f"no, it runs as it is written: {refusal}"
    except BaseException as error:  # noqa: BLE001  # any error is part of the report
        return f"not known: its first example raised {type(error).__name__}: {error}"
    return "yes"


def _described(error: BaseException, target: str) -> dict[str, Any]:
    from layerkit.errors import PluginError

    report: dict[str, Any] = {
        "code": "LK-103",
        "message": f"importing it raised {type(error).__name__}",
    }
    cause: BaseException | None = error
    if isinstance(error, PluginError):
        report = {"code": error.code, "message": error.message, "hint": error.hint}
        cause = error.__cause__
    if cause is None:
        return report
    lines = traceback.format_exception(None, cause, _own_frames(cause))
    return {**report, "traceback": "".join(lines), "stale": _is_stale(cause, target)}


def _own_frames(cause: BaseException) -> TracebackType | None:
    """The traceback without layerkit's own frames before the plugin's."""
    frame = cause.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("importlib", "layerkit.discovery.importing")):
            return frame
        frame = frame.tb_next
    return cause.__traceback__


def _is_stale(cause: BaseException, target: str) -> bool:
    """Whether the module or the attribute that the entry point names does not exist."""
    module, _, attribute = target.partition(":")
    if isinstance(cause, ModuleNotFoundError):
        return cause.name is not None and f"{module}.".startswith(f"{cause.name}.")
    if isinstance(cause, AttributeError):
        return module in sys.modules and cause.name in attribute.split(".")
    return False


if __name__ == "__main__":
    main(sys.argv[1])
