"""data_parallel: one model trained by several MPI processes, each on rows of its own.

All gradients lie in one flat vector, so a step needs one exchange (N processes, gradients g_1 ..
g_N)::

    g = (g_1 + ... + g_N) / N      one Allreduce, in place
    p := a step of ``optimizer``    the same one in every process

Every process starts with the same parameters and takes the same steps, so all end with the same
bytes. The mean is that over all rows if every process has as many rows in each batch as the
others. Without ``mpiexec`` there is one process, which trains as with ``optimizer`` alone.

What is done before a step is done in each process with its own gradient: ``train.clip_norm``.

Needs the extra ``mpi``. Source: Sergeev, Del Balso, "Horovod: fast and easy distributed deep
learning in TensorFlow" (arXiv 1802.05799), section 3.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from layerkit import Array, LayerkitError, MissingExtraError, Optimizer
from layerkit.fields import PartOf, Positive

__all__ = ["DataParallel"]


class DataParallel(Optimizer):
    """The step of ``optimizer``, whose own ``learning_rate`` is not used, by the mean gradient.

    Every process must have the same spec, seed and versions, and as many rows as the others: a
    process with fewer steps would let the others wait for ever.
    """

    type_name = "data_parallel"

    def __init__(
        self,
        *,
        learning_rate: Positive = 0.001,
        optimizer: Annotated[str | Mapping[str, Any], PartOf("optimizers")] = "adam",
    ) -> None:
        self.learning_rate = learning_rate
        self.optimizer = optimizer

    @property
    def slot_names(self) -> tuple[str, ...]:  # type: ignore[override]  # those of a setting
        """Those of ``optimizer``."""
        return self._inner().slot_names

    def bind(self, params: Array, grads: Array, decay_mask: Array | None = None) -> None:
        """Start, together with the other processes.

        Raises
        ------
        MissingExtraError
            If mpi4py or an MPI library is not installed.
        LayerkitError
            If the processes start with different parameters.
        """
        super().bind(params, grads, decay_mask)
        self._world = _world()
        begins = self._world.allgather(hashlib.sha256(params.tobytes()).digest())
        if len(set(begins)) > 1:
            raise LayerkitError(
                "data_parallel: the processes start with different parameters",
                hint="give every process the same spec, seed and version of layerkit",
            )

    def begin(self, rate: float) -> None:
        """Begin a step: the gradients of all processes become their mean."""
        from mpi4py import MPI

        if self._world.size > 1:
            self._world.Allreduce(MPI.IN_PLACE, self._grads)
            self._grads /= self._world.size
        super().begin(rate)

    def rule(self, p: Array, g: Array, slots: Sequence[Array], scratch: Array) -> None:
        """One step of ``optimizer``."""
        inner = copy.copy(self._inner())  # several blocks may be processed at once
        inner.rate, inner.steps, inner.decay = self.rate, self.steps, self.decay
        inner.rule(p, g, slots, scratch)

    def _inner(self) -> Optimizer:
        from layerkit import optimizer  # looks a part up by name, so only when it is needed

        return optimizer(self.optimizer)


def _world() -> Any:
    """All processes of this ``mpiexec``."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # the latter without an MPI library
        raise MissingExtraError("mpi4py", "mpi", "the optimizer data_parallel") from error
    return MPI.COMM_WORLD
