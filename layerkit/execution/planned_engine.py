"""The engine that is always there: planned NumPy steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layerkit.core.context import Array
from layerkit.core.network import Network
from layerkit.core.output_functions import link_row
from layerkit.core.parts import Link
from layerkit.core.planning import PlannedLayer
from layerkit.execution.engine import Engine, LossStage, RecordedLayer, Row, Stage
from layerkit.execution.planned.stage import PlannedLoss, PlannedRow, PlannedStage
from layerkit.recording.record import Recording
from layerkit.threads import single_blas


class PlannedNumPy(Engine):
    """Runs every recorded layer as NumPy steps with memory and views bound once."""

    type_name = "planned"

    def trouble(self) -> str:
        """Nothing."""
        return ""

    def versions(self) -> Mapping[str, str]:
        """None but NumPy's."""
        return {}

    def refuses(self, recording: Recording, planned: PlannedLayer | None = None) -> str:
        """Nothing."""
        return ""

    def stage(
        self, network: Network, layers: Sequence[RecordedLayer], *, keeps: bool, wants_dx: bool
    ) -> Stage:
        """Neighbouring layers over one pool of memory."""
        return PlannedStage(network, layers, keeps=keeps, wants_dx=wants_dx)

    def loss(self, recording: Recording) -> LossStage:
        """A loss over its own memory."""
        return PlannedLoss(recording)

    def row(self, network: Network, layers: Sequence[RecordedLayer], link: Link) -> Row | None:
        """All layers on one row as vectors; None if a row has several axes."""
        if not PlannedRow.fits(layers):
            return None
        feed = PlannedRow(network, layers).feed

        def row(x: Array) -> Array:
            with single_blas(), np.errstate(all="ignore"):
                return link_row(link, feed(x[0]))

        return row


PLANNED = PlannedNumPy()
