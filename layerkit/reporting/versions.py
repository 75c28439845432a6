"""What a result was computed with."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping

import numpy as np

import layerkit


def versions() -> dict[str, str]:
    """Versions of layerkit, Python and NumPy, and the kind of machine."""
    return {
        "layerkit": layerkit.__version__,
        "Python": platform.python_version(),
        "NumPy": np.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors",
    }


def listed(found: Mapping[str, str]) -> str:
    """Names and versions in a line: ``layerkit 0.1.0, Python 3.12.1``."""
    return ", ".join(f"{name} {version}" for name, version in found.items())


def kernels_text(kernels: Mapping[str, str]) -> str:
    """What ran the layers of a training, by its file or its run: ``numpy 2.4.1``."""
    return listed(dict(sorted(kernels.items())))
