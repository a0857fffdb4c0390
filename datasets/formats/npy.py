"""Arrays in NumPy's own files, checked against their bytes before anything is allocated; never a pickle."""

from __future__ import annotations

import io
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float

_MAX_HEADER = 4096
_MAX_MEMBER = 2**20
_HEADER_DAMAGE = (
    ValueError,
    SyntaxError,
    TypeError,
    EOFError,
    OverflowError,
    RecursionError,
    tokenize.TokenError,
    KeyError,
    UserWarning,
)
_ZIP_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    ValueError,
    KeyError,
    NotImplementedError,
    RuntimeError,
    IndexError,
    OverflowError,
)


def parse_npy(data: bytes, where: str, what: str = "an array of numbers", kinds: str = "fiu") -> Float:
    """Return the numbers of a .npy file as float64.

    Args:
        data: The whole file.
        where: Its name, for messages.
        what: What it should hold, for messages.
        kinds: NumPy's letters of the types that are accepted.

    Raises:
        DataError: Damaged, of another length than its header says, or not real numbers.
    """
    try:
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[
            version
        ]
        shape, by_column, dtype = read(stream, max_header_size=_MAX_HEADER)
    except _HEADER_DAMAGE as error:
        raise DataError("the header is not that of a .npy file", got=str(error)[:120], where=where) from error
    if dtype.kind not in kinds or min(shape, default=0) < 0:
        raise DataError(f"not {what}", got=f"{dtype} {shape}", where=where)
    left = len(data) - stream.tell()
    if left != math.prod(shape) * dtype.itemsize:
        expected = f"{math.prod(shape) * dtype.itemsize} after byte {stream.tell()}"
        raise DataError("the file has the wrong length", got=f"{left} bytes", expected=expected, where=where)
    values = np.frombuffer(data, dtype, offset=stream.tell())
    return values.reshape(shape, order="F" if by_column else "C").astype(np.float64)


def read_npz(path: Path, prefixes: tuple[str, ...]) -> Mapping[str, Float]:
    """Return the arrays of a .npz file whose names are a prefix and a number, for example "world_mat_12".

    Raises:
        DataError: Not a zip file, a member is damaged or larger than 1 MiB; the message names it.
    """
    arrays: dict[str, Float] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                name = info.filename.removesuffix(".npy")
                if not any(name.startswith(p) and name[len(p) :].isdecimal() for p in prefixes):
                    continue
                where = f"{path}, {name}"
                if info.file_size > _MAX_MEMBER:
                    raise DataError("the array is too large", got=f"{info.file_size} bytes", where=where)
                arrays[name] = parse_npy(archive.read(info), where)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}", where=str(path)) from error
    except _ZIP_DAMAGE as error:
        raise DataError("the .npz file is damaged", got=str(error)[:120], where=str(path)) from error
    return arrays
