"""Files: a model of this layer saved, loaded, saved again, in this process and in a fresh one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layerkit.errors import LayerkitError, PluginError
from layerkit.testing.bench import equal
from layerkit.testing.models import loaded, model_of, saved
from layerkit.testing.processes import predict_afresh, reachable
from layerkit.testing.rules import Battery, Failed, Skipped
from layerkit.testing.subject import Example, Subject

if TYPE_CHECKING:
    from layerkit.model import Model

__all__ = ["BATTERY"]

BATTERY = Battery("dtype.float32", "declared.type_name", "settings.round_trip")


@BATTERY.rule(
    "file.round_trip",
    why="A model must come back from its file to the last bit, and give the same file again.",
    fix="all that the output depends on must be a setting, a parameter or a state",
)
def _round_trip(subject: Subject) -> str | None:
    from layerkit.file.load import load

    with subject.known():
        for case in subject.examples:
            model = model_of(subject, case)
            x = subject.rng("file", case.words).standard_normal((5, *case.shape))
            wanted = _predict(case, model, x)
            raw = saved(case, model)
            again = loaded(case, raw)
            if again.spec.layers[0].config != model.spec.layers[0].config:
                raise Failed(f"{case}: the settings after loading are others")
            if not equal(_predict(case, again, x), wanted):
                raise Failed(f"{case}: the loaded model predicts something else")
            if saved(case, again) != raw:
                raise Failed(f"{case}: saving what was loaded gives other bytes")
            with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as at:
                path = Path(at) / "model.layerkit"
                path.write_bytes(raw)
                mapped = load(path, mmap=True)
                if not equal(_predict(case, mapped, x), wanted):
                    raise Failed(f"{case}: with its weights in a mapped file it predicts another")
                del mapped
    return None


def _predict(case: Example, model: Model, x: Any) -> Any:
    try:
        return model.predict(x)
    except (LayerkitError, ValueError) as error:
        raise Failed(
            f"{case}: predict raised {type(error).__name__}: {error}",
            "weights may be read-only memory of a mapped file: feed must not write into them",
        ) from error


@BATTERY.rule(
    "file.fresh_process",
    why="Whoever deploys a model imports layerkit and nothing else; the layer must be found.",
    fix="install the distribution, and let its entry point name the class; the module must import "
    "on its own",
)
def _fresh_process(subject: Subject) -> str | None:
    if not reachable(subject.part):
        raise Skipped(
            f"{subject.address} lives in this process only: no other one could import it; put it "
            "into a module"
        )
    found = predict_afresh(subject)
    if isinstance(found, str):
        raise Failed(f"in a fresh process that imports only layerkit: {found}")
    for case, here, there in found:
        if here != there:
            raise Failed(f"{case}: in a fresh process the loaded model predicts something else")
    return None


@BATTERY.rule(
    "golden.migration",
    why="Files of older versions stay with their owners: today's class must read them, and predict "
    "the same.",
    fix="raise config_version when settings change meaning, and let the classmethod migrate(config,"
    " from_version) turn old ones into today's; keep a file of every version beside the tests",
    needs=("declared.type_name",),
)
def _golden(subject: Subject) -> str | None:
    if not subject.golden:
        version = subject.part.config_version
        if version > 1:
            raise Failed(
                f"config_version is {version}, and no file of an older version is kept",
                "keep one, and name it: golden_files = [...] in the class, golden= or --golden DIR",
            )
        raise Skipped("no golden files are named, and config_version is 1")
    used = 0
    with subject.known():
        for path in subject.golden:
            used += _read_golden(subject, path)
    if not used:
        raise Failed(
            f"none of the {len(subject.golden)} golden files holds a layer of type {subject.name!r}"
        )
    return f"{used} golden files read"


def _read_golden(subject: Subject, path: Path) -> bool:
    """Load a kept file, with its self-test, save it and load it again; False if not ours."""
    from layerkit.file.inspection import inspect
    from layerkit.file.load import load

    case = Example(path.name, {}, ())
    try:
        if subject.name not in inspect(path).header["types"]:
            return False
        model = load(path)
    except PluginError as error:
        if subject.name not in {problem.key for problem in error.problems}:
            return False
        raise Failed(f"{path.name}: {error}") from error
    except (LayerkitError, OSError) as error:
        raise Failed(f"{path.name}: {type(error).__name__}: {error}") from error
    again = loaded(case, saved(case, model))
    if again.network.params.tobytes() != model.network.params.tobytes():
        raise Failed(f"{path.name}: saved and loaded again, its weights are others")
    x = np.zeros((3, *model.spec.in_shape))
    plain = model.ready and model.contract.input.columns is None
    if plain and not equal(_predict(case, again, x), _predict(case, model, x)):
        raise Failed(f"{path.name}: saved and loaded again, it predicts something else")
    return True
