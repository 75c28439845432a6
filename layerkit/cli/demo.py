"""``layerkit demo``: three architectures of one budget on handwritten digits, start to end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layerkit.cli import compare, console, options
from layerkit.display import printable

if TYPE_CHECKING:
    from layerkit import Model
    from layerkit.cli.progress import TrainingProgress

EXAMPLE = console.example(
    "layerkit demo",
    "layerkit demo --out slow-demo --set train.optimizer.learning_rate=0.001",
    "layerkit demo --depth     plain against highway nets of 1 to 40 layers",
)
SPECS = ("plain-digits", "highway-digits", "projection-digits")
_ROWS = 5


def demo(
    *,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where everything goes.")] = Path(
        "demo-out"
    ),
    depth: Annotated[
        bool,
        typer.Option("--depth", help="Show what depth does to a plain and to a highway net."),
    ] = False,
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="How often each one is trained.",
            show_default="8, or 4 with --depth",
        ),
    ] = None,
    settings: options.Settings = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Show all of it on handwritten digits.

    Trains three ready specs, saves and loads the models, predicts and compares. All three have the
    same number of parameters, within 2 %, and the same recipe; they differ in their layers: 17
    plain, 8 highway or 5 projection layers. It takes less than a minute, and each step is a command
    you can type. The recipe matters: at a rate of 0.001 the plain net learns too, as --set
    train.optimizer.learning_rate=0.001 shows.

    --depth runs a study instead: plain and highway nets of 1, 4, 10, 20 and 40 layers, with as many
    parameters at each depth, every training a dot. It takes about a minute, and goes on where it
    was stopped.
    """
    from layerkit.cli.demo_depth import demo_depth

    if depth:
        demo_depth(out, seeds or 4, settings or (), quiet=quiet, as_json=as_json)
    else:
        _demo(out, seeds or 8, settings or (), quiet=quiet, as_json=as_json)


def _demo(out: Path, seeds: int, settings: Sequence[str], *, quiet: bool, as_json: bool) -> None:
    """Train the three, ask one of them, and compare all."""
    from layerkit import compare as judge
    from layerkit.cli.progress import training_progress

    out.mkdir(parents=True, exist_ok=True)
    with training_progress(quiet=quiet, as_json=as_json) as watch:
        watch.silent = as_json
        files = _trained(out, seeds, settings, watch)
        answers = _answers(files[seeds], rows := out / "rows.csv")
        _say(watch, f"layerkit infer {files[seeds]} {rows}")
        if not as_json:
            console.out(answers + "\n")
        report = out / "report.html"
        models = " ".join(f"{out / name}-s*.layerkit" for name in SPECS)
        _say(watch, f"layerkit compare {models} --html {report}")
        found = judge([str(path) for path in files], listener=watch)
    console.write_file(report, [found.to_html()])
    if as_json:
        console.emit_json({"files": files, "report": report, "comparison": found.to_json()})
        return
    compare.show(found)
    console.out(printable(f"open {report} in a browser: {report.resolve().as_uri()}"))


def _say(watch: TrainingProgress, command: str) -> None:
    """Show the command that the next step stands for."""
    if not watch.silent:
        console.out(printable(f"$ {command}"))


def _trained(out: Path, seeds: int, settings: Sequence[str], watch: TrainingProgress) -> list[Path]:
    """Each spec built, shown, trained with every seed and saved."""
    from layerkit import build
    from layerkit.cli import summary
    from layerkit.cli.runs import run_all

    files: list[Path] = []
    for name in SPECS:
        model = build(name, settings=settings)
        target = out / f"{name}.layerkit"
        _say(watch, f"layerkit train {name} --seeds {seeds} -o {target}")
        if not watch.silent:
            facts = summary.summarise(model)
            console.out(f"{len(facts['layers'])} layers, {facts['parameters']:,} parameters")
        runs = run_all(model.spec, target, watch, seeds=seeds, replace=True)
        if watch.interrupted:
            raise KeyboardInterrupt
        files += [saved.path for saved in runs]
    return files


def _answers(path: Path, kept: Path) -> str:
    """What a model loaded from its file makes of the first test rows, which are kept as CSV."""
    from layerkit import load, load_data, read_rows

    model: Model = load(path)
    rows = load_data("digits")["test"].take(slice(0, _ROWS))
    pixels = [] if rows.values is None else rows.values.tolist()
    console.write_file(kept, (",".join(map(str, row)) + "\n" for row in pixels))
    predictions = model.predict(read_rows(kept))
    labels = [] if rows.labels is None else rows.labels.tolist()
    table = [
        [k, label, answer, f"{100 * chance:.1f} %"]
        for k, (label, answer, chance) in enumerate(
            zip(labels, model.labels(predictions), predictions.max(axis=1), strict=True)
        )
    ]
    return console.table(("row", "digit", "answer", "probability"), table, "rrrr")
