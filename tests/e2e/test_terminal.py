"""What holds for every command: help, usage errors, --debug, pipes, encodings, lazy imports."""

from __future__ import annotations

import errno
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import layerkit
from layerkit.cli import console, run
from layerkit.display import byte_size

if TYPE_CHECKING:
    from tests.e2e.conftest import Cli

COMMANDS = [
    ("build",), ("train",), ("resume",), ("eval",), ("doctor",), ("infer",), ("compare",),
    ("inspect",), ("verify",), ("models",), ("schema",), ("explain",), ("plugins", "list"),
    ("demo",), ("lens",), ("study",),
]  # fmt: skip
HEAVY = ("numpy", "pydantic", "msgpack", "rich", "layerkit_plugins")


def loaded_after(code: str) -> set[str]:
    """Which of the heavy packages a fresh Python has loaded after ``code``."""
    program = (
        f"{code}\nimport sys\nprint([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stderr.replace("'", '"')))


def in_terminal(words: list[str], **env: str) -> str:
    """All that a command shows on a terminal of its own."""
    read, write = pty.openpty()
    process = subprocess.Popen(
        words, stdin=write, stdout=write, stderr=write, env={**os.environ, "TERM": "xterm", **env}
    )
    os.close(write)
    shown = b""
    while True:
        try:
            piece = os.read(read, 65536)
        except OSError as error:  # how Linux says that the other side is closed
            if error.errno != errno.EIO:
                raise
            break
        if not piece:
            break
        shown += piece
    os.close(read)
    assert process.wait(timeout=60) == 0
    return shown.decode()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_teaches_with_an_example(cli: Cli, command: tuple[str, ...]) -> None:
    done = cli(*command, "--help")
    assert (done.code, done.err) == (0, "")
    assert f"layerkit {' '.join(command)}" in done.out.split("Examples:")[1]
    assert "--json" in done.out


def test_help_lists_every_command_in_whole_sentences(cli: Cli) -> None:
    done = cli("--help")
    listed = done.out.split("Commands:")[1].split("Examples:")[0]
    for command in COMMANDS:
        assert f"\n  {command[0]} " in listed
    assert "..." not in listed


def test_no_arguments_show_the_help(cli: Cli) -> None:
    done = cli()
    assert done.code == 0
    assert done.out == cli("--help").out


@pytest.mark.parametrize(
    "words", [["--help"], ["train", "--help"], ["--version"], ["explain", "LK-201"]]
)
def test_light_commands_load_nothing_heavy(words: list[str]) -> None:
    loaded = loaded_after(f"from layerkit.cli import run\nassert run({words}) == 0")
    assert loaded <= ({"pydantic"} if words[0] in ("train", "explain") else set())  # typer's own


@pytest.mark.parametrize(
    "words", [["inspect", "pets.layerkit"], ["verify", "pets.layerkit"], ["plugins", "list"]]
)
def test_what_only_looks_imports_no_plugin(pets: Path, words: list[str]) -> None:
    loaded = loaded_after(f"from layerkit.cli import run\nassert run({words}) == 0")
    assert "layerkit_plugins" not in loaded


def test_what_predicts_imports_plugins(pets: Path) -> None:
    code = "import layerkit\nlayerkit.load('pets.layerkit')"
    assert "layerkit_plugins" in loaded_after(code)  # so the check above can fail


def test_the_installed_command_and_the_module_are_the_same(shell: Cli, folder: Path) -> None:
    version = f"layerkit {layerkit.__version__}\n"
    assert shell("--version").out == version
    module = subprocess.run(
        [sys.executable, "-m", "layerkit", "--version"], capture_output=True, text=True, check=True
    )
    assert module.stdout == version


def test_the_process_exits_with_the_code(shell: Cli) -> None:
    assert shell("build", "pets.json", "--dry-run").code == 0
    failed = shell("build", "none.json")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith("error LK-305: there is no file none.json\n")
    assert shell("build").code == 2


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("bild",), "unknown command 'bild'; did you mean 'build'?"),
        (("sing",), "unknown command 'sing'"),
        (
            ("train", "pets.json", "--epoch", "3"),
            "unknown option --epoch; did you mean '--epochs' or '--replace'?",
        ),
        (("train", "pets.json", "--zzz"), "unknown option --zzz"),
        (
            ("infer", "pets.layerkit", "rows.csv", "--foo"),
            "unknown option --foo; did you mean '--format' or '--to'?",
        ),
        (("build",), "missing argument SPEC"),
        (
            ("train", "pets.json", "--epochs", "many"),
            "--epochs: expected an integer >= 1, got 'many'",
        ),
        (("train", "pets.json", "--epochs", "2.5"), "--epochs: expected an integer >= 1, got 2.5"),
        (("train", "pets.json", "--epochs", "0"), "--epochs: expected an integer >= 1, got 0"),
        (
            ("train", "pets.json", "--checkpoint", "x"),
            "--checkpoint: expected a number >= 0, got 'x'",
        ),
        (
            ("compare", "a.json", "b.json", "--confidence", "2"),
            "--confidence: expected a number from 0.5 to 0.999, got 2",
        ),
        (
            ("eval", "pets.layerkit", "--split", "half"),
            "--split: expected test, train or all, got 'half'",
        ),
        (
            ("build", "pets.json", "--limit", "tensors=x"),
            "--limit tensors=x: expected an integer, got 'x'",
        ),
        (
            ("infer", "pets.layerkit", "rows.csv", "--to", "xml"),
            "--to: expected csv or jsonl, got 'xml'",
        ),
    ],
)
def test_usage_errors_exit_2_and_point_to_the_help(
    cli: Cli, words: tuple[str, ...], wanted: str
) -> None:
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    first, usage, help_line = done.err.rstrip("\n").split("\n")
    assert first == f"usage error: {wanted}"
    assert usage.startswith("  Usage: layerkit")
    assert help_line.startswith("  help:  layerkit")
    told = cli(*words, "--json")
    assert told.code == 2
    assert told.error["message"] == wanted


