"""Importing the class behind an entry point, isolated from everything else.

Whatever a plugin does while it is imported (raise, exit, print) reaches only whoever asked for it,
as one error that names the distribution and keeps the cause.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from layerkit.core.parts import Part
from layerkit.discovery.candidates import FIRST_PARTY, Candidate
from layerkit.discovery.compatibility import admits, requirement
from layerkit.errors import PluginError, PluginLoadError, PluginProblem, PluginVersionError

__all__ = ["CONTRACT_VERSION", "OLDEST_CONTRACT", "import_part"]

CONTRACT_VERSION = 1
"""Version of the contracts in ``layerkit.core``; raised when a part that was written for it would
no longer work."""

OLDEST_CONTRACT = 1
"""The oldest version whose parts still work here."""


def import_part(candidate: Candidate, base: type[Part], singular: str) -> Any:
    """The class behind ``candidate``, which inherits ``base``; ``singular`` is its kind in words.

    What the module prints goes to standard error: standard output is the caller's.

    Raises
    ------
    PluginLoadError
        If its module raises (SystemExit too; the cause is chained) or is no such part.
    PluginVersionError
        If it is made for another layerkit, by its distribution's requirement or its own word.
    """
    _check_requirement(candidate, singular)
    module, _, attribute = candidate.value.partition(":")
    try:
        with _prints_to_stderr(candidate):
            found: Any = importlib.import_module(module)
            for step in attribute.split("."):
                found = getattr(found, step)
    except KeyboardInterrupt:
        raise  # of the user, as far as anyone can tell
    except BaseException as cause:
        reason = f"importing {candidate.value} raised {type(cause).__name__}: {_words(cause)}"
        raise _broken(candidate, singular, reason, cause) from cause
    if not (isinstance(found, type) and issubclass(found, base)):
        raise _broken(candidate, singular, f"{candidate.value} is not a {base.__name__}")
    named = getattr(found, "type_name", None)
    if named != candidate.name:
        reason = f"{candidate.value} has type_name {named!r}, not {candidate.name!r}"
        raise _broken(candidate, singular, reason)
    _check_contract(candidate, singular, found.contract_version)
    return found


@contextlib.contextmanager
def _prints_to_stderr(candidate: Candidate) -> Iterator[None]:
    """Send to standard error what Python prints; of a stranger, also what is written lower down."""
    kept = None
    if candidate.dist != FIRST_PARTY:
        with contextlib.suppress(OSError, ValueError):  # a process without the descriptors
            sys.stdout.flush()
            kept = os.dup(1)
            os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def _words(error: BaseException) -> str:
    """Its message; a class of a plugin may fail even at that."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # whatever a plugin's own code raises
        return "(its message cannot be shown)"


def _broken(
    candidate: Candidate, singular: str, reason: str, cause: BaseException | None = None
) -> PluginError:
    hint = f"fix or uninstall {candidate.dist}; other parts are not affected"
    if isinstance(cause, ImportError) and (cause.name or "").partition(".")[0] == "layerkit":
        hint = (
            f"{candidate.dist} may be made for another version of layerkit: {_upgrade(candidate)}"
        )
    message = f"{singular} {candidate.name!r} of {candidate} cannot be used: {reason}"
    problem = PluginProblem(candidate.name, message, installed=(str(candidate),))
    return PluginLoadError(message, hint=hint, problems=[problem])


def _check_requirement(candidate: Candidate, singular: str) -> None:
    from layerkit import __version__

    if candidate.dist in (None, FIRST_PARTY):
        return
    wanted = requirement(candidate.dist or "")
    if wanted is not None and not admits(wanted, __version__):
        reason = f"it requires layerkit{wanted}, this is layerkit {__version__}"
        raise _mismatched(candidate, singular, reason, _upgrade(candidate))


def _check_contract(candidate: Candidate, singular: str, version: object) -> None:
    from layerkit import __version__

    if type(version) is not int:
        reason = f"its contract_version is {version!r:.80}, a whole number is wanted"
        raise _broken(candidate, singular, reason)
    if OLDEST_CONTRACT <= version <= CONTRACT_VERSION:
        return
    known = str(CONTRACT_VERSION)
    if OLDEST_CONTRACT < CONTRACT_VERSION:
        known = f"{OLDEST_CONTRACT} to {CONTRACT_VERSION}"
    reason = f"it is made for contract version {version}, layerkit {__version__} knows {known}"
    old = candidate.dist if version < OLDEST_CONTRACT else FIRST_PARTY
    raise _mismatched(candidate, singular, reason, f"python -m pip install --upgrade {old}")


def _upgrade(candidate: Candidate) -> str:
    return f"python -m pip install --upgrade layerkit {candidate.dist}"


def _mismatched(candidate: Candidate, singular: str, reason: str, line: str) -> PluginVersionError:
    message = f"{singular} {candidate.name!r} of {candidate} cannot be used: {reason}"
    problem = PluginProblem(candidate.name, message, installed=(str(candidate),))
    hint = f"bring the two together with: {line}"
    return PluginVersionError(message, hint=hint, problems=[problem])
