"""The script for a GPU starts: a tiny run on the CPU writes its table and its JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.device import run
from layerkit.discovery.registry import DEVICES

pytest.importorskip("array_api_strict")


@pytest.mark.slow
def test_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(DEVICES, "_local", dict(DEVICES._local))
    target = tmp_path / "device.json"
    monkeypatch.setattr(sys, "argv", ["run", "--smoke", "--json", str(target)])
    run.main()
    found = {(one["net"], one["by"]): one for one in json.loads(target.read_text())["results"]}
    assert found["smoke", "strict"]["seconds"] > 0
    assert all("error" not in one for (_, by), one in found.items() if by != "torch")
    torch = found["smoke", "torch"]
    assert torch.get("loss", 0) < 3 or "ModuleNotFoundError" in torch["error"]
    assert "| smoke | strict | " in capsys.readouterr().out


def test_one_failure_does_not_lose_the_others() -> None:
    def fails() -> tuple[float, float]:
        raise RuntimeError("out of memory")

    assert run.measured(fails) == {"error": "RuntimeError: out of memory"}
    assert run.measured(lambda: (1.0, 2.0)) == {"seconds": 1.0, "loss": 2.0}
