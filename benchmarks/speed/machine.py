"""The machine and the moment of a measurement, in words."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
import time
from pathlib import Path


def facts(module: str) -> dict[str, str]:
    """What a reader needs to judge numbers: processor, cores, system, date, command.

    The command is that of a module here with this process's arguments; the places of files on this
    machine are no part of it.
    """
    words = [re.sub(r"[^=]*/[^=]*", "PATH", word) for word in sys.argv[1:]]
    command = shlex.join(["python", "-m", f"benchmarks.speed.{module}", *words])
    return {
        "processor": processor(),
        "cores": str(cores()),
        "memory": memory(),
        "system": f"{platform.system()} {platform.machine()}",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "command": command,
    }


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "unknown"
    return f"{size / 2**30:.0f} GiB"
