"""What a result was computed with."""

from __future__ import annotations

import os
import platform

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
