import pytest

from layerkit.datacontract.cell_hints import looks_like

LOOKS = {
    "missing value": ["NA", "n/a", "null", "-", "#N/A", "None", "<NA>", "unknown"],
    "decimal comma": ["1,5", "-0,25", "1,5e3"],
    "groups of three, or a decimal comma": ["1,234", "-20,000"],
    "groups of three": ["1,234.5", "1.234,5", "1'234", "1 234 567", "1,234,567", "1_000"],
    "date or time": ["2024-01-31", "31.01.2024", "1/2/24", "12:30", "3 Jan 2024"],
    "true or false": ["true", "False", "yes"],
    "percent": ["12%", "3.5 %"],
    "money": ["$1,200", "12.50 €", "EUR 5"],
    "unit": ["5 kg", "3.2cm"],
    "range": ["<5", "1-2", "3 to 4"],
    "another base": ["0x1F"],
}  # fmt: skip


@pytest.mark.parametrize(("cell", "words"), [(c, w) for w, cells in LOOKS.items() for c in cells])
def test_a_cell_is_explained_by_what_it_looks_like(cell: str, words: str) -> None:
    assert words in (looks_like(f" {cell} ") or "")


@pytest.mark.parametrize("cell", ["Main Street", "red", "hid", "A1", "x", "é"])
def test_plain_text_looks_like_nothing(cell: str) -> None:
    assert looks_like(cell) is None
