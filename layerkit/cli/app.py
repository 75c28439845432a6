"""The list of commands, and ``run``, which runs one of them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from layerkit import __version__
from layerkit.cli import (
    build,
    compare,
    console,
    demo,
    deploy,
    diff,
    evaluate,
    explain,
    export,
    failures,
    import_,
    infer,
    inspect,
    lens,
    model_doctor,
    models,
    plugins_check,
    plugins_doctor,
    plugins_list,
    plugins_new,
    plugins_why,
    resume,
    schema,
    spec_init,
    spec_match,
    study,
    train,
    upgrade,
    verify,
)
from layerkit.cli.options import with_dialect, with_limits

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,  # plain help: the same in a terminal and in a pipe, and fast
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=console.example(
        "layerkit demo                           all of it, on handwritten digits",
        "layerkit spec init table.csv            write a spec for a table, table.json",
        "layerkit train table.json               train it, save table.layerkit",
        "layerkit eval table.layerkit            what it is worth on the test rows",
        "layerkit infer table.layerkit new.csv   predict each row",
        "layerkit explain LK-201                 what an error means",
    ),
)


def _version(given: bool) -> None:
    if given:
        console.out(f"layerkit {__version__}")
        raise typer.Exit


@app.callback()
def layerkit(
    *,
    debug: Annotated[
        bool,
        typer.Option(
            "--debug",
            help="Show the traceback of an error, in any command. Same as LAYERKIT_DEBUG=1.",
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Define, train, compare, save and run neural networks made of plugin layers.

    Exit codes: 0 success, 1 error, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM.
    """


plugin_commands = typer.Typer(rich_markup_mode=None, help="List, check, explain and make plugins.")
plugin_commands.command("list", epilog=plugins_list.EXAMPLE)(plugins_list.list_)
plugin_commands.command("new", epilog=plugins_new.EXAMPLE)(plugins_new.new)
plugin_commands.command("check", epilog=plugins_check.EXAMPLE)(plugins_check.check)
plugin_commands.command("why", epilog=plugins_why.EXAMPLE)(plugins_why.why)
plugin_commands.command("doctor", epilog=plugins_doctor.EXAMPLE)(plugins_doctor.doctor)

spec_commands = typer.Typer(rich_markup_mode=None, help="Write a spec for a table; match widths.")
spec_commands.command("init", epilog=spec_init.EXAMPLE)(with_dialect(spec_init.init))
spec_commands.command("match", epilog=spec_match.EXAMPLE)(spec_match.match)


@spec_commands.callback()
def _spec() -> None:
    """Write a spec for a table; match the widths of specs."""


app.command("build", epilog=build.EXAMPLE)(with_limits(build.build))
app.command("train", epilog=train.EXAMPLE)(with_limits(with_dialect(train.train)))
app.command("resume", epilog=resume.EXAMPLE)(with_limits(with_dialect(resume.resume)))
app.command("eval", epilog=evaluate.EXAMPLE)(with_limits(with_dialect(evaluate.evaluate)))
app.command("doctor", epilog=model_doctor.EXAMPLE)(with_limits(with_dialect(model_doctor.doctor)))
app.command("lens", epilog=lens.EXAMPLE)(with_limits(with_dialect(lens.lens)))
app.command("infer", epilog=infer.EXAMPLE)(with_limits(with_dialect(infer.infer)))
app.command("compare", epilog=compare.EXAMPLE)(with_limits(with_dialect(compare.compare)))
app.command("study", epilog=study.EXAMPLE)(with_limits(study.study))
app.command("inspect", epilog=inspect.EXAMPLE)(with_limits(inspect.inspect))
app.command("verify", epilog=verify.EXAMPLE)(with_limits(verify.verify))
app.command("diff", epilog=diff.EXAMPLE)(with_limits(diff.diff))
app.command("upgrade", epilog=upgrade.EXAMPLE)(with_limits(upgrade.upgrade))
app.command("deploy", epilog=deploy.EXAMPLE)(with_limits(deploy.deploy))
app.command("export", epilog=export.EXAMPLE)(with_limits(with_dialect(export.export)))
app.command("import", epilog=import_.EXAMPLE)(import_.import_)
app.command("models", epilog=models.EXAMPLE)(models.models)
app.command("schema", epilog=schema.EXAMPLE)(schema.schema)
app.command("explain", epilog=explain.EXAMPLE)(explain.explain)
app.add_typer(spec_commands, name="spec")
app.add_typer(plugin_commands, name="plugins")
app.command("demo", epilog=demo.EXAMPLE)(demo.demo)


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code; never raises."""
    console.prepare()
    end = argv.index("--") if "--" in argv else len(argv)
    options, rest = argv[:end], argv[end:]
    debug = "--debug" in options or os.environ.get("LAYERKIT_DEBUG", "") not in ("", "0")
    words = [*(word for word in options if word != "--debug"), *rest]
    try:
        command = typer.main.get_command(app)
        with (
            _warnings(as_json="--json" in options),
            command.make_context("layerkit", words or ["--help"]) as context,
        ):
            command.invoke(context)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001  # reported as one message, never a traceback
        return failures.report(error, as_json="--json" in options, debug=debug)
    return 0


@contextmanager
def _warnings(*, as_json: bool) -> Iterator[None]:
    """Print layerkit's own warnings as plain lines; with JSON, not at all."""
    with warnings.catch_warnings():
        if as_json:
            warnings.filterwarnings("ignore", category=UserWarning, module=r"layerkit\.")
        shown = warnings.showwarning

        def show(message: Any, category: Any, *place: Any, **more: Any) -> None:
            if category is UserWarning:
                console.warning(message)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = show
        yield
