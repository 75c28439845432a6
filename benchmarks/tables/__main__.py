"""How good is the spec that ``layerkit spec init`` writes, beside scikit-learn's defaults?

    python -m benchmarks.tables [--tables adult,letter] [--seeds 5] [--write]

``--write`` puts the table into docs/explanation/results.md. Scores do not depend on the load of the
machine. Tables whose files are not in the shared folder are left out, and named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from benchmarks.tables import report
from benchmarks.tables.peers import PEERS, STEADY, Answer, answer, is_regression
from benchmarks.tables.tables import TABLES

Job = tuple[str, str, int]


def main() -> int:
    """Measure every peer on every table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--tables", default="", help="names, separated by commas")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the table to the page")
    given = parser.parse_args()
    names = [name for name in given.tables.split(",") if name] or list(TABLES)
    found = _prepared(names)
    seeds = {peer: 1 if peer in STEADY else given.seeds for peer in PEERS}
    jobs = [(name, peer, s) for name in found for peer in PEERS for s in range(seeds[peer])]
    for (name, peer, seed), (predicted, seconds) in _all(jobs):
        found[name].add(peer, predicted, seconds)
        if (peer, seed) == jobs[-1][1:]:
            print(report.line(found[name]), file=sys.stderr, flush=True)
    text = report.markdown(found)
    print(text)
    if given.write:
        report.write(text)
    return 0


def _prepared(names: Sequence[str]) -> dict[str, report.Scores]:
    found = {}
    for name in names:
        try:
            table = TABLES[name]()
        except FileNotFoundError as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        numbers = is_regression(table)
        truth = np.asarray(table.test["target"])
        rows = len(table.train["target"])
        found[name] = report.Scores(name, rows, truth, numbers=numbers)
    return found


def _all(jobs: Sequence[Job]) -> Iterator[tuple[Job, Answer]]:
    """The answers as they come, from one process per core, each with one thread."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "LAYERKIT_THREADS"):
        os.environ[variable] = "1"  # of the processes
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        yield from zip(jobs, pool.map(answer, *zip(*jobs, strict=True)), strict=True)


if __name__ == "__main__":
    sys.exit(main())
