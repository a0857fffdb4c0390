import struct

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.splats.gaussians import BANDS, Gaussians
from recgen_bench.methods.splats.ply import read_ply, write_ply


def random(count, degree):
    generator = torch.Generator().manual_seed(degree)
    shapes = ((count, 3), (count, 4), (count, 3), (count,), (count, 1, 3), (count, BANDS[degree], 3))
    return Gaussians(*(torch.randn(shape, generator=generator) for shape in shapes))


@pytest.mark.parametrize("degree", range(4))
def test_a_file_returns_exactly_what_was_written(tmp_path, degree):
    written = random(17, degree)
    write_ply(tmp_path / "a.ply", written)
    read = read_ply(tmp_path / "a.ply")
    assert read.degree == degree
    assert all(torch.equal(a, b) for a, b in zip(read, written, strict=True))


def test_no_gaussians_are_a_valid_file(tmp_path):
    write_ply(tmp_path / "a.ply", random(0, 1))
    assert len(read_ply(tmp_path / "a.ply")) == 0


def test_the_layout_is_that_of_the_3dgs_release(tmp_path):
    gaussians = random(1, 1)
    write_ply(tmp_path / "a.ply", gaussians)
    content = (tmp_path / "a.ply").read_bytes()
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(9)]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    header = "ply\nformat binary_little_endian 1.0\nelement vertex 1\n"
    header += "".join(f"property float {name}\n" for name in names) + "end_header\n"
    assert content.startswith(header.encode())
    values = dict(zip(names, struct.unpack(f"<{len(names)}f", content[len(header) :]), strict=True))
    assert values["y"] == gaussians.means[0, 1].item()
    assert values["nx"] == values["ny"] == values["nz"] == 0
    # Channel-major: all red coefficients, then all green, then all blue.
    assert values["f_rest_2"] == gaussians.shN[0, 2, 0].item()
    assert values["f_rest_3"] == gaussians.shN[0, 0, 1].item()
    assert values["opacity"] == gaussians.opacities[0].item()
    assert values["scale_2"] == gaussians.scales[0, 2].item()
    assert values["rot_0"] == gaussians.quats[0, 0].item()


def test_other_types_orders_and_properties_are_understood(tmp_path):
    names = ["opacity", "x", "y", "z", "red", "f_dc_0", "f_dc_1", "f_dc_2", "scale_0", "scale_1", "scale_2"]
    names += ["rot_0", "rot_1", "rot_2", "rot_3"]
    dtype = np.dtype([(name, "u1" if name == "red" else "<f8") for name in names])
    row = np.zeros(2, dtype)
    for index, name in enumerate(names):
        row[name] = index
    kinds = ["uchar" if name == "red" else "double" for name in names]
    lines = ["ply", "format binary_little_endian 1.0", "comment made elsewhere", "element vertex 2"]
    lines += [f"property {kind} {name}" for kind, name in zip(kinds, names, strict=True)]
    lines += ["element face 0", "property list uchar int vertex_indices", "end_header"]
    (tmp_path / "a.ply").write_bytes(("\n".join(lines) + "\n").encode() + row.tobytes())
    read = read_ply(tmp_path / "a.ply")
    assert read.means.tolist() == [[1, 2, 3]] * 2
    assert read.opacities.tolist() == [0, 0]
    assert read.quats[0].tolist() == [11, 12, 13, 14]


def spoiled(tmp_path, change):
    write_ply(tmp_path / "good.ply", random(3, 1))
    path = tmp_path / "bad.ply"
    path.write_bytes(change((tmp_path / "good.ply").read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: b[:-1], "truncated"),
        (lambda b: b[:200], "not a PLY file"),
        (lambda b: b"", "not a PLY file"),
        (lambda b: b"\x89PNG" + b, "not a PLY file"),
        (lambda b: b.replace(b"binary_little_endian", b"ascii"), "little-endian"),
        (lambda b: b.replace(b"vertex 3", b"vertex -3"), "does not describe vertices"),
        (lambda b: b.replace(b"property float opacity\n", b""), "truncated|missing|too long"),
        (lambda b: b.replace(b"float opacity", b"float opaque"), "missing"),
        (lambda b: b.replace(b"float f_rest_8", b"float unknown0"), "unknown number of f_rest"),
        (lambda b: b.replace(b"float scale_1", b"complex scale_1"), "unknown vertex property"),
        (lambda b: b[:-4] + struct.pack("<f", float("nan")), "NaN or infinity"),
    ],
)
def test_damaged_files_are_named(tmp_path, change, message):
    path = spoiled(tmp_path, change)
    with pytest.raises(DataError, match=message) as caught:
        read_ply(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_ply(tmp_path / "none.ply")
