"""Gaussians in the PLY layout of the 3DGS release, which viewers and editors understand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.files import replacing
from recgen_bench.methods.splats.gaussians import BANDS, Gaussians

MAX_HEADER = 16_384
"""Bytes; a header of degree 3 has about 1,600."""


def write_ply(path: Path, gaussians: Gaussians) -> None:
    """Write float32 little-endian vertices: x y z nx ny nz f_dc_* f_rest_* opacity scale_* rot_*.

    `f_rest_*` holds all red coefficients, then all green, then all blue. Opacities stay logits and scales
    logarithms, as in the 3DGS release; normals are zero.

    Raises:
        OutputError: The file cannot be written.
    """
    table = np.concatenate(
        [
            gaussians.means.detach().cpu().numpy(),
            np.zeros((len(gaussians), 3)),
            gaussians.sh0.detach().cpu().numpy().reshape(-1, 3),
            gaussians.shN.detach()
            .cpu()
            .numpy()
            .transpose(0, 2, 1)
            .reshape(len(gaussians), 3 * BANDS[gaussians.degree]),
            gaussians.opacities.detach().cpu().numpy()[:, None],
            gaussians.scales.detach().cpu().numpy(),
            gaussians.quats.detach().cpu().numpy(),
        ],
        axis=1,
    ).astype("<f4")
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(gaussians)}"]
    lines += [f"property float {name}" for name in columns(gaussians.degree)]
    with replacing(path) as partial, partial.open("wb") as file:
        file.write(("\n".join([*lines, "end_header"]) + "\n").encode("ascii"))
        file.write(table.tobytes())


def read_ply(path: Path) -> Gaussians:
    """Read a binary little-endian 3DGS file of degree 0 to 3; other vertex properties are ignored.

    Raises:
        DataError: The file is missing, is no such file, is truncated, or holds NaN or infinity.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    count, dtype, start = _header(content, str(path))
    rows = content[start : start + count * dtype.itemsize]
    if len(rows) != count * dtype.itemsize:
        got, expected = f"{len(rows)} bytes after the header", f"{count * dtype.itemsize}"
        raise DataError("the PLY file is truncated", got=got, expected=expected, where=str(path))
    vertices = np.frombuffer(rows, dtype)
    rest = sum(name.startswith("f_rest_") for name in dtype.names or ())
    if rest not in [3 * bands for bands in BANDS]:
        expected = "0, 9, 24 or 45"
        raise DataError(
            "an unknown number of f_rest properties", got=rest, expected=expected, where=str(path)
        )
    gaussians = _gaussians(vertices, rest // 3, str(path))
    for name, values in zip(("x y z", "rot", "scale", "opacity", "f_dc", "f_rest"), gaussians, strict=True):
        bad = torch.nonzero(~torch.isfinite(values))
        if len(bad):
            got = f"property {name} of vertex {int(bad[0, 0])}"
            raise DataError("the PLY file holds NaN or infinity", got=got, where=str(path))
    return gaussians


def columns(degree: int) -> list[str]:
    """Return the vertex properties of a degree, in file order."""
    rest = [f"f_rest_{i}" for i in range(3 * BANDS[degree])]
    colour = ["f_dc_0", "f_dc_1", "f_dc_2", *rest]
    shape = ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    return ["x", "y", "z", "nx", "ny", "nz", *colour, *shape]


TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "<i2", "int16": "<i2",
    "ushort": "<u2", "uint16": "<u2", "int": "<i4", "int32": "<i4", "uint": "<u4", "uint32": "<u4",
    "float": "<f4", "float32": "<f4", "double": "<f8", "float64": "<f8",
}  # fmt: skip


def _header(content: bytes, where: str) -> tuple[int, np.dtype, int]:
    """Return the number of vertices, their layout, and where they start."""
    mark = b"end_header\n"
    end = content[:MAX_HEADER].find(mark)
    if not content.startswith(b"ply") or end < 0:
        raise DataError("is not a PLY file", got=content[:16], expected="a 'ply' header", where=where)
    lines = content[:end].decode("ascii", "replace").replace("\r", "").split("\n")
    if "format binary_little_endian 1.0" not in lines:
        got = next((line for line in lines if line.startswith("format")), "no format")
        hint = "convert it, for example by opening and saving it in a splat editor"
        raise DataError("not a binary little-endian PLY file", got=got, hint=hint, where=where)
    count, properties, element = -1, [], ""
    for line in lines:
        match line.split():
            case ["element", name, number]:
                if name == "vertex" and element:
                    raise DataError("vertices must be the first element", got=element, where=where)
                element = name
                if name == "vertex" and number.isdigit():
                    count = int(number)
            case ["property", kind, name] if element == "vertex" and kind in TYPES:
                properties.append((name, TYPES[kind]))
            case ["property", *rest] if element == "vertex":
                raise DataError("an unknown vertex property", got=" ".join(rest), where=where)
    names = [name for name, _ in properties]
    if count < 0 or not names or len(set(names)) != len(names):
        got = f"{count} vertices, properties {names}"
        raise DataError("the PLY header does not describe vertices", got=got, where=where)
    return count, np.dtype(properties), end + len(mark)


def _gaussians(vertices: NDArray, bands: int, where: str) -> Gaussians:
    """Gather the columns of the vertices into parameters."""
    missing = [
        n for n in columns(BANDS.index(bands)) if n not in (vertices.dtype.names or ()) and n[0] != "n"
    ]
    if missing:
        hint = "only files of trained Gaussians are understood, not plain point clouds"
        raise DataError("vertex properties are missing", got=", ".join(missing), hint=hint, where=where)

    def gather(*names: str) -> torch.Tensor:
        stacked = np.stack([vertices[name].astype(np.float32) for name in names], axis=-1)
        return torch.from_numpy(stacked)

    count = len(vertices)
    rest = torch.zeros(count, 0, 3)
    if bands:
        channel_major = gather(*(f"f_rest_{i}" for i in range(3 * bands)))
        rest = channel_major.reshape(count, 3, bands).transpose(1, 2).contiguous()
    return Gaussians(
        means=gather("x", "y", "z"),
        quats=gather(*(f"rot_{i}" for i in range(4))),
        scales=gather(*(f"scale_{i}" for i in range(3))),
        opacities=gather("opacity")[:, 0].contiguous(),
        sh0=gather(*(f"f_dc_{i}" for i in range(3)))[:, None],
        shN=rest,
    )
