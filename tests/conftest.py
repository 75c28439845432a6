"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine may take longer than the default 200 ms an example; no test is timed here.
settings.register_profile("layerkit", deadline=None)
settings.load_profile("layerkit")
