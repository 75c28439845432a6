"""Running checks: one outcome for each planned check, whatever the part does.

A check is not run if another one that it builds on failed. A check that the part declares it fails
must fail, and an unforeseen exception is a failure.
"""

from __future__ import annotations

import os
import time
import traceback
import unittest
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache, partial
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import NoReturn

import numpy as np

from layerkit.core.layer import Layer
from layerkit.core.parts import Part
from layerkit.display import nearest
from layerkit.testing.report import ConformanceError, Outcome, Report, Status
from layerkit.testing.rules import Rule
from layerkit.testing.subject import Subject
from layerkit.testing.verdicts import Failed, Skipped, describe_error

_LAYERS = (
    *("plans", "gradients", "backprop", "randomness", "batches", "memory", "concurrency"),
    *("training", "updates", "reference", "recorded", "inside", "files"),
)
# Modules of batteries by kind, in the order in which their rules run and are shown.
_MODULES: dict[str, tuple[str, ...]] = {
    "layers": tuple(f"layer_{name}" for name in _LAYERS),
    "activations": ("activations",),
    "initializers": ("initializers",),
    "losses": ("losses",),
    "optimizers": ("optimizers",),
    "schedules": ("schedules",),
    "metrics": ("metrics",),
    "callbacks": ("callbacks",),
    "engines": (),
    "data": ("data_sources",),
    "readers": ("readers",),
    "exporters": ("exporters",),
    "importers": ("importers",),
    "devices": (),
    "figures": ("figures",),
    "executors": (),
    "searches": ("searches",),
}


@cache
def rules_for(kind: str) -> tuple[Rule, ...]:
    """All checks for parts of ``kind``: those of every part first, causes before what they cause.

    A rule may build on rules of other kinds, which are then no rules of this one.
    """
    found: dict[str, Rule] = {}
    for name in ("declarations", "settings", *_MODULES[kind], "side_effects"):
        battery = import_module(f"layerkit.testing.batteries.{name}").BATTERY
        found |= {rule.id: rule for rule in battery}
    ordered: dict[str, Rule] = {}

    def place(rule: Rule) -> None:
        needs = tuple(need for need in rule.needs if need in found)
        for need in needs:
            if need not in ordered:
                place(found[need])
        ordered.setdefault(rule.id, replace(rule, needs=needs))

    for rule in found.values():
        place(rule)
    return tuple(ordered.values())


class Check:
    """One check of one part, for ``pytest.mark.parametrize``: ``run`` raises if it fails.

    Attributes
    ----------
    id
        Its stable name.
    """

    def __init__(self, session: _Session, rule: Rule) -> None:
        self._session = session
        self.rule = rule
        self.id = rule.id

    def __repr__(self) -> str:
        return self.id

    def outcome(self) -> Outcome:
        """How the check ends; raises nothing."""
        return self._session.outcome(self.id)

    def run(self) -> None:
        """Pass, or raise.

        Raises
        ------
        ConformanceError
            If the part breaks the rule, or the check could not be run.
        unittest.SkipTest
            If it does not apply, or fails as the part declares; pytest shows the reason.
        """
        outcome = self.outcome()
        if not outcome.ok:
            raise ConformanceError("\n" + outcome.text())
        if outcome.status != "passed":
            raise unittest.SkipTest(f"{outcome.status}: {outcome.message}")


class _Session:
    """One part and its rules; each rule runs at most once."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.rules = {rule.id: rule for rule in rules_for(subject.kind)}
        subject.checks = {id_: partial(rule.judge, subject) for id_, rule in self.rules.items()}
        self._ended: dict[str, Outcome] = {}

    def outcome(self, check: str) -> Outcome:
        if check not in self._ended:
            self._ended[check] = self._run(self.rules[check])
        return self._ended[check]

    def _run(self, rule: Rule) -> Outcome:
        if cause := self._failed_need(rule):
            return self._outcome(rule, "not run", f"builds on {cause}, which failed")
        start = time.perf_counter()
        status, message, hint, trace = _verdict(rule, self.subject)
        reason = self.subject.exceptions.get(rule.id)
        if reason is not None and status == "failed":
            status, message = "expected failure", str(reason)
        elif reason is not None and status == "passed":
            status, hint = "unexpected pass", "remove it from conformance_exceptions"
            message = f"expected to fail ({reason}), but it passes"
        return self._outcome(rule, status, message, hint, trace, time.perf_counter() - start)

    def _failed_need(self, rule: Rule) -> str | None:
        """The first check that failed among those that ``rule`` builds on, however indirectly."""
        for need in rule.needs:
            status = self.outcome(need).status
            if status in ("failed", "not run"):
                return need if status == "failed" else self._failed_need(self.rules[need])
        return None

    def _outcome(
        self,
        rule: Rule,
        status: Status,
        message: str,
        hint: str = "",
        trace: str = "",
        seconds: float = 0.0,
    ) -> Outcome:
        again = self.subject.command(rule.id)
        shown = hint or (rule.fix if status == "failed" else "")
        seed = self.subject.seed
        return Outcome(rule.id, status, rule.why, message, shown, seed, again, seconds, trace)


def _verdict(rule: Rule, subject: Subject) -> tuple[Status, str, str, str]:
    """(status, message, hint, traceback) of running the rule's code."""
    try:
        # As in a model, whatever the caller has set: no warnings, floating-point errors ignored.
        with warnings.catch_warnings(), np.errstate(all="ignore"), _exit_raises():
            warnings.simplefilter("ignore")
            return "passed", rule.judge(subject) or "", "", ""
    except Failed as found:
        return "failed", str(found), found.hint, found.traceback
    except Skipped as found:
        return "skipped", str(found), "", ""
    except (Exception, SystemExit) as error:  # noqa: BLE001  # one outcome, whatever happens
        text = f"the check ended in {describe_error(error, subject.part)}"
        return "failed", text, "", "".join(traceback.format_exception(error))


