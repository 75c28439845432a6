"""What derived forms gain: nets of strangers' layers as written, planned and compiled, in turns;
and what recording and planning cost before the first step.

    python -m benchmarks.speed.forms [--nets maxout,gated,...] [--rounds 21] [--block 0.1] [--write]

The layers lie in ``tests/strangers``, each with its equations only. All forms of a net live in this
process and are given the same rows; first steps are measured in processes of their own.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

import layerkit
from benchmarks.speed.machine import facts
from benchmarks.speed.measure import ROOT
from benchmarks.speed.page import said
from benchmarks.speed.scale import Point, bias_for, spec
from benchmarks.speed.workloads import CLASSES, Array, rows
from layerkit.discovery.engines import compiled_engine, trouble
from layerkit.execution.runner import recordings_of
from layerkit.threads import single_blas
from layerkit.training.callbacks import Callbacks
from layerkit.training.loop import Loop
from layerkit.training.prepare import Arrays
from layerkit.training.recipe import Recipe
from tests.strangers.gated import Gated
from tests.strangers.layernorm import LayerNorm
from tests.strangers.maxout import Maxout

RESULTS = Path(__file__).with_name("forms.md")
BATCH, WIDTH, LAYERS = 128, 64, 4
STEPS_BEFORE = 5  # first times, trials of the forms among them

_DENSE = {"type": "dense", "units": WIDTH, "activation": "relu"}
NETS: dict[str, list[dict[str, Any]]] = {
    "maxout": [{"type": Maxout.type_name, "units": WIDTH, "pieces": 3}],
    "gated": [{"type": Gated.type_name, "units": WIDTH}],
    "layernorm": [_DENSE, {"type": LayerNorm.type_name}],
    "highway (layerkit's own)": [{"type": "highway", "activation": "relu"}],
}
"""By name, what is repeated ``LAYERS`` times; a dense layer of 10 units follows."""

GOALS = {"planned": 1.3, "compiled": 2.5}
"""Times as fast as the layers as they are written, for nets of strangers' layers."""


@contextmanager
def as_written(on: bool) -> Iterator[None]:
    """Whether what is made inside runs every layer as it is written."""
    before = os.environ.get("LAYERKIT_EAGER")
    os.environ["LAYERKIT_EAGER"] = "1" if on else "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ["LAYERKIT_EAGER"]
        else:
            os.environ["LAYERKIT_EAGER"] = before


class Form:
    """One form of a net: a training that takes steps of the same rows as the others."""

    def __init__(
        self, model: layerkit.Model, x: Array, y: Array, *, eager: bool, fast: bool
    ) -> None:
        self.x, self.y = x, y
        with as_written(eager):
            data = Arrays(x, y, y)
            recipe = Recipe.of(model.spec)
            self.loop = Loop(
                model.network, recipe, data, Callbacks(None), lambda scores, y: {}, fast=fast
            )
        self.batch = recipe.batch_size
        self.weights = np.full(self.batch, 1 / self.batch, np.float32)
        self.step = 0
        self.losses: list[float] = []

    def train(self, steps: int) -> float:
        """Seconds of so many steps."""
        loop, rule, whole = self.loop, self.loop.recipe.rule, len(self.x) // self.batch
        began = perf_counter()
        with single_blas(), np.errstate(all="ignore"):
            for _ in range(steps):
                k = self.step % whole * self.batch
                x, y = self.x[k : k + self.batch], self.y[k : k + self.batch]
                _, loss = loop.learner.learn(x.__getitem__, y, self.weights)
                if math.isfinite(loss):
                    rule.begin(rule.learning_rate)
                    loop.network.update(rule, loop.runs)
                self.losses.append(loss)
                self.step += 1
        return perf_counter() - began


def net(name: str) -> dict[str, Any]:
    """The spec of a net of ``NETS``."""
    return {
        "layerkit": 1,
        "input": {"shape": [WIDTH]},
        "layers": [*NETS[name] * LAYERS, {"type": "dense", "units": CLASSES}],
        "output": {"classes": [str(k) for k in range(CLASSES)]},
        "train": {
            "optimizer": {"type": "momentum", "learning_rate": 0.02},
            "batch_size": BATCH,
        },
    }


def forms(name: str) -> dict[str, Form]:
    """The forms of a net, after their first steps.

    Raises
    ------
    ValueError
        If a layer of a derived form runs as it is written, or losses differ.
    """
    x, y = rows(32 * BATCH)
    x = np.ascontiguousarray(x[:, ::12][:, :WIDTH])
    model = layerkit.build(net(name))
    made = {
        "as written": Form(copy.deepcopy(model), x, y, eager=True, fast=False),
        "planned": Form(copy.deepcopy(model), x, y, eager=False, fast=False),
    }
    if not trouble():
        made["compiled"] = Form(model, x, y, eager=False, fast=True)
    for form in made.values():
        form.train(STEPS_BEFORE)
    written = made["as written"].losses
    for which, form in made.items():
        if which != "as written" and form.loop.learner.contexts:
            raise ValueError(f"{name}, {which}: {sorted(form.loop.learner.contexts)} as written")
        if not np.allclose(form.losses, written, rtol=1e-4):
            raise ValueError(f"{name}, {which}: losses {form.losses}, as written {written}")
    return made


