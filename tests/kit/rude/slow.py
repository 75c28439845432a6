"""A module that takes its time when it is imported."""

import time

from tests.kit.sound import Carry

time.sleep(0.7)  # the bug


class Slow(Carry):
    type_name = "kit.slow"
