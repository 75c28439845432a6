"""From an exception to one message on standard error and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer

from layerkit.cli import console
from layerkit.display import printable
from layerkit.errors import LayerkitError
from layerkit.paths import explained

__all__ = ["Misuse", "Terminated", "describe", "lines", "report", "terminable"]

_USAGE: Any = typer.BadParameter.__mro__[1]  # UsageError, whose module typer has moved


class Misuse(typer.BadParameter):
    """A command was asked for what makes no sense: a usage error, exit code 2."""

    def format_message(self) -> str:
        """The message alone."""
        return self.message


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as Ctrl-C, but for the exit code."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the work as Ctrl-C does, so that nothing half-written is left behind."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_ERROR, _MISUSE, _INTERRUPTED, _PIPE, _TERMINATED = 1, 2, 130, 141, 143


def report(error: BaseException, *, as_json: bool, debug: bool) -> int:
    """Tell the user what went wrong, unless nothing did; returns the exit code."""
    if isinstance(error, (typer.Exit, SystemExit)):
        return _exit_code(error)
    if isinstance(error, BrokenPipeError):
        return _pipe_closed()
    if isinstance(error, OSError):
        error = explained(error)
    if debug:
        traceback.print_exception(error)
    told = {"error": describe(error)}
    if as_json:
        console.emit_json(told, err=True)
    else:
        console.note("\n".join(lines(error)))
    if isinstance(error, Terminated):
        return _TERMINATED
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _INTERRUPTED
    return _MISUSE if isinstance(error, _USAGE) else _ERROR


def lines(error: BaseException) -> list[str]:
    """What a person reads: the message, what to do, and where to learn more."""
    if isinstance(error, LayerkitError):
        first, *rest = str(error).split("\n")
        more = [f"layerkit explain {error.code}"]
        first = f"error {error.code}: {first}"
    elif isinstance(error, _USAGE):
        first, rest, more = f"usage error: {_message(error)}", _usage(error), []
    elif isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return ["interrupted"]
    elif isinstance(error, (OSError, MemoryError)):
        hint = getattr(error, "hint", None)  # where a model that could not be saved is
        first, rest, more = f"error: {_message(error)}", [hint] if hint else [], []
    else:
        first, rest = f"internal error: {type(error).__name__}: {_message(error)}", []
        more = ["this is a fault of layerkit or of a plugin: run it again with --debug and "
                "report what it prints"]  # fmt: skip
    safe = [printable(line) for line in (*rest, *more)]
    return [printable(first), *(line if line.startswith("  ") else f"  {line}" for line in safe)]


def describe(error: BaseException) -> dict[str, Any]:
    """The same for programs: code, class, message, hint and the error's own data."""
    told: dict[str, Any] = {
        "code": getattr(error, "code", None) if isinstance(error, LayerkitError) else None,
        "class": type(error).__name__,
        "message": _message(error),
        "hint": getattr(error, "hint", None),
    }
    if isinstance(error, LayerkitError):
        data = {k: v for k, v in vars(error).items() if k not in (*told, "last_good", "problems")}
        told |= {k: v for k, v in data.items() if not k.startswith("_")}
    elif isinstance(error, OSError):
        told["path"] = error.filename
    return told


def _message(error: BaseException) -> str:
    if isinstance(error, LayerkitError):
        return error.message
    if isinstance(error, _USAGE):
        return str(error.format_message()).replace("Value error, ", "")  # pydantic's, in typer
    if isinstance(error, MemoryError):
        return " ".join(["not enough memory", *([f"({error})"] if str(error) else [])])
    if isinstance(error, OSError) and error.strerror:
        name = "" if error.filename is None else f"{os.fspath(error.filename)}: "
        return f"{name}{error.strerror}"
    return str(error) or type(error).__name__


def _usage(error: Any) -> list[str]:
    context = getattr(error, "ctx", None)
    if context is None:
        return []
    return [*context.get_usage().split("\n"), f"help:  {context.command_path} --help"]


def _exit_code(error: typer.Exit | SystemExit) -> int:
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    return error.code if isinstance(error.code, int) else int(error.code is not None)


def _pipe_closed() -> int:
    """Whoever read the output has had enough: end quietly, like any filter."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # what is still buffered has a place to go at exit
    return _PIPE
