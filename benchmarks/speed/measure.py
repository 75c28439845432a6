"""Peers side by side: short timed blocks that take turns, and blocks that were disturbed again.

Only ratios within one run count. Every peer of a unit (a workload trained, or predicted for a
number of rows) is alive from its beginning to its end; each round gives each one block. A block
in which other processes used the machine is repeated, and marked when it stays so.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.speed.agreement import Reference
from benchmarks.speed.peers import ENTRIES
from benchmarks.speed.workloads import WORKS

ROOT = Path(__file__).resolve().parents[2]
DISTURBED = 0.08
"""Processors that others may use during a block."""

RETRIES = 4
BEGIN_AT_ONCE = 2
_BUSY = (1, 2, 3, 6, 7, 8)  # user, nice, system, irq, softirq, steal: /proc/stat, line "cpu"


@dataclass(frozen=True)
class Unit:
    """What one table is about; ``rows`` are those of a prediction, or of a minibatch."""

    mode: str
    work: str
    rows: int

    def __str__(self) -> str:
        return f"{self.mode} {self.work}" + (f", {self.rows} rows" if self.mode == "infer" else "")


@dataclass
class Timing:
    """Seconds a step, one for each round; ``disturbed`` of them were."""

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    disturbed: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def least(self) -> float:
        return min(self.seconds)


@dataclass
class Outcome:
    """A unit measured: timings by peer, and why a peer has none."""

    unit: Unit
    timings: dict[str, Timing] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    losses: dict[str, list[float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def of_json(cls, given: Mapping[str, Any]) -> Outcome:
        timings = {name: Timing(**timing) for name, timing in given["timings"].items()}
        return cls(Unit(**given["unit"]), timings, given["skipped"], given["losses"])


class PeerError(Exception):
    """A peer is not there, fell over, or computes something else; the text says what."""


class Worker:
    """A peer's process."""

    def __init__(self, name: str, work: str, python: str = sys.executable) -> None:
        self.name = name
        self.losses: list[float] = []
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        self._process = subprocess.Popen(  # noqa: S603
            [python, "-m", "benchmarks.speed.worker", name, work],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=ENTRIES[name].environ(),
            cwd=ROOT,
        )
        try:
            self.versions: dict[str, str] = self._answer()["versions"]
        except PeerError:
            self.close()
            raise

    def ask(self, do: str, **more: int) -> dict[str, Any]:
        """The answer to a command.

        Raises
        ------
        PeerError
            If the peer fails.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **more}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError as cause:
            raise PeerError(self._last_words()) from cause
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        if "missing" in answer:
            raise PeerError(f"not installed: {answer['missing']}")
        if "failed" in answer:
            raise PeerError(answer["failed"])
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return f"its process ended: {text.splitlines()[-1] if text else 'no message'}"

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def measure(
    units: Sequence[Unit],
    names: Sequence[str],
    *,
    rounds: int,
    block: float,
    pythons: Mapping[str, str],
    tell: Callable[[str], None] = print,
) -> list[Outcome]:
    """Time these peers on units of one mode and work: ``rounds`` blocks of ``block`` seconds each.

    ``pythons`` gives families an interpreter of their own. A peer that cannot be had, or that
    does not compute what the reference computes, is skipped with the reason.
    """
    mode, work = units[0].mode, units[0].work
    reference = Reference.of(WORKS[work], mode, max(unit.rows for unit in units))
    serving = [name for name in names if ENTRIES[name].serves(mode, work)]
    began: list[Worker] = []

    def begin(name: str) -> Worker | PeerError:
        worker = None
        try:
            worker = Worker(name, work, pythons.get(ENTRIES[name].family, sys.executable))
            began.append(worker)
            worker.losses = _agree(worker, reference)
        except PeerError as reason:
            tell(f"  {name}: skipped, {reason}")
            return reason
        losses = " to ".join(f"{loss:.5f}" for loss in worker.losses)
        tell(f"  {name}: ready" + (f", loss {losses}" if losses else ""))
        return worker

    try:
        with ThreadPoolExecutor(BEGIN_AT_ONCE) as several:  # imports and compilers take minutes
            found = dict(zip(serving, several.map(begin, serving), strict=True))
        ready = [worker for worker in found.values() if isinstance(worker, Worker)]
        skipped = {name: str(why) for name, why in found.items() if isinstance(why, PeerError)}
        return [_timed(unit, ready, skipped, rounds, block) for unit in units]
    finally:
        for worker in began:
            worker.close()


def _timed(
    unit: Unit, workers: Sequence[Worker], skipped: Mapping[str, str], rounds: int, block: float
) -> Outcome:
    """All rounds of one unit."""
    steps, failed = {}, dict(skipped)
    for worker in workers:
        try:
            steps[worker] = _steps_for(worker, unit, block)
        except PeerError as reason:
            failed[worker.name] = str(reason)
    timings = {worker.name: Timing(versions=worker.versions) for worker in steps}
    for _ in range(rounds):
        for worker, count in steps.items():
            _block(worker, unit, count, timings[worker.name])
    losses = {worker.name: worker.losses for worker in steps if worker.losses}
    return Outcome(unit, timings, failed, losses)


def _agree(worker: Worker, reference: Reference) -> list[float]:
    """Hold what the peer computes against the reference, before any time is taken.

    Returns its losses before and after the steps, if it is to train.

    Raises
    ------
    PeerError
        If it computes something else.
    """
    losses: list[float] = []
    if reference.mode == "infer":
        outputs = worker.ask("outputs", count=len(reference.outputs)).get("outputs")
        reason = "" if outputs is None else reference.unlike_outputs(outputs)
    else:
        losses += worker.ask("loss").values()
        if losses:
            worker.ask("train", steps=reference.steps)
            losses += worker.ask("loss").values()
        reason = reference.unlike_losses(losses) if losses else ""
    if reason:
        raise PeerError(f"computes something else: {reason}")
    return losses


def _run(worker: Worker, unit: Unit, steps: int) -> dict[str, Any]:
    if unit.mode == "train":
        return worker.ask("train", steps=steps)
    return worker.ask("infer", steps=steps, count=unit.rows)


def _steps_for(worker: Worker, unit: Unit, block: float) -> int:
    """How many steps fill a block; compilation and other first times are over after it."""
    _run(worker, unit, 2)
    steps = 2
    while True:
        took = float(_run(worker, unit, steps)["seconds"])
        if took > block / 3:
            return max(1, round(steps * block / took))
        steps = steps * 8 if took < block / 30 else round(steps * block / took / 2) + 1


def _block(worker: Worker, unit: Unit, steps: int, timing: Timing) -> None:
    """One block, again while others disturb it; the least disturbed one counts."""
    best: tuple[float, dict[str, Any]] | None = None
    for _ in range(RETRIES):
        time.sleep(0.02)  # threads of the block before may still spin
        before, start = busy_seconds(), time.perf_counter()
        answer = _run(worker, unit, steps)
        took = time.perf_counter() - start
        after = busy_seconds()
        if before is None or after is None:
            best = 0.0, answer
            break
        others = (after - before - answer["processor"]) / took
        if best is None or others < best[0]:
            best = others, answer
        if others < DISTURBED:
            break
    assert best is not None
    timing.disturbed += best[0] >= DISTURBED
    timing.seconds.append(best[1]["seconds"] / steps)
    timing.processor.append(best[1]["processor"] / steps)


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has used, or None where it does not tell."""
    try:
        words = Path("/proc/stat").read_text("ascii").split("\n", 1)[0].split()
    except OSError:
        return None
    return sum(int(words[i]) for i in _BUSY) / os.sysconf("SC_CLK_TCK")
