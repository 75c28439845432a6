"""Side effects of every part: it changes nothing global, and its import is quiet and quick."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from layerkit.core.layer import Layer
from layerkit.testing.layer_trial import LayerTrial
from layerkit.testing.processes import import_again, import_in_child, importable
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Subject
from layerkit.testing.verdicts import Failed, Skipped

BATTERY = Battery("settings.constructor")

SECONDS = 0.5  # an import may take this long beyond layerkit's own
MODULES = 100  # and bring this many modules


def _use(subject: Subject) -> None:
    """Make the part for every example, and use it."""
    for example in subject.examples:
        if isinstance(subject.make(example.config), Layer):
            with suppress(Failed):  # the checks of feed and backprop report it
                trial = LayerTrial(subject, example, any_dtype=True)
                trial.run(trial.rows(3), trial.cotangent(3))
    if "pass.runs" in subject.checks:
        with suppress(Failed):  # that check reports it
            subject.checks["pass.runs"]()


def _random_states() -> dict[str, str]:
    return {
        "random": repr(random.getstate()),
        "numpy.random": repr(np.random.get_state(legacy=False)),  # noqa: NPY002
    }


@BATTERY.once(
    "global.random",
    why="Two parts that share the global generator change each other's numbers, and no seed "
    "repeats a run.",
    fix="draw from ctx.rng (or the `rng` argument); never np.random.seed, np.random.rand or "
    "random.random",
)
def _random(subject: Subject) -> None:
    kept = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    try:
        random.seed()  # a new state, so that seed(0) shows each time
        np.random.seed()  # noqa: NPY002
        before = _random_states()
        _use(subject)
        after = _random_states()
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002
    for name, state in before.items():
        if after[name] != state:
            raise Failed(f"making or using the part changes the global state of {name}")


@BATTERY.once(
    "global.settings",
    why="A part that changes how NumPy, warnings or the environment behave affects all others.",
    fix="use `with np.errstate(...)` around the line that needs it; set nothing for the process",
)
def _settings(subject: Subject) -> None:
    with _odd_settings():
        before = _process_settings()
        _use(subject)
        changed = [name for name, value in _process_settings().items() if value != before[name]]
    if changed:
        raise Failed(f"making or using the part changes {changed[0]}")
    if importable(subject.part) and (found := import_in_child(subject)["settings"]):
        raise Failed(f"importing the module changes {found[0]}")


def _process_settings() -> dict[str, object]:
    return {
        "np.seterr": np.geterr(),
        "np.set_printoptions": repr(np.get_printoptions()),
        "os.environ": dict(os.environ),
        "sys.path": list(sys.path),
        "the current folder": os.getcwd(),  # noqa: PTH109  # as text
        "sys.setrecursionlimit": sys.getrecursionlimit(),
    }


_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def _odd_settings() -> Iterator[None]:
    """Settings that no part would choose, so that setting one again shows too."""
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


def _import(subject: Subject) -> dict[str, Any]:
    if not importable(subject.part):
        raise Skipped(f"{subject.address} lives in this process only: no other one can import it")
    return import_in_child(subject)


@BATTERY.once(
    "global.files_and_network",
    why="Servers and sandboxes import and make a part for a spec that may be refused: it must use "
    "no file, process or connection.",
    fix="read files inside the method that needs them, or turn their contents into settings",
)
def _files(subject: Subject) -> None:
    touched = _import(subject)["touched"]
    if touched:
        raise Failed(f"the part's own code uses a file, a process or the network at {touched[0]}")


@BATTERY.once(
    "import.random",
    why="A module that draws or seeds when it is imported changes the random numbers of every "
    "program that imports it.",
    fix="draw nothing at import: random numbers belong in the methods, from the `rng` they get",
)
def _imported(subject: Subject) -> None:
    if _import(subject)["random"]:
        raise Failed("importing the module changes the global random state")


@BATTERY.once(
    "import.quiet",
    why="What a module prints when it is imported ends up in other people's output.",
    fix="print nothing at import; `logging` is silent by default",
)
def _quiet(subject: Subject) -> None:
    printed = str(_import(subject)["printed"]).strip()
    if printed:
        raise Failed(f"importing the module prints {printed[:200]!r}")


@BATTERY.once(
    "import.cost",
    why="One slow part slows down every command and every server that uses it.",
    fix="import heavy packages inside the function that needs them",
)
def _cost(subject: Subject) -> None:
    reply = _import(subject)
    packages = [name.partition(".")[0] for name in reply["modules"]]
    packages = [package for package in packages if package != "layerkit"]
    largest = sorted(dict.fromkeys(packages), key=packages.count, reverse=True)[:3]
    listing = ", ".join(f"{package} ({packages.count(package)})" for package in largest)
    if len(packages) > MODULES:
        raise Failed(
            f"importing it loads {len(packages)} modules, {MODULES} allowed; most are of {listing}"
        )
    seconds = float(reply["seconds"])
    for _ in range(2):  # a busy machine is not the part's fault: its best of three
        if seconds > SECONDS:
            seconds = min(seconds, float(import_again(subject)["seconds"]))
    if seconds > SECONDS:
        raise Failed(f"importing it takes {seconds:.2f} s, {SECONDS} s allowed; it loads {listing}")
