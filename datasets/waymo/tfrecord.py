"""TFRecord framing: length, CRC of the length, data, CRC of the data.

The index seeks from header to header, so a file of a gigabyte costs as many small reads as it has records.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from recgen_bench.datasets.waymo.crc32c import masked_crc32c
from recgen_bench.harness.errors import DataError

MOST_RECORDS = 100_000
"""A segment has about 200; a file with more than this is no segment."""

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
_DAMAGED = "the file is damaged or incomplete: download it again"


@dataclass(frozen=True, slots=True)
class Record:
    """Where the data of one record lie.

    Attributes:
        path: The file.
        number: Position in the file, from 0.
        start: First byte of the data.
        size: Bytes of data; the CRC follows them.
    """

    path: Path
    number: int
    start: int
    size: int

    @property
    def where(self) -> str:
        """The file and the record, for messages."""
        return f"{self.path}, record {self.number}"


def index_records(path: Path) -> tuple[Record, ...]:
    """Return all records of a file; every length is checked by its CRC and against the size of the file.

    Raises:
        DataError: The file cannot be read, is compressed, is cut short, or a length is damaged.
    """
    records: list[Record] = []
    try:
        total = path.stat().st_size
        with path.open("rb") as file:
            at = 0
            while at < total:
                where = f"{path}, record {len(records)}"
                file.seek(at)
                size = _length(file.read(_HEADER.size), where)
                start = at + _HEADER.size
                at = start + size + _FOOTER.size
                if at > total:
                    got, expected = f"{total - start} bytes", f"{size + _FOOTER.size} bytes"
                    raise DataError(
                        "the record is cut short", got=got, expected=expected, hint=_DAMAGED, where=where
                    )
                records.append(Record(path, len(records), start, size))
                if len(records) > MOST_RECORDS:
                    raise DataError("too many records for a segment", got=f"over {MOST_RECORDS}", where=where)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    if not records:
        raise DataError("the file is empty", expected="a TFRecord file", where=str(path))
    return tuple(records)


def read_record(record: Record, check: bool = True) -> bytes:
    """Return the data of a record, after checking their CRC unless that was done before.

    Raises:
        DataError: The file changed or cannot be read, or the CRC is wrong.
    """
    try:
        with record.path.open("rb") as file:
            file.seek(record.start)
            data = file.read(record.size)
            footer = file.read(_FOOTER.size)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=record.where) from error
    if len(data) + len(footer) < record.size + _FOOTER.size:
        raise DataError("the file became shorter while it was in use", where=record.where)
    if check and masked_crc32c(data) != _FOOTER.unpack(footer)[0]:
        raise DataError("the CRC of the record's data is wrong", hint=_DAMAGED, where=record.where)
    return data


def _length(header: bytes, where: str) -> int:
    if header.startswith(b"\x1f\x8b"):
        raise DataError(
            "the file is compressed", expected="an uncompressed TFRecord", hint="gunzip it", where=where
        )
    if len(header) < _HEADER.size:
        raise DataError(
            "the file ends inside the header of a record",
            got=f"{len(header)} bytes",
            hint=_DAMAGED,
            where=where,
        )
    size, crc = _HEADER.unpack(header)
    if masked_crc32c(header[:8]) != crc:
        raise DataError("the CRC of the record's length is wrong", hint=_DAMAGED, where=where)
    return int(size)
