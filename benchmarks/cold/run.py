"""From nothing to one prediction: a whole process that loads a net and predicts one row.

    python benchmarks/cold/run.py [--rounds 25] [--python PATH]

Every round starts every contestant once, in an order of its own, so that whatever else the machine
does hits all alike. A contestant whose numbers are not those of the others is not timed. A round
before the first is not counted: it fills the page cache and writes the bytecode that an installed
package has. Writes results.md beside this page.
"""

# The standard library only: a child's peak memory counts from that of the process that starts it.
from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
BASE, OURS, TORCH = "NumPy and msgpack, by hand", "layerkit", "PyTorch, state_dict"
HELP = "layerkit --help"


class Contestant(NamedTuple):
    name: str
    words: tuple[str, ...]
    predicts: bool = True


class Sample(NamedTuple):
    wall: float  # ms
    cpu: float  # ms
    memory: float  # MB


CONTESTANTS = [
    Contestant("Python alone", ("with_nothing.py",), predicts=False),
    Contestant("import numpy", ("with_numpy_import.py",), predicts=False),
    Contestant(BASE, ("with_numpy.py",)),
    Contestant(OURS, ("with_layerkit.py",)),
    Contestant("ONNX Runtime", ("with_onnxruntime.py",)),
    Contestant(TORCH, ("with_torch.py",)),
    Contestant(HELP, ("-m", "layerkit", "--help"), predicts=False),
]


def environment() -> dict[str, str]:
    """Bytecode is kept, as pip keeps that of what it installs."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def start(python: str, one: Contestant, folder: str) -> tuple[Sample, int, str, str]:
    """Run a contestant once: what it took, its exit status, what it printed and complained of."""
    words = [str(HERE / w) if w.endswith(".py") else w for w in one.words]
    begun = time.perf_counter()
    with (
        tempfile.TemporaryFile("w+") as out,
        tempfile.TemporaryFile("w+") as err,
    ):
        child = subprocess.Popen(  # noqa: S603  # our own scripts
            [python, *words, folder][: None if one.predicts else -1],
            stdout=out,
            stderr=err,
            env=environment(),
        )
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - begun
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        memory = used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        sample = Sample(1e3 * wall, 1e3 * (used.ru_utime + used.ru_stime), memory)
        return sample, child.returncode, out.read(), err.read()


def entered(python: str, folder: str) -> tuple[list[Contestant], list[str]]:
    """The contestants that run and agree, and why the others do not: the round not counted."""
    agreed: list[float] | None = None
    kept, refused = [], []
    for one in sorted(CONTESTANTS, key=lambda c: c.name != BASE):
        _, status, out, err = start(python, one, folder)
        if status:
            refused.append(f"{one.name}: {err.strip().splitlines()[-1] if err else status}")
            continue
        if one.predicts:
            found = [float(word) for word in out.split()]
            agreed = found if agreed is None else agreed
            off = max(abs(a - b) for a, b in zip(agreed, found, strict=True))
            if off > 1e-5:
                refused.append(f"{one.name}: its numbers are off by {off:.2g}")
                continue
        kept.append(one)
    return sorted(kept, key=CONTESTANTS.index), refused


def measure(
    python: str, contestants: list[Contestant], folder: str, rounds: int
) -> dict[str, list[Sample]]:
    samples: dict[str, list[Sample]] = {one.name: [] for one in contestants}
    shuffled = random.Random(0)  # noqa: S311
    for _ in range(rounds):
        for one in shuffled.sample(contestants, len(contestants)):
            sample, status, _, err = start(python, one, folder)
            if status:
                raise SystemExit(f"{one.name} failed: {err}")
            samples[one.name].append(sample)
    return samples


def table(samples: dict[str, list[Sample]]) -> list[str]:
    base = Sample(*map(statistics.median, zip(*samples[BASE], strict=True)))
    lines = [
        "| process | wall ms | least | times by hand | CPU ms | peak MB | more than by hand |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, taken in samples.items():
        middle = Sample(*map(statistics.median, zip(*taken, strict=True)))
        least = min(sample.wall for sample in taken)
        lines.append(
            f"| {name} | {middle.wall:.0f} | {least:.0f} | {middle.wall / base.wall:.2f} "
            f"| {middle.cpu:.0f} | {middle.memory:.1f} | {middle.memory - base.memory:+.1f} |"
        )
    return lines


def goals(samples: dict[str, list[Sample]]) -> list[str]:
    """What was to be reached, and what was."""
    wall = {name: statistics.median(s.wall for s in taken) for name, taken in samples.items()}
    peak = {name: statistics.median(s.memory for s in taken) for name, taken in samples.items()}
    wanted = [("layerkit, times by hand", wall[OURS] / wall[BASE], "≤ 1.5", 1.5)]
    wanted.append(("layerkit, MB more than by hand", peak[OURS] - peak[BASE], "≤ 10", 10))
    if TORCH in wall:
        ratio = wall[TORCH] / wall[OURS]
        wanted.append(("PyTorch, times layerkit", ratio, "≥ 9", -9))
    if HELP in wall:
        wanted.append((f"{HELP}, seconds", wall[HELP] / 1e3, "≤ 0.25", 0.25))
    lines = ["| goal | found | wanted | |", "|---|---:|---:|---|"]
    for name, found, words, most in wanted:
        kept = found <= most if most > 0 else found >= -most
        lines.append(f"| {name} | {found:.2f} | {words} | {'reached' if kept else 'missed'} |")
    return lines


VERSIONS = """
import platform
from importlib.metadata import PackageNotFoundError, version
print("Python", platform.python_version())
for name in ("numpy", "layerkit", "msgpack", "torch", "onnxruntime"):
    try:
        print(name, version(name))
    except PackageNotFoundError:
        pass
"""


def machine(python: str) -> str:
    """Processor, cores, system, versions."""
    info = Path("/proc/cpuinfo")
    text = info.read_text("utf-8") if info.exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    told = subprocess.run([python, "-c", VERSIONS], capture_output=True, text=True, check=True)  # noqa: S603
    versions = ", ".join(told.stdout.strip().splitlines())
    name = names[0] if names else "processor unknown"
    date = time.strftime("%Y-%m-%d", time.gmtime())
    return (
        f"{os.uname().sysname} {os.uname().machine}, {name}, {os.cpu_count()} cores, load "
        f"{os.getloadavg()[0]:.1f} from this and other programs, {date}. {versions}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--python", default=sys.executable, help="the interpreter to measure")
    parser.add_argument("--write", type=Path, default=HERE / "results.md")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(  # noqa: S603
            [told.python, str(HERE / "make.py"), folder],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        absent = made.stdout.splitlines()
        contestants, refused = entered(told.python, folder)
        samples = measure(told.python, contestants, folder, told.rounds)
    lines = [
        "# From nothing to one prediction",
        "",
        "A whole process: start, import, load a net of 784-64, ten highway layers and ten classes,",
        "predict one row, exit. layerkit verifies every digest and runs the file's self-test.",
        "",
        *table(samples),
        "",
        *goals(samples),
        "",
        f"Medians of {told.rounds} interleaved rounds, files in the page cache.",
        machine(told.python),
        *(f"\nNot measured: {why}." for why in [*absent, *refused]),
    ]
    text = "\n".join(lines) + "\n"
    told.write.write_text(text, "utf-8")
    print(text)


if __name__ == "__main__":
    main()
