"""Importers: what is no file of theirs is an error."""

from __future__ import annotations

import io

from layerkit.core.parts import Importer
from layerkit.errors import MissingExtraError
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed, Skipped


class _Trial(Trial):
    """An importer."""

    part: Importer


BATTERY = Battery("settings.constructor", trial=_Trial)


@BATTERY.rule(
    "pass.refuses",
    why="Weights from a damaged file would be a model that predicts nonsense.",
    fix="raise WeightsError, or leave the error of the library that reads the file as it is",
)
def _refuses(trial: _Trial) -> None:
    if not trial.part.extensions:
        return  # it reads objects alone
    noise = trial.subject.rng("importers").bytes(1000)
    for name, raw in (("an empty file", b""), ("a file of noise", noise)):
        try:
            found = trial.part.weights(io.BytesIO(raw))
        except MissingExtraError as error:
            raise Skipped(str(error)) from error
        except Exception:  # noqa: BLE001, S112  # any error says that the file is damaged
            continue
        raise Failed(f"weights({name}): expected an error, got {found!r:.100}")
