"""Trial imports of plugins in another process, where they can do no harm."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from layerkit.discovery.candidates import Candidate

LIMIT = 30.0
"""Seconds that one import may take before its process is killed."""

SLOW = 1.0
"""An import that takes this many seconds is slow."""


@dataclass(frozen=True)
class ImportResult:
    """The result of importing one candidate."""

    candidate: Candidate
    seconds: float | None  # None if the process ended first
    modules: tuple[str, ...] = ()  # imported with it, other than NumPy's and layerkit's
    printed: str = ""  # to standard output and standard error
    code: str | None = None  # this and the next three: what is wrong; None if nothing is
    message: str | None = None
    hint: str | None = None
    traceback: str | None = None
    stale: bool = False  # its entry point names a module or attribute that does not exist
    contract_version: int | None = None  # None if there is no class
    config_version: int | None = None
    recorded: str | None = None  # of a layer: "yes", or why it runs as it is written

    @property
    def ok(self) -> bool:
        """Whether the part can be used."""
        return self.code is None

    @property
    def slow(self) -> bool:
        """Whether the import took too long."""
        return self.seconds is not None and self.seconds >= SLOW


def try_imports(candidates: Iterable[Candidate], *, limit: float = LIMIT) -> Iterator[ImportResult]:
    """Import ``candidates``, with one process per distribution; ``limit`` seconds per import."""
    waiting = list(candidates)
    while waiting:
        mates = [candidate for candidate in waiting if candidate.dist == waiting[0].dist]
        done = list(_in_one_process(mates, limit))
        yield from done
        tried = {trial.candidate for trial in done}
        waiting = [candidate for candidate in waiting if candidate not in tried]


def _in_one_process(candidates: Sequence[Candidate], limit: float) -> Iterator[ImportResult]:
    """Trials until the process ends; at least one."""
    job = {"path": sys.path, "candidates": [candidate._asdict() for candidate in candidates]}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(  # noqa: S603  # this Python, and a module of layerkit
        [sys.executable, "-P", "-m", "layerkit.plugintools.probe", json.dumps(job)],
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
                report = json.loads(line)
                yield ImportResult(candidate, **{**report, "modules": tuple(report["modules"])})
        finally:
            process.kill()
            reader.join(timeout=1.0)


def _read(stream: IO[bytes], lines: queue.SimpleQueue[bytes]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(b"")


def _ended(candidate: Candidate, message: str) -> ImportResult:
    hint = f"fix or uninstall {candidate.dist}; other parts are not affected"
    return ImportResult(candidate, None, code="LK-103", message=message, hint=hint)
