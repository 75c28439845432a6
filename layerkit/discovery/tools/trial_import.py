"""Imports of plugins in processes of their own: nothing they do can reach this one."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from layerkit.discovery.candidates import Candidate

__all__ = ["LIMIT", "SLOW", "Trial", "try_out"]

LIMIT = 30.0
"""Seconds that one import may take before its process is ended."""

SLOW = 1.0
"""Seconds of an import from which it is called slow."""


@dataclass(frozen=True)
class Trial:
    """What came of importing one candidate.

    Attributes
    ----------
    candidate
        What was imported.
    seconds
        How long it took; None if the process ended before it could say.
    modules
        The modules that it brought with it, NumPy and layerkit's own not counted.
    printed
        What it wrote to standard output and error.
    code, message, hint, traceback
        What is wrong with it; None if nothing is.
    stale
        Whether its entry point leads nowhere.
    contract_version, config_version
        Those of the class; None if there is none.
    """

    candidate: Candidate
    seconds: float | None
    modules: tuple[str, ...] = ()
    printed: str = ""
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    traceback: str | None = None
    stale: bool = False
    contract_version: int | None = None
    config_version: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the part can be used."""
        return self.code is None

    @property
    def slow(self) -> bool:
        """Whether the import took longer than it should."""
        return self.seconds is not None and self.seconds >= SLOW


def try_out(candidates: Iterable[Candidate], *, limit: float = LIMIT) -> Iterator[Trial]:
    """Import each of ``candidates``, those of one distribution in one process after another.

    Parameters
    ----------
    candidates
        Of installed distributions.
    limit
        Seconds that one import may take.
    """
    waiting = list(candidates)
    while waiting:
        mates = [candidate for candidate in waiting if candidate.dist == waiting[0].dist]
        done = list(_in_one_process(mates, limit))
        yield from done
        tried = {trial.candidate for trial in done}
        waiting = [candidate for candidate in waiting if candidate not in tried]


def _in_one_process(candidates: Sequence[Candidate], limit: float) -> Iterator[Trial]:
    """Trials until the process ends, one at least."""
    job = {"path": sys.path, "candidates": [candidate._asdict() for candidate in candidates]}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(  # noqa: S603  # this Python and a module of our own
        [sys.executable, "-P", "-m", "layerkit.discovery.tools.probe", json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        assert process.stdout is not None  # noqa: S101  # for the type checker
        lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        reader = threading.Thread(target=_read, args=(process.stdout, lines), daemon=True)
        reader.start()
        try:
            for candidate in candidates:
                try:
                    line = lines.get(timeout=limit)
                except queue.Empty:
                    yield _ended(candidate, f"importing {candidate.value} took over {limit:g} s")
                    return
                if not line:
                    code = process.wait()
                    end = f"signal {-code}" if code < 0 else f"exit code {code}"
                    yield _ended(
                        candidate, f"importing {candidate.value} ended the process with {end}"
                    )
                    return
                yield _trial(candidate, json.loads(line))
        finally:
            process.kill()
            reader.join(timeout=1.0)


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(b"")


def _ended(candidate: Candidate, message: str) -> Trial:
    hint = f"fix or uninstall {candidate.dist}; other parts are not affected"
    return Trial(candidate, None, code="LK-103", message=message, hint=hint)


def _trial(candidate: Candidate, answer: dict[str, Any]) -> Trial:
    error = answer["error"] or {}
    told = {key: error[key] for key in ("code", "message", "hint", "traceback") if key in error}
    return Trial(
        candidate,
        answer["seconds"],
        tuple(answer["modules"]),
        answer["printed"],
        stale=error.get("stale", False),
        contract_version=answer["contract_version"],
        config_version=answer["config_version"],
        **told,
    )
