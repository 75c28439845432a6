"""``layerkit export`` as a user meets it: what it writes, what it says, what it refuses."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

ROWS = "weight,height\n24,55\n4,25\n5,26\n"


@pytest.fixture(autouse=True)
def rows(pets: Path) -> None:
    Path("rows.csv").write_text(ROWS)


def test_a_python_file_gives_what_the_model_gives(cli: Cli) -> None:
    done = cli("export", "pets.layerkit", "--to", "python", "--verify", "rows.csv")
    assert (done.code, done.err) == (0, "")
    wrote, verified = done.out.splitlines()
    assert wrote.startswith("wrote pets.py (python, ")
    assert verified.startswith("verified on 3 rows: largest difference ")
    predict: Any = runpy.run_path("pets.py")["predict"]
    expected = layerkit.load("pets.layerkit").predict([[24.0, 55.0]])
    np.testing.assert_allclose([predict([24.0, 55.0])], expected, rtol=1e-5)


def test_the_name_says_the_form(cli: Cli) -> None:
    done = cli("export", "pets.layerkit", "-o", "out.npz", "--json")
    assert done.json == {
        "file": "out.npz",
        "form": "npz",
        "bytes": Path("out.npz").stat().st_size,
        "verified": None,
    }
    with np.load("out.npz") as held:
        assert held["dense_1.W"].shape == (2, 4)


def test_labels_may_be_among_the_rows(cli: Cli) -> None:
    done = cli("export", "pets.layerkit", "--to", "python", "--verify", "pets.csv", "--label",
               "kind", "--json")  # fmt: skip
    verified = done.json["verified"]
    assert verified["rows"] == 60
    assert 0 <= verified["difference"] < 1e-5 < verified["output"] <= 1


def test_own_rows(cli: Cli) -> None:
    done = cli("export", "pets.layerkit", "-o", "pets.py", "--verify", "self", "--json")
    assert done.json["verified"]["rows"] > 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pets.layerkit"], "give the form with --to (c, "),
        (["pets.layerkit", "-o", "pets.xyz"], "'pets.xyz' is not known by its name"),
        (["pets.layerkit", "--to", "pyhton"], "did you mean 'python'"),
        (["pets.layerkit", "--to", "npz", "-o", "pets.layerkit"], "it is read by this command"),
        (["pets.layerkit", "--to", "python", "-o", "rows.csv", "--verify", "rows.csv"],
         "it is read by this command"),
        (["pets.layerkit", "--to", "npz", "-o", "no/pets.npz"], "there is no folder no"),
        (["pets.layerkit", "--to", "npz", "--verify", "self"], "computes nothing"),
        (["pets.layerkit", "--to", "python", "--verify", "none.csv"], "there is no file none.csv"),
        (["pets.layerkit", "--to", "python", "--verify", "bad.csv"], "row 0, column 'height'"),
        (["none.layerkit", "--to", "npz"], "none.layerkit"),
        (["rows.csv", "--to", "npz"], "rows.csv"),
        (["new.layerkit", "--to", "python"], "was built but not trained"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_written(
    words: list[str], told: str, cli: Cli, unchanged: Unchanged
) -> None:
    Path("bad.csv").write_text("weight,height\n24,tall\n")
    layerkit.save(layerkit.build("pets.json"), "new.layerkit")
    with unchanged():
        done = cli("export", *words)
    assert done.code in (1, 2)
    assert told in " ".join(done.err.split())
    assert done.out == ""


def test_what_a_form_lacks_is_an_error_as_json(cli: Cli, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("export", "pets.layerkit", "--to", "npz", "--verify", "self", "--json")
    assert done.error["code"] == "LK-502"
    assert done.error["class"] == "ExportError"


def test_a_c_compiler_that_fails_is_quoted(
    cli: Cli, unchanged: Unchanged, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin" / "cc"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho 'cc: no such option' >&2\nexit 4\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}{os.pathsep}{os.environ['PATH']}")
    with unchanged():
        done = cli("export", "pets.layerkit", "--to", "c", "--verify", "self")
    assert (done.code, done.out) == (1, "")
    told = " ".join(done.err.split())
    assert told.startswith("error LK-502: c cannot be verified here: ")
    assert "cc ended with status 4: cc: no such option" in told
