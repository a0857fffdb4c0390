"""Parquet tables of release 2: small columns read whole, large cells one row at a time.

Column types on disk differ from those Waymo's library declares (float32 for float64, text for numbers), so
everything is converted. Column names are "key.<name>" and "[<Component>].<field path>".
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.waymo.extra import load
from recgen_bench.harness.errors import DataError

MOST_ROWS = 20_000_000
"""More than any table of a segment has; a larger count is damage."""

ROWS_AT_ONCE = 4
"""Large cells are read in batches of this many rows."""


class Table:
    """One parquet file.

    Args:
        path: The file.

    Raises:
        DataError: It cannot be read or is no parquet file.
        PluginError: pyarrow is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _readable(path):
            # Buffered reading keeps a row group of large cells from being loaded as a whole.
            self._file = load("pyarrow.parquet").ParquetFile(path, pre_buffer=False, buffer_size=2**20)
        self.rows = int(self._file.metadata.num_rows)
        if not 0 <= self.rows <= MOST_ROWS:
            raise DataError("an absurd number of rows", got=self.rows, where=str(path))
        self.names = frozenset(self._file.schema_arrow.names)

    def numbers(self, name: str, kind: type = np.float64) -> NDArray:
        """Return a column of numbers as (rows,) of a NumPy type.

        Raises:
            DataError: It is missing, or holds something that is no number; an absent float becomes NaN.
        """
        values = self.objects(name)
        try:
            return np.array(values, kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"column {name} does not hold numbers: {error}", where=str(self.path)) from error

    def objects(self, name: str) -> list[Any]:
        """Return a column as Python values.

        Raises:
            DataError: It is missing or damaged.
        """
        self.need(name)
        with _readable(self.path):
            values: list[Any] = self._file.read(columns=[name], use_threads=False).column(0).to_pylist()
        if len(values) != self.rows:
            got = f"{len(values)} values for {self.rows} rows"
            raise DataError(f"column {name} is not complete", got=got, where=str(self.path))
        return values

    def need(self, *names: str) -> None:
        """Refuse a table without these columns."""
        for name in names:
            if name not in self.names:
                known = ", ".join(sorted(self.names)[:6])
                raise DataError(
                    "the table has no such column", got=name, expected=known, where=str(self.path)
                )

    def cells(self, *names: str) -> Cells:
        """Return a reader of single rows of large columns."""
        self.need(*names)
        return Cells(self.path, names)


class Cells:
    """Single rows of large columns; asking for ascending rows reads the file once.

    Batches of `ROWS_AT_ONCE` rows are held, and the page of the file that they lie on. Row groups are found
    through the header of the file; going back within one starts over.
    """

    def __init__(self, path: Path, names: tuple[str, ...]) -> None:
        self._path = path
        self._names = list(names)
        self._lock = threading.Lock()
        self._batches: Iterator[Any] = iter(())
        self._file: Any = None
        self._group = -1
        self._batch: Any = None
        self._at = 0

    def __getitem__(self, row: int) -> tuple[Any, ...]:
        """Return the Arrow scalars of a row, in the order of the columns asked for."""
        with self._lock, _readable(self._path):
            group, inside = self._find(row)
            if group != self._group or self._batch is None or inside < self._at:
                self._start(group)
            while inside >= self._at + (0 if self._batch is None else self._batch.num_rows):
                self._at += 0 if self._batch is None else self._batch.num_rows
                self._batch = next(self._batches, None)
                if self._batch is None:
                    raise DataError("the table ends early", got=f"no row {row}", where=str(self._path))
            return tuple(self._batch.column(name)[inside - self._at] for name in self._names)

    def _find(self, row: int) -> tuple[int, int]:
        if self._file is None:
            self._file = load("pyarrow.parquet").ParquetFile(self._path, pre_buffer=False, buffer_size=2**20)
        for group in range(self._file.metadata.num_row_groups):
            rows = self._file.metadata.row_group(group).num_rows
            if row < rows:
                return group, row
            row -= rows
        raise DataError("the table ends early", got=f"no row {row}", where=str(self._path))

    def _start(self, group: int) -> None:
        self._batches = self._file.iter_batches(
            ROWS_AT_ONCE, row_groups=[group], columns=self._names, use_threads=False
        )
        self._group, self._batch, self._at = group, None, 0


def floats(cell: Any) -> NDArray[np.float32]:
    """Return a list cell as float32 numbers, none where it is null."""
    if not cell.is_valid:
        return np.zeros(0, np.float32)
    return np.asarray(cell.values.to_numpy(zero_copy_only=False), np.float32)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    errors = load("pyarrow").ArrowException
    try:
        yield
    except OSError as error:
        raise DataError(f"the table cannot be read: {_brief(error)}", where=str(path)) from error
    except (errors, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"the table is damaged: {_brief(error)}", where=str(path)) from error


def _brief(error: BaseException) -> str:
    return " ".join(str(error).split())[:160]