@contextmanager
def _exit_raises() -> Iterator[None]:
    """Let ``os._exit`` raise: it would end the run without a report, perhaps with exit code 0."""
    leave, here = os._exit, os.getpid()

    def stay(status: int = 0) -> NoReturn:
        if os.getpid() != here:  # a forked child may go
            leave(status)
        raise SystemExit(f"os._exit({status}), which ends the process that uses the part")

    os._exit = stay
    try:
        yield
    finally:
        os._exit = leave


def checks(
    part: type[Part],
    *,
    only: str | Iterable[str] | None = None,
    seed: int = 0,
    golden: Iterable[str | PathLike[str]] | None = None,
) -> list[Check]:
    """The checks of a part, one object each, for ``pytest.mark.parametrize``.

    Parameters
    ----------
    part
        A subclass of one of layerkit's base classes.
    only
        Ids of checks, or patterns such as ``"gradient.*"``; by default all.
    seed
        Seed of all random numbers.
    golden
        Model files written by older versions, or folders of them; by default those that the class
        names in ``golden_files``.

    Raises
    ------
    TypeError
        If the class inherits none of the base classes.
    ValueError
        If ``only`` names no check.
    """
    files = getattr(part, "golden_files", ()) if golden is None else golden
    session = _Session(Subject(part, seed=seed, golden=_model_files(files)))
    return [Check(session, session.rules[check]) for check in _chosen(session.rules, only)]


def check_part(
    part: type[Part],
    *,
    only: str | Iterable[str] | None = None,
    seed: int = 0,
    golden: Iterable[str | PathLike[str]] | None = None,
    progress: Callable[[Outcome], None] | None = None,
) -> Report:
    """Run the checks of a part.

    Parameters
    ----------
    part, only, seed, golden
        The arguments of ``checks``.
    progress
        Called with each outcome when its check ends.

    Raises
    ------
    TypeError
        If the class inherits none of the base classes.
    ValueError
        If ``only`` names no check.
    """
    planned = checks(part, only=only, seed=seed, golden=golden)
    outcomes: list[Outcome] = []
    for check in planned:
        outcomes.append(check.outcome())
        if progress is not None:
            progress(outcomes[-1])
    subject = planned[0]._session.subject  # of this module
    ids = tuple(check.id for check in planned)
    return Report(subject.name, subject.kind, subject.origin, seed, ids, outcomes)


def check_layer(
    layer: type[Layer],
    *,
    only: str | Iterable[str] | None = None,
    seed: int = 0,
    golden: Iterable[str | PathLike[str]] | None = None,
) -> Report:
    """Run the checks of a layer; the arguments are those of ``check_part``.

    Raises
    ------
    TypeError
        If the class is not a layer.
    ValueError
        If ``only`` names no check.
    """
    if not (isinstance(layer, type) and issubclass(layer, Layer)):
        raise TypeError(f"{layer!r} does not inherit layerkit.Layer")
    return check_part(layer, only=only, seed=seed, golden=golden)


def _chosen(rules: Mapping[str, Rule], only: str | Iterable[str] | None) -> list[str]:
    if only is None:
        return list(rules)
    patterns = [only] if isinstance(only, str) else list(only)
    for pattern in patterns:
        if not any(fnmatchcase(check, pattern) for check in rules):
            near = nearest(pattern, list(rules))
            raise ValueError(
                f"unknown check {pattern!r}{near} (list them with layerkit plugins check --list)"
            )
    return [check for check in rules if any(fnmatchcase(check, p) for p in patterns)]


def _model_files(places: object) -> Sequence[Path]:
    """The files that ``places`` names, and the model files in its folders."""
    listed = [places] if isinstance(places, (str, PathLike)) else list(places)  # type: ignore[call-overload]
    found: list[Path] = []
    for place in map(Path, listed):
        found += sorted(place.glob("*.layerkit")) if place.is_dir() else [place]
    return found
