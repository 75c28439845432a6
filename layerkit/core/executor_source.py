"""ExecutorSource: the contract of what connects a study to workers on other machines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from layerkit.core.parts import Part

if TYPE_CHECKING:
    from concurrent.futures import Executor


class ExecutorSource(Part, ABC):
    """Workers that train the runs of a study; registered in the group ``layerkit.executors``."""

    @abstractmethod
    def open(self) -> AbstractContextManager[Executor]:
        """Connect to the workers, and disconnect when the block ends.

        All runs are submitted before the first result is awaited, each as a function of layerkit
        with a JSON text; its result is a JSON text and a dict of bytes, the files of the run. A
        study that is stopped cancels the futures that are left.

        A future that raises ``BrokenExecutor``, or that was cancelled by others, means that the
        worker with this run has died: the run is submitted again, until three have died with it.
        Any other exception of a future is a failure of its run alone. A ``RuntimeError`` of
        ``submit``, as ``BrokenExecutor`` is one, ends the study with its message; finished runs are
        kept.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        StudyError
            If the workers cannot be reached; the message says where.
        """
