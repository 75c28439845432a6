"""Fuzz the forms of layers: python -m tests.fuzz.layers [--seconds 600] [--seed 0]

Case k of a seed is always the same: --only K looks at it again. A case is a net of one to six drawn
layers, each form of which is judged against the methods as written. What fails is made small and
printed as a file that a person can read.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from tests.fuzz.cases import Case, case_of, smaller_cases
from tests.fuzz.forms import quiet
from tests.fuzz.trials import Form, Trial, forms_here


@dataclass(frozen=True)
class Fault:
    """What is wrong with one form of a case."""

    form: str
    case: Case
    text: str

    def __str__(self) -> str:
        return f"{self.form}: {self.text}\n{self.case.source(loss_alone='loss' in self.form)}"


def faults_of(case: Case, run: Mapping[str, Form], counts: Counter[str]) -> list[Fault]:
    """The faults of a case, form by form."""
    trial = Trial(case)
    trial.counts = counts
    found = []
    for name, form in run.items():
        try:
            found += [Fault(name, case, text) for text in quiet(partial(form, trial))[:1]]
        except Exception as error:  # noqa: BLE001  # a form must not raise
            found.append(Fault(name, case, f"raised {type(error).__name__}: {error}"))
    return found


def smallest(fault: Fault, form: Form, *, seconds: float = 60) -> Fault:
    """The same fault in fewer layers, for fewer rows, by fewer statements."""
    end = time.monotonic() + seconds
    kind = fault.text.partition("Error")[0] if "raised" in fault.text else ""

    def fails(case: Case) -> Fault | None:
        try:
            found = faults_of(case, {fault.form: form}, Counter())
        except Exception:  # noqa: BLE001  # not a program any more
            return None
        found = [f for f in found if ("raised" in f.text) == bool(kind) and kind in f.text]
        return found[0] if found else None

    best = fault
    again = True
    while again and time.monotonic() < end:
        again = False
        for case in smaller_cases(best.case, loss_alone="loss" in fault.form):
            if time.monotonic() > end:
                break
            if smaller := fails(case):
                best, again = smaller, True
                break
    return best


def run(
    seed: int,
    numbers: Iterable[int],
    *,
    forms_of: Mapping[str, Form] | None = None,
    counts: Counter[str] | None = None,
) -> Iterator[tuple[Case, list[Fault]]]:
    """Judge the cases with these numbers."""
    chosen = forms_here() if forms_of is None else forms_of
    counts = Counter() if counts is None else counts
    for number in numbers:
        case = case_of(seed, number)
        counts["cases"] += 1
        counts["layers"] += len(case.programs)
        yield case, faults_of(case, chosen, counts)


def main(words: list[str]) -> int:
    """Fuzz until the time is over and print what was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="this case alone")
    parser.add_argument("--form", action="append", help="these forms alone, by default all")
    told = parser.parse_args(words)
    # Thousands of kernels are compiled: the user's cache is spared.
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        return _fuzz(told)


def _fuzz(told: argparse.Namespace) -> int:
    end = time.monotonic() + told.seconds
    chosen = {k: f for k, f in forms_here().items() if not told.form or k in told.form}
    counts: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    shown = time.monotonic()
    numbers = range(sys.maxsize) if told.only is None else [told.only]
    for case, found in run(told.seed, numbers, forms_of=chosen, counts=counts):
        for fault in found:
            kind = re.sub(r"[-+.\d]+", "#", f"{fault.form}: {fault.text}")[:70]
            kinds[kind] += 1
            if kinds[kind] <= 2:
                small = smallest(fault, chosen[fault.form], seconds=30)
                _say(f"case {case.number} of seed {told.seed}, {small}")
        if time.monotonic() > shown + 20:
            shown = time.monotonic()
            _say(f"{counts['cases']} cases, {sum(kinds.values())} faults")
        if time.monotonic() > end:
            break
    for name, count in (*sorted(counts.items()), *kinds.items()):
        _say(f"{count:>8}  {name}")
    _say(f"{counts['cases']} cases of seed {told.seed}, {sum(kinds.values())} faults")
    return 1 if kinds else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
