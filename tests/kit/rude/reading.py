"""A module that reads a file when it is imported."""

from pathlib import Path

from tests.kit.sound import Carry

TEXT = Path(__file__).read_text("utf-8")  # the bug


class Reading(Carry):
    type_name = "kit.reading"
