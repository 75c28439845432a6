"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# NumPy is the reference; tests of the compiled kernels ask for them.
os.environ["LAYERKIT_FAST"] = "0"

# Workers get it from the runner of the tests; output is that of a pipe unless a test asks for more.
os.environ.pop("COLUMNS", None)

# A loaded machine may take longer than the default 200 ms an example; no test is timed here.
settings.register_profile("layerkit", deadline=None)
settings.load_profile("layerkit")
