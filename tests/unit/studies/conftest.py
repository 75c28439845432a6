"""A small study, and the files that a study leaves."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Twelve runs of a moment each, on digits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAYERKIT_EAGER", "1")  # trainings of a moment start faster
    return {
        "layerkit_study": 1,
        "name": "small",
        "spec": "highway-digits",
        "set": {"train.epochs": 1, "layers.0.units": 8},
        "grid": {"layers.1.repeat": [1, 2, 3], "layers.1.gate_bias": [-1, -3]},
        "seeds": 2,
    }


@pytest.fixture
def truth() -> Callable[[str], dict[str, str]]:
    """What may not depend on how a study was run: sorted lines, models and predictions."""

    def read(folder: str) -> dict[str, str]:
        lines = sorted(Path(folder, "runs.jsonl").read_bytes().splitlines())
        held = (p for name in ("models", "predictions") for p in Path(folder, name).iterdir())
        files = {p.name: p.read_bytes() for p in held}
        every = {"runs": b"\n".join(lines), **files}
        return {name: hashlib.sha256(data).hexdigest() for name, data in sorted(every.items())}

    return read
