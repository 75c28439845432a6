"""Logs of a training: files, TensorBoard, MLflow. None of them can end it."""

from __future__ import annotations

import csv
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import layerkit
from tests.unit.training.test_callbacks import DATA, Ear, spec


def trained(callback: Any, *, stop_after: int = 99, **train: Any) -> tuple[layerkit.Run, list[str]]:
    ear = Ear(stop_after)
    return layerkit.train(spec(callback, **train), data=DATA, listener=ear), ear.notices


@pytest.mark.parametrize(("name", "ending"), [("csv_log", "csv"), ("jsonl_log", "jsonl")])
def test_a_log_has_the_values_of_each_epoch(name: str, ending: str, tmp_path: Path) -> None:
    run, notices = trained({"type": name, "folder": str(tmp_path / "new")})
    file = tmp_path / "new" / f"net-s0.{ending}"
    with file.open() as stream:
        rows: list[Any] = (
            list(csv.DictReader(stream)) if ending == "csv" else [json.loads(s) for s in stream]
        )
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["val_loss"]) for row in rows] == run.history["val_loss"].tolist()
    assert {*rows[0]} == {"epoch", *run.history}
    assert notices == []


@pytest.mark.parametrize(("name", "ending"), [("csv_log", "csv"), ("jsonl_log", "jsonl")])
def test_the_log_of_a_resumed_training_is_that_of_a_whole_one(
    name: str, ending: str, tmp_path: Path
) -> None:
    callback = {"type": name, "folder": str(tmp_path)}
    file = tmp_path / f"net-s0.{ending}"
    trained(callback)
    whole = file.read_bytes()
    trained(callback, seed=7)
    assert file.read_bytes() == whole
    run, _ = trained(callback, stop_after=2)
    layerkit.save(run.model, tmp_path / "net.layerkit")
    with file.open("a") as stream:
        stream.write("what a killed training has written of epoch 3")
    layerkit.resume(tmp_path / "net.layerkit", data=DATA)
    assert file.read_bytes() == whole


def test_a_log_replaces_no_other_file_and_ends_no_training(tmp_path: Path) -> None:
    (tmp_path / "net-s0.csv").write_text("my,own\n1,2\n")
    run, notices = trained({"type": "csv_log", "folder": str(tmp_path)})
    assert (run.ended, len(notices)) == ("finished", 1)
    assert "net-s0.csv is not written (it is there and is no log)" in notices[0]
    assert (tmp_path / "net-s0.csv").read_text() == "my,own\n1,2\n"
    run, notices = trained({"type": "jsonl_log", "folder": str(tmp_path / "net-s0.csv")})
    assert (run.ended, len(notices)) == ("finished", 1)


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    from layerkit.discovery.registry import CALLBACKS

    lines: Any = [CALLBACKS.create(name) for name in ("csv_log", "jsonl_log")]
    values = {"loss": np.float64(0.5), "r2": float("nan"), "top": float("inf")}
    assert lines[0].line(3, values) == "3,0.5,,inf"
    assert lines[1].line(3, values) == '{"epoch": 3, "loss": 0.5, "r2": null, "top": null}'


# ---- TensorBoard


def events(folder: Path) -> dict[str, dict[int, float]]:
    """Tag to step to value, of the newest file, parsed without TensorBoard."""
    from tensorboardX.event_file_writer import EventsWriter  # noqa: F401  # so it is there
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, dict[int, float]] = {}
    for file in sorted(folder.iterdir()):
        raw = file.read_bytes()
        while raw:
            size = int.from_bytes(raw[:8], "little")
            event = Event.FromString(raw[12 : 12 + size])
            raw = raw[16 + size :]
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    run, notices = trained({"type": "tensorboard", "folder": str(tmp_path)})
    found = events(tmp_path / "net-s0")
    assert notices == []
    assert [*found["val_loss"]] == [1, 2, 3, 4, 5, 6]
    assert [*found["val_loss"].values()] == pytest.approx(run.history["val_loss"].tolist())


def test_without_tensorboardx_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    with pytest.raises(layerkit.MissingExtraError, match=r"layerkit\[track\]"):
        trained("tensorboard")


# ---- MLflow: what is asked of a server, on a small one of our own


class Server(ThreadingHTTPServer):
    """Answers as MLflow's REST interface does, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, dict[str, Any], str | None]] = []
        self.experiments: list[str] = []
        self.broken = False


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name = self.path.rpartition("=")[2]
        known = self.server.experiments
        if name in known:
            self._answer(200, {"experiment": {"experiment_id": str(known.index(name))}})
        else:
            self._answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})

    def do_POST(self) -> None:
        path = self.path.removeprefix("/api/2.0/mlflow/")
        values = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((path, values, self.headers["Authorization"]))
        if self.server.broken:
            self._answer(500, {"error_code": "INTERNAL_ERROR"})
        elif path == "experiments/create":
            self.server.experiments.append(values["name"])
            self._answer(200, {"experiment_id": str(len(self.server.experiments) - 1)})
        elif path == "runs/create":
            self._answer(200, {"run": {"info": {"run_id": "r1"}}})
        else:
            self._answer(200, {})

    def _answer(self, code: int, values: dict[str, Any]) -> None:
        body = json.dumps(values).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{running.server_port}/")
        yield running
        running.shutdown()
        thread.join()


def test_a_run_on_an_mlflow_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    run, notices = trained("mlflow", epochs=2)
    paths = [path for path, _, _ in server.asked]
    assert notices == []
    assert paths == [
        *("experiments/create", "runs/create", "runs/log-batch"),
        *("runs/log-batch", "runs/log-batch", "runs/log-batch", "runs/update"),
    ]
    assert {auth for _, _, auth in server.asked} == {"Bearer secret"}
    sent = [values for _, values, _ in server.asked]
    assert (sent[0]["name"], sent[1]["run_name"]) == ("net", "net seed 0")
    assert {"key": "epochs", "value": "2"} in sent[2]["params"]
    losses = [m["value"] for one in sent[3:5] for m in one["metrics"] if m["key"] == "val_loss"]
    assert losses == run.history["val_loss"].tolist()
    assert [m["step"] for m in sent[4]["metrics"]] == [2] * len(run.history)
    assert {m["key"] for m in sent[5]["metrics"]} == {*run.metrics}
    assert sent[6]["status"] == "FINISHED"
    server.asked.clear()
    trained("mlflow", epochs=2, stop_after=1)
    assert server.asked[0][0] == "runs/create"  # the experiment is known now
    assert server.asked[-1][1]["status"] == "KILLED"


def test_a_server_that_fails_is_told_once(server: Server) -> None:
    server.broken = True
    run, notices = trained("mlflow")
    assert (run.ended, run.epochs) == ("finished", 6)
    (notice,) = notices
    assert notice.startswith("mlflow: nothing is logged from here on (HTTP Error 500")


def test_no_server_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9/")
    _, notices = trained("mlflow", epochs=1)
    assert len(notices) == 1
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    _, notices = trained("mlflow", epochs=1)
    assert "MLFLOW_TRACKING_URI names no http server" in notices[0]
