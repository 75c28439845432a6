"""A module that seeds the global generator when it is imported."""

import random

from tests.kit.sound import Carry

random.seed(7)  # the bug


class Seeding(Carry):
    type_name = "kit.seeding"
