"""How cost grows as the work grows: rows, depth, width, batch.

    python -m benchmarks.speed.scale [--axes rows,depth,width,batch] [--write]

Each point is a ``layerkit.train`` in a process of its own, whose peak memory is its own. With
``--write`` docs/explanation/performance.md keeps the tables and the picture.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.speed.measure import ROOT
from benchmarks.speed.page import record, this_run
from benchmarks.speed.picture import Panel, drawn
from benchmarks.speed.workloads import rows

PICTURE = ROOT / "docs" / "_static" / "scale.svg"


@dataclass(frozen=True)
class Point:
    """A highway net of ``depth`` gated layers, trained for ``epochs`` on ``rows`` rows."""

    rows: int
    depth: int
    width: int
    batch: int
    epochs: int = 2

    @property
    def parameters(self) -> int:
        gated = self.depth * 2 * self.width * (self.width + 1)
        return 785 * self.width + gated + (self.width + 1) * 10


@dataclass(frozen=True)
class Measured:
    """Seconds an epoch of training, and MiB: at the peak, and beyond what was there before it."""

    point: Point
    seconds: float
    peak: float
    beyond: float

    @property
    def step(self) -> float:
        return self.seconds / math.ceil(self.point.rows / self.point.batch)


@dataclass(frozen=True)
class Axis:
    """Points along one size; ``work`` is what the cost should be proportional to."""

    title: str
    field: str
    points: tuple[Point, ...]
    work_name: str
    work: Callable[[Point], float]


def along(base: Point, field: str, *values: int) -> tuple[Point, ...]:
    return tuple(replace(base, **{field: value}) for value in values)


NARROW = Point(rows=8192, depth=10, width=64, batch=128)
AXES = {
    "rows": Axis(
        "Rows (10 layers of 64, batch 128)",
        "rows",
        along(NARROW, "rows", 2048, 4096, 8192, 16_384, 32_768),
        "1,000 rows",
        lambda p: p.rows / 1000,
    ),
    "depth": Axis(
        "Depth (width 50, batch 100, 2,000 rows)",
        "depth",
        along(Point(2000, 10, 50, 100), "depth", 10, 30, 100, 300, 1000),
        "layer",
        lambda p: p.depth,
    ),
    "width": Axis(
        "Width (4 layers, batch 256, 2,048 rows)",
        "width",
        along(Point(2048, 4, 32, 256), "width", 32, 64, 128, 256, 512, 1024),
        "million parameters",
        lambda p: p.parameters / 1e6,
    ),
    "batch": Axis(
        "Batch (10 layers of 64, 4,096 rows)",
        "batch",
        along(replace(NARROW, rows=4096), "batch", 1, 4, 16, 64, 256, 1024, 4096),
        "1,000 rows",
        lambda p: p.rows / 1000,
    ),
}


def spec(point: Point, gate_bias: float) -> dict[str, Any]:
    gated = {"type": "highway", "activation": "tanh", "gate_bias": gate_bias}
    first = {"type": "dense", "units": point.width, "activation": "tanh"}
    return {
        "layerkit": 1,
        "name": f"highway-{point.depth}",
        "input": {"shape": [784]},
        "layers": [first, {**gated, "repeat": point.depth}, {"type": "dense", "units": 10}],
        "output": {"classes": [str(k) for k in range(10)]},
        "train": {
            "optimizer": {"type": "adam", "learning_rate": 0.001},
            "clip_norm": 1.0,
            "batch_size": point.batch,
            "epochs": point.epochs,
        },
    }


def bias_for(depth: int) -> float:
    """A gate bias with which the layers together replace about half of the signal."""
    return -math.log(max(depth, 10) / 0.7)


def status(name: str) -> float:
    """A line of /proc/self/status in MiB; NaN where there is none."""
    try:
        lines = Path("/proc/self/status").read_text("ascii").splitlines()
    except OSError:
        return math.nan
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def forget_peak() -> None:
    """Let the peak of this process be what it has now, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def trained(point: Point) -> Measured:
    """Train ``point`` in this process."""
    import layerkit  # not needed to draw

    x, y = rows(point.rows)
    # Compiled kernels take a third of a second to load; a training has that once, not an epoch.
    small = Point(rows=256, depth=10, width=32, batch=128)
    layerkit.train(spec(small, bias_for(10)), data=(x[:256], y[:256].astype(str)))
    forget_peak()  # that of making the rows
    before = status("VmRSS")
    run = layerkit.train(spec(point, bias_for(point.depth)), data=(x, y.astype(str)))
    peak = status("VmHWM")
    return Measured(point, run.seconds / point.epochs, peak, peak - before)


