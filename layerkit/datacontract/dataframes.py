"""Tables of other libraries, column by column: pandas, polars, pyarrow, structured arrays.

None of these libraries is imported for that; their types are recognised by their attributes. Tables
of further libraries, and those that are computed only when asked for, go through narwhals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from layerkit.core.context import Array
from layerkit.display import counted, quoted
from layerkit.errors import DataError

_FORMS = (
    "rows are a NumPy array, nested lists, a mapping from column names to cells, or a pandas, "
    "polars or pyarrow table"
)
_NOT_YET = {"collect": "LazyFrame", "compute": "DataFrame", "toPandas": "DataFrame"}
"""The method that computes a lazy table (polars, dask, Spark), and the type that has it."""

_ARROW = ("pyarrow", "polars", "pandas")  # that narwhals can make of an Arrow stream


def frame_columns(rows: object) -> dict[str, Array] | None:
    """Columns (n,) by name of a table or a record with names; None if ``rows`` is neither.

    Raises DataError if two columns have one name, or the table cannot be computed.
    """
    if isinstance(rows, (list, tuple)) and not hasattr(rows, "_asdict"):
        return None
    named = _named(_computed(rows)) or _record(rows) or _foreign(rows)
    return None if named is None else _columns(named)


def _computed(rows: Any) -> Any:
    """A lazy table of polars, dask or Spark with its cells, anything else as it is."""
    step = _lazy_step(rows)
    if step is None:
        return rows
    with _library_errors("the table could not be computed"):
        return getattr(rows, step)()


def _lazy_step(rows: object) -> str | None:
    """The method that computes ``rows``, if they are a lazy table."""
    for step, kind in _NOT_YET.items():
        if type(rows).__name__ == kind and hasattr(rows, step):
            return step
    return None


def _foreign(rows: Any) -> Iterator[tuple[object, object]] | None:
    """Columns of a table of any other library that narwhals knows, or of an Arrow stream."""
    if hasattr(rows, "__array__") or find_spec("narwhals") is None:
        return None
    import narwhals.stable.v2 as nw

    found: Any = nw.from_native(rows, pass_through=True)
    with _library_errors("the table could not be read"):
        if isinstance(found, nw.LazyFrame):
            found = found.collect()
        elif not isinstance(found, nw.DataFrame) and hasattr(rows, "__arrow_c_stream__"):
            backend: Any = next((name for name in _ARROW if find_spec(name)), None)
            found = None if backend is None else nw.from_arrow(rows, backend=backend)
    if not isinstance(found, nw.DataFrame):
        return None
    return ((name, found.get_column(name).to_native()) for name in found.columns)


@contextmanager
def _library_errors(fault: str) -> Iterator[None]:
    """Turn whatever another library raises into a DataError."""
    try:
        yield
    except Exception as cause:
        reason = f"{fault}: {type(cause).__name__}: {cause}"
        raise DataError(reason, hint=_FORMS) from cause


def _columns(named: Iterator[tuple[object, object]]) -> dict[str, Array]:
    found: dict[str, Array] = {}
    for label, column in named:
        name = str(label)
        if name in found:
            hint = f"rename one or drop it; columns found: {', '.join(found)}"
            raise DataError("two columns have this name", column=name, hint=hint)
        found[name] = cells_of(column, name)
    return found


def _named(rows: Any) -> Iterator[tuple[object, object]] | None:
    """Pairs of name and column, None if ``rows`` has no named columns."""
    if isinstance(rows, Mapping):
        return iter(rows.items())
    if isinstance(rows, (np.ndarray, np.void)):
        names = rows.dtype.names
        return None if names is None else ((name, rows[name]) for name in names)
    if hasattr(rows, "schema") and hasattr(rows, "column"):  # pyarrow
        return ((name, rows.column(i)) for i, name in enumerate(rows.schema.names))
    if hasattr(rows, "columns") and hasattr(rows, "iloc"):  # pandas, where a name may come twice
        return ((name, rows.iloc[:, i]) for i, name in enumerate(rows.columns))
    if hasattr(rows, "columns") and hasattr(rows, "__getitem__"):
        return ((name, rows[name]) for name in rows.columns)
    if hasattr(rows, "_asdict"):  # a named tuple
        return ((name, cell) for name, cell in rows._asdict().items())
    return None


def _record(rows: Any) -> Iterator[tuple[object, object]] | None:
    """Names and cells of a pandas series: one row of a table."""
    if not hasattr(rows, "iloc") or not len(rows):
        return None
    names = list(rows.index)
    named = all(isinstance(name, str) for name in names)
    return ((name, rows.iloc[i]) for i, name in enumerate(names)) if named else None


def label_cells(given: object) -> Array:
    """Labels given beside rows, (n,) or (n, k), as an array that loses nothing.

    Raises DataError if they are not an array of cells, or of uneven lengths.
    """
    named = _named(_computed(given))
    if named is None:
        return cells_of(given)
    columns = _columns(named)
    sizes = [np.size(column) for column in columns.values()]
    if len(set(sizes)) != 1:
        raise DataError(f"expected columns of one length, got {sizes}")
    return np.stack(list(columns.values()), axis=-1)


def cells_of(column: object, name: str | None = None) -> Array:
    """One column of a table, or the labels of a pair, as an array that loses nothing.

    A list of mixed types stays a list of objects: NumPy would make all of it text or floats. Raises
    DataError if ``column`` is not an array of cells.
    """
    if isinstance(column, (list, tuple)) and _mixed(column):
        cells = np.empty(len(column), object)
        cells[:] = column
        return cells
    return as_array(column, name)


def _mixed(cells: list[Any] | tuple[Any, ...]) -> bool:
    kinds = {type(cell) for cell in cells}
    if kinds & {list, tuple, np.ndarray, dict}:
        return False
    if kinds == {int}:
        return any(not -(2**63) <= cell < 2**63 for cell in cells)
    if kinds == {str}:  # NumPy's own text drops a NUL at its end
        return any(cell.endswith("\0") for cell in cells)
    return len(kinds) > 1 and not all(issubclass(kind, (float, np.floating)) for kind in kinds)


def as_array(given: object, name: str | None = None) -> Array:
    """``given`` as an array, masked cells as missing values.

    Raises DataError if it cannot be one, or is nested with uneven lengths.
    """
    if _is_masked(given):
        return _unmasked(given)
    try:
        found: Array = np.asarray(given)
    except Exception as cause:  # a library's own conversion may raise anything
        if isinstance(given, (list, tuple)):
            raise _uneven(given, name) from cause
        reason = f"expected an array, got {_kind(given)}: {type(cause).__name__}: {cause}"
        raise DataError(reason, column=name, hint=_FORMS) from cause
    if found.dtype == object and found.ndim == 0 and hasattr(given, "toarray"):
        raise DataError("expected an array, got a sparse matrix", hint="call .toarray() first")
    if found.ndim == 0 and isinstance(given, (str, bytes)) and name is None:
        hint = "to read a file: layerkit.read_rows(path)"
        raise DataError(f"expected an array, got the text {quoted(given)}", hint=hint)
    if found.dtype == object and found.ndim == 0 and (name is None or hasattr(given, "__iter__")):
        raise DataError(f"expected an array, got {_kind(given)}", column=name, hint=_FORMS)
    return found


def _uneven(rows: Sequence[object], name: str | None) -> DataError:
    sizes = [len(r) if hasattr(r, "__len__") else 1 for r in rows]
    for row, size in enumerate(sizes):
        if size != sizes[0]:
            reason = f"expected {counted(sizes[0], 'value')} as in row 0, got {size}"
            return DataError(reason, row=row, column=name)
    return DataError("rows of uneven nested lengths", column=name)


def _kind(given: object) -> str:
    return "None" if given is None else f"a {type(given).__module__}.{type(given).__name__}"


def _is_masked(given: object) -> bool:
    """Whether it is a masked array; naming np.ma imports it (6 ms), so only for subclasses."""
    derived = isinstance(given, np.ndarray) and type(given) is not np.ndarray
    return derived and isinstance(given, np.ma.MaskedArray)


def _unmasked(given: Any) -> Array:
    mask = np.ma.getmaskarray(given)
    if not mask.any():
        return np.asarray(given.data)
    if given.dtype.kind == "f":
        return np.asarray(given.filled(np.nan))
    cells = given.astype(object).data.copy()
    cells[mask] = None
    return np.asarray(cells)
