"""Loading and saving 400 MB of float32, beside safetensors, which verifies nothing.

    python benchmarks/format/run.py [--rounds 9] [--megabytes 400]

Every round runs every way once, in an order of its own, so that whatever else the machine does
hits all alike; the table gives medians, and ratios of medians of this one run. The files are in
the page cache. Writes results.md beside this page.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors
from safetensors.numpy import load_file, save_file

import layerkit

REFERENCE = "safetensors.numpy.load_file"
LAYERS = 10


class Way(NamedTuple):
    name: str
    run: Callable[[], Any]
    most: float | None = None  # times the reference
    seconds: float | None = None


def spec(megabytes: int, layer: str) -> dict[str, Any]:
    """Ten equal layers of that many bytes together; a highway layer has two matrices."""
    width = int((megabytes * 1e6 / 4 / LAYERS / (2 if layer == "highway" else 1)) ** 0.5)
    layers = [{"type": layer, **({"units": width} if layer == "dense" else {})}] * LAYERS
    return {"layerkit": 1, "input": {"shape": [width]}, "layers": layers}


def make(folder: Path, megabytes: int) -> None:
    for layer in ("dense", "highway"):
        model = layerkit.build(spec(megabytes, layer))
        layerkit.save(model, folder / f"{layer}.layerkit", durable=False)
        if layer == "dense":
            named = {k: np.ascontiguousarray(v) for k, (_, v) in model.network.tensors().items()}
            save_file(named, folder / "dense.safetensors")


def ways(folder: Path) -> list[Way]:
    dense, highway, load = folder / "dense.layerkit", folder / "highway.layerkit", layerkit.load
    return [
        Way(REFERENCE, lambda: load_file(folder / "dense.safetensors")),
        Way("load, mmap, lazy", lambda: load(dense, mmap=True, verify="lazy"), seconds=0.020),
        Way("load, mmap, verified", lambda: load(dense, mmap=True, selftest=False), 1.3),
        Way("load, mmap, verified, self-test", lambda: load(dense, mmap=True), 1.3),
        Way("load, copy, no data check", lambda: load(dense, verify=False, selftest=False), 1.2),
        Way("load, copy, no data check, self-test", lambda: load(dense, verify=False), 1.2),
        Way("load, copy, verified", lambda: load(dense, selftest=False), 2.0),
        Way("load, copy, verified, self-test", lambda: load(dense), 2.0),
        Way("load, copy, verified, highway", lambda: load(highway, selftest=False), 2.0),
        Way("load_tensors, mmap, verified", lambda: layerkit.load_tensors(dense, mmap=True), 1.3),
        Way("load_tensors, copy, verified", lambda: layerkit.load_tensors(dense), 2.0),
    ]


def measured(them: list[Way], rounds: int) -> dict[str, float]:
    """Median seconds; a first round warms up and does not count."""
    times: dict[str, list[float]] = {way.name: [] for way in them}
    order = random.Random(0)  # noqa: S311
    for turn in range(rounds + 1):
        for way in order.sample(them, len(them)):
            gc.collect()
            start = time.perf_counter()
            held = way.run()
            took = time.perf_counter() - start
            del held
            if turn:
                times[way.name].append(took)
    return {name: statistics.median(values) for name, values in times.items()}


def lines(them: list[Way], medians: dict[str, float]) -> Iterator[str]:
    yield "| way | median ms | times load_file | wanted | |"
    yield "|---|---:|---:|---:|---|"
    for way in them:
        seconds = medians[way.name]
        ratio = seconds / medians[REFERENCE]
        wanted, kept = "", ""
        if way.seconds is not None:
            wanted, kept = f"< {way.seconds * 1000:.0f} ms", verdict(seconds < way.seconds)
        elif way.most is not None:
            wanted, kept = f"≤ {way.most}", verdict(ratio <= way.most)
        yield f"| {way.name} | {seconds * 1000:.1f} | {ratio:.2f} | {wanted} | {kept} |"


def verdict(kept: bool) -> str:
    return "kept" if kept else "**missed**"


# A process of its own: the peak of this one is that of everything above.
CHILD = """
import sys, layerkit
source, target, change = sys.argv[1:]
model = layerkit.load(source)
if change == "changed":  # so that the self-test is made anew
    model.network.params[0] += 1

def row(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name)) / 1024

with open("/proc/self/clear_refs", "w") as peak:
    peak.write("5")
before = row("VmRSS")
layerkit.save(model, target, durable=False)
print(row("VmHWM") - before)
"""


def saving(folder: Path) -> Iterator[str]:
    """Memory of a save beyond the model, as the system counts it."""
    yield "| saving | MiB beyond the model | wanted | |"
    yield "|---|---:|---:|---|"
    if not Path("/proc/self/clear_refs").exists():
        yield "| not measured: this system does not tell peaks | | | |"
        return
    for layer in ("dense", "highway"):
        for change in ("unchanged", "changed"):
            source, target = folder / f"{layer}.layerkit", folder / "saved"
            command = [sys.executable, "-c", CHILD, str(source), str(target), change]
            out = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
            extra = float(out.stdout)
            yield f"| {layer}, {change} | {extra:.1f} | < 32 | {verdict(extra < 32)} |"


def machine() -> str:
    """The machine in words."""
    parts = [f"{platform.machine()}, {len(os.sched_getaffinity(0))} processors"]
    info = Path("/proc/cpuinfo")
    if info.exists():
        has = "sha_ni" in info.read_text()
        parts.append(f"{'with' if has else 'without'} SHA instructions")
    parts.append(f"load {os.getloadavg()[0]:.1f} from this and other programs")
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}"
    versions += f", safetensors {safetensors.__version__}, {ssl.OPENSSL_VERSION}"
    return f"{platform.system()}, {', '.join(parts)}. {versions}."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--megabytes", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, given.megabytes)
        them = ways(folder)
        table = [*lines(them, measured(them, given.rounds)), "", *saving(folder)]
    head = [f"# Model files of {given.megabytes} MB of float32", ""]
    text = "\n".join([*head, *table, "", f"Medians of {given.rounds} interleaved rounds, files in"])
    text += f" the page cache.\n{machine()}\n"
    print(text)
    Path(__file__).with_name("results.md").write_text(text)


if __name__ == "__main__":
    main()