def measured(point: Point) -> Measured:
    """The same in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.speed.scale", "--point", json.dumps(asdict(point))]
    done = subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
    answer = json.loads(done.stdout.splitlines()[-1])
    return Measured(point, answer["seconds"], answer["peak"], answer["beyond"])


def table(axis: Axis, found: list[Measured]) -> Iterator[str]:
    """One line a point. ``grows as`` is the power of the work by which time grew from the last."""
    yield (
        f"| {axis.field} | parameters | s/epoch | ms/step | ms per {axis.work_name} | grows as "
        "| peak MiB | of which training |"
    )
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|"
    for i, now in enumerate(found):
        p = now.point
        growth = "" if i == 0 else power(axis, found[i - 1], now)
        yield (
            f"| {getattr(p, axis.field):,} | {p.parameters:,} | {now.seconds:.3f} "
            f"| {now.step * 1e3:.2f} | {now.seconds * 1e3 / axis.work(p):.2f} | {growth} "
            f"| {now.peak:.0f} | {now.beyond:.0f} |"
        )


def power(axis: Axis, before: Measured, now: Measured) -> str:
    """e in time ~ work^e between two points; 1 is linear. Empty where the work is the same."""
    more = axis.work(now.point) / axis.work(before.point)
    if more == 1:
        return ""
    return f"{math.log(now.seconds / before.seconds) / math.log(more):.2f}"


def picture(found: dict[str, list[Measured]]) -> str:
    """Milliseconds a step against each size that a step depends on, as SVG."""
    sizes: dict[str, Callable[[Point], float]] = {
        "depth": lambda p: p.depth,
        "parameters": lambda p: p.parameters,
        "batch": lambda p: p.batch,
    }
    panels = [
        Panel(AXES[name].title, size, [(sizes[size](m.point), m.step * 1e3) for m in found[name]])
        for name, size in zip(("depth", "width", "batch"), sizes, strict=True)
        if name in found
    ]
    return drawn(panels, "ms a step (dashed: linear)")


def tables(found: dict[str, list[Measured]]) -> Iterator[str]:
    """All axes, and what the columns are."""
    for name, points in found.items():
        yield from [f"**{AXES[name].title}**", "", *table(AXES[name], points), ""]
    yield "Seconds are of training alone: shuffling, gathering, steps, metrics of the batches. Each"
    yield "point is a process of its own. Its peak holds Python, NumPy and the rows; the last"
    yield "column is what training added: weights, gradients, two moments, what the layers keep of"
    yield "one batch, and copies of the rows, as far as they did not fit into what a small net"
    yield "before had used."


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--axes", default=",".join(AXES))
    parser.add_argument("--write", action="store_true", help="keep them in the page")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.point:
        answer = trained(Point(**json.loads(given.point)))
        print(json.dumps({k: getattr(answer, k) for k in ("seconds", "peak", "beyond")}))
        return
    found: dict[str, list[Measured]] = {}
    for name in given.axes.split(","):
        found[name] = [measured(point) for point in AXES[name].points]
        print("\n".join([AXES[name].title, *table(AXES[name], found[name])]), flush=True)
    if given.write:
        record("scale", [*tables(found), "", this_run("scale")])
        PICTURE.write_text(picture(found), encoding="utf-8")


if __name__ == "__main__":
    main()