@pytest.mark.parametrize("words", [("--debug", "build", "x.json"), ("build", "x.json", "--debug")])
def test_debug_shows_the_traceback_too(cli: Cli, words: tuple[str, ...]) -> None:
    done = cli(*words)
    assert done.code == 1
    assert "Traceback (most recent call last)" in done.err
    assert done.err.endswith("error LK-305: there is no file x.json\n  layerkit explain LK-305\n")


def test_debug_by_environment(folder: Path, capfd: pytest.CaptureFixture[str],
                              monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    for value, shown in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("LAYERKIT_DEBUG", value)
        assert run(["build", "x.json"]) == 1
        assert ("Traceback" in capfd.readouterr().err) is shown


def test_debug_after_two_dashes_is_a_name(cli: Cli) -> None:
    done = cli("build", "--", "--debug")
    assert done.err.startswith("error LK-305: there is no file --debug\n")


def test_a_bug_gives_one_line_and_asks_for_a_report(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("flux\x1b[2J\ncapacitor")

    monkeypatch.setattr("layerkit.cli.summary.summarise", broken)
    done = cli("build", "pets.json")
    assert (done.code, done.out) == (1, "")
    first, second, rest = done.err.split("\n")
    assert first == r"internal error: RuntimeError: flux\x1b[2J\ncapacitor"
    assert "run it again with --debug" in second
    assert rest == ""
    told = cli("build", "pets.json", "--json").error
    assert (told["code"], told["class"]) == (None, "RuntimeError")


def test_no_memory_is_one_message(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise MemoryError("Unable to allocate 4 TiB")

    monkeypatch.setattr("layerkit.cli.summary.summarise", broken)
    done = cli("build", "pets.json")
    assert (done.code, done.err) == (1, "error: not enough memory (Unable to allocate 4 TiB)\n")


def test_names_that_the_user_types_are_made_safe_too(cli: Cli) -> None:
    done = cli("build", "\x1b[31mred\u202e.json")
    assert done.err.startswith(r"error LK-305: there is no file \x1b[31mred\u202e.json" + "\n")


def test_a_reader_that_leaves_ends_the_command_quietly(
    folder: Path, pets: Path, command: str
) -> None:
    Path("many.csv").write_text("weight,height\n" + "24,55\n" * 20_000)
    pipe = f"{command} infer pets.layerkit many.csv | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("class,p_cat,p_dog\n141\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("words", ["schema", "infer pets.layerkit rows.csv"])
def test_a_full_disk_is_an_error(pets: Path, command: str, words: str) -> None:
    Path("rows.csv").write_text("weight,height\n24,55\n")
    done = subprocess.run(
        ["bash", "-c", f"{command} {words} > /dev/full"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


def test_a_closed_stream_is_no_error(pets: Path, command: str) -> None:
    Path("rows.csv").write_text("weight,height\n24,55\n")
    line = (
        f"{command} infer pets.layerkit rows.csv >&-; echo $?; {command} build x.json 2>&-; echo $?"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("0\n1\n", "")


@pytest.fixture
def neko(folder: Path, spec: Callable[..., Path]) -> Path:
    """A model whose classes are no ASCII text."""
    output = {"classes": ["Kätzchen", "犬"], "column": "kind"}
    text = Path("pets.csv").read_text().replace("cat", "Kätzchen").replace("dog", "犬")
    Path("pets.csv").write_text(text, encoding="utf-8")
    model = layerkit.train(spec("neko.json", output=output), data="pets.csv").model
    layerkit.save(model, "neko.layerkit")
    return folder / "neko.layerkit"


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
)
def test_output_is_utf8_in_any_locale(shell: Cli, neko: Path, env: dict[str, str]) -> None:
    assert "output      2, classes Kätzchen, 犬\n" in shell("inspect", neko, env=env).out
    done = shell("infer", neko, "-", env=env, stdin=b"weight,height\n24,55\n")
    assert done.out.startswith("class,p_Kätzchen,p_犬\n犬,")


def test_json_is_ascii(cli: Cli, neko: Path) -> None:
    done = cli("infer", neko, "-", "--json", stdin=b"weight,height\n24,55\n")
    assert done.out.isascii()
    assert done.json["class"] == "犬"


def test_an_encoding_that_lacks_a_character_escapes_it(shell: Cli) -> None:
    done = shell("explain", "犬", env={"PYTHONIOENCODING": "latin-1"})
    assert done.code == 2
    assert "'\\u72ac'" in done.err


def test_a_terminal_gets_a_bar_and_safe_answers(
    folder: Path, command: str, spec: Callable[..., Path]
) -> None:
    spec("evil.json", output={"classes": ["cat", "dog\x1b[2J"], "column": "kind"})
    Path("pets.csv").write_text(Path("pets.csv").read_text().replace("dog", "dog\x1b[2J"))
    words = [command, "train", "evil.json", "--data", "pets.csv"]
    shown = in_terminal(words, CI="")
    assert "pets seed 0" in shown
    assert "epoch 3/3" in shown
    assert "\x1b[?25l" in shown  # the bar hides the cursor
    assert shown.rstrip().split("\r\n")[-1].startswith("saved pets.layerkit")
    Path("rows.csv").write_text("weight,height\n24,55\n")
    answers = in_terminal([command, "infer", "pets.layerkit", "rows.csv"])
    assert answers.startswith("class,p_cat,p_dog\\x1b[2J\r\ndog\\x1b[2J,")
    piped = subprocess.run(
        [command, "infer", "pets.layerkit", "rows.csv"], capture_output=True, text=True, check=True
    )
    assert piped.stdout.startswith("class,p_cat,p_dog\x1b[2J\ndog\x1b[2J,")  # data as they are


@pytest.mark.parametrize(("env", "bar"), [({"CI": "true"}, False), ({"TERM": "dumb"}, False)])
def test_where_nobody_watches_there_are_lines(
    folder: Path, command: str, env: dict[str, str], bar: bool
) -> None:
    shown = in_terminal([command, "train", "pets.json", "--data", "pets.csv"], **env)
    assert ("\x1b" in shown) is bar
    assert "\r\nepoch 1/3  loss " in shown


def test_no_color_is_respected(folder: Path, command: str) -> None:
    words = [command, "train", "pets.json", "--data", "pets.csv"]
    plain = in_terminal(words, NO_COLOR="1", CI="", TERM="xterm-256color")
    colour = in_terminal(words, CI="", TERM="xterm-256color")
    assert "\x1b[38;5;" in colour
    assert "\x1b[38;5;" not in plain
    assert "\x1b[3" not in plain


def test_a_pipe_gets_no_escapes(cli: Cli, pets: Path) -> None:
    for words in (
        ("train", "pets.json", "--data", "pets.csv"),
        ("inspect", "pets.layerkit"),
        ("explain", "highway"),
        ("plugins", "list"),
    ):
        done = cli(*words)
        assert done.code == 0
        assert "\x1b" not in done.out + done.err


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ({"a": float("nan"), "b": [float("inf"), 1.5]}, {"a": None, "b": [None, 1.5]}),
        ((b"\x01\xff", Path("x")), ["01ff", "x"]),
    ],
)
def test_json_is_plain_and_finite(
    value: object, wanted: object, capsys: pytest.CaptureFixture[str]
) -> None:
    console.emit_json(value)
    assert json.loads(capsys.readouterr().out) == wanted


@pytest.mark.parametrize(
    ("count", "wanted"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"),
     (16 * 10**12, "16.0 TB"), (10**22, "10,000.0 EB")],
)  # fmt: skip
def test_sizes(count: int, wanted: str) -> None:
    assert byte_size(count) == wanted


@pytest.mark.parametrize(
    ("value", "wanted"),
    [(0, "0"), (1234567, "1,234,567"), (0.123456, "0.1235"), (2.0, "2.000"), (-0.5, "-0.5000"),
     (1234.5678, "1,235"), (1e20, "1.000e+20"), (float("nan"), "nan"), (float("inf"), "inf")],
)  # fmt: skip
def test_numbers(value: float, wanted: str) -> None:
    assert console.number(value) == wanted
