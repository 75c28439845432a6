"""What a wheel holds: both packages, their data files and the ready specs, and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOMES = {
    "layerkit": ROOT / "layerkit",
    "layerkit_plugins": ROOT / "plugins" / "layerkit_plugins",
    "layerkit/ready_specs": ROOT / "models",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this source tree, built without the network."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (file,) = out.iterdir()
    return zipfile.ZipFile(file)


def test_a_wheel_holds_the_packages_and_the_ready_specs(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"{inside}/{path.relative_to(home).as_posix()}": path.read_bytes()
        for inside, home in HOMES.items()
        for path in home.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {n: wheel.read(n) for n in wheel.namelist() if ".dist-info/" not in n}
    assert sorted(held) == sorted(expected)
    assert held == expected
    assert "layerkit/ready_specs/highway-digits.json" in held


def test_a_wheel_names_its_commands_and_parts(wheel: zipfile.ZipFile) -> None:
    (name,) = [n for n in wheel.namelist() if n.endswith(".dist-info/entry_points.txt")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = wheel.read(name).decode()
    assert f"layerkit = {project['scripts']['layerkit']}" in text
    for group, parts in project["entry-points"].items():
        assert f"[{group}]" in text
        assert all(f"{part} = {value}" in text for part, value in parts.items())
