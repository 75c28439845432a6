"""Training and prediction, layerkit beside its peers, in one run.

    python -m benchmarks.speed.run [--mode train,infer] [--work W2-b128,...] [--peers a,b,...]
        [--rounds 9] [--block 0.15] [--python jax,keras,thinc=PATH] [--write]

Peers that are not installed are named and left out. Results go to benchmarks/speed/.results/ as
JSON lines; ``--write`` makes results.md of them and keeps the goals in the documentation (as
``python -m benchmarks.speed.report`` does of the lines of several runs).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.speed import report
from benchmarks.speed.machine import facts
from benchmarks.speed.measure import Unit, measure
from benchmarks.speed.peers import ENTRIES, MODES
from benchmarks.speed.workloads import WORKS

HERE = Path(__file__).parent
INFERRED = ("W1-b128", "W2-b128")
"""Works that are predicted with; the batch of their training plays no part then."""


def listed(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", type=listed, default=list(MODES), help="train, infer")
    parser.add_argument("--work", type=listed, help=f"of {','.join(WORKS)}")
    parser.add_argument("--peers", type=listed, default=list(ENTRIES), help=",".join(ENTRIES))
    parser.add_argument("--rows", type=listed, default=["1", "1024"], help="rows of a prediction")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--block", type=float, default=0.15, help="seconds of a timed block")
    parser.add_argument("--python", action="append", default=[], metavar="FAMILY,...=PATH")
    parser.add_argument("--out", type=Path, help="where the JSON lines go")
    parser.add_argument("--write", action="store_true", help="make results.md")
    given = parser.parse_args()
    for known, words in ((WORKS, given.work or []), (ENTRIES, given.peers), (MODES, given.mode)):
        unknown = [word for word in words if word not in known]
        if unknown:
            parser.error(f"{unknown[0]!r} is none of {', '.join(known)}")
    return given


def interpreters(options: list[str]) -> dict[str, str]:
    """Interpreter by family, from the options and LAYERKIT_BENCH_PYTHON (words apart by ;)."""
    words = [w for w in os.environ.get("LAYERKIT_BENCH_PYTHON", "").split(";") if w]
    found: dict[str, str] = {}
    for word in [*words, *options]:
        families, _, path = word.partition("=")
        if not path:
            raise SystemExit(
                f"--python {word}: FAMILY,...=PATH is wanted, as in jax,keras=/x/python"
            )
        found |= dict.fromkeys(families.split(","), path)
    return found


def groups(given: argparse.Namespace) -> Iterator[list[Unit]]:
    """Units that one set of processes serves: those of one mode and work."""
    for mode in given.mode:
        for name in given.work or WORKS:
            if mode == "train":
                yield [Unit(mode, name, WORKS[name].batch)]
            elif name in INFERRED:
                yield [Unit(mode, name, int(count)) for count in given.rows]


def main() -> None:
    given = arguments()
    pythons = interpreters(given.python)
    out = given.out or HERE / ".results" / time.strftime("speed-%Y%m%d-%H%M%S.jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with out.open("w", encoding="utf-8") as lines:
        lines.write(json.dumps({"run": facts("run")}) + "\n")
        for units in groups(given):
            print(f"== {units[0].mode} {units[0].work} ({time.monotonic() - started:.0f} s)")
            outcomes = measure(
                units,
                given.peers,
                rounds=given.rounds,
                block=given.block,
                pythons=pythons,
                tell=lambda text: print(text, flush=True),
            )
            for outcome in outcomes:
                lines.write(json.dumps(outcome.to_json()) + "\n")
                print("\n".join([f"-- {outcome.unit}", *report.unit_table(outcome)]))
            lines.flush()
    print("\n".join(report.goal_table(report.read([out])[1])))
    print(f"{time.monotonic() - started:.0f} s; lines in {out}")
    if given.write:
        report.write([out])


if __name__ == "__main__":
    main()
