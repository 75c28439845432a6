"""Model files of a layer: saved, loaded and saved again, in this process and in a new one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.core.domains import input_domains, with_whole_numbers
from layerkit.errors import LayerkitError, PluginError
from layerkit.testing.arrays import equal
from layerkit.testing.models import loaded, model_of, saved
from layerkit.testing.processes import importable, predict_in_child
from layerkit.testing.rules import INTACT, Battery
from layerkit.testing.subject import Subject, Trial
from layerkit.testing.verdicts import Failed, Skipped, at

if TYPE_CHECKING:
    from layerkit.model import Model

BATTERY = Battery("dtype.float32", "declared.type_name", "settings.round_trip", *INTACT)


@BATTERY.rule(
    "file.round_trip",
    why="A model must be the same after saving and loading, to the last bit, and give the same "
    "file again.",
    fix="everything that the output depends on must be a setting, a parameter or a state",
)
def _round_trip(trial: Trial) -> None:
    from layerkit.file.load import load

    with trial.subject.registered():
        model = model_of(trial.subject, trial.example)
        rng = trial.subject.rng("file", trial.example.name)
        x = rng.standard_normal((5, *trial.example.shape))
        x = with_whole_numbers(x, input_domains(model.network.planned), rng)
        expected = _predict(model, x)
        raw = saved(model)
        again = loaded(raw)
        if again.spec.layers[0].config != model.spec.layers[0].config:
            raise Failed("loading changes the settings")
        if not equal(_predict(again, x), expected):
            raise Failed("the loaded model predicts something else")
        if saved(again) != raw:
            raise Failed("saving the loaded model gives other bytes")
        with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "model.layerkit"
            path.write_bytes(raw)
            mapped = load(path, mmap=True)
            if not equal(_predict(mapped, x), expected):
                raise Failed("the model loaded with mmap=True predicts something else")
            del mapped


def _predict(model: Model, x: Any) -> Any:
    try:
        return model.predict(x)
    except (LayerkitError, ValueError) as error:
        raise Failed(
            f"predict raised {type(error).__name__}: {error}",
            "weights may be read-only memory of a mapped file: feed must not write into them",
        ) from error


@BATTERY.once(
    "file.fresh_process",
    why="A deployed model runs in a process that imports layerkit and nothing else; the layer must "
    "be found there.",
    fix="install the distribution, and let its entry point name the class; the module must import "
    "on its own",
)
def _fresh_process(subject: Subject) -> None:
    if not importable(subject.part):
        raise Skipped(
            f"{subject.address} lives in this process only: no other one can import it; put it "
            "into a module"
        )
    for example, here, there in predict_in_child(subject):
        if here != there:
            raise Failed(f"{example}: in a new process the loaded model predicts something else")


@BATTERY.once(
    "golden.migration",
    why="Users keep files of older versions: today's class must read them, and predict the same.",
    fix="raise config_version when settings change meaning, and let the classmethod migrate(config,"
    " from_version) turn old ones into today's; keep a file of every version beside the tests",
    needs=("declared.type_name",),
)
def _golden(subject: Subject) -> str:
    if not subject.golden:
        version = subject.part.config_version
        if version > 1:
            raise Failed(
                f"config_version is {version}, but no file of an older version is kept",
                "keep one, and name it: golden_files = [...] in the class, golden= or --golden DIR",
            )
        raise Skipped("no golden files are named, and config_version is 1")
    with subject.registered():
        used = sum(_read_golden(subject, path) for path in subject.golden)
    if not used:
        raise Failed(
            f"none of the {len(subject.golden)} golden files holds a layer of type {subject.name!r}"
        )
    return f"{used} golden files read"


def _read_golden(subject: Subject, path: Path) -> bool:
    """Load a file with its self-test, save it and load it again; False if not of this layer."""
    from layerkit.file.inspection import inspect
    from layerkit.file.load import load

    with at(path.name):
        try:
            if subject.name not in inspect(path).header["types"]:
                return False
            model = load(path)
        except PluginError as error:
            if subject.name not in {problem.key for problem in error.problems}:
                return False
            raise Failed(str(error)) from error
        except (LayerkitError, OSError) as error:
            raise Failed(f"{type(error).__name__}: {error}") from error
        again = loaded(saved(model))
        if again.network.params.tobytes() != model.network.params.tobytes():
            raise Failed("saving and loading changes the weights")
        x = np.zeros((3, *model.spec.in_shape))
        plain = model.ready and model.contract.input.columns is None
        if plain and not equal(_predict(again, x), _predict(model, x)):
            raise Failed("saved and loaded again, it predicts something else")
    return True
