import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from layerkit.core.parts import DataSource
from layerkit.core.rows import Rows
from layerkit.data import load_data
from layerkit.discovery.registry import DATA
from layerkit.errors import DataError, DataSourceError, SpecError, UnknownTypeError
from layerkit.specs import Spec, read_spec

TRAIN, TEST = "a,kind\n1,x\n2,y\n", "a,kind\n3,x\n"


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def write_idx(folder: Path, names: dict[str, np.ndarray]) -> None:
    for name, array in names.items():
        raw = idx(array)
        (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)


IMAGES = np.arange(12).reshape(3, 2, 2)
LABELS = np.array([1, 0, 1])


def sizes(splits: dict[str, Rows]) -> dict[str, int]:
    return {name: len(rows) for name, rows in splits.items()}


@pytest.mark.parametrize(
    "names",
    [
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
         "t10k-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte",
         "t10k-labels.idx1-ubyte"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz", "test-images-idx3-ubyte",
         "test-labels-idx1-ubyte"),
    ],
)  # fmt: skip
def test_the_four_files_of_mnist(tmp_path: Path, names: tuple[str, ...]) -> None:
    arrays = (IMAGES, LABELS, IMAGES[:1], LABELS[:1])
    write_idx(tmp_path, dict(zip(names, arrays, strict=True)))
    for splits in (load_data(tmp_path), load_data("mnist", where=tmp_path)):
        assert sizes(splits) == {"train": 3, "test": 1}
        train = splits["train"]
        assert train.values is not None
        assert train.labels is not None
        assert train.values.dtype == np.uint8
        np.testing.assert_array_equal(train.values, IMAGES.reshape(3, 4))
        np.testing.assert_array_equal(train.labels, LABELS)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"train-images-idx3-ubyte": IMAGES}, "not train-labels-idx1-ubyte.gz"),
        ({"train-labels-idx1-ubyte": LABELS}, "not train-images-idx3-ubyte.gz"),
        (
            {"t10k-images-idx3-ubyte": IMAGES, "t10k-labels-idx1-ubyte": LABELS},
            "no training images",
        ),
        (
            {"train-images-idx3-ubyte": IMAGES, "train-labels-idx1-ubyte": LABELS[:2]},
            "do not match",
        ),
        ({"train-images-idx3-ubyte": LABELS, "train-labels-idx1-ubyte": LABELS}, "do not match"),
    ],
)
def test_half_of_the_files(tmp_path: Path, names: dict[str, np.ndarray], words: str) -> None:
    write_idx(tmp_path, names)
    with pytest.raises(DataSourceError, match=words):
        load_data(tmp_path)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".data"])
def test_train_and_test_files(tmp_path: Path, ending: str) -> None:
    for split, text in (("train", TRAIN), ("test", TEST)):
        raw = text.encode()
        (tmp_path / f"{split}{ending}").write_bytes(
            gzip.compress(raw) if ending.endswith(".gz") else raw
        )
    splits = load_data(str(tmp_path), labels="kind")
    assert sizes(splits) == {"train": 2, "test": 1}
    assert splits["test"].labels is not None
    assert splits["test"].labels.tolist() == ["x"]
    assert list(splits["test"].columns or ()) == ["a"]


def test_one_file_of_the_user_takes_the_place_of_both(tmp_path: Path) -> None:
    for name, text in (("train.csv", TRAIN), ("test.csv", TEST), ("new.csv", TEST)):
        (tmp_path / name).write_text(text)
    named = {"train": str(tmp_path / "train.csv"), "test": str(tmp_path / "test.csv")}
    assert sizes(load_data(named, labels="kind")) == {"train": 2, "test": 1}
    assert sizes(load_data(named, where=tmp_path / "new.csv", labels="kind")) == {"train": 1}


def test_train_alone_and_in_other_formats(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"a": 1}\n')
    assert sizes(load_data(tmp_path)) == {"train": 1}
    (tmp_path / "train.csv").write_text(TRAIN)
    with pytest.raises(
        DataSourceError, match=r"expected one train file, got train.csv and train.jsonl"
    ):
        load_data(tmp_path)


def test_npy_pairs(tmp_path: Path) -> None:
    for name, array in {"X_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2]}.items():
        np.save(tmp_path / f"{name}.npy", array)
    splits = load_data(tmp_path)
    assert sizes(splits) == {"train": 3, "test": 2}
    assert splits["train"].labels is not None
    assert splits["train"].labels.tolist() == LABELS.tolist()
    assert splits["test"].labels is None
    np.save(tmp_path / "y_test.npy", LABELS)
    with pytest.raises(DataError, match="one label per row, got 3 for 2"):
        load_data(tmp_path)


def test_npz_with_both_splits(tmp_path: Path) -> None:
    path = tmp_path / "all.npz"
    np.savez(path, x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:1], y_test=LABELS[:1])
    splits = load_data(path)
    assert sizes(splits) == {"train": 3, "test": 1}
    assert splits["test"].labels is not None


def test_a_folder_with_one_data_file(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "flowers.csv").write_text(TRAIN)
    assert sizes(load_data(tmp_path)) == {"train": 2}
    (tmp_path / "more.csv").write_text(TRAIN)
    with pytest.raises(DataSourceError) as caught:
        load_data(tmp_path)
    for words in (
        "README.md, flowers.csv, more.csv",
        "expected the IDX files",
        "x_train.npy",
        "train-images",
    ):
        assert words in str(caught.value)


