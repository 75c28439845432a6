"""``layerkit diff``, ``upgrade``, ``deploy``, and the checkpoints of ``train``."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import layerkit
from layerkit.file.provenance import provenance

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Cli, Unchanged


@pytest.fixture
def other(pets: Path, spec: Callable[..., Path]) -> Path:
    """A second model: another gate bias, trained one epoch longer."""
    given = json.loads(Path("pets.json").read_text())
    given["layers"][1]["gate_bias"] = -1.0
    given["train"]["epochs"] = 4
    layerkit.save(layerkit.train(given, data="pets.csv").model, "other.layerkit")
    return pets.with_name("other.layerkit")


def test_equal_files_are_said_to_be_the_same(cli: Cli, pets: Path) -> None:
    done = cli("diff", "pets.layerkit", "pets.layerkit")
    assert (done.code, done.err) == (0, "")
    assert done.out == f"the same file: {layerkit.inspect(pets).file_id}\n"


def test_diff_names_the_field_the_tensors_and_the_metrics(cli: Cli, other: Path) -> None:
    done = cli("diff", "pets.layerkit", "other.layerkit", "--json")
    found = done.json
    gate = "spec.model.layers.highway_1.config.gate_bias"
    assert {"path": gate, "before": -2.0, "after": -1.0} in found["spec"]
    tensors = {t["name"]: t for t in found["tensors"]}
    a, b = (layerkit.load_tensors(f)["highway_1.bT"] for f in ("pets.layerkit", "other.layerkit"))
    told = tensors["highway_1.bT"]
    assert told["kind"] == "changed"
    assert told["distance"] == pytest.approx(np.linalg.norm(b.astype(float) - a))
    assert told["largest"] == pytest.approx(np.abs(b.astype(float) - a).max())
    assert told["elements"] == int((a != b).sum())
    assert tensors["history/loss"]["kind"] == "reshaped"
    assert {m["path"] for m in found["metrics"]} <= {
        f"metrics.{name}" for name in layerkit.inspect("pets.layerkit").header["metrics"]
    }
    assert found["predictions"] is None
    text = cli("diff", "pets.layerkit", "other.layerkit")
    assert gate in text.out


def test_diff_on_rows_counts_where_the_classes_differ(cli: Cli, other: Path) -> None:
    found = cli("diff", "pets.layerkit", "other.layerkit", "--data", "pets.csv", "--json").json
    rows = layerkit.read_rows("pets.csv")
    one, two = layerkit.load("pets.layerkit"), layerkit.load("other.layerkit")
    assert found["predictions"]["rows"] == len(rows)
    assert found["predictions"]["labels"] == int((one.classify(rows) != two.classify(rows)).sum())
    gap = np.abs(one.predict(rows).astype(float) - two.predict(rows))
    assert found["predictions"]["largest"] == pytest.approx(gap.max())


def test_diff_needs_no_plugin(cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a layer type was looked up")

    monkeypatch.setattr("layerkit.discovery.registry.Registry.load", refuse)
    assert cli("diff", "pets.layerkit", "pets.layerkit").code == 0


def test_deploy_keeps_the_predictions_and_drops_the_rest(cli: Cli, pets: Path) -> None:
    done = cli("deploy", "pets.layerkit")
    assert done.code == 0
    small = layerkit.inspect("pets-deploy.layerkit")
    assert {t.role for t in small.tensors.values()} == {"param", "selftest"}
    assert "training" not in small.header
    assert "history" not in small.header
    assert small.size < layerkit.inspect(pets).size
    rows = layerkit.read_rows("pets.csv")
    one, two = layerkit.load(pets), layerkit.load("pets-deploy.layerkit")
    assert one.predict(rows).tobytes() == two.predict(rows).tobytes()
    refused = cli("resume", "pets-deploy.layerkit", "--data", "pets.csv")
    assert refused.code == 1
    assert "holds no training state" in refused.err


def test_upgrade_of_a_file_of_today_changes_no_byte(cli: Cli, pets: Path) -> None:
    before = pets.read_bytes()
    assert "already up to date" in cli("upgrade", "pets.layerkit").out
    assert pets.read_bytes() == before


def test_upgrade_brings_the_recorded_versions_up_to_date(
    cli: Cli, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = layerkit.load(pets)
    with monkeypatch.context() as earlier:
        earlier.setattr(
            "layerkit.file.save.provenance",
            lambda *given: {
                key: {**record, "version": "0.0.9"} for key, record in provenance(*given).items()
            },
        )
        layerkit.save(model, "old.layerkit")
    assert layerkit.inspect("old.layerkit").header["types"]["dense"]["version"] == "0.0.9"
    done = cli("upgrade", "old.layerkit", "-o", "new.layerkit", "--json").json
    assert done["before"] != done["after"]
    assert Path("new.layerkit").read_bytes() == pets.read_bytes()


@pytest.mark.parametrize("words", [("upgrade",), ("deploy",), ("diff", "pets.layerkit")])
def test_bad_files_change_nothing(
    cli: Cli, pets: Path, unchanged: Unchanged, words: tuple[str, ...]
) -> None:
    Path("bad.layerkit").write_bytes(pets.read_bytes()[:-1])
    with unchanged():
        done = cli(*words, "bad.layerkit")
    assert done.code == 1
    assert done.err.startswith("error LK-301: bad.layerkit:")


def test_a_finished_training_leaves_no_checkpoint(cli: Cli) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--checkpoint", "0.0001", "-q")
    assert done.code == 0
    assert not list(Path().glob("*checkpoint*"))


def test_a_killed_training_goes_on_from_its_checkpoint(cli: Cli, command: str) -> None:
    """SIGKILL after a checkpoint; resumed, it ends with the bytes of one that was left alone."""
    words = ["train", "pets.json", "--data", "pets.csv", "-q", "--epochs", "60"]
    assert cli(*words, "--checkpoint", "0", "-o", "whole.layerkit").code == 0
    # In the child every epoch waits a little, so that the kill comes in the middle.
    slow = subprocess.Popen(
        [
            Path(command).with_name("python"),
            "-c",
            "import sys, time\n"
            "from layerkit.training import session\n"
            "epoch = session.Session._epoch\n"
            "session.Session._epoch = lambda self: (time.sleep(0.05), epoch(self))[1]\n"
            "from layerkit.cli import run\n"
            "run(sys.argv[1:])\n",
            *words,
            *("--checkpoint", "0.01", "-o", "cut.layerkit"),
        ]
    )
    checkpoint = Path("cut-checkpoint.layerkit")
    deadline = time.monotonic() + 30
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    slow.send_signal(signal.SIGKILL)
    assert slow.wait() == -signal.SIGKILL
    assert not Path("cut.layerkit").exists()
    epochs = layerkit.inspect(checkpoint).header["training"]["epoch"]
    assert 1 <= epochs < 60
    done = cli("resume", checkpoint, "--data", "pets.csv", "-q", "-o", "cut.layerkit")
    assert done.code == 0
    assert Path("cut.layerkit").read_bytes() == Path("whole.layerkit").read_bytes()
