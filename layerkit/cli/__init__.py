"""The command line: each command reads its arguments, calls the library and prints.

``app`` lists the commands, one module each; ``failures`` turns any exception into one message and
an exit code; ``console`` writes all output. Command modules import the library inside their bodies,
so that ``layerkit --help`` loads neither NumPy nor pydantic.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from layerkit.cli.app import run
from layerkit.cli.failures import sigterm_interrupts

__all__ = ["main", "run"]


def main() -> NoReturn:
    """Run the command in ``sys.argv`` and exit."""
    with sigterm_interrupts():
        sys.exit(run(sys.argv[1:]))
