"""A module that prints when it is imported."""

from tests.kit.sound import Carry

print("hello from a plugin")  # noqa: T201  # the bug


class Printing(Carry):
    type_name = "kit.printing"
