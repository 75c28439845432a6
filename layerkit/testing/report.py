"""What a run of the kit found: an outcome for each check, counted, as text and as JSON.

A check that was planned and neither ran nor was skipped for a stated reason makes the whole run a
failure: nothing is left out in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any, Literal

from layerkit import __version__

__all__ = ["ConformanceError", "Outcome", "Report", "Status"]

Status = Literal["passed", "failed", "skipped", "expected failure", "unexpected pass", "not run"]
_BAD: tuple[Status, ...] = ("failed", "unexpected pass", "not run")
_RAN: tuple[Status, ...] = ("passed", "failed", "expected failure", "unexpected pass")


class ConformanceError(AssertionError):
    """A part breaks its contract; the text says which check, why it matters and what to do."""


@dataclass(frozen=True)
class Outcome:
    """How one check ended.

    Parameters
    ----------
    id
        Of the check.
    status
        "passed", "failed", "skipped" (cannot be tried here), "expected failure" (fails, and the
        part says why), "unexpected pass" (the part says it fails, and it does not) or "not run"
        (a check that it builds on failed).
    why
        Why the check exists.
    message
        What was found, or the reason for a skip; a note when it passed.
    hint
        What to do.
    seed
        That of the run: it gives the same arrays again.
    again
        How to run this check alone.
    seconds
        How long it took.
    traceback
        Of the part's own code, where that raised.
    """

    id: str
    status: Status
    why: str
    message: str
    hint: str
    seed: int
    again: str
    seconds: float = 0.0
    traceback: str = ""

    @property
    def ok(self) -> bool:
        """Whether a conformant part may end like this."""
        return self.status not in _BAD

    def text(self) -> str:
        """The paragraph that a person reads when it is not ok."""
        lines = [f"{self.status.upper()}  {self.id}"]
        for word, said in (
            ("what", self.message),
            ("why", self.why),
            ("fix", self.hint),
            ("again", self.again),
        ):
            lines += _paragraph(word, said) if said else []
        return "\n".join(lines)


@dataclass(frozen=True)
class Report:
    """All outcomes of one part.

    Parameters
    ----------
    part
        Its type name, or its class's.
    kind
        "layers", "activations", ...
    origin
        Where it comes from.
    seed
        Of all random numbers.
    planned
        Ids of the checks that were to be run.
    outcomes
        What came of them.
    """

    part: str
    kind: str
    origin: str
    seed: int
    planned: tuple[str, ...]
    outcomes: Sequence[Outcome]

    @property
    def counts(self) -> dict[str, int]:
        """How many checks were planned, run, skipped; of those run, how many did not pass."""
        ended = Counter(outcome.status for outcome in self.outcomes)
        return {
            "planned": len(self.planned),
            "run": sum(ended[status] for status in _RAN),
            "skipped": ended["skipped"],
            "failed": ended["failed"],
            "expected failures": ended["expected failure"],
            "unexpected passes": ended["unexpected pass"],
            "not run": len(self.planned) - sum(ended[s] for s in (*_RAN, "skipped")),
        }

    @property
    def ok(self) -> bool:
        """Whether the part conforms: all checks planned were run or skipped, and none failed."""
        counts = self.counts
        return (
            all(outcome.ok for outcome in self.outcomes)
            and counts["planned"] > 0
            and counts["run"] + counts["skipped"] == counts["planned"]
        )

    def __getitem__(self, check: str) -> Outcome:
        """The outcome of the check called ``check``; KeyError if it was not planned."""
        for outcome in self.outcomes:
            if outcome.id == check:
                return outcome
        raise KeyError(check)

    def raise_if_failed(self) -> None:
        """Do nothing if the part conforms.

        Raises
        ------
        ConformanceError
            If it does not; its text is that of the report.
        """
        if not self.ok:
            raise ConformanceError("\n" + self.text())

    def text(self) -> str:
        """The report for people: what failed and what to do, a table of groups, the counts."""
        head = f"{self.part} ({self.kind}, {self.origin}), seed {self.seed}"
        bad = [o.text() for o in self.outcomes if not o.ok and o.status != "not run"]
        waiting: dict[str, list[str]] = {}
        for outcome in self.outcomes:
            if outcome.status == "not run":
                waiting.setdefault(outcome.message, []).append(outcome.id)
        for reason, ids in waiting.items():
            shown = ", ".join(ids[:6]) + (", ..." if len(ids) > 6 else "")
            count = "1 check" if len(ids) == 1 else f"{len(ids)} checks"
            line = f"NOT RUN  {count}, {reason}: {shown}"
            bad.append(fill(line, 98, subsequent_indent=" " * 8))
        told = [
            f"{outcome.status}: {outcome.id}: {outcome.message}"
            for outcome in self.outcomes
            if outcome.status in ("skipped", "expected failure")
        ]
        notes = [
            f"note: {outcome.id}: {outcome.message}"
            for outcome in self.outcomes
            if outcome.status == "passed" and outcome.message
        ]
        listing = [fill(line, 98, subsequent_indent="    ") for line in (*told, *notes)]
        blocks = ["\n\n".join(bad), self._table(), "\n".join(listing), self.summary()]
        return head + "\n\n" + "\n\n".join(block for block in blocks if block)

    def summary(self) -> str:
        """The counts in one line."""
        words = [f"{count} {word}" for word, count in self.counts.items() if count]
        verdict = "conforms" if self.ok else "DOES NOT CONFORM"
        return f"{', '.join(words) or 'nothing planned'}: {self.part} {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "layerkit": __version__,
            "part": self.part,
            "kind": self.kind,
            "origin": self.origin,
            "seed": self.seed,
            "ok": self.ok,
            "counts": self.counts,
            "checks": [
                {**vars(outcome), "seconds": round(outcome.seconds, 4)} for outcome in self.outcomes
            ],
        }

    def _table(self) -> str:
        """One line a group of checks."""
        groups: dict[str, Counter[str]] = {}
        for outcome in self.outcomes:
            groups.setdefault(outcome.id.partition(".")[0], Counter())[outcome.status] += 1
        width = max(map(len, groups), default=0)
        return "\n".join(
            f"{group.ljust(width)}  " + ", ".join(f"{n} {status}" for status, n in ended.items())
            for group, ended in groups.items()
        )


def _paragraph(word: str, said: str) -> list[str]:
    """``said`` beside ``word``, each of its lines wrapped."""
    leads = [f"  {word:<6}", *[" " * 8] * said.count("\n")]
    return [
        fill(line, 98, initial_indent=lead, subsequent_indent=" " * 8)
        for lead, line in zip(leads, said.split("\n"), strict=True)
    ]
