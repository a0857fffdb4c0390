"""Read packed binary files with every step checked against the bytes that are there."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recgen_bench.harness.errors import DataError


class Cursor:
    """A position in a binary file; reading past the end is a `DataError` that names the file and the byte.

    Args:
        data: The whole file.
        where: Its name, for messages.
    """

    def __init__(self, data: bytes | mmap.mmap, where: str) -> None:
        self.data = data
        self.at = 0
        self._where = where

    @property
    def left(self) -> int:
        """Bytes between the position and the end."""
        return len(self.data) - self.at

    def take(self, layout: struct.Struct, what: str) -> tuple[Any, ...]:
        """Return the values of a packed layout and step past them."""
        if layout.size > self.left:
            raise self.error(f"the file ends inside {what}", got=f"{self.left} bytes", expected=layout.size)
        values = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return values

    def count(self, what: str, smallest: int) -> int:
        """Return a u64 count of records of at least `smallest` bytes; a count that cannot fit is an error."""
        (count,) = self.take(_COUNT, f"the number of {what}")
        if count * smallest > self.left:
            self.at -= _COUNT.size
            raise self.error(
                f"the file is too short for its number of {what}",
                got=f"{count} {what} in {self.left - _COUNT.size} bytes",
                expected=f"at least {smallest} bytes each",
            )
        return int(count)

    def text(self, what: str) -> str:
        """Return NUL-terminated UTF-8 text and step past it."""
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise self.error(f"{what} does not end")
        try:
            text = bytes(self.data[self.at : end]).decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.error(f"{what} is not UTF-8 text") from error
        self.at = end + 1
        return text

    def skip(self, size: int, what: str) -> None:
        """Step past bytes that are not needed."""
        if size > self.left:
            raise self.error(f"the file ends inside {what}", got=f"{self.left} bytes", expected=size)
        self.at += size

    def finish(self, what: str) -> None:
        """Refuse bytes left over after the last record: a sign that a count is wrong."""
        if self.left:
            raise self.error(f"there are {self.left} bytes left over after the last {what}")

    def error(self, what: str, got: object = None, expected: object = None) -> DataError:
        """Return an error at the position."""
        hint = "the file is truncated or damaged: copy it again"
        return DataError(what, got=got, expected=expected, hint=hint, where=f"{self._where}, byte {self.at}")


@contextmanager
def opened(path: Path) -> Iterator[Cursor]:
    """Map a file into memory; nothing read from it may be a view once the context ends.

    Raises:
        DataError: It cannot be opened.
    """
    try:
        with path.open("rb") as file:
            if path.stat().st_size == 0:
                yield Cursor(b"", str(path))
                return
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                yield Cursor(data, str(path))
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error


_COUNT = struct.Struct("<Q")
