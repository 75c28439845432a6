"""dask: the workers of a Dask cluster, the extra ``dask``.

Dask gives the run of a worker that died to another one by itself, until a run has seen more deaths
than its setting ``distributed.scheduler.allowed-failures`` (3). Runs that merely waited on the same
workers count as suspects too, so layerkit submits such a run a few times more.

Source: Rocklin, "Dask: Parallel Computation with Blocked algorithms and Task Scheduling" (SciPy
2015); https://distributed.dask.org.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pkgutil import resolve_name
from typing import Any
from uuid import uuid4

from layerkit import ExecutorSource, MissingExtraError, Shape, StudyError

__all__ = ["Dask"]

_PATIENCE = 10  # seconds for the scheduler to answer


class Dask(ExecutorSource):
    """The workers of one scheduler.

    Parameters
    ----------
    scheduler
        Its address, such as ``tcp://10.0.0.5:8786``; by default that in Dask's configuration, which
        the variable ``DASK_SCHEDULER_ADDRESS`` sets.
    """

    type_name = "dask"

    def __init__(self, *, scheduler: str | None = None) -> None:
        self.scheduler = scheduler

    @classmethod
    def examples(cls) -> list[tuple[dict[str, Any], Shape]]:
        """Dask's own port on this machine."""
        return [({}, (1,)), ({"scheduler": "tcp://127.0.0.1:8786"}, (1,))]

    def open(self) -> AbstractContextManager[Executor]:
        """Connect to the scheduler; its workers may come and go.

        Raises
        ------
        MissingExtraError
            If Dask is not installed.
        StudyError
            If the address is none; once the block is entered, if no scheduler answers there.
        """
        try:
            import dask.config
            from distributed import comm
        except ImportError as error:
            raise MissingExtraError("distributed", "dask", "training on a Dask cluster") from error
        address = self.scheduler or dask.config.get("scheduler-address", None) or ""
        try:
            comm.addressing.resolve_address(address)  # a bad client ends noisily
        except (ValueError, OSError) as error:
            got = f"{address!r} ({error})" if address else "none"
            raise StudyError(
                f"scheduler: expected an address such as tcp://10.0.0.5:8786, got {got}",
                hint="`dask scheduler` prints its address when it starts; give it with --scheduler",
            ) from error
        return _runs_at(address)


@contextmanager
def _runs_at(address: str) -> Iterator[Executor]:
    """The executor of the scheduler at ``address``."""
    with _quiet_logs(), _connected(address) as client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            text = f"the scheduler at {address} has no workers yet: the runs wait for some"
            warnings.warn(text, stacklevel=4)
        yield _Runs(client, address)


def _connected(address: str) -> Any:
    """A client of the scheduler at ``address``, a context manager."""
    from distributed import Client
    from distributed.versions import VersionMismatchWarning

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VersionMismatchWarning)  # workers check what matters
            return Client(address, timeout=_PATIENCE, set_as_default=False)  # type: ignore[no-untyped-call]
    except OSError as error:
        raise StudyError(
            f"no Dask scheduler answers at {address} within {_PATIENCE} seconds",
            hint="start one with `dask scheduler`, and workers with `dask worker ADDRESS`",
        ) from error


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Dask's messages about lost connections say no more than ours."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_CALL = "__import__('pkgutil').resolve_name(on_worker)(*args)"
"""What a worker evaluates. A function of layerkit would be unpickled before Dask can catch the
error of a worker that has no layerkit, or not this one: such a worker would try for ever."""


class _Runs(Executor):
    """Dask's own executor, whose lost workers and lost scheduler are ``BrokenExecutor``."""

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address
        self._executor = client.get_executor()

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self._client.status != "running":
            raise BrokenExecutor(f"the connection to the scheduler at {self._address} was lost")
        name = f"{function.__module__}:{function.__qualname__}"
        told = {"on_worker": f"{__name__}:_on_worker", "args": (name, args, kwargs)}
        key = f"layerkit-run-{uuid4().hex}"  # a run may be submitted again
        theirs = self._executor.submit(eval, _CALL, told, key=key)
        ours: Future[Any] = Future()
        theirs.add_done_callback(partial(_settle, ours))
        ours.add_done_callback(lambda done: done.cancelled() and theirs.cancel())
        return ours


def _on_worker(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call the function with this name on one thread, since other cores have runs of their own."""
    os.environ["LAYERKIT_THREADS"] = "1"
    return resolve_name(name)(*args, **kwargs)


def _settle(ours: Future[Any], theirs: Future[Any]) -> None:
    """End ``ours`` as ``theirs`` has ended."""
    from distributed import KilledWorker

    if not ours.set_running_or_notify_cancel():
        return
    if theirs.cancelled():
        ours.set_exception(BrokenExecutor("the connection to the scheduler was lost"))
        return
    error = theirs.exception()
    if error is None:
        ours.set_result(theirs.result())
    elif isinstance(error, KilledWorker):
        ours.set_exception(BrokenExecutor(str(error)))
    elif isinstance(error, ImportError | AttributeError):  # errors of a run are results
        hint = "install the same version of layerkit and its plugins on every worker"
        ours.set_exception(
            StudyError(f"a worker has another layerkit, or none: {error}", hint=hint)
        )
    else:
        ours.set_exception(error)
