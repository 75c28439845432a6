"""ExecutorSource: the contract of what connects a study to workers elsewhere."""

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

        All runs are submitted at once, each as a function of layerkit and a string; the result is a
        string and bytes by name. What was submitted may be cancelled.

        A future that raises ``BrokenExecutor`` means that the worker with this run has died: the
        run is submitted again. If ``submit`` raises it, the study ends with its message; finished
        runs are kept. Any other exception of a future is a failure of its run.

        Raises
        ------
        MissingExtraError
            If a library is not installed.
        StudyError
            If the workers cannot be reached; the message says where.
        """
