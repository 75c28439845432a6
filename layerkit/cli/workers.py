"""The options that say who trains: this process, processes of this machine, or a cluster."""

from __future__ import annotations

from typing import Annotated

import typer

from layerkit.cli.failures import UsageError

Processes = Annotated[
    int,
    typer.Option(min=1, max=512, metavar="N", help="Train N at once, each in its own process."),
]
Engine = Annotated[
    str | None, typer.Option(metavar="NAME", help="Train on the workers of a cluster: dask.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(metavar="ADDRESS", help="Where the cluster of --engine is reached."),
]


def chosen_executor(
    engine: str | None, scheduler: str | None, processes: int
) -> dict[str, str] | None:
    """The configuration of the workers elsewhere; raises UsageError for options that contradict."""
    if engine is None:
        if scheduler is not None:
            raise UsageError("--scheduler needs --engine, such as --engine dask")
        return None
    if processes > 1:
        raise UsageError("expected --processes or --engine, not both")
    return {"type": engine} if scheduler is None else {"type": engine, "scheduler": scheduler}
