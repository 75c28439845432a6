"""The battery of data sources: nothing is downloaded, only the refusal is tried."""

from __future__ import annotations

import tempfile
from pathlib import Path

from layerkit.errors import LayerkitError
from layerkit.testing.rules import Battery, Failed
from layerkit.testing.subject import Subject

__all__ = ["BATTERY"]

BATTERY = Battery("settings.constructor")


@BATTERY.rule(
    "pass.refuses",
    why="A path that a user mistyped must give a message and not another data set, or a traceback.",
    fix="raise DataSourceError when `where` holds no such file; download only when it is None",
)
def _refuses(subject: Subject) -> str | None:
    for case in subject.examples:
        part = subject.make(case.config)
        with tempfile.TemporaryDirectory(prefix="layerkit-", ignore_cleanup_errors=True) as folder:
            for where in (Path(folder), Path(folder) / "no-such-file"):
                try:
                    part.load(where)
                except (LayerkitError, OSError):
                    continue
                except Exception as error:  # whatever a plugin raises
                    raise Failed(
                        f"{case}: load of an empty folder raised {type(error).__name__}: {error}"
                    ) from error
                raise Failed(f"{case}: load of {where.name!r}, which is not there, gave rows")
    return None
