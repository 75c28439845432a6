"""Importing the class behind an entry point, isolated from everything else.

If a plugin raises or exits while it is imported, only the code that needs it gets an error, which
names the distribution and keeps the cause.
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
from layerkit.discovery.compatibility import allows, requirement
from layerkit.errors import PluginError, PluginLoadError, PluginProblem, PluginVersionError

CONTRACT_VERSION = 2
"""Version of the base classes in ``layerkit.core``; raised when a part written for the previous one
would no longer work."""

OLDEST_CONTRACT = 1
"""The oldest version whose parts still work here."""


def import_part(candidate: Candidate, base: type[Part], singular: str) -> Any:
    """Import the class behind ``candidate``, a subclass of ``base``; ``singular`` is its kind.

    What the module prints to standard output goes to standard error. Raises PluginLoadError if the
    import raises (even SystemExit; the cause is chained) or gives something else,
    PluginVersionError if the part is made for another version of layerkit.
    """
    _check_requirement(candidate, singular)
    module, _, attribute = candidate.value.partition(":")
    try:
        with _prints_to_stderr(candidate):
            found: Any = importlib.import_module(module)
            for step in attribute.split("."):
                found = getattr(found, step)
    except KeyboardInterrupt:
        raise  # most likely from the user
    except BaseException as cause:
        reason = f"importing {candidate.value} raised {type(cause).__name__}: {_message(cause)}"
        raise _broken(candidate, singular, reason, cause) from cause
    if not (isinstance(found, type) and issubclass(found, base)):
        raise _broken(
            candidate, singular, f"{candidate.value} is not a subclass of {base.__name__}"
        )
    type_name = getattr(found, "type_name", None)
    if type_name != candidate.name:
        reason = f"{candidate.value} has type_name {type_name!r}, not {candidate.name!r}"
        raise _broken(candidate, singular, reason)
    _check_contract(candidate, singular, found.contract_version)
    return found


@contextlib.contextmanager
def _prints_to_stderr(candidate: Candidate) -> Iterator[None]:
    """Send standard output to standard error; for other distributions, the descriptor too."""
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


def _message(error: BaseException) -> str:
    """The message of an error; ``str`` of a plugin's exception may itself raise."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001  # anything that a plugin's code raises
        return "(its message cannot be shown)"


def _broken(
    candidate: Candidate, singular: str, reason: str, cause: BaseException | None = None
) -> PluginError:
    hint = f"fix or uninstall {candidate.dist}; other parts are not affected"
    if isinstance(cause, ImportError) and (cause.name or "").partition(".")[0] == "layerkit":
        upgrade = f"python -m pip install --upgrade layerkit {candidate.dist}"
        hint = f"{candidate.dist} may be made for another version of layerkit: {upgrade}"
    return _unusable(PluginLoadError, candidate, singular, reason, hint)


def _unusable(
    kind: type[PluginError], candidate: Candidate, singular: str, reason: str, hint: str
) -> PluginError:
    message = f"{singular} {candidate.name!r} of {candidate} cannot be used: {reason}"
    problem = PluginProblem(candidate.name, message, installed=(str(candidate),))
    return kind(message, hint=hint, problems=[problem])


def _check_requirement(candidate: Candidate, singular: str) -> None:
    from layerkit import __version__

    if candidate.dist in (None, FIRST_PARTY):
        return
    required = requirement(candidate.dist or "")
    if required is not None and not allows(required, __version__):
        reason = f"it requires layerkit{required}, this is layerkit {__version__}"
        raise _conflict(candidate, singular, reason, f"layerkit {candidate.dist}")


def _check_contract(candidate: Candidate, singular: str, version: object) -> None:
    from layerkit import __version__

    if type(version) is not int:
        reason = f"expected an integer as its contract_version, got {version!r:.80}"
        raise _broken(candidate, singular, reason)
    if OLDEST_CONTRACT <= version <= CONTRACT_VERSION:
        return
    supported = str(CONTRACT_VERSION)
    if OLDEST_CONTRACT < CONTRACT_VERSION:
        supported = f"{OLDEST_CONTRACT} to {CONTRACT_VERSION}"
    reason = (
        f"it is made for contract version {version}, layerkit {__version__} supports {supported}"
    )
    old = candidate.dist if version < OLDEST_CONTRACT else FIRST_PARTY
    raise _conflict(candidate, singular, reason, str(old))


def _conflict(candidate: Candidate, singular: str, reason: str, outdated: str) -> PluginError:
    hint = f"upgrade with: python -m pip install --upgrade {outdated}"
    return _unusable(PluginVersionError, candidate, singular, reason, hint)
