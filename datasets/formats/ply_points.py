"""Coloured point clouds in PLY files, ASCII or binary: the vertices only, every count checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Image, Points

_TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_COLOURS = (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue"))
_MAX_HEADER = 65536


@dataclass(frozen=True, slots=True)
class _Header:
    form: str
    count: int
    dtype: np.dtype
    start: int

    @property
    def names(self) -> tuple[str, ...]:
        return self.dtype.names or ()


def read_ply(path: Path) -> Points:
    """Read the vertices: x y z, and red green blue (8-bit, or floats from 0 to 1), else grey.

    Raises:
        DataError: Not PLY, truncated, damaged, without positions, or a point that is not finite.
    """
    with located(str(path)):
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"the point cloud cannot be read: {error.strerror}") from error
        header = _header(data)
        vertices = _ascii(data, header) if header.form == "ascii" else _binary(data, header)
        xyz = np.stack([vertices[axis].astype(np.float64) for axis in "xyz"], axis=1)
        bad = ~np.isfinite(xyz).all(axis=1)
        if bad.any():
            index = int(np.argmax(bad))
            raise DataError("a point is not finite", got=f"vertex {index}: {xyz[index].tolist()}")
        return Points(xyz, _colours(vertices, header.dtype))


def _header(data: bytes) -> _Header:
    end = data.find(b"end_header", 0, _MAX_HEADER)
    newline = data.find(b"\n", end)
    if not data.startswith(b"ply") or end < 0 or newline < 0:
        raise DataError(
            "not a PLY file", got=ascii(data[:20].decode("latin-1")), expected="ply ... end_header"
        )
    form = ""
    elements: list[tuple[str, int, list[tuple[str, str]]]] = []
    for line in data[:end].decode("latin-1").splitlines()[1:]:
        match line.split():
            case ["format", word, _]:
                form = word
            case ["element", name, number] if number.isdecimal() and len(number) < 19:
                elements.append((name, int(number), []))
            case ["property", "list", *_] if elements:
                elements[-1][2].append(("", "list"))
            case ["property", kind, name] if elements and kind in _TYPES:
                elements[-1][2].append((name, _TYPES[kind]))
            case [] | ["comment", *_] | ["obj_info", *_]:
                pass
            case _:
                raise DataError("a line of the header is not understood", got=ascii(line)[:80])
    if form not in _ORDERS:
        raise DataError("unknown PLY format", got=ascii(form), expected=", ".join(_ORDERS))
    if not elements or elements[0][0] != "vertex":
        raise DataError(
            "the vertices must come first in a PLY file", got=", ".join(each[0] for each in elements)
        )
    _, count, properties = elements[0]
    names = [name for name, _ in properties]
    if not {"x", "y", "z"} <= set(names) or "" in names or len(set(names)) != len(names):
        got = ascii(", ".join(name or "a list" for name in names))
        raise DataError(
            "unusable vertex properties", got=got, expected="numbers, x, y and z among them, named once"
        )
    return _Header(
        form, count, np.dtype([(name, _ORDERS[form] + kind) for name, kind in properties]), newline + 1
    )


def _binary(data: bytes, header: _Header) -> np.ndarray:
    needed = header.start + header.count * header.dtype.itemsize
    if needed > len(data):
        expected = f"{needed} for {header.count} vertices"
        raise DataError("the point cloud is truncated", got=f"{len(data)} bytes", expected=expected)
    return np.frombuffer(data, header.dtype, header.count, header.start)


def _ascii(data: bytes, header: _Header) -> np.ndarray:
    body = data[header.start :]
    vertices = np.zeros(0, [(name, "f8") for name in header.names])
    if header.count == 0:
        return vertices
    rows = [line for line in body.splitlines()[: 2 * header.count] if line.strip()][: header.count]
    if len(rows) < header.count:
        raise DataError("the point cloud is truncated", got=f"{len(rows)} rows", expected=header.count)
    try:
        table = np.loadtxt(rows, np.float64, comments=None, ndmin=2, encoding="latin-1")
    except ValueError as error:
        raise DataError("a vertex is not a row of numbers", got=ascii(str(error))[:160]) from error
    if table.shape[1] != len(header.names):
        got = f"rows of {table.shape[1]} numbers"
        raise DataError("the vertices do not match the header", got=got, expected=len(header.names))
    vertices = np.zeros(header.count, vertices.dtype)
    for index, name in enumerate(header.names):
        vertices[name] = table[:, index]
    return vertices


def _colours(vertices: np.ndarray, declared: np.dtype) -> Image:
    triple = next((triple for triple in _COLOURS if set(triple) <= set(declared.names or ())), None)
    if triple is None:
        return np.full((len(vertices), 3), 128, np.uint8)
    values = np.stack([vertices[name].astype(np.float64) for name in triple], axis=1)
    top = 1 if declared[triple[0]].kind == "f" else 255
    bad = ~((values >= 0) & (values <= top)).all(axis=1)
    if bad.any():
        index = int(np.argmax(bad))
        raise DataError(
            "not a colour", got=f"vertex {index}: {values[index].tolist()}", expected=f"0 to {top}"
        )
    return np.round(values * (255 / top)).astype(np.uint8)
