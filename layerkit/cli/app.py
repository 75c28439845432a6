"""The list of commands, and the one door through which all of them run."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, TextIO

import typer

from layerkit import __version__
from layerkit.cli import (
    build,
    compare,
    console,
    demo,
    diff,
    evaluate,
    explain,
    failures,
    infer,
    inspect,
    models,
    plugins_check,
    plugins_doctor,
    plugins_list,
    plugins_new,
    plugins_why,
    resume,
    rewrite,
    schema,
    train,
    verify,
)
from layerkit.cli.limits import limited
from layerkit.cli.options import tabular
from layerkit.display import printable

__all__ = ["app", "run"]

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # plain help: the same in a terminal and in a pipe, and fast
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=console.example(
        "layerkit demo                            see all of it on handwritten digits",
        "layerkit build net.json                  check a spec, see its layers",
        "layerkit train net.json                  writes NAME.layerkit",
        "layerkit infer NAME.layerkit rows.csv    a class or numbers for every row",
        "layerkit explain LK-201                  what an error means",
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        console.out(f"layerkit {__version__}")
        raise typer.Exit


@app.callback()
def layerkit(
    *,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show the traceback of an error; may stand anywhere, or set LAYERKIT_DEBUG=1.",
        ),
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Define, train, compare, save and run neural networks made of plugin layers.

    Exit codes: 0 fine, 1 an error, 2 wrong usage, 130 interrupted, 143 terminated.
    """


plugin_commands = typer.Typer(
    rich_markup_mode=None, help="What is installed and from where, what is wrong, and a new one."
)
plugin_commands.command("list", epilog=plugins_list.EXAMPLE)(plugins_list.list_)
plugin_commands.command("new", epilog=plugins_new.EXAMPLE)(plugins_new.new)
plugin_commands.command("check", epilog=plugins_check.EXAMPLE)(plugins_check.check)
plugin_commands.command("why", epilog=plugins_why.EXAMPLE)(plugins_why.why)
plugin_commands.command("doctor", epilog=plugins_doctor.EXAMPLE)(plugins_doctor.doctor)

app.command("build", epilog=build.EXAMPLE)(limited(build.build))
app.command("train", epilog=train.EXAMPLE)(limited(tabular(train.train)))
app.command("resume", epilog=resume.EXAMPLE)(limited(tabular(resume.resume)))
app.command("eval", epilog=evaluate.EXAMPLE)(limited(tabular(evaluate.evaluate)))
app.command("infer", epilog=infer.EXAMPLE)(limited(tabular(infer.infer)))
app.command("compare", epilog=compare.EXAMPLE)(limited(tabular(compare.compare)))
app.command("inspect", epilog=inspect.EXAMPLE)(limited(inspect.inspect))
app.command("verify", epilog=verify.EXAMPLE)(limited(verify.verify))
app.command("diff", epilog=diff.EXAMPLE)(limited(diff.diff))
app.command("upgrade", epilog=rewrite.UPGRADE_EXAMPLE)(limited(rewrite.upgrade))
app.command("deploy", epilog=rewrite.DEPLOY_EXAMPLE)(limited(rewrite.deploy))
app.command("models", epilog=models.EXAMPLE)(models.models)
app.command("schema", epilog=schema.EXAMPLE)(schema.schema)
app.command("explain", epilog=explain.EXAMPLE)(explain.explain)
app.add_typer(plugin_commands, name="plugins")
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)


def run(argv: Sequence[str]) -> int:
    """Run one command; returns its exit code. Nothing is raised, whatever happens."""
    console.prepare()
    options, rest = _split(argv)
    debug = "--debug" in options or os.environ.get("LAYERKIT_DEBUG", "") not in ("", "0")
    words = [word for word in options if word != "--debug"] + rest
    try:
        command = typer.main.get_command(app)
        with (
            _warnings(as_json="--json" in options),
            command.make_context("layerkit", words or ["--help"]) as context,
        ):
            command.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  # the last door: one message, never a traceback
        return failures.report(error, as_json="--json" in options, debug=debug)
    return 0


@contextmanager
def _warnings(*, as_json: bool) -> Iterator[None]:
    """Warnings of layerkit itself as plain lines, or not at all beside JSON."""
    with warnings.catch_warnings():
        if as_json:
            warnings.filterwarnings("ignore", category=UserWarning, module=r"layerkit\.")
        shown = warnings.showwarning

        def show(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            if category is UserWarning:
                console.note(f"warning: {printable(message)}")
            else:
                shown(message, category, filename, lineno, file, line)

        warnings.showwarning = show
        yield


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words before ``--``, among which options may be, and the rest."""
    words = list(argv)
    end = words.index("--") if "--" in words else len(words)
    return words[:end], words[end:]
