"""``layerkit compare`` and ``layerkit demo``."""

from __future__ import annotations

import csv
import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import layerkit
from layerkit.cli.demo import SPECS
from layerkit.cli.progress import TrainingProgress

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged


@pytest.fixture
def two(spec: Callable[..., Path]) -> tuple[str, str]:
    """Two specs: one with a highway layer, one without."""
    layers = [{"type": "dense", "units": 4, "activation": "tanh"}, {"type": "dense", "units": 2}]
    spec("plain.json", name="plain", layers=layers)
    return "plain.json", "pets.json"


def test_specs_are_trained_and_tabled(cli: Cli, two: tuple[str, str]) -> None:
    done = cli("compare", *two, "--data", "pets.csv", "--seeds", 2, "-q", "--no-timing")
    assert (done.code, done.err) == (0, "")
    assert len(list(Path("compare-runs/models").glob("*.layerkit"))) == 4
    lines = done.out.split("\n")
    assert lines[0].startswith("contestant  seeds  parameters")
    assert "one row" not in lines[0]
    assert [line.split()[:3] for line in lines[2:4]] == [["plain", "2", "22"], ["pets", "2", "62"]]
    assert "\x1b" not in done.out


def test_csv_html_and_json_hold_the_comparison(cli: Cli, two: tuple[str, str]) -> None:
    done = cli(
        "compare", *two, "--data", "pets.csv", "--seeds", 2, "--json",
        "--no-timing", "--csv", "out.csv", "--html", "out.html",
    )  # fmt: skip
    assert done.code == 0
    told = done.json
    assert [c["name"] for c in told["contestants"]] == ["plain", "pets"]
    rows = list(csv.DictReader(io.StringIO(Path("out.csv").read_text())))
    assert {row["contestant"] for row in rows} == {"plain", "pets"}
    page = Path("out.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "plain" in page
    assert "<script" not in page


def test_models_are_judged_as_they_are(
    cli: Cli, two: tuple[str, str], unchanged: Unchanged
) -> None:
    for source in two:
        cli("train", source, "--data", "pets.csv", "-q")
    with unchanged():
        told = cli("compare", "plain.layerkit", "pets.layerkit", "--data", "pets.csv", "--json")
    assert told.json["contestants"][0]["timing"]["single"] > 0
    assert [c["kind"] for c in told.json["contestants"]] == ["file", "file"]


def test_unwritable_reports_are_told_before_any_training(
    cli: Cli, two: tuple[str, str], unchanged: Unchanged
) -> None:
    with unchanged():
        done = cli("compare", *two, "--data", "pets.csv", "--html", "none/x.html")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error LK-305: there is no folder none, so none/x.html cannot")


def test_an_interrupted_comparison_says_what_is_left(
    cli: Cli, two: tuple[str, str], unchanged: Unchanged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.cli.progress.TrainingProgress.stop", lambda self: True)
    with unchanged():
        done = cli("compare", *two, "--data", "pets.csv", "--html", "x.html", "-q")
    assert (done.code, done.out) == (130, "")
    first, second, last = done.err.splitlines()
    assert first.startswith("trainings finished: 0 of 10; not: plain seed 0, pets seed 0, ")
    assert (
        second == "continue with: layerkit compare plain.json pets.json --seeds 5 --data pets.csv"
    )
    assert last == "interrupted"
    told = json.loads(cli("compare", *two, "--data", "pets.csv", "--json").err)["error"]
    assert told["message"].startswith("trainings finished: 0 of 10; not: plain seed 0")
    assert told["hint"] == second
    dialect = "--delimiter , --header --missing-value NA"
    read = cli("compare", *two, "--data", "pets.csv", *dialect.split(), "--json").err
    assert json.loads(read)["error"]["hint"] == f"{second} {dialect}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_comparison_that_is_killed_goes_on(
    cli: Cli, two: tuple[str, str], number: signal.Signals
) -> None:
    given = ("compare", two[0], "--data", "pets.csv", "--seeds", 2, "--no-timing", "--json",
             "--set", "train.epochs=800")  # fmt: skip
    command = [sys.executable, "-m", "layerkit", *map(str, given)]
    runs = Path("compare-runs/runs.jsonl")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        while b"\n" not in (runs.read_bytes() if runs.exists() else b""):
            assert started.poll() is None
            time.sleep(0.01)
        keys = [json.loads(line)["key"] for line in runs.read_text().split("\n")[:-1]]
        done = [Path(f"compare-runs/models/{key}.layerkit") for key in keys]
        started.send_signal(number)
        started.communicate()
    assert started.returncode == (143 if number == signal.SIGTERM else -9)
    stamps = {path: path.stat().st_mtime_ns for path in done}
    assert sum(len(c["kept"]) for c in cli(*given).json["contestants"]) >= len(done) > 0
    assert {path: path.stat().st_mtime_ns for path in done} == stamps


def test_finished_trainings_are_kept_and_not_done_again(
    cli: Cli, two: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the third of four trainings; then gone on with; then one file is damaged."""
    given = ("compare", *two, "--data", "pets.csv", "--seeds", 2, "--no-timing")
    fresh = cli(*given, "--json", "--no-keep").json
    assert not Path("compare-runs").exists()
    began: list[int] = []
    begin = TrainingProgress.begin

    def counted(self: TrainingProgress, name: str, **told: int) -> None:
        began.append(told["seed"])
        begin(self, name, **told)

    monkeypatch.setattr(TrainingProgress, "begin", counted)
    with monkeypatch.context() as stopping:
        stopping.setattr(TrainingProgress, "stop", lambda self: len(began) > 2)
        done = cli(*given, "-q", "--keep", "here")
    assert done.code == 130
    assert "trainings finished: 2 of 4, kept in here; not: plain seed 1, pets seed 1" in done.err
    assert "--keep here" in done.err
    for damaged in (0, 1):
        began.clear()
        again = cli(*given, "--json", "--keep", "here")
        assert again.code == 0
        assert len(began) == (1 if damaged else 2)
        assert ("trained again" in " ".join(again.json["notices"])) == bool(damaged)
        for a, b in zip(again.json["contestants"], fresh["contestants"], strict=True):
            assert a["metrics"] == b["metrics"]
            assert a["file_bytes"] == b["file_bytes"]
            assert a["training_seconds"]["values"]
            assert [h.keys() for h in a["histories"]] == [h.keys() for h in b["histories"]]
            assert a["differences"] == b["differences"]
        kept = sorted(Path("here/models").glob("*.layerkit"))
        file = next(file for file in kept if layerkit.load(file).name == "plain")
        file.write_bytes(file.read_bytes()[:-100])
    Path("pets.json").write_text(Path("pets.json").read_text().replace('"epochs": ', '"epochs": 1'))
    began.clear()
    cli(*given, "--json", "--keep", "here")
    assert len(began) == 3  # the damaged one, and both of another recipe


def test_a_folder_that_cannot_be_written_ends_no_comparison(cli: Cli, two: tuple[str, str]) -> None:
    Path("file").write_text("")
    done = cli("compare", *two, "--data", "pets.csv", "--seeds", 1, "--json", "--no-timing",
               "--keep", "file/x")  # fmt: skip
    assert done.code == 0
    assert [n for n in done.json["notices"] if "cannot be kept" in n][1:] == []
    assert "cannot be kept" in " ".join(done.json["notices"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--scheduler", "tcp://a:1"), "--scheduler needs --engine, such as --engine dask"),
        (("--engine", "dask", "--processes", "2"), "expected --processes or --engine, not both"),
    ],
)
def test_options_of_workers_that_contradict(
    cli: Cli, two: tuple[str, str], options: tuple[str, ...], words: str
) -> None:
    done = cli("compare", *two, *options)
    assert (done.code, done.out) == (2, "")
    assert words in done.err


def test_a_missing_contestant(cli: Cli, two: tuple[str, str]) -> None:
    done = cli("compare", "plain.json", "pet.json", "--data", "pets.csv")
    assert done.code == 1
    assert done.err.startswith("error LK-305: there is no file pet.json; did you mean 'pets.")
    assert cli("compare").code == 2


@pytest.fixture
def untimed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo without the seconds that timing takes."""
    monkeypatch.setattr("layerkit.compare", partial(layerkit.compare, timing=False))


@pytest.mark.usefixtures("untimed")
def test_the_demo_goes_from_specs_to_a_report(cli: Cli, folder: Path) -> None:
    done = cli("demo", "--out", "d", "--seeds", 1, "--set", "train.epochs=1", "-q")
    assert (done.code, done.err) == (0, "")
    names = {p.name for p in (folder / "d").iterdir()}
    assert names == {"report.html", "rows.csv", *(f"{name}-s0.layerkit" for name in SPECS)}
    report = (folder / "d" / "report.html").resolve().as_uri()
    assert done.out.rstrip().endswith(f"open d/report.html in a browser: {report}")
    assert "18 layers, 19,306 parameters" in done.out
    shown = [line for line in done.out.split("\n") if line.startswith("$ layerkit ")]
    assert [line.split()[2] for line in shown] == ["train", "train", "train", "infer", "compare"]
    assert cli(*shown[3].split()[2:]).code == 0  # what it says can be typed


@pytest.mark.usefixtures("untimed")
def test_the_demo_says_it_all_as_json(cli: Cli) -> None:
    told = cli("demo", "--out", "d", "--seeds", 1, "--set", "train.epochs=1", "--json").json
    assert told["files"] == [f"d/{name}-s0.layerkit" for name in SPECS]
    assert [c["name"] for c in told["comparison"]["contestants"]] == list(SPECS)


def test_the_demo_of_depth_is_a_study_that_goes_on(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("layerkit.cli.demo_depth._DEPTHS", (1, 2))
    words = ("demo", "--depth", "--out", "d", "--set", "train.epochs=1", "-q")
    assert cli(*words, "--seeds", 1).code == 0
    done = cli(*words, "--seeds", 2)
    assert (done.code, done.err) == (0, "")
    assert "8 of 8 runs finished, in d/depth.study" in done.out
    assert "A dot is a run. Means: plain: " in done.out
    assert "For that a plain layer has 41 to 42 units" in " ".join(done.out.split())
    sizes: dict[str, list[int]] = {}
    for row in cli(*words, "--seeds", 2, "--json").json["rows"]:
        sizes.setdefault(row["point"]["layers"], []).append(row["parameters"])
    assert all(max(pair) <= 1.02 * min(pair) for pair in sizes.values())
    assert {p.name for p in (folder / "d").iterdir()} == {"depth.json", "depth.study", "depth.html"}
    command = done.out.split("\n")[0].removeprefix("$ layerkit ").split()
    runs = (folder / "d/depth.study/runs.jsonl").read_bytes()
    assert cli(*command, "-q").code == 0  # what it says can be typed, and trains nothing again
    assert (folder / "d/depth.study/runs.jsonl").read_bytes() == runs
    assert cli(*words, "--seeds", 2, "--json").json["report"] == "d/depth.html"


def test_the_demo_compares_equal_budgets_and_recipes() -> None:
    models = [layerkit.build(name) for name in SPECS]
    sizes = [model.network.size for model in models]
    assert max(sizes) <= 1.02 * min(sizes)
    for section in ("input", "output", "train"):
        first, *others = [getattr(model.spec, section) for model in models]
        assert others == [first, first]
