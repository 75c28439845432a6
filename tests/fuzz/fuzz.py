"""Fuzz layerkit with damaged model files: python -m tests.fuzz.fuzz [--seconds 600] [--seed 0]

Case k of a seed is always the same: --only K looks at it again. Files that are judged wrongly go to
--keep. With --shared FOLDER, that of the format's reference tools, its verifier is asked as well.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.container import Parts, take_apart
from tests.fuzz.judge import Oracle, Verdict, judge
from tests.fuzz.mutations import mutate

__all__ = ["BASES", "Case", "bases", "cases", "oracle_at"]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "v1"
BASES = (
    *("binary", "columns", "dtypes", "full", "local", "newer", "plain", "plugin", "projection"),
    *("text", "tied", "tied", "tiny", "training"),
)
MEASURED = 20  # of so many cases one has its memory measured


@dataclass(frozen=True)
class Case:
    """One damaged file and what became of it."""

    number: int
    mutation: str
    raw: bytes
    verdict: Verdict


def bases() -> list[Parts]:
    """The golden files that cases are made of."""
    return [take_apart((GOLDEN / f"{name}.layerkit").read_bytes()) for name in BASES]


def cases(
    seed: int,
    numbers: Sequence[int] | range,
    path: Path,
    *,
    oracle: Oracle | None = None,
) -> Iterator[Case]:
    """Judge the cases with these numbers; ``path`` is written for each."""
    stock = bases()
    for number in numbers:
        r = random.Random(f"{seed}:{number}")  # noqa: S311
        mutation, raw = mutate(r, stock)
        verdict = judge(raw, path, oracle=oracle, measure=number % MEASURED == 0)
        yield Case(number, mutation, raw, verdict)


def oracle_at(folder: Path) -> Oracle:
    """The verifier ``lkverify.py`` in ``folder``."""
    sys.path.insert(0, str(folder))
    flag, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        tool = importlib.import_module("lkverify")
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = flag

    def ask(raw: bytes) -> tuple[str, bool]:
        try:
            tool.verify(raw)
        except tool.ModelFileError as error:
            return type(error).__name__, 14 <= error.step <= 16
        return "OK", False

    return ask


def main(words: list[str]) -> int:
    """Fuzz until the time is over and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int)
    parser.add_argument("--shared", type=Path)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "layerkit-fuzz")
    told = parser.parse_args(words)
    told.keep.mkdir(parents=True, exist_ok=True)
    oracle = None if told.shared is None else oracle_at(told.shared)
    end = time.monotonic() + told.seconds
    numbers = range(sys.maxsize) if told.only is None else [told.only]
    counts: collections.Counter[str] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    done = 0
    for case in cases(told.seed, numbers, told.keep / "current.layerkit", oracle=oracle):
        done += 1
        counts[f"{case.mutation}: {case.verdict.load}"] += 1
        for fault in case.verdict.faults:
            kind = fault[:60]
            kinds[kind] += 1
            if kinds[kind] <= 3 or told.only is not None:
                (told.keep / f"{told.seed}-{case.number}.layerkit").write_bytes(case.raw)
                print(f"case {case.number} ({case.mutation}): {fault}", flush=True)  # noqa: T201
        if time.monotonic() > end:
            break
    for name, count in sorted(counts.items()):
        print(f"{count:>7}  {name}")  # noqa: T201
    print(f"{done} cases of seed {told.seed}, {sum(kinds.values())} faults")  # noqa: T201
    return 1 if kinds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
