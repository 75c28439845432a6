"""``layerkit train`` and ``layerkit eval``: files, progress, interruption, divergence."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import layerkit
from layerkit.display import counted

if TYPE_CHECKING:
    from layerkit.cli.progress import TrainingProgress
    from tests.e2e.conftest import Cli, Unchanged

REGRESSION: dict[str, Any] = {
    "name": "line",
    "input": {"shape": [1]},
    "layers": [{"type": "dense", "units": 1}],
    "output": {"targets": ["y"]},
    "train": {"optimizer": {"type": "sgd", "learning_rate": 1000.0}, "epochs": 60},
}


def test_it_trains_saves_and_tells_the_final_metrics(cli: Cli, folder: Path) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv")
    assert done.code == 0
    assert re.match(r"pets: 3 epochs, \d+\.\d s, seed 0\n\nrows +loss +accuracy\n", done.out)
    model = layerkit.load("pets.layerkit")
    accuracy = f"{100 * model.metrics['test_accuracy']:.2f} %"
    assert re.search(rf"^test +{model.metrics['test_loss']:#.4g} +{accuracy}$", done.out, re.M)
    assert f"saved pets.layerkit ({os.path.getsize('pets.layerkit') / 1000:.1f} kB" in done.out  # noqa: PTH202
    progress = done.err.split("\n")
    assert progress[0] == "rows per class: cat: 23 (51 %), dog: 22 (49 %)"
    assert progress[1] == "pets seed 0: 45 rows, 3 epochs"
    assert [line[:9] for line in progress[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert progress[5:] == [""]


def test_skewed_classes_are_shown_and_warned_of(cli: Cli, folder: Path) -> None:
    head, *lines = Path("pets.csv").read_text().splitlines(keepends=True)
    dogs = [line for line in lines if "dog" in line]
    cats = [line for line in lines if "cat" in line]
    Path("skewed.csv").write_text("".join([head, *dogs, *cats[:6]]))
    done = cli("train", "pets.json", "--data", "skewed.csv")
    assert done.code == 0
    shown, *rest = done.err.split("\n")
    assert re.fullmatch(r"rows per class: cat: \d \(\d+ %\), dog: \d\d \(\d\d %\)", shown)
    (warning,) = [line for line in rest if line.startswith("warning: ")]
    assert "of the training rows are of class 'dog', so an accuracy of that size" in warning
    quiet = cli("train", "pets.json", "--data", "skewed.csv", "--quiet")
    assert quiet.err == warning + "\n"
    fair = 'train.metrics=["accuracy", "balanced_accuracy"]'
    for advice in (fair, "train.class_weights=balanced"):
        words = ("--data", "skewed.csv", "--quiet", "--replace", "--set", advice)
        followed = cli("train", "pets.json", *words)
        assert (followed.code, followed.err) == (0, "")


def test_quiet_shows_the_result_alone(cli: Cli) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--quiet")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("pets: 3 epochs")


def test_json_is_one_document_and_the_same_numbers(cli: Cli) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--json", "--seed", 3, "--epochs", 2)
    assert done.err == ""
    (run,) = done.json["runs"]
    model = layerkit.load("pets.layerkit")
    assert run["metrics"] == model.metrics
    assert (run["seed"], run["epochs"], run["ended"]) == (3, 2, "finished")
    assert (run["file"], run["file_id"]) == ("pets.layerkit", model.file_id)
    assert model.spec.train is not None
    assert (model.spec.train["seed"], model.spec.train["epochs"]) == (3, 2)


def test_the_command_and_the_library_make_the_same_file(cli: Cli, pets: Path) -> None:
    cli("train", "pets.json", "--data", "pets.csv", "-o", "other.layerkit")
    assert Path("other.layerkit").read_bytes() == pets.read_bytes()


def test_seeds_give_a_file_each(cli: Cli, folder: Path) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--seeds", 2, "--seed", 5, "-q")
    assert done.code == 0
    assert sorted(p.name for p in folder.glob("*.layerkit")) == [
        "pets-s5.layerkit",
        "pets-s6.layerkit",
    ]
    lines = done.out.split("\n")
    assert lines[0].split() == ["seed", "epochs", "test_loss", "test_accuracy"]
    for line, seed in zip(lines[2:4], (5, 6), strict=True):
        model = layerkit.load(f"pets-s{seed}.layerkit")
        assert line.split()[:3] == [str(seed), "3", f"{model.metrics['test_loss']:#.4g}"]
    assert [line.split(" (")[0] for line in lines[8:10]] == [
        "saved pets-s5.layerkit",
        "saved pets-s6.layerkit",
    ]


def test_seeds_number_the_name_that_was_given(cli: Cli, folder: Path) -> None:
    cli("train", "pets.json", "--data", "pets.csv", "--seeds", 1, "-o", "a.b.layerkit")
    cli("train", "pets.json", "--data", "pets.csv", "--seeds", 1, "-o", "plain")
    names = {p.name for p in folder.iterdir()}
    assert {"a.b-s0.layerkit", "plain-s0"} <= names


def test_a_model_trains_further_from_its_weights(cli: Cli, pets: Path) -> None:
    before = layerkit.load("pets.layerkit")
    done = cli(
        "train", "pets.layerkit", "--data", "pets.csv", "-o", "more.layerkit",
        "--epochs", 2, "--set", "train.optimizer.learning_rate=0.01",
    )  # fmt: skip
    assert done.code == 0
    after = layerkit.load("more.layerkit")
    assert len(after.history["loss"]) == 5
    assert after.history["loss"][:3].tolist() == before.history["loss"].tolist()
    assert after.history["learning_rate"][3:].tolist() == [0.01, 0.01]
    assert after.history["loss"][3] < before.history["loss"][0]


def test_of_a_model_only_the_recipe_can_change(cli: Cli, pets: Path, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("train", "pets.layerkit", "--data", "pets.csv", "--set", "layers.0.units=5")
        seeds = cli("train", "pets.layerkit", "--data", "pets.csv", "--seeds", 2)
    assert (done.code, seeds.code) == (2, 2)
    assert "only train.* can be changed in a trained model" in done.err
    assert "--seeds needs a spec" in seeds.err


def test_notices_go_to_standard_error_and_into_json(
    cli: Cli, folder: Path, spec: Callable[..., Path]
) -> None:
    wide = np.full((40, 8), 50.0)
    np.savez("wide.npz", x=wide + np.arange(40)[:, None], y=np.arange(40) % 2)
    layers = [{"type": "projection", "units": 2}]
    spec("wide.json", name="wide", input={"shape": [8]}, layers=layers, output={}, train={})
    done = cli("train", "wide.json", "--data", "wide.npz")
    assert done.code == 0
    assert "warning: projection_1: " in done.err
    assert "warning" not in done.out
    told = cli("train", "wide.json", "--data", "wide.npz", "--json")
    assert told.json["notices"][0].startswith("projection_1: ")
    assert told.err == ""


def test_validation_rows_of_their_own(cli: Cli) -> None:
    done = cli("train", "pets.json", "--data", "pets.csv", "--validation", "pets.csv", "--json")
    assert {"val_loss", "val_accuracy"} <= done.json["runs"][0]["metrics"].keys()


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        (
            "weight,kind\n1,cat\n2,dog\n3,cat\n4,dog\n",
            "column 'height': not found",
        ),
        (
            "weight,height,kind\n1,2,cat\n1,2,bird\n1,2,dog\n1,2,cat\n",
            "column 'kind': expected one of 2 classes, got 'bird'",
        ),
        (
            "weight,height,kind\n1,2,cat\nnan,2,dog\n1,2,dog\n1,2,cat\n",
            "column 'weight': expected a number, got a missing value",
        ),
        (
            "weight,height,kind\n1,2,cat\n1,tall,dog\n1,2,dog\n1,2,cat\n",
            "column 'height': expected a number, got 'tall'",
        ),
    ],
)
def test_data_that_break_the_contract(
    cli: Cli, spec: Callable[..., Path], unchanged: Unchanged, rows: str, wanted: str
) -> None:
    spec("all.json", train={})
    Path("bad.csv").write_text(rows)
    with unchanged():
        done = cli("train", "all.json", "--data", "bad.csv", "-q")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error LK-203: bad.csv, ")
    assert wanted in done.err


def test_a_target_that_cannot_be_written_is_told_before_training(
    cli: Cli, unchanged: Unchanged
) -> None:
    with unchanged():
        done = cli("train", "pets.json", "--data", "pets.csv", "-o", "none/x.layerkit")
    assert done.code == 1
    assert done.err.startswith("error LK-305: there is no folder none, so ")


def test_no_data_no_training(cli: Cli, unchanged: Unchanged) -> None:
    with unchanged():
        done = cli("train", "pets.json")
        wrong = cli("train", "pets.json", "--data", "pet.csv", "--json")
    assert done.code == wrong.code == 1
    assert done.err.startswith("error LK-204: no data given\n")
    assert wrong.error["class"] == "DataSourceError"


def test_divergence_keeps_the_last_good_model(
    cli: Cli, folder: Path, spec: Callable[..., Path]
) -> None:
    spec("line.json", **REGRESSION)
    x = np.linspace(-1, 1, 32)
    np.savez("line.npz", x=x[:, None], y=2 * x)
    done = cli("train", "line.json", "--data", "line.npz", "-o", "line.layerkit", "-q")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error LK-401: the loss became ")
    kept = re.search(
        r"the model as it was after epoch (\d+) is in line-last-good.layerkit", done.err
    )
    assert kept is not None
    model = layerkit.load("line-last-good.layerkit")
    assert np.isfinite(model.network.params).all()
    assert len(model.history["loss"]) == int(kept.group(1))
    assert not Path("line.layerkit").exists()
    told = cli("train", "line.json", "--data", "line.npz", "--json").error
    assert (told["code"], told["class"]) == ("LK-401", "TrainingDivergedError")
    assert told["epoch"] == int(kept.group(1)) + 1
    assert "line-last-good.layerkit" in told["hint"]


def test_divergence_in_the_first_epoch_leaves_no_file(
    cli: Cli, spec: Callable[..., Path], unchanged: Unchanged
) -> None:
    train = {"optimizer": {"type": "sgd", "learning_rate": 1e30}, "batch_size": 4}
    spec("line.json", **{**REGRESSION, "train": train})
    np.savez("line.npz", x=np.linspace(-1, 1, 32)[:, None], y=np.ones(32))
    with unchanged():
        done = cli("train", "line.json", "--data", "line.npz", "-q")
    assert done.code == 1
    assert "in epoch 1, batch " in done.err
    assert "last-good" not in done.err


@pytest.mark.parametrize("seeds", [(), ("--seeds", "3")])
def test_ctrl_c_finishes_the_batch_saves_and_exits_130(
    folder: Path, command: str, seeds: tuple[str, ...]
) -> None:
    words = [command, "train", "pets.json", "--data", "pets.csv", "--epochs", "1000000", *seeds]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch "):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopping after this batch, then saving; Ctrl-C again stops at once\n" in err
    name = "pets-s0.layerkit" if seeds else "pets.layerkit"
    assert f"saved {name}" in out
    model = layerkit.load(name)
    assert 1 <= len(model.history["loss"]) < 1_000_000
    assert [p.name for p in folder.glob("*.layerkit")] == [name]


@pytest.fixture
def ctrl_c(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """``ctrl_c(7)``: as if it were pressed in the seventh batch from now."""

    def press(batch: int) -> None:
        left = iter(range(batch - 1, -1, -1))

        def stop(watch: TrainingProgress) -> bool:
            watch.interrupted = next(left, 1) == 0
            return watch.interrupted

        monkeypatch.setattr("layerkit.cli.progress.TrainingProgress.stop", stop)

    return press


@pytest.mark.parametrize("batch", [1, 3, 6])  # two batches an epoch
def test_resume_reaches_the_bits_of_a_training_without_a_stop(
    cli: Cli, pets: Path, ctrl_c: Callable[[int], None], batch: int
) -> None:
    ctrl_c(batch)
    done = cli("train", "pets.json", "--data", "pets.csv", "-o", "cut.layerkit", "-q")
    assert done.code == 130
    if batch == 6:
        assert done.out.startswith("pets: 3 epochs, ")
        assert Path("cut.layerkit").read_bytes() == pets.read_bytes()
        return
    epochs = (batch - 1) // 2
    assert done.out.startswith(f"pets: interrupted after {counted(epochs, 'epoch')}, ")
    word = "resume" if epochs else "train"
    assert done.out.endswith(f"continue with: layerkit {word} cut.layerkit\n")
    ctrl_c(1000)
    done = cli(word, "cut.layerkit", "--data", "pets.csv", "-o", "cut.layerkit", "-q")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("pets: 3 epochs, ")
    assert Path("cut.layerkit").read_bytes() == pets.read_bytes()


def test_resume_to_another_total_and_another_file(
    cli: Cli, pets: Path, unchanged: Unchanged
) -> None:
    cli("train", "pets.json", "--data", "pets.csv", "--epochs", 5, "-o", "five.layerkit")
    before = pets.read_bytes()
    words = ("resume", "pets.layerkit", "--data", "pets.csv", "--epochs", 5)
    told = cli(*words, "-o", "more.layerkit", "--json")
    assert told.json["runs"][0]["epochs"] == 5
    assert Path("more.layerkit").read_bytes() == Path("five.layerkit").read_bytes()
    assert pets.read_bytes() == before


def test_resume_refuses_what_has_no_training(cli: Cli, unchanged: Unchanged) -> None:
    cli("build", "pets.json")
    with unchanged():
        done = cli("resume", "pets.layerkit", "--data", "pets.csv")
    assert done.code == 1
    assert done.err.startswith("error LK-201: ")
    assert cli("resume", "-").code == 2


def test_a_second_ctrl_c_stops_at_once(folder: Path) -> None:
    """The first signal is taken by the listener, the second by Python itself."""
    from layerkit.cli.progress import TrainingProgress

    watch = TrainingProgress(silent=True)
    before = signal.getsignal(signal.SIGINT)
    with watch:
        watch.begin("x", seed=0, epochs=1, rows=1)
        assert watch.stop() is False
        os.kill(os.getpid(), signal.SIGINT)
        assert watch.stop() is True
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_elsewhere_exits_130_without_a_traceback(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("layerkit.train", interrupted)
    done = cli("train", "pets.json", "--data", "pets.csv", "--quiet")
    assert (done.code, done.out, done.err) == (130, "", "interrupted\n")


def test_eval_shows_the_loss_and_the_metrics_of_the_test_rows(cli: Cli, pets: Path) -> None:
    model = layerkit.load(pets)
    done = cli("eval", "pets.layerkit", "--data", "pets.csv", "--split", "test")
    assert (done.code, done.err) == (0, "")
    lines = done.out.split("\n")
    assert lines[0] == "pets on pets.csv, test split, 15 rows"
    assert lines[2].split() == ["loss", "accuracy"]
    assert lines[4].split()[0] == f"{model.metrics['test_loss']:#.4g}"
    told = cli("eval", "pets.layerkit", "--data", "pets.csv", "--split", "test", "--json").json
    assert told["metrics"]["loss"] == pytest.approx(model.metrics["test_loss"], rel=1e-6)


def test_eval_shows_what_lies_behind_the_accuracy(cli: Cli, pets: Path) -> None:
    done = cli("eval", pets, "--data", "pets.csv", "--metric", "auc", "--metric", "log_loss")
    report = layerkit.report(layerkit.load(pets), layerkit.read_rows("pets.csv", labels="kind"))
    lines = done.out.split("\n")
    assert lines[2].split() == ["loss", "accuracy", "auc", "log_loss"]
    c = report.classes
    assert c is not None
    balanced = f"{100 * c.balanced_accuracy:.2f} %"
    always = f"always guessing {c.majority!r} (most rows) gives {100 * c.majority_share:.2f} %"
    assert lines[6] == f"{always}; balanced accuracy {balanced}"
    heads = ["class", "rows", "guessed", "precision", "recall", "F1", "AUC"]
    assert lines[8].split() == heads
    for word in ("true \\ guessed", "calibration: the probability of", "came true"):
        assert word in done.out
    assert max(map(len, lines)) <= 80
    told = cli("eval", pets, "--data", "pets.csv", "--metric", "auc", "--json").json
    assert told["confusion_matrix"] == c.confusion_matrix.tolist()
    assert told["metrics"]["auc"] == c.means["auc"] == c.auc[1]
    assert [one["recall"] for one in told["classes"]] == c.recall.tolist()


def test_eval_takes_metrics_with_settings_and_says_which_are_wrong(cli: Cli, pets: Path) -> None:
    words = ("eval", pets, "--data", "pets.csv")
    six = [f'{{"type": "calibration_error", "bins": {k}}}' for k in range(2, 8)]
    options = [word for metric in six for word in ("--metric", metric)]
    done = cli(*words, *options)  # too wide for one line
    lines = done.out.split("\n")
    assert lines[2].split() == ["metric", "value"]
    assert [line.split()[0] for line in lines[6:12]] == [
        "calibration_error",
        *(f"calibration_error_{k}" for k in range(3, 8)),
    ]
    assert max(map(len, lines)) <= 80
    for metric, expected in (
        ("axc", "--metric axc: unknown metric 'axc'; did you mean 'auc'"),
        ("r2", "--metric r2: 'r2' needs real targets, but the model's are "),
        ('{"type": "auc", "average": 1}', "expected"),
        ('{"type', "the value is not valid JSON"),
    ):
        done = cli(*words, "--metric", metric)
        assert (done.code, done.out) == (1, "")
        assert expected in done.err


def test_eval_of_numbers_shows_residuals(cli: Cli, folder: Path) -> None:
    Path("line.json").write_text(
        json.dumps({**REGRESSION, "layerkit": 1, "train": {"epochs": 2}, "input": {"shape": [1]}})
    )
    x = np.linspace(-1, 1, 30)
    lines = [f"{a},{2 * a + 5 * (i == 7)}" for i, a in enumerate(x.tolist())]
    Path("line.csv").write_text("\n".join(["x,y", *lines]))
    assert cli("train", "line.json", "--data", "line.csv", "--quiet").code == 0
    done = cli("eval", "line.layerkit", "--data", "line.csv")
    assert "residuals: predicted minus true; spread: standard deviation" in done.out
    worst = done.out.split("the worst rows, counted from 0")[1].split("\n")
    assert worst[4].split()[0] == "7"
    assert max(map(len, done.out.split("\n"))) <= 80
    told = cli("eval", "line.layerkit", "--data", "line.csv", "--json").json
    assert told["residuals"][0]["worst"][0]["row"] == 7


def test_eval_judges_all_rows_of_a_file_that_is_given(cli: Cli, pets: Path) -> None:
    lines = Path("pets.csv").read_text().splitlines(keepends=True)
    for rows in (60, 2, 1):  # also where train.test could set none apart
        Path("some.csv").write_text("".join(lines[: rows + 1]))
        told = cli("eval", "pets.layerkit", "--data", "some.csv", "--json").json
        assert (told["split"], told["rows"]) == ("all", rows)
    done = cli("eval", "pets.layerkit", "--data", "pets.csv")
    assert done.out.startswith("pets on pets.csv, all 60 rows\n")


def test_eval_of_a_folder_with_test_rows_judges_those(cli: Cli, pets: Path) -> None:
    lines = Path("pets.csv").read_text().splitlines(keepends=True)
    Path("both").mkdir()
    Path("both/train.csv").write_text("".join(lines))
    Path("both/test.csv").write_text("".join(lines[:8]))
    told = cli("eval", "pets.layerkit", "--data", "both", "--json").json
    assert (told["split"], told["rows"]) == ("test", 7)


@pytest.mark.parametrize(("split", "rows"), [("test", 15), ("train", 45), ("all", 60)])
def test_eval_takes_the_split_that_was_asked_for(
    cli: Cli, pets: Path, split: str, rows: int
) -> None:
    told = cli("eval", pets, "--data", "pets.csv", "--split", split, "--json").json
    assert (told["split"], told["rows"]) == (split, rows)


def test_eval_of_rows_without_a_test_split_takes_all(
    cli: Cli, folder: Path, spec: Callable[..., Path]
) -> None:
    spec("all.json", name="all", train={"epochs": 1})
    cli("train", "all.json", "--data", "pets.csv")
    told = cli("eval", "all.layerkit", "--data", "pets.csv", "--json").json
    assert (told["split"], told["rows"]) == ("all", 60)
    done = cli("eval", "all.layerkit", "--data", "pets.csv", "--split", "test")
    assert done.code == 1
    assert "there are no test rows" in done.err


def test_eval_refuses_what_it_cannot_judge(cli: Cli, pets: Path) -> None:
    Path("bird.csv").write_text(Path("pets.csv").read_text().replace("dog", "bird"))
    done = cli("eval", "pets.layerkit", "--data", "bird.csv", "--split", "all")
    assert done.code == 1
    assert done.err.startswith(
        "error LK-203: bird.csv, row 1, column 'kind': expected one of 2 classes, got 'bird'\n"
    )
    assert cli("eval", "pets.layerkit", "--split", "some").code == 2


@pytest.mark.parametrize(
    ("split", "share", "words"),
    [("test", 0.0, ""), ("train", 1.0, "all of these rows"), ("all", 0.75, "75 % of these rows")],
)
def test_eval_says_what_share_of_the_rows_the_model_was_fitted_on(
    cli: Cli, pets: Path, split: str, share: float, words: str
) -> None:
    done = cli("eval", pets, "--data", "pets.csv", "--split", split)
    told = cli("eval", pets, "--data", "pets.csv", "--split", split, "--json").json
    assert told["share_seen"] == share
    assert ("was fitted on" in done.out) == bool(share)
    assert words in done.out


def test_inspect_says_what_a_model_was_fitted_on(cli: Cli, pets: Path) -> None:
    assert "fitted      on 45 rows, with numpy " in cli("inspect", pets).out


def test_eval_writes_a_page_and_never_over_what_it_reads(cli: Cli, pets: Path) -> None:
    done = cli("eval", pets, "--data", "pets.csv", "--html", "report.html")
    assert (done.code, done.err) == (0, "wrote report.html\n")
    assert "layerkit evaluation" in Path("report.html").read_text()
    for target in ("pets.csv", pets, "-", "missing/report.html"):
        done = cli("eval", pets, "--data", "pets.csv", "--html", target)
        assert done.code in (1, 2)
        assert done.out == ""
    assert layerkit.load(pets).name == "pets"
