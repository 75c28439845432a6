"""Callbacks: they leave the training alone, can be used again, and are resumed exactly.

Each example takes part in small trainings, in an empty folder, so that what it writes is removed.
"""

from __future__ import annotations

import io
import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from typing import TYPE_CHECKING, Any

from layerkit.core.callback import Listener
from layerkit.display import quoted
from layerkit.errors import CallbackError, LayerkitError, MissingExtraError
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Example, Subject, Trial
from layerkit.testing.verdicts import Failed, Skipped, describe_error

if TYPE_CHECKING:
    from layerkit import Run

_EPOCHS = 4


class _StopAfter(Listener):
    """Stops a training in the first batch after ``epochs``."""

    def __init__(self, epochs: int) -> None:
        self.epochs, self.done = epochs, 0

    def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        self.done = epoch

    def stop(self) -> bool:
        return self.done >= self.epochs


class _Trial(Trial):
    """A callback and the trainings that it takes part in."""

    def __init__(self, subject: Subject, example: Example) -> None:
        super().__init__(subject, example)
        rng = subject.rng("rows")
        self.x = rng.standard_normal((40, 3))
        self.y = (self.x[:, 0] > 0).astype(int)
        self.spec = {
            "layerkit": 1,
            "name": "kit",
            "input": {"shape": [3]},
            "layers": [{"type": "dense", "units": 2}],
            "train": {"epochs": _EPOCHS, "batch_size": 8, "validation": 0.2},
        }

    def spec_with_it(self) -> dict[str, Any]:
        """The spec of the trainings, with the callback in it."""
        train: dict[str, Any] = dict(self.spec["train"])  # type: ignore[call-overload]
        named = {"type": self.subject.name, **self.example.config}
        return {**self.spec, "train": {**train, "callbacks": [named]}}

    def train(self, spec: Mapping[str, Any], listener: Any = None) -> Run:
        """Train ``spec``; what the callback raises is a failure."""
        from layerkit.training.run import train

        with self._training():
            return train(spec, data=(self.x, self.y), listener=listener)

    def resumed(self, file: bytes) -> Run:
        """The training in ``file``, resumed by a new callback."""
        from layerkit.file.load import load
        from layerkit.training.run import resume

        with self._training():
            return resume(load(io.BytesIO(file)), data=(self.x, self.y))

    @contextmanager
    def _training(self) -> Iterator[None]:
        with (
            tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder,
            chdir(folder),
            self.subject.registered(),
        ):
            try:
                yield
            except MissingExtraError as error:
                raise Skipped(error.message) from error
            except CallbackError as error:
                cause = error.__cause__ or error
                if not isinstance(cause, Exception):
                    raise
                text = f"{error.message}\n{describe_error(cause, self.subject.part)}"
                raise Failed(text) from error
            except LayerkitError as error:
                raise Failed(f"a training with it raised {error}") from error


def _file(run: Run) -> bytes:
    from layerkit.file.save import save

    stream = io.BytesIO()
    save(run.model, stream)
    return stream.getvalue()


BATTERY = Battery("pass.runs", trial=_Trial)


@BATTERY.rule(
    "pass.runs",
    why="A callback that raises ends the training.",
    fix="override hooks with the arguments of layerkit.Callback; catch what may go wrong outside, "
    "such as a full disk, and tell it with self.training.notice",
    needs=("settings.constructor",),
)
def _runs(trial: _Trial) -> None:
    run = trial.train(trial.spec_with_it())
    if run.epochs < 1:
        raise Failed("not one epoch was completed")


@BATTERY.rule(
    "state.plain",
    why="The state is saved in model files, which hold plain values only.",
    fix="return a dict of strings, numbers, booleans, None, and lists and dicts of them; take it "
    "up again in `restore`",
)
def _plain(trial: _Trial) -> None:
    seen: list[Any] = []

    class Look(Listener):
        def epoch(self, epoch: int, values: Mapping[str, float]) -> None:
            with trial.catch("state()"):
                seen.append(trial.part.state())

    trial.train(trial.spec, [trial.part, Look()])
    for state in seen:
        if not isinstance(state, dict) or not _is_plain(state):
            raise Failed(f"state(): expected a dict of plain values, got {quoted(state)}")


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(k) is str and _is_plain(v) for k, v in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


@BATTERY.rule(
    "stochastic.replay",
    why="Equal specs, seeds and rows give equal files.",
    fix="keep no times, paths or random numbers in `state`; draw nothing from NumPy's or Python's "
    "own generator",
)
def _replay(trial: _Trial) -> None:
    first, second = (trial.train(trial.spec_with_it()) for _ in range(2))
    if _file(first) != _file(second):
        raise Failed(f"two equal trainings gave different files{_difference(first, second)}")


@BATTERY.rule(
    "training.unchanged",
    why="A callback sees the model while it is trained; whoever adds a log expects the same model.",
    fix="change nothing of self.training.model; keep, save and retry are the ways to take part",
)
def _unchanged(trial: _Trial) -> None:
    plain, watched = trial.train(trial.spec), trial.train(trial.spec_with_it())
    for name, series in watched.history.items():
        wanted = plain.history[name][: len(series)]
        if not all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(series, wanted)):  # noqa: B905  # early
            raise Failed(f"with it, the history of {name!r} of a sound training is another one")


@BATTERY.rule(
    "reuse.runs",
    why="One callback may be given to several trainings, as by train_seeds.",
    fix="set everything that it learns in `restore`, also for the empty state of a new training",
)
def _again(trial: _Trial) -> None:
    first, second = (trial.train(trial.spec, trial.part) for _ in range(2))
    if _file(first) != _file(second):
        raise Failed(f"its second training is not like its first{_difference(first, second)}")


@BATTERY.rule(
    "state.resume",
    why="A resumed training reaches the bits of one that was not interrupted.",
    fix="return from `state` all that later epochs depend on, and take it up in `restore`; a "
    "callback that has kept weights calls self.training.keep again there",
)
def _resume(trial: _Trial) -> None:
    whole = trial.train(trial.spec_with_it())
    for epochs in range(1, min(whole.epochs, _EPOCHS)):
        part = trial.train(trial.spec_with_it(), _StopAfter(epochs))
        resumed = trial.resumed(_file(part))
        if _file(resumed) != _file(whole):
            raise Failed(
                f"stopped after epoch {epochs} and resumed, the training ended otherwise"
                + _difference(whole, resumed)
            )


def _difference(first: Run, second: Run) -> str:
    """What is different, as the end of a sentence."""
    if first.epochs != second.epochs:
        return f": {first.epochs} and {second.epochs} epochs"
    states = [run.model.leftovers.training["callbacks"] for run in (first, second)]  # type: ignore[index]
    if json.dumps(states[0]) != json.dumps(states[1]):
        return ": the states of callbacks in them differ"
    return ""
