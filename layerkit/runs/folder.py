"""The folder of a study, NAME.study, which survives a kill at any moment.

``runs.jsonl`` is the truth: one line per finished run, appended and flushed to the disk after its
model file. A line that a kill tore is dropped, and its run trained again. Lines hold no times, so
that the sorted file is the same however the study was run; times are in ``times.jsonl``.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import RawIOBase
from pathlib import Path
from typing import Any

from layerkit.codec.atomic import replace_bytes
from layerkit.display import jsonable
from layerkit.errors import StudyError
from layerkit.paths import path_errors

Line = Mapping[str, Any]
_RUN = {"recipe": str, "rows": str, "seed": int, "diverged": str | None}
_TRIAL = {**_RUN, "trial": int, "settings": dict, "pruned": bool}
_FAILED = {"recipe": str, "seed": int, "failed": str}
_FINISHED = {"metrics": dict, "kernels": dict}  # of a run or trial that did not diverge
_MAY_HAVE = _FINISHED | {
    "point": dict, "file": str, "classes": list, "test_rows": int, "right": dict,
}  # fmt: skip


def model_file(key: str) -> str:
    """The model of a run, as a path in the folder."""
    return f"models/{key}.layerkit"


def answers_file(key: str) -> str:
    """The answers of a run on the test rows, as a path in the folder."""
    return f"predictions/{key}.npy"


class RunFolder:
    """Reading is always possible; ``open_for_runs`` lets one process at a time add runs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs, self.times = path / "runs.jsonl", path / "times.jsonl"
        self.failed = path / "failures.jsonl"
        self.trials, self.rows = path / "trials.jsonl", path / "rows.json"
        self._known: dict[str, Line] = {}

    def model(self, key: str) -> Path:
        """The model file of a run."""
        return self.path / model_file(key)

    def answers(self, key: str) -> Path:
        """The file of a run's answers on the test rows."""
        return self.path / answers_file(key)

    def checkpoint(self, key: str) -> Path:
        """The model of a run that is not finished, to go on from."""
        return self.path / "checkpoints" / f"{key}.layerkit"

    def lines(self) -> dict[str, Line]:
        """The finished runs by key.

        Raises StudyError for a line that is no run, except the last, which a kill may have torn.
        """
        return _lines(self.runs, _RUN)

    def trial_lines(self) -> dict[str, Line]:
        """The finished trials of a search by key; errors as for ``lines``."""
        return _lines(self.trials, _TRIAL)

    def failures(self) -> dict[str, Line]:
        """The runs that failed when they were last tried, by key; errors as for ``lines``."""
        found = _lines(self.failed, _FAILED)
        done = self.lines() if found else {}
        return {key: line for key, line in found.items() if key not in done}

    def row_digests(self) -> dict[str, str]:
        """The digest of the rows on which each recipe was trained last, by recipe.

        Runs on other rows may be there, too. Errors are those of ``lines``.
        """
        lines = (*self.trial_lines().values(), *self.lines().values())
        found = {line["recipe"]: line["rows"] for line in lines}
        with suppress(OSError, ValueError, TypeError, RecursionError):  # it need not be there
            found |= json.loads(self.rows.read_bytes())
        return found

    def keep_row_digests(self, digests: Mapping[str, str]) -> None:
        """Note on which rows each recipe is trained now, for reports; raises PathError."""
        held = json.dumps(self.row_digests() | dict(digests), sort_keys=True).encode()
        with path_errors(str(self.path), writing=True):
            replace_bytes(self.rows, held, durable=False)

    def notes(self) -> dict[str, Line]:
        """Seconds and notices of the finished runs, by key; errors as for ``lines``."""
        return _lines(self.times)

    def fail(self, line: Line) -> None:
        """Note a run that has failed; it is tried again by the next start."""
        with path_errors(str(self.path), writing=True):
            _append(self.failed, line)

    @contextmanager
    def open_for_runs(self, study: bytes | None) -> Iterator[None]:
        """Create the folder, write ``study.json`` into it if given, and keep other processes out.

        A new folder goes again if an error comes before anything is kept. Raises StudyError if
        another process is adding runs, PathError if it cannot be written.
        """
        new = not self.path.exists()
        with path_errors(str(self.path), writing=True):
            for name in ("models", "predictions"):
                (self.path / name).mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("a+b", buffering=0)  # no write is left to its end
        with lock, path_errors(str(self.path), writing=True):
            if not _lock(lock):
                raise StudyError(
                    f"{self.path}: another process is running this study{_holder(lock)}",
                    hint="wait until it ends; --status shows how far it is",
                )
            if os.name == "posix":  # elsewhere a locked file cannot be written
                lock.truncate(0)
                lock.write(str(os.getpid()).encode())
            for file in (self.runs, self.trials, self.times, self.failed):
                _drop_torn_line(file)
            self._known = self.lines()
            if study is not None:
                replace_bytes(self.path / "study.json", study, durable=False)
            try:
                yield
            except Exception:
                if new and not self._holds_more():
                    shutil.rmtree(self.path, ignore_errors=True)
                raise

    def _holds_more(self) -> bool:
        """Whether anything was kept since the folder was made."""
        files = (p for p in self.path.rglob("*") if p.is_file())
        return any(p.name not in ("lock", "study.json", "rows.json") for p in files)

    def add(self, line: Line, times: Line, files: Mapping[str, bytes]) -> None:
        """Keep a finished run, or trial: its files first, then its line, unless that is there."""
        runs = self.trials if "trial" in line else self.runs
        known = self._known.get(line["key"])
        with path_errors(str(self.path), writing=True):
            for name, content in files.items():
                replace_bytes(self.path / name, content)
            _append(self.times, times)
            if known is None or {**known, "point": None} != {**line, "point": None}:
                _append(runs, line)
                self._known[line["key"]] = line
            self.checkpoint(line["key"]).unlink(missing_ok=True)
        with suppress(OSError):  # others are in it, or there is none
            self.checkpoint("").parent.rmdir()


