"""The output functions of the core, recorded."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from layerkit.core.context import Shape
from layerkit.core.output_functions import apply_link
from layerkit.core.parts import Link
from layerkit.recording.record import Recording, record_function


@lru_cache(maxsize=64)
def link_recording(link: Link, out_shape: Shape) -> Recording:
    """What turns scores into predictions."""
    return record_function(partial(apply_link, link), out_shape, np.float32)
