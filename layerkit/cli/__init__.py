"""The command line: each command reads its arguments, calls the library and prints.

``app`` lists the commands, one module each; ``failures`` turns whatever goes wrong into one message
and an exit code; ``console`` is the only place that writes. Command modules import the library
inside their bodies, so that ``layerkit --help`` loads neither NumPy nor pydantic.
"""

from __future__ import annotations

import sys
from typing import NoReturn

from layerkit.cli.app import run
from layerkit.cli.failures import terminable

__all__ = ["main", "run"]


def main() -> NoReturn:
    """Run the command that ``sys.argv`` asks for, and exit; SIGTERM ends it as Ctrl-C does."""
    with terminable():
        sys.exit(run(sys.argv[1:]))
