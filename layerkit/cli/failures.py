"""From an exception to one message on standard error and an exit code."""

from __future__ import annotations

import os
import re
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, get_args

import typer

from layerkit.cli import console
from layerkit.display import printable, quoted
from layerkit.errors import LayerkitError
from layerkit.paths import explained

_AnyUsageError: Any = typer.BadParameter.__mro__[1]  # typer does not always export it

_ERROR, _USAGE, _INTERRUPTED, _PIPE, _TERMINATED = 1, 2, 130, 141, 143


class UsageError(typer.BadParameter):
    """Arguments that make no sense together; exit code 2."""

    def format_message(self) -> str:
        """The message, without the name of an option in front."""
        return self.message


class TerminationSignal(KeyboardInterrupt):
    """SIGTERM: handled as Ctrl-C is, but with exit code 143."""


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Make SIGTERM raise, as Ctrl-C does, so that no half-written file stays behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TerminationSignal

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Print what went wrong, if anything did; returns the exit code."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    if isinstance(error, BrokenPipeError):
        return _pipe_closed()
    if isinstance(error, OSError):
        error = explained(error)
    if debug:
        traceback.print_exception(error)
    if as_json:
        console.emit_json({"error": error_values(error)}, err=True)
    else:
        console.err("\n".join(lines(error)))
    if isinstance(error, TerminationSignal):
        return _TERMINATED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _INTERRUPTED
    return _USAGE if isinstance(error, _AnyUsageError) else _ERROR


def lines(error: BaseException) -> list[str]:
    """The message for people, what to do, and where to learn more."""
    message, more = _message(error), []
    if isinstance(error, LayerkitError):
        message, *more = f"error {error.code}: {error}".split("\n")
        more.append(f"layerkit explain {error.code}")
    elif isinstance(error, _AnyUsageError):
        message, more = f"usage error: {message}", _usage(error)
    elif isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return ["interrupted"]
    elif isinstance(error, (OSError, MemoryError)):
        hint = getattr(error, "hint", None)  # where a model that could not be saved is
        message, more = f"error: {message}", [hint] if hint else []
    else:
        message = f"internal error: {type(error).__name__}: {message}"
        more = ["this is a bug in layerkit or in a plugin; run it again with --debug and "
                "report what it prints"]  # fmt: skip
    shown = map(printable, more)
    return [printable(message), *(x if x.startswith("  ") else f"  {x}" for x in shown)]


def error_values(error: BaseException) -> dict[str, Any]:
    """The error as JSON values: code, class, message, hint and its own data."""
    values: dict[str, Any] = {
        "code": getattr(error, "code", None) if isinstance(error, LayerkitError) else None,
        "class": type(error).__name__,
        "message": _message(error),
        "hint": getattr(error, "hint", None),
    }
    if isinstance(error, LayerkitError):
        hidden = (*values, "last_good", "problems", "run")
        data = {k: v for k, v in vars(error).items() if k not in hidden and k[0] != "_"}
        values |= data
    elif isinstance(error, OSError):
        values["path"] = error.filename
    return values


def _message(error: BaseException) -> str:
    if isinstance(error, LayerkitError):
        return error.message
    if isinstance(error, _AnyUsageError):
        return _usage_message(error)
    if isinstance(error, MemoryError):
        return f"not enough memory ({error})" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{os.fspath(error.filename)}: "
        return f"{name}{error.strerror}"
    return str(error) or type(error).__name__


def _usage_message(error: Any) -> str:
    """What typer says of wrong arguments, in layerkit's words where they are known."""
    text = str(error.format_message()).replace("Value error, ", "")  # pydantic's, in typer
    if isinstance(error, UsageError):
        return text
    name = getattr(error, "option_name", None)
    if name is not None and hasattr(error, "possibilities"):
        near = " or ".join(map(repr, sorted(error.possibilities or ())))
        return f"unknown option {name}" + (f"; did you mean {near}?" if near else "")
    if found := re.fullmatch(r"Missing (\w+) '(.+?)'\.", text):
        return "missing {} {}".format(*found.groups())
    if found := re.fullmatch(r"No such command (.+?)\.(?: Did you mean (.+)\?)?", text, re.DOTALL):
        near = (found[2] or "").replace("', '", "' or '")
        return f"unknown command {found[1]}" + (f"; did you mean {near}?" if near else "")
    return _wrong_value(error) or text


def _wrong_value(error: Any) -> str:
    """``--option: expected X, got Y`` for a number or one of some words; else ""."""
    option, value = getattr(error, "param", None), _refused_value(error)
    if option is None or value is None or not str(option.opts[0]).startswith("-"):
        return ""
    kind = getattr(option, "type", None)  # click's, which newer versions of typer do without
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    words = getattr(kind, "choices", None) or get_args(annotation)
    number = str(getattr(kind, "name", None) or getattr(annotation, "__name__", ""))
    if words and all(isinstance(word, str) for word in words):
        expected, got = ", ".join(words[:-1]) + f" or {words[-1]}", quoted(value)
    elif number.startswith(("int", "float")):
        expected = "an integer" if number.startswith("int") else "a number"
        limits = option if hasattr(option, "min") else kind
        expected += _range(getattr(limits, "min", None), getattr(limits, "max", None))
        got = value if re.fullmatch(r"-?[\d.]{1,40}", value) else quoted(value)
    else:
        return ""
    return f"{option.opts[0]}: expected {expected}, got {got}"


def _refused_value(error: Any) -> str | None:
    """The value that typer refused, as written; None if the error is about something else."""
    if hasattr(error.__cause__, "errors"):  # pydantic's
        return str(error.__cause__.errors()[0]["input"])
    found = re.match(r"'?(.*?)'? is not (?:a valid|in the range|one of) ", error.message)
    return found and found[1]


def _range(least: float | None, most: float | None) -> str:
    if least is not None and most is not None:
        return f" from {least} to {most}"
    return f" >= {least}" if least is not None else f" <= {most}" if most is not None else ""


def _usage(error: Any) -> list[str]:
    context = getattr(error, "ctx", None)
    if context is None:
        return []
    return [*context.get_usage().split("\n"), f"help:  {context.command_path} --help"]


def _pipe_closed() -> int:
    """The reader of the output, ``head`` for example, has left: end quietly, as filters do."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())  # where the rest of the buffer goes at exit
    return _PIPE
