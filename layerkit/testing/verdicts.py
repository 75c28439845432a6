"""How a check ends early: the part fails it, or it does not apply."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from layerkit.core.parts import Part


class Failed(Exception):  # noqa: N818  # a verdict, not an error of the kit
    """The part breaks the rule; ``hint`` replaces the rule's usual advice."""

    def __init__(self, message: str, hint: str = "", *, traceback: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.traceback = traceback


class Skipped(Exception):  # noqa: N818  # a verdict, not an error of the kit
    """The rule does not apply; the text says why."""


@contextmanager
def at(place: object) -> Iterator[None]:
    """Put ``place``, such as an example, in front of the message of a ``Failed``."""
    try:
        yield
    except Failed as failed:
        raise Failed(f"{place}: {failed}", failed.hint, traceback=failed.traceback) from failed


@contextmanager
def catch_errors(part: type[Part], what: str, hint: str = "") -> Iterator[None]:
    """Turn exceptions of the part's code, SystemExit too, into ``Failed`` with the line of code."""
    try:
        yield
    except (Failed, Skipped):
        raise
    except (Exception, SystemExit) as error:
        message = f"{what} raised {describe_error(error, part)}"
        raise Failed(message, hint, traceback="".join(traceback.format_exception(error))) from error


def describe_error(error: BaseException, part: type[Part]) -> str:
    """The exception, and the last line of the part's own file that it passed through."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    module = sys.modules.get(part.__module__)
    file = getattr(module, "__file__", None)
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if file is not None and Path(frame.filename) == Path(file):
            return f"{text}\n({Path(file).name}, line {frame.lineno}: {frame.line})"
    return text
