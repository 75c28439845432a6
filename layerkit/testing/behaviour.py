"""Manners of every part: it leaves the process, the machine and whoever imports it alone."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from layerkit.core.layer import Layer
from layerkit.testing.bench import Bench
from layerkit.testing.processes import import_afresh, import_again, reachable
from layerkit.testing.rules import Battery, Failed, Skipped
from layerkit.testing.subject import Subject

__all__ = ["BATTERY"]

BATTERY = Battery("settings.constructor")

SECONDS = 0.5  # an import may take this long beyond layerkit's own
MODULES = 100  # and bring this many modules


def _use(subject: Subject) -> None:
    """Make the part for every example, and put it to work."""
    for case in subject.examples:
        part = subject.make(case.config)
        if isinstance(part, Layer):
            with suppress(Failed):  # the checks of feed and backprop tell of it
                bench = Bench(subject, case, any_dtype=True)
                bench.run(bench.rows(3), bench.cotangent(3))
    from layerkit.testing.run import rules_for

    runs = next((r for r in rules_for(subject.kind) if r.id == "pass.runs"), None)
    if runs is not None:
        with suppress(Failed):  # that check tells of it
            runs.body(subject)


@BATTERY.rule(
    "global.random",
    why="Two parts that share the global generator change each other's numbers, and no seed gives "
    "the same run again.",
    fix="draw from ctx.rng (or the `rng` that you are given); never np.random.seed, np.random.rand "
    "or random.random",
)
def _random(subject: Subject) -> str | None:
    users = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    try:
        random.seed()  # a state nobody has set before, so that seed(0) shows each time
        np.random.seed()  # noqa: NPY002
        before = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
        _use(subject)
        after = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    finally:
        random.setstate(users[0])
        np.random.set_state(users[1])  # noqa: NPY002
    for name, one, two in zip(("random", "numpy.random"), before, after, strict=True):
        if repr(one) != repr(two):
            raise Failed(f"making or using the part changes the global state of {name}")
    if reachable(subject.part) and import_afresh(subject)["random"]:
        raise Failed("importing the module changes the global random state")
    return None


@BATTERY.rule(
    "global.settings",
    why="A part that changes how NumPy, warnings or the environment behave changes all others.",
    fix="use `with np.errstate(...)` around the line that needs it; set nothing for the process",
)
def _settings(subject: Subject) -> str | None:
    def now() -> dict[str, object]:
        return {
            "np.seterr": np.geterr(),
            "np.set_printoptions": repr(np.get_printoptions()),
            "os.environ": dict(os.environ),
            "sys.path": list(sys.path),
            "the current folder": os.getcwd(),  # noqa: PTH109  # as text
            "sys.setrecursionlimit": sys.getrecursionlimit(),
        }

    with _odd_settings():
        before = now()
        _use(subject)
        changed = [name for name, value in now().items() if value != before[name]]
    if changed:
        raise Failed(f"making or using the part changes {changed[0]}")
    if reachable(subject.part) and (found := import_afresh(subject)["settings"]):
        raise Failed(f"importing the module changes {found[0]}")
    return None


@contextmanager
def _odd_settings() -> Iterator[None]:
    """Settings that no part would choose, so that one that chooses shows at its second time too."""
    folder, limit = os.getcwd(), sys.getrecursionlimit()  # noqa: PTH109  # as text
    path, environ = sys.path[:], dict(os.environ)
    errors = np.errstate(divide="print", over="print", under="print", invalid="print")
    try:
        with errors, np.printoptions(precision=11, threshold=1234):
            os.environ.update(dict.fromkeys(_THREADS, "3"))
            yield
    finally:
        os.chdir(folder)
        sys.setrecursionlimit(limit)
        sys.path[:] = path
        os.environ.clear()
        os.environ.update(environ)


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def _fresh(subject: Subject) -> dict[str, Any]:
    if not reachable(subject.part):
        raise Skipped(f"{subject.address} lives in this process only: no other one can import it")
    return import_afresh(subject)


@BATTERY.rule(
    "global.files_and_network",
    why="Importing or making a part happens in servers and sandboxes, for a spec that may be "
    "refused: no file, no process, no connection.",
    fix="read files inside the method that needs them, or turn what they hold into settings",
)
def _files(subject: Subject) -> str | None:
    touched = _fresh(subject)["touched"]
    if isinstance(touched, list) and touched:
        raise Failed(f"the part's own code touched a file or the network at {touched[0]}")
    return None


@BATTERY.rule(
    "import.quiet",
    why="What a module prints when it is imported ends up in other people's output.",
    fix="print nothing at import; `logging` is silent by default",
)
def _quiet(subject: Subject) -> str | None:
    printed = str(_fresh(subject)["printed"])
    if printed.strip():
        raise Failed(f"importing the module prints {printed.strip()[:200]!r}")
    return None


@BATTERY.rule(
    "import.cost",
    why="One slow part makes every command and every server slow that uses it.",
    fix="import heavy packages inside the function that needs them",
)
def _cost(subject: Subject) -> str | None:
    told = _fresh(subject)
    modules = [name for name in told["modules"] if name.partition(".")[0] != "layerkit"]
    seconds = float(told["seconds"])
    tops: dict[str, int] = {}
    for name in modules:
        tops[name.partition(".")[0]] = tops.get(name.partition(".")[0], 0) + 1
    most = sorted(tops, key=lambda top: -tops[top])[:3]
    listing = ", ".join(f"{top} ({tops[top]})" for top in most)
    if len(modules) > MODULES:
        raise Failed(f"importing it brings {len(modules)} modules, {MODULES} allowed: {listing}")
    for _ in range(2):  # a busy machine is not the part's fault: its best of three
        if seconds > SECONDS:
            seconds = min(seconds, import_again(subject))
    if seconds > SECONDS:
        raise Failed(
            f"importing it takes {seconds:.2f} s, {SECONDS} s allowed; it brings {listing}"
        )
    return None
