"""``layerkit plugins check``: what it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layerkit.cli import run
from layerkit.discovery.registry import REGISTRIES

ROOT = Path(__file__).resolve().parents[2]

GOOD = '''
"""y = 2 x, dx = 2 dy. Source: own work."""
from layerkit import Layer, Plan


class Twice(Layer):
    """Doubles its input."""

    type_name = "acme.twice"

    def plan(self, in_shape):
        return Plan(in_shape)

    def feed(self, x, ctx):
        return x * 2

    def backprop(self, dy, ctx):
        return dy * {factor}
'''


def asked(*words: str) -> int:
    return run(["plugins", "check", *words])


def test_a_part_that_conforms(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("highway") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "highway (layers, layerkit 0.1.0), seed 0"
    assert out.splitlines()[-1].endswith("highway conforms")


def test_one_check_and_a_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("dense", "--only", "gradient.inputs", "--only", "plan.*", "--seed", "7") == 0
    out = capsys.readouterr().out
    assert "seed 7" in out
    assert out.splitlines()[-1].startswith("9 planned, 9 run") or "planned" in out
    assert "batch" not in out


def test_a_part_that_does_not_conform(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("tests.kit.planted:LostPath", "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert [c["id"] for c in told["checks"] if c["status"] == "failed"] == ["gradient.inputs"]
    assert asked("tests.kit.planted:LostPath", "--only", "gradient.inputs") == 1
    out = capsys.readouterr().out
    line = "layerkit plugins check tests.kit.planted:LostPath --only gradient.inputs --seed 0"
    assert line in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["momentun"], "did you mean 'momentum'?"),
        (["acme.spline"], "MODULE:CLASS"),
        (["mse"], "add --group"),
        (
            ["no_such_module:Spline"],
            "cannot import 'no_such_module': no such module, here or installed",
        ),
        (["tests.kit.planted:Nothing"], "module 'tests.kit.planted' has no class 'Nothing'"),
        (["tests.kit.planted:LostPaht"], "did you mean 'LostPath'?"),
        (["pathlib:Path"], "pathlib:Path: expected a subclass of Layer, "),
        (["dense", "--only", "gradients"], "unknown check 'gradients'"),
        (["dense", "--all"], "either a part or --all"),
        ([], "name a part, or use --all"),
    ],
    ids=str,
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert asked(*words) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err


def test_a_group_tells_parts_of_one_name_apart(capsys: pytest.CaptureFixture[str]) -> None:
    for group in ("losses", "metrics"):
        assert asked("mse", "--group", group, "--json") == 0
        told = json.loads(capsys.readouterr().out)
        assert told["kind"] == group
        assert f"--group {group}" in told["checks"][0]["again"]


def test_the_list_of_checks(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("--list") == 0
    assert "gradient.inputs" in capsys.readouterr().out
    assert asked("--list", "--group", "losses", "--json") == 0
    ids = [check["id"] for check in json.loads(capsys.readouterr().out)["checks"]]
    assert "gradient.scores" in ids
    assert asked("tanh", "--list") == 0
    assert "gradient.slope" in capsys.readouterr().out


def test_all_of_a_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked("--all", "--group", "schedules", "--json") == 0
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert [part["part"] for part in told["parts"]] == REGISTRIES["schedules"].names()
    assert told["ok"] is True
    assert f"1/{len(told['parts'])} constant" in captured.err
    assert asked("--all", "--group", "schedules") == 0
    assert len(capsys.readouterr().out.splitlines()) == len(told["parts"])


def test_what_a_plugin_prints_does_not_spoil_the_json() -> None:
    command = [sys.executable, "-m", "layerkit", "plugins", "check", "--json"]
    done = subprocess.run(
        [*command, "tests.kit.rude.printing:Printing"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    failed = [c["id"] for c in json.loads(done.stdout)["checks"] if c["status"] == "failed"]
    assert "import.quiet" in failed
    assert "hello from a plugin" in done.stderr


def test_golden_files(capsys: pytest.CaptureFixture[str]) -> None:
    golden = str(ROOT / "tests" / "golden" / "v1" / "highway.layerkit")
    assert asked("highway", "--golden", golden, "--only", "golden.migration") == 0
    assert "1 golden files read" in capsys.readouterr().out


@pytest.mark.parametrize(("factor", "code"), [(2, 0), (3, 1)])
def test_a_module_in_the_current_folder(tmp_path: Path, factor: int, code: int) -> None:
    """As a stranger does it: a file, nothing installed, the installed command."""
    (tmp_path / "twice.py").write_text(GOOD.format(factor=factor), "utf-8")
    command = Path(sys.executable).with_name("layerkit")
    done = subprocess.run(
        [command, "plugins", "check", "twice:Twice"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert "acme.twice (layers, twice:Twice, not installed)" in done.stdout
    if code:
        assert "dL/dx is 1.5 times the correct value" in done.stdout
    else:
        skipped = [line for line in done.stdout.splitlines() if line.startswith("skipped")]
        assert not any("fresh_process" in line for line in skipped)
