"""What threads gain and cost: alone, and with several trainings at once.

    python -m benchmarks.speed.threads [--work W1-b128,...] [--processes 1,2,4] [--write]

By default layerkit decides how many threads to use. It should never be slower than one thread by
more than 5 %, nor burn the processors when several processes train.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks.speed.machine import cores
from benchmarks.speed.measure import Outcome, Unit, Worker, measure
from benchmarks.speed.page import record, this_run
from benchmarks.speed.workloads import WORKS

PAIRS = (("layerkit", "layerkit_1t"), ("layerkit_fast", "layerkit_fast_1t"))
SLOWER = 1.05


def alone(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Default threads against one, and how many processors each keeps busy."""
    yield "| work | peer | µs/step | one thread | ratio (of minima) | processors busy | |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for outcome in outcomes:
        for many, one in PAIRS:
            if many not in outcome.timings or one not in outcome.timings:
                continue
            a, b = outcome.timings[many], outcome.timings[one]
            ratio = statistics.median(x / y for x, y in zip(a.seconds, b.seconds, strict=True))
            busy = statistics.median(p / s for p, s in zip(a.processor, a.seconds, strict=True))
            yield (
                f"| {outcome.unit} | {many} | {a.median * 1e6:.0f} | {b.median * 1e6:.0f} "
                f"| {ratio:.2f} ({a.least / b.least:.2f}) | {busy:.2f} "
                f"| {'met' if ratio <= SLOWER else '**missed**'} |"
            )


@dataclass(frozen=True)
class Crowd:
    """Some processes that trained at once: steps a second of all, processor seconds a step."""

    peer: str
    count: int
    rate: float
    processor: float
    busy: float


def crowd(peer: str, work: str, count: int, seconds: float, rounds: int) -> Crowd:
    """``count`` processes train ``work`` at once; medians of some rounds."""
    workers = [Worker(peer, work) for _ in range(count)]
    try:
        for worker in workers:
            worker.ask("train", steps=3)
        took = workers[0].ask("train", steps=10)["seconds"]
        steps = max(1, round(10 * seconds / took / count * min(count, cores())))
        rates, processor, busy = [], [], []
        with ThreadPoolExecutor(count) as pool:
            for _ in range(rounds):
                start = time.perf_counter()
                answers = list(pool.map(lambda w: w.ask("train", steps=steps), workers))
                wall = time.perf_counter() - start
                used = sum(answer["processor"] for answer in answers)
                rates.append(count * steps / wall)
                processor.append(used / (count * steps))
                busy.append(used / wall)
    finally:
        for worker in workers:
            worker.close()
    median = statistics.median
    return Crowd(peer, count, median(rates), median(processor), median(busy))


def together(work: str, crowds: Sequence[Crowd]) -> Iterator[str]:
    """Throughput and processor time as processes are added."""
    first: dict[str, Crowd] = {}
    for c in crowds:
        base = first.setdefault(c.peer, c)
        yield (
            f"| {work} | {c.peer} | {c.count} | {c.rate:.0f} | {c.rate / base.rate:.2f} "
            f"| {c.processor * 1e3:.2f} | {c.busy:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", default=",".join(WORKS))
    parser.add_argument("--crowded", default="W1-b128,W2-b128", help="works of several processes")
    parser.add_argument("--processes", default="1,2,4")
    parser.add_argument("--fast", action="store_true", help="with the extra fast as well")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--block", type=float, default=0.15)
    parser.add_argument("--write", action="store_true", help="keep them in the page")
    given = parser.parse_args()
    pairs = PAIRS if given.fast else PAIRS[:1]
    names = [name for pair in pairs for name in pair]
    outcomes: list[Outcome] = []
    for work in given.work.split(","):
        unit = Unit("train", work, WORKS[work].batch)
        outcomes += measure([unit], names, rounds=given.rounds, block=given.block, pythons={})
    lines = [*alone(outcomes), ""]
    head = "| work | peer | processes | steps/s of all | × of one | processor ms/step | busy |"
    lines += [head, "|---|---|---:|---:|---:|---:|---:|"]
    for work in given.crowded.split(","):
        crowds = [
            crowd(name, work, int(count), 4 * given.block, given.rounds)
            for name in names
            for count in given.processes.split(",")
        ]
        lines += together(work, crowds)
    lines += [
        "",
        "Busy: processor seconds a second; one process with one thread keeps one processor busy.",
        "",
        this_run("threads"),
    ]
    print("\n".join(lines))
    if given.write:
        record("threads", lines)


if __name__ == "__main__":
    main()
