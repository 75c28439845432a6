"""Data sources: a missing file is refused; nothing is downloaded here."""

from __future__ import annotations

import tempfile
from pathlib import Path

from layerkit.errors import LayerkitError
from layerkit.testing.rules import Battery
from layerkit.testing.subject import Trial
from layerkit.testing.verdicts import Failed

BATTERY = Battery("settings.constructor")


@BATTERY.rule(
    "pass.refuses",
    why="A mistyped path must give a clear message, not another data set or a traceback.",
    fix="raise DataSourceError when `where` holds no such file; download only when it is None",
)
def _refuses(trial: Trial) -> None:
    with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
        for what, where in (
            ("an empty folder", Path(folder)),
            ("a file that does not exist", Path(folder) / "no-such-file"),
        ):
            try:
                trial.part.load(where)
            except (LayerkitError, OSError):
                continue
            except Exception as error:  # whatever a plugin raises
                raise Failed(
                    f"load of {what}: expected a DataSourceError, got {type(error).__name__}: "
                    f"{error}"
                ) from error
            raise Failed(f"load of {what}: expected a DataSourceError, got rows")