def _lines(path: Path, fields: Mapping[str, Any] | None = None) -> dict[str, Line]:
    """The lines of a file by key, the last of each; all must have ``fields`` of these types."""
    if not path.exists():
        return {}
    with path_errors(str(path)):
        rows = path.read_bytes().split(b"\n")
    found = {}
    for i, row in enumerate(rows):
        line = _parsed(row)
        if line is not None and (fields is None or _is_whole(line, fields)):
            found[str(line["key"])] = line
        elif i < len(rows) - 1 and any(rows[i + 1 :]):
            raise StudyError(
                f"{path}, line {i + 1}: expected a finished run as one JSON object",
                hint="delete that line, and its run is trained again",
            )
    return found


def _is_whole(line: Line, fields: Mapping[str, Any]) -> bool:
    """Whether a line has what those of its kind have, and a bit for each row that it counts."""
    finished = "diverged" in fields and not line.get("diverged")
    wanted = {name: kind for name, kind in _MAY_HAVE.items() if name in line}
    wanted |= {**fields, **_FINISHED} if finished else fields
    if not all(name in line and isinstance(line[name], kind) for name, kind in wanted.items()):
        return False
    values = line.get("metrics", {}).values()
    if not all(isinstance(v, float | int | None) for v in values):
        return False
    right = line.get("right")
    if right is None:
        return True
    try:
        whole = len(base64.b64decode(right["bits"])) == -(-right["count"] // 8)
    except (KeyError, TypeError, ValueError):
        return False
    return whole and isinstance(right.get("metric"), str)


def _parsed(row: bytes) -> Line | None:
    try:
        line = json.loads(row)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(line, dict) and isinstance(line.get("key"), str)):
        return None
    return line


def _append(path: Path, line: Line) -> None:
    """Add a line and flush it to the disk."""
    text = json.dumps(jsonable(line), sort_keys=True, allow_nan=False, separators=(",", ":"))
    with path.open("ab") as file:
        file.write(text.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _drop_torn_line(path: Path) -> None:
    """Cut off what follows the last whole line, and a last line that is no JSON object."""
    if not path.exists():
        return
    raw = path.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    start = whole.rfind(b"\n", 0, len(whole) - 1) + 1
    if whole and _parsed(whole[start:]) is None:
        whole = whole[:start]
    if len(whole) < len(raw):
        os.truncate(path, len(whole))


def _lock(file: RawIOBase) -> bool:
    """Whether this process holds the file now; the system frees it when the process ends."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _holder(file: RawIOBase) -> str:
    """The number of the process that holds the file, if it can be read."""
    try:
        file.seek(0)
        number = (file.read(20) or b"").decode()
    except (OSError, ValueError):
        return ""
    return f" (number {number})" if number.isdecimal() else ""
