"""``plugins doctor`` names what killed commands have left, and deletes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli, Unchanged

LEFT = ".pets.layerkit.layerkit-0123456789abcdef.tmp"


def test_doctor_names_temporaries_of_killed_commands(cli: Cli, unchanged: Unchanged) -> None:
    Path("runs").mkdir()
    for name in (LEFT, ".pets.layerkit.layerkit-0123.tmp", "pets.tmp"):
        (Path("runs") / name).write_bytes(b"half")
    with unchanged():
        done = cli("plugins", "doctor", "--folder", "runs", "--json")
        here = cli("plugins", "doctor", "--json")
    named = [f["subject"] for f in done.json["findings"] if f["check"] == "left-over file"]
    assert named == [os.path.join("runs", LEFT)]  # noqa: PTH118
    assert all(f["check"] != "left-over file" for f in here.json["findings"])


def test_sigterm_while_waiting_for_rows_exits_143(folder: Path, pets: Path, command: str) -> None:
    """Before anything has begun there is nothing to save."""
    words = [command, "train", "-"]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b"{" * 100_000)  # more than a pipe holds: it is being read then
        process.stdin.flush()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (143, b"interrupted\n")
