"""A highway net of 1,000 layers of width 50 trains on MNIST: its loss falls, in so much time and
memory.

    python -m benchmarks.speed.thousand [FOLDER] [--layers 1000] [--epochs 2] [--write]

FOLDER holds MNIST's four files; without it layerkit's own data source fetches them. With
``--write`` docs/explanation/performance.md keeps it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping

import layerkit
from benchmarks.speed.page import record, this_run
from benchmarks.speed.scale import Point, bias_for, forget_peak, spec, status


class Notes(layerkit.Listener):
    """Seconds at the end of every epoch, and its values."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.epochs: list[tuple[float, Mapping[str, float]]] = []

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        print(f"{name}: {rows} rows", flush=True)
        self.began = time.perf_counter()

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.epochs.append((time.perf_counter() - self.began, values))
        print(f"epoch {epoch}: loss {values['loss']:.4f}", flush=True)


def lines(
    run: layerkit.Run, notes: Notes, point: Point, memory: tuple[float, float]
) -> Iterator[str]:
    """The page's table and what it took."""
    yield "| epoch | seconds so far | training loss | training accuracy |"
    yield "|---:|---:|---:|---:|"
    yield "| 0 | 0 | 2.303 (guessing) | |"
    for number, (seconds, values) in enumerate(notes.epochs, 1):
        yield f"| {number} | {seconds:.0f} | {values['loss']:.4f} | {values['accuracy']:.2%} |"
    yield ""
    yield f"Test accuracy after it: {run.metrics['test_accuracy']:.2%}."
    yield f"{run.seconds / run.epochs:.0f} seconds an epoch, {1e3 * run.seconds / run.steps:.0f} ms"
    yield f"a step of {point.batch} rows; {point.parameters:,} parameters. Memory at the peak:"
    yield f"{memory[1]:.0f} MiB; before the data were read: {memory[0]:.0f} MiB."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--layers", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--bias", type=float, help="of the gates; by default from the depth")
    parser.add_argument("--write", action="store_true", help="keep it in the page")
    given = parser.parse_args()
    point = Point(60_000, given.layers, 50, 128, given.epochs)
    wanted = spec(point, bias_for(given.layers) if given.bias is None else given.bias)
    wanted["input"]["scale"] = {"divide": 255}
    wanted["train"]["data"] = "mnist"
    forget_peak()
    before, notes = status("VmRSS"), Notes()
    run = layerkit.train(wanted, data=given.folder, listener=notes)
    told = [*lines(run, notes, point, (before, status("VmHWM"))), "", this_run("thousand")]
    print("\n".join(told))
    if given.write:
        record("thousand", told)


if __name__ == "__main__":
    main()
