"""Every error that layerkit raises on purpose.

A message says where the mistake is, what was expected, what was found, and what to do. The same
facts are attributes, so programs need not parse the text. ``layerkit explain CODE`` prints the
docstring of the class with that ``code``.

::

    LayerkitError
    |- ModelFileError (ValueError)             LK-300
    |  |- NotAModelFileError                   LK-301
    |  |- TruncatedFileError                   LK-301
    |  |- MalformedFileError                   LK-301
    |  |- CorruptFileError                     LK-301
    |  |- LimitExceededError                   LK-301
    |  |- UnsupportedFormatError               LK-302
    |  |- SelfTestError                        LK-303
    |  |- TensorMismatchError                  LK-304
    |  |- SpecError                            LK-201
    |  |  `- ShapeError                        LK-202
    |  `- PluginError                          LK-100
    |     |- PluginMissingError (LookupError)  LK-102
    |     |  `- UnknownTypeError               LK-101
    |     |- PluginLoadError                   LK-103
    |     |- PluginAmbiguousError              LK-104
    |     |- PluginVersionError                LK-105
    |     `- PluginNotAllowedError             LK-106
    |- DataError (ValueError)                  LK-203
    |- DataSourceError (OSError)               LK-204
    |- PathError (OSError)                     LK-305
    |- TrainingDivergedError (ArithmeticError) LK-401
    |- CallbackError (RuntimeError)            LK-402
    |- MissingExtraError (ImportError)         LK-501
    |- ExportError (ValueError)                LK-502
    |- WeightsError (ValueError)               LK-503
    |- DeviceError (RuntimeError)              LK-504
    `- StudyError (RuntimeError)               LK-505

Errors that can occur with or without a file (in a spec, in a plugin) have a ``path``, which is None
without a file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from layerkit.display import quoted

__all__ = [
    "CallbackError",
    "CorruptFileError",
    "DataError",
    "DataSourceError",
    "DeviceError",
    "ExportError",
    "LayerkitError",
    "LimitExceededError",
    "MalformedFileError",
    "MissingExtraError",
    "ModelFileError",
    "NotAModelFileError",
    "PathError",
    "PluginAmbiguousError",
    "PluginError",
    "PluginLoadError",
    "PluginMissingError",
    "PluginNotAllowedError",
    "PluginProblem",
    "PluginVersionError",
    "SelfTestError",
    "ShapeError",
    "SpecError",
    "StudyError",
    "TensorMismatchError",
    "TrainingDivergedError",
    "TruncatedFileError",
    "UnknownTypeError",
    "UnsupportedFormatError",
    "WeightsError",
    "joined_plugin_errors",
]

_MESSAGE_LIMIT = 4000


class LayerkitError(Exception):
    """Base class of all errors that layerkit raises on purpose; catch it to catch them all."""

    code: ClassVar[str] = "LK-000"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        text = self.message if self.hint is None else f"{self.message}\n{self.hint}"
        return text if len(text) <= _MESSAGE_LIMIT else text[: _MESSAGE_LIMIT - 3] + "..."


class ModelFileError(LayerkitError, ValueError):
    """A model file, or the spec it would hold, cannot be used.

    Attributes: ``path`` of the file, ``offset`` in bytes, ``hint``; each may be None.
    """

    code = "LK-300"

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        offset: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.offset = offset

    def __str__(self) -> str:
        where = "" if self.path is None else f"{self.path}: "
        return (where + super().__str__())[:_MESSAGE_LIMIT]


class NotAModelFileError(ModelFileError):
    """The file does not start with the ten bytes of a layerkit file.

    The hint says what it looks like instead: a web page saved by mistake, a Git LFS pointer, a
    model of another framework. Download the file again, or convert it.
    """

    code = "LK-301"


class TruncatedFileError(ModelFileError):
    """The file is shorter than its header says: a copy or a download was interrupted.

    Attributes: ``have`` and ``want``, in bytes. Copy or download the file again.
    """

    code = "LK-301"

    def __init__(self, message: str, *, have: int, want: int, **where: Any) -> None:
        super().__init__(message, **where)
        self.have = have
        self.want = want


class MalformedFileError(ModelFileError):
    """The file violates a rule of the format: the program that wrote it has a bug.

    Attributes: ``where`` (a field path or a byte range) and ``reason``.
    """

    code = "LK-301"

    def __init__(self, reason: str, *, at: str = "", **where: Any) -> None:
        super().__init__(f"malformed layerkit file: {at}: {reason}" if at else reason, **where)
        self.where = at
        self.reason = reason


class CorruptFileError(ModelFileError):
    """The file changed after it was written: a SHA-256 digest does not match.

    Attributes: ``tensor`` (a name, or "header"), ``expected``, ``actual``. Download the file again.
    """

    code = "LK-301"

    def __init__(
        self, message: str, *, tensor: str, expected: str, actual: str, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.tensor = tensor
        self.expected = expected
        self.actual = actual


class LimitExceededError(ModelFileError):
    """The file exceeds a limit. Raise the limit only for a file you trust.

    The same limits apply to a model before it is trained or saved; ``where`` then names the field
    that is too large. Attributes: ``limit`` (the field of ``Limits``), ``value``, ``allowed``,
    ``where`` (a field, or empty).
    """

    code = "LK-301"

    def __init__(
        self,
        limit: str,
        value: int,
        allowed: int,
        *,
        at: str = "",
        message: str | None = None,
        **where: Any,
    ) -> None:
        super().__init__(
            message or f"Limits.{limit}: the file claims {value}, {allowed} allowed", **where
        )
        self.limit = limit
        self.value = value
        self.allowed = allowed
        self.where = at

    @classmethod
    def of_model(cls, limit: str, value: int, allowed: int, at: str) -> Self:
        """The error for a model that cannot be saved because ``at`` is too large."""
        unit = {"items": "items", "depth": "levels"}.get(
            limit, "bytes" if "bytes" in limit else limit
        )
        return cls(
            limit,
            value,
            allowed,
            at=at,
            message=f"{at}: {value} {unit} do not fit into a model file: Limits.{limit} allows "
            f"{allowed}",
            hint=f"--limit {limit}=N, or limits=layerkit.Limits({limit}=N), raises the limit; "
            "readers of the file must raise it too",
        )


class UnsupportedFormatError(ModelFileError):
    """The file was written by a newer layerkit and needs features that this one does not have.

    Attribute: ``needs``, the names of these features. Upgrade layerkit.
    """

    code = "LK-302"

    def __init__(self, message: str, *, needs: Sequence[str] = (), **where: Any) -> None:
        super().__init__(message, **where)
        self.needs = tuple(needs)


class SelfTestError(ModelFileError):
    """The loaded model does not give the same outputs as when it was saved.

    A plugin computes something else now, or the numerical libraries differ by more than the
    tolerance in the file. Attributes: ``max_abs``, the largest difference, and its ``index``.
    """

    code = "LK-303"

    def __init__(
        self, message: str, *, max_abs: float, index: tuple[int, ...] | None, **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.max_abs = max_abs
        self.index = index


class TensorMismatchError(ModelFileError):
    """The tensors of a file, or those given for a model, do not match the spec.

    Attributes: ``missing``, ``unexpected`` (names) and ``mismatched`` (name, expected, found).
    """

    code = "LK-304"

    def __init__(
        self,
        message: str,
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        mismatched: Sequence[tuple[str, str, str]] = (),
        **where: Any,
    ) -> None:
        super().__init__(message, **where)
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.mismatched = tuple(mismatched)


class SpecError(ModelFileError):
    """A field of the spec has a wrong value.

    The message names the field, its line in the JSON file or the override that set it (``--set``,
    ``settings``), what was expected and what it got; for a misspelt word, also the nearest one.
    Correct that field; ``layerkit explain FIELD`` shows what it takes. Attributes: ``location``,
    ``reason``, ``line``, ``setting`` (None where they do not apply) and ``faults``, a list of
    (location, reason).
    """

    code = "LK-201"

    def __init__(
        self,
        reason: str,
        *,
        location: str = "",
        line: int | None = None,
        setting: str | None = None,
        faults: Sequence[tuple[str, str]] = (),
        **where: Any,
    ) -> None:
        at = _place(location, line, setting)
        super().__init__(f"{at}: {reason}" if at else reason, **where)
        self.location = location
        self.reason = reason
        self.line = line
        self.setting = setting
        self.faults = tuple(faults) or ((location, reason),)


def _place(location: str, line: int | None, setting: str | None) -> str:
    """The place of a mistake in a spec: a field and its line, or an override."""
    if setting is None:
        shown = "" if line is None else f" (line {line})" if location else f"line {line}"
        return location + shown
    dotted = location.replace("[", ".").replace("]", "")
    same = re.search(r"(\A|[ '\"])" + re.escape(dotted) + r"\s*=", setting)
    return setting if same or not location else f"{setting}: {location}"


class ShapeError(SpecError):
    """Two neighbouring layers, or the data and a layer, have shapes that do not fit together.

    The message names both and the usual fixes: change ``units``, put a ``dense`` layer between
    them, or use ``projection``, whose carry changes the width.
    """

    code = "LK-202"


@dataclass(frozen=True)
class PluginProblem:
    """What is wrong with one type.

    Its ``key``, the ``reason`` in words, ``where`` the spec uses it, the distribution and version
    that the file names (``claimed``, or None), and what is ``installed`` instead.
    """

    key: str
    reason: str
    where: str = ""
    claimed: str | None = None
    installed: tuple[str, ...] = ()


class PluginError(ModelFileError):
    """A layer type (or another part) that the spec names cannot be used.

    Attribute: ``problems``, one ``PluginProblem`` per type.
    """

    code = "LK-100"

    def __init__(
        self, message: str, *, problems: Sequence[PluginProblem] = (), **where: Any
    ) -> None:
        super().__init__(message, **where)
        self.problems = tuple(problems)


class PluginMissingError(PluginError, LookupError):
    """No installed distribution offers the type that the file names: a plugin is missing.

    Install it with the pip command in the message. Until then ``layerkit inspect`` and
    ``layerkit.load_tensors`` still read the file.
    """

    code = "LK-102"


class UnknownTypeError(PluginMissingError):
    """No installed distribution offers a part with this name; the message gives the nearest names.

    ``layerkit plugins list`` shows everything that is installed.
    """

    code = "LK-101"


class PluginLoadError(PluginError):
    """A plugin was found but cannot be used.

    Importing or constructing it raised (the cause is chained), or its class breaks a rule for
    plugins. ``layerkit plugins why TYPE`` shows the traceback. Other parts are not affected.
    """

    code = "LK-103"


class PluginAmbiguousError(PluginError):
    """Two installed distributions offer the same type, so that type cannot be used.

    Uninstall one of them, name the other in LAYERKIT_PLUGINS, or ask an author to add a prefix to
    the name (``acme.spline``).
    """

    code = "LK-104"


class PluginVersionError(PluginError):
    """A plugin is made for another version of layerkit, or a file for another version of a plugin.

    Either the plugin's requirement or its ``contract_version`` does not match, or its class cannot
    read the settings in the file. Upgrade what the message names.
    """

    code = "LK-105"


class PluginNotAllowedError(PluginError):
    """The distribution of the type is not listed in ``allow_plugins`` or LAYERKIT_PLUGINS.

    If you trust it, add it there. Nothing of it has been imported.
    """

    code = "LK-106"


_GRAVITY = (
    UnknownTypeError,
    PluginMissingError,
    PluginAmbiguousError,
    PluginNotAllowedError,
    PluginLoadError,
    PluginVersionError,
    PluginError,
)


def joined_plugin_errors(errors: Sequence[PluginError], message: str, **where: Any) -> PluginError:
    """One error for several: the class, cause and hint of the gravest, the problems of all."""
    first = min(errors, key=lambda e: next(i for i, c in enumerate(_GRAVITY) if isinstance(e, c)))
    problems = [problem for error in errors for problem in error.problems]
    joined = type(first)(message, problems=problems, **{"hint": first.hint, **where})
    joined.__cause__ = first.__cause__
    return joined


class DataError(LayerkitError, ValueError):
    """Data do not match the data contract of the model.

    A column is missing, a value is not a number, a label is not one of the classes, the number of
    columns differs. Rows are counted from 0, without the header line. Attributes: ``row``,
    ``column`` (a name or an index), ``source``; each may be None.
    """

    code = "LK-203"

    def __init__(
        self,
        message: str,
        *,
        row: int | None = None,
        column: str | int | None = None,
        source: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.row = row
        self.column = column
        self.source = source

    def __str__(self) -> str:
        place = [str(self.source)] if self.source else []
        place += [f"row {self.row}"] if self.row is not None else []
        place += [f"column {quoted(self.column)}"] if self.column is not None else []
        return ", ".join(place) + ": " + super().__str__() if place else super().__str__()


class DataSourceError(LayerkitError, OSError):
    """A data set cannot be found or read. Give ``--data PATH`` or set ``LAYERKIT_DATA``."""

    code = "LK-204"


class PathError(LayerkitError, OSError):
    """A file does not exist, is a folder, or cannot be read or written.

    Check the name, or create its folder first. The error is also the FileNotFoundError,
    IsADirectoryError, NotADirectoryError, FileExistsError or PermissionError that Python would
    raise. Attributes: ``path``, ``filename``, ``errno``.
    """

    code = "LK-305"

    def __init__(
        self,
        message: str,
        *,
        path: str | None = None,
        errno: int | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.filename = path
        self.errno = errno


class TrainingDivergedError(LayerkitError, ArithmeticError):
    """The loss became NaN or infinite. The last good state is kept and named in the message.

    Lower ``learning_rate``, set ``clip_norm``, or check the scale of the input. Attributes:
    ``epoch`` and ``batch``, counted from 1, and ``last_good``, the model after the previous epoch
    (None in the first).
    """

    code = "LK-401"
    last_good: Any = None

    def __init__(self, message: str, *, epoch: int, batch: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.epoch = epoch
        self.batch = batch


class CallbackError(LayerkitError, RuntimeError):
    """A callback or listener raised; the training ended with its last complete epoch.

    The cause is chained. Correct the callback, or take it out of ``train.callbacks``, and resume.
    Attribute: ``run``, what the training had reached, with its model (None before the first batch).
    """

    code = "LK-402"
    run: Any = None


class MissingExtraError(LayerkitError, ImportError):
    """An optional package is not installed; the message gives the pip command that installs it."""

    code = "LK-501"

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package}, which is not installed",
            hint=f'install it with: python -m pip install "layerkit[{extra}]"',
        )
        self.package = package
        self.extra = extra


class ExportError(LayerkitError, ValueError):
    """A model cannot be written in another form, or the written form gives other numbers.

    The message names the layer and the operation that the form does not have.
    """

    code = "LK-502"


class WeightsError(LayerkitError, ValueError):
    """Weights of another library cannot be read, or the model gives other answers than it.

    The message names the file, or the row with its answers.
    """

    code = "LK-503"


class DeviceError(LayerkitError, RuntimeError):
    """A device cannot be used here, or has no form of a layer, loss or rule.

    The message names the layer, and its line where one of its operations has no form.
    """

    code = "LK-504"


class StudyError(LayerkitError, RuntimeError):
    """A study cannot go on here, or some of its runs have failed.

    Another process runs it, its ``runs.jsonl`` was changed, a worker has other versions or has died
    several times. The finished runs are kept: the same command trains the rest.
    """

    code = "LK-505"
