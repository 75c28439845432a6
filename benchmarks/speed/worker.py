"""One peer in a process of its own: reads a JSON command a line, answers with a JSON line.

python -m benchmarks.speed.worker PEER WORK
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
from importlib.metadata import PackageNotFoundError, version
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.speed.peers import ENTRIES
from benchmarks.speed.peers.base import Peer
from benchmarks.speed.workloads import WORKS, Array, initial, rows

JUDGED = 1024
"""Rows that losses are taken on."""


def made(name: str, work: str) -> Peer:
    """The peer, built.

    Raises
    ------
    ModuleNotFoundError
        If its library is not installed here.
    """
    entry = ENTRIES[name]
    module = importlib.import_module(f"benchmarks.speed.peers.{entry.family}")
    x, y = rows()
    peer: Peer = module.PEER(WORKS[work], initial(WORKS[work]), x, y, **entry.options)
    return peer


def loss_of(peer: Peer) -> float:
    """Mean cross-entropy on the first rows."""
    p = np.asarray(peer.predict(peer.x[:JUDGED]), np.float64)
    chosen = p[np.arange(JUDGED), peer.y[:JUDGED]]
    return float(-np.log(np.maximum(chosen, 1e-30)).mean())


def versions(peer: Peer) -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in peer.packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "?"
    return found


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Server:
    """Answers the commands; each is a method."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.step = peer, 0

    def loss(self) -> dict[str, Any]:
        return {"loss": loss_of(self.peer)} if self.peer.probabilities else {}

    def outputs(self, count: int) -> dict[str, Any]:
        if not self.peer.probabilities:
            return {}
        return {"outputs": np.asarray(self.peer.predict(self.head(count)), np.float64).tolist()}

    def train(self, steps: int) -> dict[str, float]:
        used, start = processor_seconds(), perf_counter()
        self.peer.train(self.step, steps)
        took = perf_counter() - start
        self.step += steps
        return {"seconds": took, "processor": processor_seconds() - used}

    def infer(self, steps: int, count: int) -> dict[str, float]:
        x, predict = self.head(count), self.peer.predict
        used, start = processor_seconds(), perf_counter()
        for _ in range(steps):
            predict(x)
        took = perf_counter() - start
        return {"seconds": took, "processor": processor_seconds() - used}

    def head(self, count: int) -> Array:
        return np.ascontiguousarray(self.peer.x[:count], np.float32)


def serve(name: str, work: str) -> None:
    # Libraries print; the answers go through a copy of standard output that only we know.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)

        def say(answer: dict[str, Any]) -> None:
            answers.write(json.dumps(answer) + "\n")
            answers.flush()

        try:
            server = Server(made(name, work))
            say({"versions": versions(server.peer)})
        except ModuleNotFoundError as cause:
            say({"missing": str(cause)})
            return
        except Exception as cause:  # noqa: BLE001  # whatever a library raises is told
            say({"failed": f"{type(cause).__name__}: {cause}"[:300]})
            return
        for line in sys.stdin:
            command = json.loads(line)
            try:
                say(getattr(server, command.pop("do"))(**command))
            except Exception as cause:  # noqa: BLE001
                say({"failed": f"{type(cause).__name__}: {cause}"[:300]})


if __name__ == "__main__":
    serve(*sys.argv[1:])
