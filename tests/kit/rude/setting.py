"""A module that changes the environment of the process when it is imported."""

import os

from tests.kit.sound import Carry

os.environ["OMP_NUM_THREADS"] = "1"  # the bug


class Setting(Carry):
    type_name = "kit.setting"
