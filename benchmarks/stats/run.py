"""How often verdicts are wrong, in simulated comparisons of equal nets and with trained nets.

    python -m benchmarks.stats.run [--comparisons 1000] [--seed N] [--only WORD,...] [--write]

Without ``--seed`` a fresh one is drawn and printed. ``--only`` selects cells whose description
contains all the words. ``--write`` writes the tables to results.md and to
docs/explanation/comparison.md. Exits with 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import secrets
import sys
import time
from collections.abc import Sequence

import numpy as np

from benchmarks.stats import report
from benchmarks.stats.power import found_of
from benchmarks.stats.simulate import Cell, Outcome, cells, judge


def main() -> int:
    """Run all cells, then the trainings; 0 if every requirement is met."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--comparisons", type=int, default=1000, help="number per cell")
    parser.add_argument("--seed", type=int, help="seed of a run to repeat")
    parser.add_argument("--only", default="", help="words that select cells, separated by commas")
    parser.add_argument("--write", action="store_true", help="write the tables to the files")
    given = parser.parse_args()
    seed = secrets.randbits(32) if given.seed is None else given.seed
    words = [word for word in given.only.split(",") if word]
    wanted = [c for c in cells() if all(word in str(c) for word in words)]
    print(f"seed {seed}; {len(wanted)} cells of {given.comparisons:,} comparisons", flush=True)
    began = time.monotonic()
    outcomes = _all(wanted, given.comparisons, seed)
    found, tried = found_of(seed)
    minutes = (time.monotonic() - began) / 60
    text = report.tables(outcomes, (found, tried), seed, minutes)
    print(text)
    faults = report.faults(outcomes, (found, tried))
    for fault in faults:
        print("NOT MET:", fault)
    if not faults:
        print("every requirement is met")
    if given.write:
        report.write(text, report.full(outcomes))
    return 1 if faults else 0


def _all(wanted: Sequence[Cell], comparisons: int, seed: int) -> list[Outcome]:
    streams = np.random.SeedSequence(seed).spawn(len(wanted))
    jobs = [(cell, comparisons, s) for cell, s in zip(wanted, streams, strict=True)]
    jobs.sort(key=lambda job: -job[0].seeds * job[0].rows * job[0].contestants)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"  # of the processes
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        found = []
        for outcome in pool.imap_unordered(_one, jobs):
            found.append(outcome)
            if sys.stderr.isatty():
                print(f"\r{len(found)} of {len(jobs)}", end="", file=sys.stderr, flush=True)
    order = {cell: i for i, cell in enumerate(wanted)}
    return sorted(found, key=lambda o: order[o.cell])


def _one(job: tuple[Cell, int, np.random.SeedSequence]) -> Outcome:
    cell, comparisons, stream = job
    return judge(cell, comparisons, np.random.default_rng(stream))


if __name__ == "__main__":
    sys.exit(main())
