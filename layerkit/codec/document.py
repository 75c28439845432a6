"""A model file with a checked header, from which tensors are read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Literal, overload

from numpy.typing import NDArray

from layerkit.codec.names import DTYPES
from layerkit.codec.parallel import each
from layerkit.codec.payload import copy_tensor, fill_tensor, map_tensor, scan_tensor, skip_tensor
from layerkit.codec.relations import TensorRecord
from layerkit.codec.source import MappedSource, Source
from layerkit.errors import ModelFileError

Tensor = NDArray[Any]


@contextmanager
def located(path: str | None) -> Iterator[None]:
    """Put ``path`` on every ModelFileError that passes through."""
    try:
        yield
    except ModelFileError as error:
        if error.path is None:
            error.path = path
        raise


class Document:
    """A model file after steps 1 to 13 of FORMAT.md section 6; a context manager.

    Closing it closes a file that was opened by path; arrays stay valid, mapped ones too.
    """

    def __init__(
        self,
        source: Source,
        *,
        path: str | None,
        size: int,
        version: tuple[int, int],
        file_id: str,
        header_size: int,
        header: dict[str, Any],
        tensors: dict[str, TensorRecord],
        unknown_fields: tuple[str, ...],
    ) -> None:
        self.path = path  # None for a stream
        self.size = size  # bytes of the whole file
        self.version = version  # (major, minor)
        self.file_id = file_id  # "sha256:" and 64 hex digits: identifies the whole content
        self.header_size = header_size  # bytes of the encoded header
        self.header = header  # plain values; digests are bytes
        self.tensors = tensors  # in the order of the file
        self.aliases: dict[str, str] = header["aliases"]  # alias -> name of a tensor
        self.unknown_fields = unknown_fields  # of a newer minor version, ignored (rule 11.2)
        self._source: Source | None = source

    def __repr__(self) -> str:
        return f"<Document {self.path!r}: {len(self.tensors)} tensors, {self.file_id}>"

    def __enter__(self) -> Document:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, if it was opened by path; closing twice is allowed."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def use(self, source: Source) -> None:
        """Read tensors from ``source``, a mapping of the same file, from now on."""
        self.close()
        self._source = source

    @overload
    def read(
        self,
        names: Iterable[str] | None = None,
        *,
        verify: bool = True,
        into: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor]: ...

    @overload
    def read(
        self, names: Iterable[str] | None = None, *, verify: Literal["lazy"]
    ) -> LazyTensors: ...

    def read(
        self,
        names: Iterable[str] | None = None,
        *,
        verify: bool | Literal["lazy"] = True,
        into: Mapping[str, Tensor] | None = None,
    ) -> dict[str, Tensor] | LazyTensors:
        """Tensors by name (step 17), as ``load_tensors`` describes them; a stream only once.

        ``into`` has arrays of any strides to read these names into; their content is undefined if
        ``read`` raises. Raises ValueError for an array that is not writable or not of the tensor's
        shape and dtype.
        """
        source = self._opened()
        targets = self._targets(names)
        if verify == "lazy":
            if not isinstance(source, MappedSource) or into:
                raise ValueError('verify="lazy" needs a file opened with mmap=True, and no into=')
            return LazyTensors(source, self.tensors, targets, self.path)
        given = {name: array for name, array in (into or {}).items() if name in targets}
        places: dict[str, Tensor] = {}
        for name, array in given.items():
            _check_place(name, array, self.tensors[targets[name]])
            places.setdefault(targets[name], array)
        with located(self.path):
            loaded = self._load(source, set(targets.values()), places, digest=bool(verify))
        for name, array in given.items():
            # Its tensor may have been read into the array of another name.
            if array is not loaded[targets[name]]:
                array[...] = loaded[targets[name]]
        return {name: given.get(name, loaded[target]) for name, target in targets.items()}

    def _load(
        self, source: Source, selected: set[str], places: Mapping[str, Tensor], *, digest: bool
    ) -> dict[str, Tensor]:
        def load(record: TensorRecord) -> Tensor:
            if record.name in places:
                fill_tensor(source, record, places[record.name], digest=digest)
                return places[record.name]
            if isinstance(source, MappedSource):
                return map_tensor(source, record, digest=digest)
            return copy_tensor(source, record, digest=digest)

        if source.size is not None:
            records = [record for name, record in self.tensors.items() if name in selected]
            arrays = each(load, records, sum(record.nbytes for record in records))
            return {record.name: array for record, array in zip(records, arrays, strict=True)}
        loaded = {}
        for name, record in self.tensors.items():
            if name in selected:
                loaded[name] = load(record)
            else:
                skip_tensor(source, record)
        source.finish(self.size)
        return loaded

    def verify(self) -> None:
        """Check every tensor as ``read`` does, in a few megabytes of memory for any size."""
        source = self._opened()
        with located(self.path):
            nbytes = 0 if source.size is None else self.size  # a stream has one reader
            each(lambda record: scan_tensor(source, record), [*self.tensors.values()], nbytes)
            source.finish(self.size)

    def _opened(self) -> Source:
        if self._source is None:
            raise ValueError("the document is closed")
        return self._source

    def _targets(self, names: Iterable[str] | None) -> dict[str, str]:
        """Requested name -> name of a tensor."""
        known = {name: name for name in self.tensors} | self.aliases
        if names is None:
            return known
        requested = [names] if isinstance(names, str) else list(names)
        missing = [name for name in requested if name not in known]
        if missing:
            raise KeyError(f"the file has no tensor or alias {', '.join(missing)}")
        return {name: known[name] for name in requested}


def _check_place(name: str, array: Tensor, record: TensorRecord) -> None:
    dtype = DTYPES[record.dtype]
    fits = array.shape == record.shape and array.dtype.newbyteorder("<") == dtype
    if not fits or not array.flags.writeable:
        raise ValueError(
            f"into[{name!r}]: expected a writable {dtype} array of shape {record.shape}"
        )


class LazyTensors(Mapping[str, Tensor]):
    """Tensors of a mapped file, each checked on first access (rule 5.4).

    Access raises what ``Document.read`` raises; a bad tensor fails every time.
    """

    def __init__(
        self,
        source: MappedSource,
        records: Mapping[str, TensorRecord],
        targets: dict[str, str],
        path: str | None,
    ) -> None:
        self._source = source
        self._records = records
        self._targets = targets
        self._path = path
        self._loaded: dict[str, Tensor] = {}
        self._lock = Lock()

    def __getitem__(self, name: str) -> Tensor:
        target = self._targets[name]
        with self._lock, located(self._path):
            if target not in self._loaded:
                self._loaded[target] = map_tensor(self._source, self._records[target], digest=True)
            return self._loaded[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def __contains__(self, name: object) -> bool:
        return name in self._targets

    def __repr__(self) -> str:
        return f"<LazyTensors: {len(self._loaded)} of {len(self)} read>"
