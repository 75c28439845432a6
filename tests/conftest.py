"""What all tests share."""

from __future__ import annotations

import os
import signal
import sys

from hypothesis import settings

# NumPy is the reference; tests of the compiled kernels ask for them.
os.environ["LAYERKIT_FAST"] = "0"

# Tests edit modules faster than the clock tells their compiled forms apart.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"

# A shell starts what runs in the background deaf to Ctrl-C, and so would be what tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers get it from the runner of the tests; output is that of a pipe unless a test asks for more.
os.environ.pop("COLUMNS", None)

# A loaded machine may take longer than the default 200 ms an example; no test is timed here.
settings.register_profile("layerkit", deadline=None)
settings.load_profile("layerkit")
