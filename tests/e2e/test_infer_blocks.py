"""``layerkit infer`` of many rows: in blocks, with the bytes of all at once, nothing half-done."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit
from layerkit import Rows
from layerkit.data.spreadsheet import original

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

ROWS = "weight,height\n24,55\n4,25\n"
BAD = "weight,height\n" + "24,55\n" * 8192 + "4,25\n4,tall\n"


@pytest.mark.parametrize("n", [1, 2, 8191, 8192, 8193, 8449, 16700])
def test_the_bytes_are_those_of_all_rows_at_once(cli: Cli, pets: Path, n: int) -> None:
    rows = np.random.default_rng(n).normal(20, 15, (n, 2)).round(2)
    np.savetxt("rows.csv", rows, "%.2f", delimiter=",", header="weight,height", comments="")
    model = layerkit.load(pets)
    assert model.block_rows == 8192
    wanted = model.predict(rows)
    done = cli("infer", "pets.layerkit", "rows.csv", "--outside", "ignore")
    assert (done.code, done.err) == (0, "")
    found = [line.split(",") for line in done.out.splitlines()[1:]]
    np.testing.assert_array_equal(np.array([f[1:] for f in found], np.float32), wanted)
    assert [f[0] for f in found] == model.labels(wanted).tolist()
    assert [f[1] for f in found] == [repr(float(p)) for p in wanted[:, 0].astype(str)]
    lines = cli("infer", "pets.layerkit", "rows.csv", "--json").out.splitlines()
    assert [json.loads(x)["probabilities"]["dog"] for x in lines] == [float(f[2]) for f in found]


@pytest.mark.parametrize("rows", [1, 700, 5000, 12_000])
def test_blocks_of_any_size_give_the_same_bytes(
    cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(layerkit.predict, "_BLOCK", 2048)
    n = 50 if rows == 1 else 9000
    np.savetxt("rows.csv", np.random.default_rng(n).normal(20, 15, (n, 2)), delimiter=",")
    options = ("rows.csv", "--no-header", "--flag")
    wanted = cli("infer", "pets.layerkit", *options)

    def blocks(source: Any, *, rows: int, **options: Any) -> Iterator[Rows]:
        whole = layerkit.read_rows(source, **options)
        return (whole.take(slice(at, at + size)) for at in range(0, len(whole), size))

    size = rows
    monkeypatch.setattr("layerkit.data.read.read_blocks", blocks)
    done = cli("infer", "pets.layerkit", *options)
    assert (done.out, done.err) == (wanted.out, wanted.err)
    assert len(done.out.splitlines()) == n + 1
    refused = cli("infer", "pets.layerkit", *options, "--outside", "error", "-o", "no.csv")
    lines = done.out.splitlines()[1:]
    first = next(row for row, line in enumerate(lines) if not line.endswith(","))
    assert f"row {first}, column" in refused.err
    assert not Path("no.csv").exists()


def test_a_bad_row_far_down_says_what_is_written_already(
    cli: Cli, pets: Path, unchanged: Unchanged
) -> None:
    done = cli("infer", "pets.layerkit", "-", stdin=BAD.encode())
    assert done.code == 1
    assert done.out.count("\n") == 8193
    assert done.err.startswith(
        "error LK-203: standard input, row 8193, column 'height': expected a number, got 'tall'"
    )
    assert "already written: 8,192 rows" in done.err
    Path("out.csv").write_text("old")
    with unchanged():
        done = cli("infer", "pets.layerkit", "-", "-o", "out.csv", stdin=BAD.encode())
    assert (done.code, done.out) == (1, "")
    assert "written" not in done.err


def test_an_output_behind_a_link_is_replaced_where_it_is(cli: Cli, pets: Path) -> None:
    Path("there").mkdir()
    Path("there/out.csv").write_text("old")
    Path("out.csv").symlink_to("there/out.csv")
    assert cli("infer", "pets.layerkit", "-", "-o", "out.csv", stdin=ROWS.encode()).code == 0
    assert Path("out.csv").is_symlink()
    assert Path("there/out.csv").read_text().startswith("class,")
    assert [path.name for path in Path("there").iterdir()] == ["out.csv"]


def test_rows_outside_the_range_are_counted(cli: Cli, pets: Path) -> None:
    text = ROWS + "500,55\n24,-9\n"
    done = cli("infer", "pets.layerkit", "-", stdin=text.encode())
    assert done.out == cli("infer", "pets.layerkit", "-", "-q", stdin=text.encode()).out
    assert done.err.startswith("warning: 2 of 4 rows lie outside the range of training: most in ")
    assert "'weight' (1 row: 500; training saw " in done.err
    told = cli("infer", "pets.layerkit", "-", "-o", "a.csv", "--json", stdin=text.encode()).json
    assert told["outside"] == {"rows": 2, "columns": {"weight": 1, "height": 1}}
    ignored = cli("infer", "pets.layerkit", "-", "--outside", "ignore", stdin=text.encode())
    assert (ignored.code, ignored.out, ignored.err) == (0, done.out, "")


def test_rows_outside_the_range_can_be_an_error(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    text = ROWS + "500,55\n"
    options = ("--outside", "error", "-o", "out.csv")
    with unchanged():
        done = cli("infer", "pets.layerkit", "-", *options, stdin=text.encode())
    assert (done.code, done.out) == (1, "")
    assert "row 2, column 'weight': 500 lies outside the range of training (" in done.err
    assert cli("infer", "pets.layerkit", "-", *options, stdin=ROWS.encode()).code == 0


def test_a_flag_names_what_is_outside(cli: Cli, pets: Path) -> None:
    text = ROWS + "500,55\n500,-9\n"
    done = cli("infer", "pets.layerkit", "-", "--flag", stdin=text.encode())
    head, *rows = csv.reader(io.StringIO(done.out))
    assert head == ["class", "p_cat", "p_dog", "outside"]
    assert [row[3] for row in rows] == ["", "", "weight", "weight;height"]
    lines = cli("infer", "pets.layerkit", "-", "--flag", "--json", stdin=text.encode()).out
    flags = [json.loads(line)["outside"] for line in lines.splitlines()]
    assert flags == [[], [], ["weight"], ["weight", "height"]]


def test_many_elements_by_position_are_summed_up(cli: Cli, spec: Callable[..., Path]) -> None:
    rows = np.random.default_rng(0).random((30, 41))
    rows[:, 40] = np.arange(30) % 2
    wide = spec("wide.json", input={"shape": [40]}, output={"classes": [0, 1]}, train={"epochs": 1})
    run = layerkit.train(wide, data=(rows[:, :40], rows[:, 40].astype(int)))
    layerkit.save(run.model, "w.layerkit")
    np.save("far.npy", rows[:, :40] + 7)
    done = cli("infer", "w.layerkit", "far.npy", "--flag")
    assert "30 of 30 rows lie outside" in done.err
    assert "in column 0 (30 rows: 7.0" in done.err
    assert "some in 39 other columns" in done.err
    assert done.out.splitlines()[1].endswith(',"0;1;2;3;4;5;6;7;32 more"')


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+a", "-a", "@a", "\ta", 'a,"b"\n%d', "a;=b"]
)
def test_no_class_is_run_by_a_spreadsheet(cli: Cli, spec: Callable[..., Path], name: str) -> None:
    output = {"classes": ["-1", name]}
    spec("odd.json", name="odd", input={"columns": ["a", "b"]}, output=output, train={"epochs": 1})
    data = {"a": [0.0, 9.0], "b": [0.0, 1.0]}, ["-1", name]
    layerkit.save(layerkit.train("odd.json", data=data).model, "odd.layerkit")
    text = b"a,b\n0,0\n9,1\n"
    wanted = layerkit.load("odd.layerkit").classify([[0.0, 0.0], [9.0, 1.0]]).tolist()
    done = cli("infer", "odd.layerkit", "-", stdin=text)
    head, *rows = csv.reader(io.StringIO(done.out, newline=""))
    assert not any(c[0] in "=+@\t\r" for row in (head, *rows) for c in row if c != "-1")
    assert [original(row[0]) for row in rows] == wanted
    raw = cli("infer", "odd.layerkit", "-", "--raw", stdin=text).out
    assert [row[0] for row in csv.reader(io.StringIO(raw, newline=""))][1:] == wanted
    lines = cli("infer", "odd.layerkit", "-", "--json", stdin=text).out.splitlines()
    assert [json.loads(line)["class"] for line in lines] == wanted
    assert list(json.loads(lines[0])["probabilities"]) == ["-1", name]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory as Linux counts it")
def test_memory_does_not_grow_with_the_rows(pets: Path, command: str) -> None:
    peaks = []
    for rows in (20_000, 400_000):
        Path("rows.csv").write_text("weight,height,a,b\n" + "24.125,55.0625,1,2\n" * rows)
        words = [command, "infer", "pets.layerkit", "rows.csv", "-o", "out.csv"]
        child = os.posix_spawn(command, words, dict(os.environ))
        _, status, used = os.wait4(child, 0)
        assert status == 0
        assert Path("out.csv").read_text().count("\n") == rows + 1
        peaks.append(used.ru_maxrss / 1024)
    assert peaks[1] - peaks[0] < 15  # MiB; the file grows by 7, read as a whole the peak by 60


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_the_old_file_and_no_other(
    pets: Path, command: str, number: signal.Signals, code: int
) -> None:
    Path("out.csv").write_text("old")
    before = sorted(path.name for path in Path().iterdir())
    child = subprocess.Popen(
        [command, "infer", "pets.layerkit", "-", "-o", "out.csv"], stdin=subprocess.PIPE
    )
    assert child.stdin is not None
    child.stdin.write(b"weight,height\n" + b"24,55\n" * 200_000)
    child.stdin.flush()
    while sorted(path.name for path in Path().iterdir()) == before:  # until it has begun to write
        time.sleep(0.01)
    child.send_signal(number)
    child.stdin.close()
    assert child.wait(timeout=60) == code
    assert sorted(path.name for path in Path().iterdir()) == before
    assert Path("out.csv").read_text() == "old"


def test_what_is_assumed_of_a_table_is_told_once(cli: Cli, pets: Path) -> None:
    Path("rows.csv").write_text("weight;height\n" + "24,5;55\n4;25\n" * 5000)  # several blocks
    done = cli("infer", "pets.layerkit", "rows.csv", "--outside", "ignore")
    assert done.code == 0
    assert done.err.count("note: assumed of rows.csv") == 1
