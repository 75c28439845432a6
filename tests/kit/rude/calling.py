"""A layer whose constructor asks the network for something."""

import socket
from contextlib import suppress

from layerkit.fields import Size
from tests.kit.sound import Carry


class Calling(Carry):
    type_name = "kit.calling"

    def __init__(self, *, units: Size, gate_bias: float = -1.0) -> None:
        super().__init__(units=units, gate_bias=gate_bias)
        with suppress(OSError):
            socket.getaddrinfo("localhost", 9)  # the bug