def test_a_single_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text(TRAIN)
    assert sizes(load_data(tmp_path / "d.csv")) == {"train": 2}
    assert sizes(load_data(None, where=tmp_path / "d.csv")) == {"train": 2}


def test_relative_paths_and_layerkit_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home, own = tmp_path / "here", tmp_path / "home", tmp_path / "own"
    for folder in (here, home, own):
        folder.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("LAYERKIT_DATA", str(home))
    (home / "flowers").mkdir()
    (home / "flowers" / "train.csv").write_text(TRAIN)
    (home / "birds.csv.gz").write_bytes(gzip.compress(TEST.encode()))
    assert sizes(load_data("flowers")) == {"train": 2}
    assert sizes(load_data("birds")) == {"train": 1}
    (own / "flowers.csv").write_text(TEST)
    assert sizes(load_data("flowers", where=own)) == {"train": 1}
    (here / "flowers.csv").write_text(TRAIN + "3,z\n")
    assert sizes(load_data("flowers.csv")) == {"train": 3}
    assert sizes(load_data("elsewhere.csv", where=own / "flowers.csv")) == {"train": 1}


class Made(DataSource):
    type_name = "made"

    def __init__(self, *, rows: int = 4) -> None:
        self.rows = rows

    def load(self, where: Path | None) -> dict[str, Rows]:
        name = "test" if self.rows == 0 else "train"
        return {name: Rows(np.zeros((self.rows, 1)), source=str(where))}


@pytest.fixture
def made() -> Any:
    DATA.register(Made)
    yield
    DATA.unregister("made")


@pytest.mark.usefixtures("made")
def test_registered_sources(tmp_path: Path) -> None:
    assert load_data("made")["train"].source == "None"
    assert load_data("made", where=tmp_path)["train"].source == str(tmp_path)
    assert sizes(load_data({"type": "made", "rows": 7})) == {"train": 7}
    with pytest.raises(DataSourceError, match="'made' has no 'train' split"):
        load_data({"type": "made", "rows": 0})


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rows": 2.5}, "train.data.rows: expected an integer, got 2.5"),
        ({"rows": "many"}, "train.data.rows: expected an integer, got 'many'"),
        ({"row": 3}, "unknown field 'row'; did you mean 'rows'"),
    ],
)
def test_settings_of_sources_are_checked_with_the_spec(settings: Any, told: str) -> None:
    with pytest.raises(SpecError, match=re.escape(told)):
        with_data({"type": "made", **settings})


def test_a_source_that_is_not_here_is_asked_for_later() -> None:
    data = {"type": "made", "rows": "many"}
    assert (with_data(data).train or {})["data"] == data


def with_data(data: Any) -> Spec:
    return read_spec({"layerkit": 1, "name": "m", "input": {"shape": [1]},
                      "layers": [{"type": "dense", "units": 2}], "output": {"classes": ["a", "b"]},
                      "train": {"data": data}})  # fmt: skip


def test_mapping_of_files(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("1;2;x\n3;4;y\n")
    (tmp_path / "two.txt").write_text("5;6;x\n")
    data = {"train": "one.txt", "test": "two.txt", "has_header": False, "labels": "2"}
    splits = load_data(data, where=tmp_path)
    assert sizes(splits) == {"train": 2, "test": 1}
    assert splits["test"].labels is not None
    assert splits["test"].labels.tolist() == ["x"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"train": "x.csv", "lables": "y"}, "did you mean 'labels'"),
        ({"test": "x.csv"}, "give 'train' or 'path'"),
        ({"train": "absent.csv"}, "there is no file or folder absent.csv"),
        ("absent.csv", "--data PATH"),
        (Path("absent"), "there is no file or folder absent"),
        (None, "no data given"),
    ],
)
def test_data_that_cannot_be_found(data: Any, words: str) -> None:
    with pytest.raises(DataSourceError, match=words):
        load_data(data)


def test_a_misspelt_file_gets_the_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fruit.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataSourceError, match=r"frut\.csv; did you mean 'fruit\.csv'\?"):
        load_data(None, where=tmp_path / "frut.csv")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataSourceError, match=r"frut\.csv; did you mean 'fruit\.csv'\?"):
        load_data("frut.csv")


def test_where_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataSourceError, match=r"there is no file or folder .*nowhere"):
        load_data("digits", where=tmp_path / "nowhere")


def test_unknown_name_gives_the_nearest_and_the_option() -> None:
    with pytest.raises(UnknownTypeError, match="did you mean 'digits'") as caught:
        load_data("digit")
    assert "--data PATH" in str(caught.value)
    assert "LAYERKIT_DATA (not set)" in str(caught.value)
    assert caught.value.problems[0].key == "digit"


@pytest.mark.usefixtures("made")
def test_where_may_be_a_source_if_no_path_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sizes(load_data("other.csv", where="made")) == {"train": 4}
    assert sizes(load_data({"type": "made", "rows": 7}, where="made")) == {"train": 7}
    (tmp_path / "made").write_text(TRAIN)
    assert sizes(load_data(None, where="made", labels="kind")) == {"train": 2}