def not_compiled(form: Form) -> list[str]:
    """Types of layers that the compiled engine leaves to planned NumPy."""
    recordings = recordings_of(form.loop.network)
    found = set()
    for planned in form.loop.network.planned:
        recorded = recordings.get(planned, training=True, keeps=True)
        if isinstance(recorded, Exception) or compiled_engine().refuses(recorded, planned):
            found.add(planned.layer.type_name)
    return sorted(found)


def in_turns(made: dict[str, Form], rounds: int, block: float) -> dict[str, list[float]]:
    """Seconds a step by form, one for each round."""
    steps = {which: max(3, round(block / (form.train(3) / 3))) for which, form in made.items()}
    found: dict[str, list[float]] = {which: [] for which in made}
    for _ in range(rounds):
        for which, form in made.items():
            found[which].append(form.train(steps[which]) / steps[which])
    return found


def gained(found: dict[str, list[float]], which: str) -> tuple[float, float]:
    """How many times as fast as written: the median of the rounds, and by minima."""
    pairs = zip(found["as written"], found[which], strict=True)
    median = statistics.median(one / other for one, other in pairs)
    return median, min(found["as written"]) / min(found[which])


def net_table(names: Sequence[str], rounds: int, block: float) -> Iterator[str]:
    """A row for every net."""
    yield f"Microseconds a step, {LAYERS} times the layers of a width of {WIDTH}, batch {BATCH};"
    yield "in brackets how many times as fast as written: median of the rounds, minima."
    yield ""
    yield "| net | as written | planned | compiled |"
    yield "|---|---:|---:|---:|"
    for name in names:
        made = forms(name)
        found = in_turns(made, rounds, block)
        cells = [f"{1e6 * statistics.median(found['as written']):.0f}"]
        for which in ("planned", "compiled"):
            if which not in found:
                cells.append("not installed")
                continue
            median, least = gained(found, which)
            cells.append(f"{1e6 * statistics.median(found[which]):.0f} ({median:.2f}, {least:.2f})")
        if "compiled" in made and (left := not_compiled(made["compiled"])):
            cells[-1] += f", {' and '.join(left)} planned"
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""
    yield "Aimed at, for strangers' nets: " + ", ".join(f"{k} {v}" for k, v in GOALS.items()) + "."


def first_times(depth: int, mode: str) -> dict[str, float]:
    """Processor seconds of the first times of a highway net in this process."""
    point = Point(400, depth, 50, 100)
    x, y = rows(point.rows)
    model = layerkit.build(spec(point, bias_for(depth)))
    eager, fast = mode == "as written", mode == "compiled"
    times = {}
    began = process_time()
    if not eager:
        import_module("layerkit.recording.record")
        import_module("layerkit.execution.planned.stage")
    times["imports"], began = process_time() - began, process_time()
    form = Form(model, x, y, eager=eager, fast=fast)
    times["made"], began = process_time() - began, process_time()
    form.train(1)
    times["first"] = process_time() - began
    times["next"] = min(_processor_time(form) for _ in range(5))
    return times


def _processor_time(form: Form) -> float:
    began = process_time()
    form.train(1)
    return process_time() - began


def first_table(depths: Sequence[int], repeats: int) -> Iterator[str]:
    """A row for every depth and form: medians of fresh processes."""
    yield "Processor milliseconds of the first times in a process; highway nets of width 50, batch"
    yield "100. Made: layers recorded and planned, or compiled, and the optimizer's memory. First"
    yield "step: memory bound, steps written, and the trial, which runs the layers as written too."
    yield ""
    yield "| layers | form | imports | made | first step | a later step |"
    yield "|---:|---|---:|---:|---:|---:|"
    modes = ["as written", "planned", *([] if trouble() else ["compiled"])]
    for depth in depths:
        for mode in modes:
            runs = [_in_a_process(depth, mode) for _ in range(repeats)]
            cells = [
                f"{1e3 * statistics.median(run[key] for run in runs):.1f}"
                for key in ("imports", "made", "first", "next")
            ]
            yield f"| {depth:,} | {mode} | {' | '.join(cells)} |"


def _in_a_process(depth: int, mode: str) -> dict[str, float]:
    words = [sys.executable, "-m", "benchmarks.speed.forms", "--first", str(depth), mode]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)  # noqa: S603
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    for part in (Gated, LayerNorm, Maxout):
        layerkit.register(part)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", default=",".join(NETS))
    parser.add_argument("--depths", default="10,1000", help="layers of the nets of first steps")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--repeats", type=int, default=5, help="processes of each first step")
    parser.add_argument("--block", type=float, default=0.1, help="seconds of a timed block")
    parser.add_argument("--write", action="store_true", help="keep them in forms.md")
    parser.add_argument("--first", nargs=2, metavar=("DEPTH", "FORM"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.first:
        print(json.dumps(first_times(int(given.first[0]), given.first[1])))
        return
    sections: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("A step", lambda: net_table(given.nets.split(","), given.rounds, given.block)),
        ("First times", lambda: first_table([*map(int, given.depths.split(","))], given.repeats)),
    ]
    lines = ["# Forms that are derived from layers", "", "Made by `benchmarks.speed.forms`.", ""]
    for title, table in sections:
        lines += [f"## {title}", "", *table(), ""]
    lines.append(said(facts("forms")))
    print("\n".join(lines))
    if given.write:
        RESULTS.write_text("\n".join([*lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
