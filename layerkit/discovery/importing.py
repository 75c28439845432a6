"""From an offer to its class: one import, held apart from everything else.

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
from layerkit.discovery.candidates import FIRST_PARTY, Offer
from layerkit.discovery.compatibility import admits, requirement
from layerkit.errors import PluginError, PluginLoadError, PluginProblem, PluginVersionError

__all__ = ["CONTRACT_VERSION", "OLDEST_CONTRACT", "import_part"]

CONTRACT_VERSION = 1
"""Version of the contracts in ``layerkit.core``; raised when a part that was written for it would
no longer work."""

OLDEST_CONTRACT = 1
"""The oldest version whose parts still work here."""


def import_part(offer: Offer, base: type[Part], singular: str) -> Any:
    """The class behind ``offer``, which inherits ``base``; ``singular`` is its kind in words.

    What the module prints goes to standard error: standard output is the caller's.

    Raises
    ------
    PluginLoadError
        If its module raises (SystemExit too; the cause is chained) or is no such part.
    PluginVersionError
        If it is made for another layerkit, by its distribution's requirement or its own word.
    """
    _check_requirement(offer, singular)
    module, _, attribute = offer.value.partition(":")
    try:
        with _prints_to_stderr(offer):
            found: Any = importlib.import_module(module)
            for step in attribute.split("."):
                found = getattr(found, step)
    except KeyboardInterrupt:
        raise  # of the user, as far as anyone can tell
    except BaseException as cause:
        reason = f"importing {offer.value} raised {type(cause).__name__}: {_words(cause)}"
        raise _broken(offer, singular, reason, cause) from cause
    if not (isinstance(found, type) and issubclass(found, base)):
        raise _broken(offer, singular, f"{offer.value} is not a {base.__name__}")
    named = getattr(found, "type_name", None)
    if named != offer.name:
        reason = f"{offer.value} has type_name {named!r}, not {offer.name!r}"
        raise _broken(offer, singular, reason)
    _check_contract(offer, singular, found.contract_version)
    return found


@contextlib.contextmanager
def _prints_to_stderr(offer: Offer) -> Iterator[None]:
    """Send to standard error what Python prints; of a stranger, also what is written lower down."""
    kept = None
    if offer.dist != FIRST_PARTY:
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
    offer: Offer, singular: str, reason: str, cause: BaseException | None = None
) -> PluginError:
    hint = f"fix or uninstall {offer.dist}; other parts are not affected"
    if isinstance(cause, ImportError) and (cause.name or "").partition(".")[0] == "layerkit":
        hint = f"{offer.dist} may be made for another version of layerkit: {_upgrade(offer)}"
    message = f"{singular} {offer.name!r} of {offer} cannot be used: {reason}"
    problem = PluginProblem(offer.name, message, installed=(str(offer),))
    return PluginLoadError(message, hint=hint, problems=[problem])


def _check_requirement(offer: Offer, singular: str) -> None:
    from layerkit import __version__

    if offer.dist in (None, FIRST_PARTY):
        return
    wanted = requirement(offer.dist or "")
    if wanted is not None and not admits(wanted, __version__):
        reason = f"it requires layerkit{wanted}, this is layerkit {__version__}"
        raise _mismatched(offer, singular, reason, _upgrade(offer))


def _check_contract(offer: Offer, singular: str, version: object) -> None:
    from layerkit import __version__

    if type(version) is not int:
        reason = f"its contract_version is {version!r:.80}, a whole number is wanted"
        raise _broken(offer, singular, reason)
    if OLDEST_CONTRACT <= version <= CONTRACT_VERSION:
        return
    known = str(CONTRACT_VERSION)
    if OLDEST_CONTRACT < CONTRACT_VERSION:
        known = f"{OLDEST_CONTRACT} to {CONTRACT_VERSION}"
    reason = f"it is made for contract version {version}, layerkit {__version__} knows {known}"
    old = offer.dist if version < OLDEST_CONTRACT else FIRST_PARTY
    raise _mismatched(offer, singular, reason, f"python -m pip install --upgrade {old}")


def _upgrade(offer: Offer) -> str:
    return f"python -m pip install --upgrade layerkit {offer.dist}"


def _mismatched(offer: Offer, singular: str, reason: str, line: str) -> PluginVersionError:
    message = f"{singular} {offer.name!r} of {offer} cannot be used: {reason}"
    problem = PluginProblem(offer.name, message, installed=(str(offer),))
    hint = f"bring the two together with: {line}"
    return PluginVersionError(message, hint=hint, problems=[problem])
