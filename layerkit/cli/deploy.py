"""``layerkit deploy``: save a model without its training state."""

from __future__ import annotations

import io
import sys
from typing import Annotated

from layerkit.cli import console, failures, files, options
from layerkit.display import byte_size, printable

EXAMPLE = console.example("layerkit deploy trained.layerkit -o small.layerkit")


def deploy(
    model: options.ModelFile,
    *,
    output: Annotated[str | None, options.output_option("MODEL-deploy.layerkit")] = None,
    as_json: options.Json = False,
) -> None:
    """Save a model without its training state.

    Leaves out the optimizer's state and the history. Predictions stay the same, bit for bit;
    training cannot be resumed.
    """
    from layerkit import load, save

    path = files.path_of(model)
    if model == "-":
        if not output:
            raise failures.UsageError("a model from standard input has no file name; use -o FILE")
        raw = sys.stdin.buffer.read()
        before, loaded = len(raw), load(io.BytesIO(raw))
    else:
        before, loaded = path.stat().st_size, load(model)
    name = path.name.removesuffix(".layerkit")
    target = files.path_of(output) if output else path.with_name(f"{name}-deploy.layerkit")
    files.check_model_target(target)
    file_id = save(loaded, target, weights_only=True)
    after = target.stat().st_size
    if as_json:
        console.emit_json({"file": target, "file_id": file_id, "bytes": after, "before": before})
    else:
        sizes = f"{byte_size(before)} -> {byte_size(after)}"
        console.out(printable(f"saved {target} ({sizes}, {file_id[:19]}...)"))
