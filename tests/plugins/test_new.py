"""``plugins new``: a distribution that works at once, and never writes over anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import pytest

import layerkit
from layerkit.cli import plugins_new
from layerkit.discovery.candidates import Kind
from layerkit.discovery.registry import REGISTRIES
from layerkit.plugintools.scaffold import Names, names, scaffold

if TYPE_CHECKING:
    from tests.plugins.conftest import Site

KINDS = get_args(Kind)


def installed(folder: Path, site: Path) -> None:
    """Leave in ``site`` what ``pip install -e folder`` would, without a network."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {need}" for need in project["dependencies"]]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines]) + "\n")
    points = [
        line
        for group, found in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in found.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(points) + "\n")


@pytest.mark.parametrize(
    "kind",
    ["layer", *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS if kind != "layer")],
)
def test_its_tests_pass_at_once(tmp_path: Path, kind: Kind) -> None:
    made = scaffold(f"acme.my-{kind}", out=tmp_path, kind=kind)
    installed(made.folder, tmp_path / "site")
    path = [tmp_path / "site", made.folder / "src", os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-W", "error"],
        cwd=made.folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = int(done.stdout.split(" passed")[0].split()[-1])
    assert passed > 5
    skipped = [line for line in done.stdout.splitlines() if line.startswith("SKIPPED")]
    reasons = ("no golden files are named", "the class has no reference")
    assert all(any(reason in line for reason in reasons) for line in skipped), skipped


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_says_of_itself(tmp_path: Path, kind: Kind) -> None:
    made = scaffold("acme.spline", out=tmp_path, kind=kind, author='Ada "L" Lovelace')
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "acme-spline"
    assert project["authors"] == [{"name": 'Ada "L" Lovelace'}]
    group = next(r.group for r in REGISTRIES.values() if r.base.__name__.lower() == kind)
    assert project["entry-points"] == {group: {"acme.spline": "acme_spline.spline:Spline"}}
    major, minor, _ = layerkit.__version__.split(".")
    assert project["dependencies"][0] == f"layerkit>={major}.{minor},<{major}.{int(minor) + 1}"
    licence = (made.folder / "LICENSE").read_text()
    assert f'Copyright (c) {date.today().year} Ada "L" Lovelace\n' in licence
    assert json.loads((made.folder / "digits.json").read_text())["name"] == "acme-spline"
    written = [p for p in made.folder.rglob("*") if p.is_file()]
    assert {str(p.relative_to(made.folder)) for p in written} == set(made.files)
    assert not [p for p in written if "<<" in p.read_text() or ">>" in p.read_text()]
    assert not [p for p in written if p.stat().st_mode & 0o444 != 0o444]


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_writes_is_clean(tmp_path: Path, kind: Kind) -> None:
    made = scaffold("acme.spline", out=tmp_path, kind=kind)
    for words in (["check", "--isolated", "--select", "E,F,W,I,B,UP,N", "--ignore", "N803,N806"],
                  ["format", "--isolated", "--check"]):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *words, "--line-length", "100", "--no-cache", "."],
            cwd=made.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_names_that_follow_from_a_type() -> None:
    assert names("acme.spline") == Names(
        "acme.spline", "acme-spline", "acme_spline", "spline", "Spline"
    )
    assert names("my-lab.b_spline.v2") == Names(
        "my-lab.b_spline.v2", "my-lab-b-spline-v2", "my_lab_b_spline_v2", "b_spline_v2", "BSplineV2"
    )
    assert names("acme.layer").cls == "AcmeLayer"


REFUSED = {
    "spline": "acme.spline",
    "": "acme.spline",
    "Acme.Spline": "in lower case, such as acme.spline, got 'Acme.Spline'",
    "Acme Spline": "in lower case, such as acme.spline, got 'Acme Spline'",
    "layerkit.spline": "acme.spline",
    "acme.2d": "start with a letter",
    "acme..x": "start with a letter",
    "acme.x-": "lower-case letters",
    "../x.y": "start with a letter",
    "acme.a b": "lower-case letters",
    "acme.class": "choose another",
    "acme." + "x" * 80: "at most 64",
}


@pytest.mark.parametrize(("name", "advice"), REFUSED.items())
def test_names_that_cannot_be_are_refused_with_advice(site: Site, name: str, advice: str) -> None:
    done = site.run("plugins", "new", name)
    assert done.code == 2
    assert advice in done.err
    assert not [p for p in site.folder.parent.iterdir() if p.name not in ("site", "marks1")]


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "acme-spline").mkdir()
    with pytest.raises(FileExistsError, match="is not changed"):
        scaffold("acme.spline", out=tmp_path)
    (tmp_path / "acme-link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        scaffold("acme.link", out=tmp_path)
    with pytest.raises(FileNotFoundError):
        scaffold("acme.other", out=tmp_path / "absent")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["acme-link", "acme-spline"]


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_text
    wrote: list[str] = []

    def fail(self: Path, *args: object, **options: object) -> int:
        wrote.append(self.name)
        if self.name == "digits.json":
            raise OSError(28, "No space left on device")
        return real(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "write_text", fail)
    with pytest.raises(OSError, match="No space left"):
        scaffold("acme.spline", out=tmp_path)
    assert len(wrote) > 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("author", ["", "two\nlines", "\x1b[31m"])
def test_an_author_is_a_line_of_text(tmp_path: Path, author: str) -> None:
    with pytest.raises(ValueError, match="one line of text"):
        scaffold("acme.spline", out=tmp_path, author=author)


def test_the_command_says_what_to_do_next(site: Site) -> None:
    done = site.run("plugins", "new", "acme.spline")
    assert done.code == 0
    assert "acme-spline: 10 files\n" in done.out
    steps = done.out.split("Next:\n")[1].splitlines()
    assert [line.strip() for line in steps] == [
        "cd acme-spline",
        'python -m pip install -e ".[test]"',
        "pytest",
    ]
    told = site.run("plugins", "new", "acme.other", "--kind", "activation", "--json").json
    assert told["folder"] == "acme-other"
    assert "src/acme_other/other.py" in told["files"]


def test_a_kind_without_a_template_is_refused(site: Site) -> None:
    assert plugins_new.Kind is Kind  # type: ignore[attr-defined]  # one list
    done = site.run("plugins", "new", "acme.spline", "--kind", "data")
    assert done.code == 2
    assert "layer" in done.err
    with pytest.raises(ValueError, match="as kind, got 'data'"):
        scaffold("acme.spline", kind="data")  # type: ignore[arg-type]
