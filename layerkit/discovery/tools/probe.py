"""Runs in a process of its own: imports parts one after another and reports on each.

``python -m layerkit.discovery.tools.probe JOB`` with JOB a JSON object: ``path``, the sys.path to
use, and ``candidates``, what to import. One JSON line on standard output answers each. What the
plugins themselves write, in Python or in C, is caught in a file and becomes part of the answer.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO

__all__ = ["main"]

_LIMIT = 4000  # characters of what a plugin prints; the rest is cut


def main(job: str) -> None:
    """Answer every candidate of ``job``."""
    given = json.loads(job)
    sys.path[:] = given["path"]
    with os.fdopen(os.dup(1), "wb") as answers, tempfile.TemporaryFile() as printed:
        for stream in (1, 2):
            os.dup2(printed.fileno(), stream)
        from layerkit.discovery.candidates import Candidate
        from layerkit.discovery.compatibility import requirement
        from layerkit.discovery.importing import import_part
        from layerkit.discovery.registry import REGISTRIES

        requirement("layerkit")  # loads what reads metadata: that is no cost of a plugin
        for fields in given["candidates"]:
            candidate = Candidate(**fields)
            registry = REGISTRIES[candidate.group.removeprefix("layerkit.")]

            def load(candidate: Candidate = candidate, registry: Any = registry) -> Any:
                return import_part(candidate, registry.base, registry.singular)

            answer = _tried(load, candidate.value, printed)
            answers.write(json.dumps(answer).encode() + b"\n")
            answers.flush()


def _tried(load: Callable[[], Any], target: str, printed: BinaryIO) -> dict[str, Any]:
    """What came of one import: seconds, new modules, what was printed, and the error."""
    printed.seek(0)
    printed.truncate()
    before = set(sys.modules)
    answer: dict[str, Any] = {"error": None, "contract_version": None, "config_version": None}
    start = time.perf_counter()
    try:
        part = load()
    except BaseException as error:  # noqa: BLE001  # whatever it was, it is the answer
        answer["error"] = _told(error, target)
    else:
        answer |= {key: getattr(part, key, None) for key in ("contract_version", "config_version")}
    answer["seconds"] = time.perf_counter() - start
    new = set(sys.modules) - before
    answer["modules"] = sorted(m for m in new if m.partition(".")[0] not in ("layerkit", "numpy"))
    answer["printed"] = _caught(printed)
    return answer


def _caught(printed: BinaryIO) -> str:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    printed.seek(0)
    return printed.read(4 * _LIMIT).decode("utf-8", "replace")[:_LIMIT]


def _told(error: BaseException, target: str) -> dict[str, Any]:
    from layerkit.errors import PluginError

    told = {
        "class": type(error).__name__,
        "code": "LK-103",
        "message": f"importing it raised {type(error).__name__}",
        "hint": None,
        "traceback": None,
        "stale": False,
    }
    cause: BaseException | None = error
    if isinstance(error, PluginError):
        told |= {"code": error.code, "message": error.message, "hint": error.hint}
        cause = error.__cause__
    if cause is not None:
        told["traceback"] = "".join(traceback.format_exception(None, cause, _own_frames(cause)))
        told["stale"] = _is_stale(cause, target)
    return told


def _own_frames(cause: BaseException) -> TracebackType | None:
    """The traceback without the frames that lead into the plugin: they are always the same."""
    frame = cause.__traceback__
    while frame is not None:
        name = frame.tb_frame.f_globals.get("__name__", "")
        if not name.startswith(("importlib", "layerkit.discovery.importing")):
            return frame
        frame = frame.tb_next
    return cause.__traceback__


def _is_stale(cause: BaseException, target: str) -> bool:
    """Whether the entry point leads nowhere: its module or its attribute is not there."""
    module, _, attribute = target.partition(":")
    if isinstance(cause, ModuleNotFoundError):
        return cause.name is not None and f"{module}.".startswith(f"{cause.name}.")
    if isinstance(cause, AttributeError):
        return module in sys.modules and cause.name in attribute.split(".")
    return False


if __name__ == "__main__":
    main(sys.argv[1])
