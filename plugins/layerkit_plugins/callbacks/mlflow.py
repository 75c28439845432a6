"""mlflow: logs a training as a run on the MLflow server that MLFLOW_TRACKING_URI names.

It speaks MLflow's REST interface (2.0) and needs no package. A run has the fields of the recipe as
parameters, the values of each epoch and the final metrics as metrics; a resumed training is a run
of its own. MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are
sent if they are set. If the server refuses or does not answer, a warning says so once, and the
training goes on.
"""

from __future__ import annotations

import base64
import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from layerkit import Callback

__all__ = ["Mlflow"]

_STATUS = {"finished": "FINISHED", "early": "FINISHED", "interrupted": "KILLED"}
_PATIENCE = 10.0  # seconds for an answer


class Mlflow(Callback):
    """Log to an experiment, which is made if it does not exist.

    Parameters
    ----------
    experiment
        Its name; by default that of the model.
    """

    type_name = "mlflow"
    contract_version = 2

    def __init__(self, *, experiment: str | None = None) -> None:
        self.experiment = experiment

    def begin(self, name: str, *, seed: int, epochs: int, rows: int) -> None:
        """Begin a run and log the recipe."""
        self.run_id = ""
        self.server = os.environ.get("MLFLOW_TRACKING_URI", "").rstrip("/")
        if not self.server.startswith(("http://", "https://")):
            self._fail("MLFLOW_TRACKING_URI names no http server")
            return
        try:
            where = {"experiment_id": self._experiment(self.experiment or name)}
            named = {"run_name": f"{name} seed {seed}", "start_time": _now()}
            self.run_id = self._ask("runs/create", {**where, **named})["run"]["info"]["run_id"]
        except (OSError, ValueError, KeyError) as error:
            self._fail(error)
        recipe = (self.training.spec.train or {}).items()
        self._log(params=[{"key": k, "value": json.dumps(v)[:500]} for k, v in recipe])

    def _experiment(self, name: str) -> str:
        try:
            found = self._ask(f"experiments/get-by-name?experiment_name={quote(name)}")
        except HTTPError as error:
            if error.code != 404:
                raise
            return str(self._ask("experiments/create", {"name": name})["experiment_id"])
        return str(found["experiment"]["experiment_id"])

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        """Log the values of an epoch."""
        self._log(metrics=_metrics(values, epoch))

    def end(self, seconds: float) -> None:
        """Log the final metrics, and how the training ended."""
        training = self.training
        self._log(metrics=_metrics(training.model.metrics, training.done))
        status = _STATUS.get(training.outcome, "FAILED")
        self._send("runs/update", status=status, end_time=_now())

    def _log(self, **batch: list[dict[str, Any]]) -> None:
        if any(batch.values()):
            self._send("runs/log-batch", **batch)

    def _send(self, path: str, **values: Any) -> None:
        if not self.run_id:
            return
        try:
            self._ask(path, {"run_id": self.run_id, **values})
        except (OSError, ValueError) as error:
            self._fail(error)

    def _ask(self, path: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the server answers; OSError or ValueError if it does not, or not with JSON."""
        url = f"{self.server}/api/2.0/mlflow/{path}"
        sent = None if values is None else json.dumps(values).encode()
        request = Request(url, sent, {"Content-Type": "application/json", **_credentials()})  # noqa: S310  # http, checked in begin
        with urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310  # see above
            found: dict[str, Any] = json.load(answer)
        return found

    def _fail(self, reason: object) -> None:
        self.run_id = ""
        self.training.notice(f"mlflow: nothing is logged from here on ({reason})")


def _metrics(values: Mapping[str, float], step: int) -> list[dict[str, Any]]:
    """The finite values as MLflow takes them."""
    now = _now()
    return [
        {"key": name, "value": float(value), "step": step, "timestamp": now}
        for name, value in values.items()
        if math.isfinite(value)
    ]


def _now() -> int:
    return int(time.time() * 1000)


def _credentials() -> dict[str, str]:
    token, user = (os.environ.get(f"MLFLOW_TRACKING_{word}") for word in ("TOKEN", "USERNAME"))
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        pair = f"{user}:{os.environ.get('MLFLOW_TRACKING_PASSWORD', '')}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
    return {}
