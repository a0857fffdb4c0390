import time

import numpy as np
import pytest

from recgen_bench.datasets.formats.ply_points import read_ply
from recgen_bench.harness.errors import DataError

XYZ = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
RGB = np.random.default_rng(1).integers(0, 256, (50, 3), dtype=np.uint8)


def header(form, count=50, extra="", names=("red", "green", "blue"), colour="uchar"):
    lines = [f"ply\nformat {form} 1.0\ncomment made by a test\nelement vertex {count}"]
    lines += [f"property float {axis}" for axis in "xyz"] + [f"property {colour} {name}" for name in names]
    return ("\n".join(lines) + f"\n{extra}end_header\n").encode()


def body(form):
    if form == "ascii":
        rows = (
            f"{' '.join(map(repr, xyz))} {' '.join(map(str, rgb))}"
            for xyz, rgb in zip(XYZ.tolist(), RGB, strict=True)
        )
        return ("\n".join(rows) + "\n").encode()
    order = "<" if "little" in form else ">"
    rows = np.empty(50, [("p", f"{order}f4", 3), ("c", "u1", 3)])
    rows["p"], rows["c"] = XYZ, RGB
    return rows.tobytes()


FORMS = ["ascii", "binary_little_endian", "binary_big_endian"]


@pytest.mark.parametrize("form", FORMS)
def test_what_was_written_comes_back(tmp_path, form):
    (tmp_path / "a.ply").write_bytes(header(form) + body(form))
    points = read_ply(tmp_path / "a.ply")
    assert np.array_equal(points.xyz, XYZ.astype(np.float64))
    assert np.array_equal(points.rgb, RGB)


@pytest.mark.parametrize("form", FORMS)
def test_what_follows_the_vertices_is_ignored(tmp_path, form):
    extra = "element face 2\nproperty list uchar int vertex_indices\n"
    (tmp_path / "a.ply").write_bytes(header(form, extra=extra) + body(form) + b"3 0 1 2\n3 0 1 2\n")
    assert np.array_equal(read_ply(tmp_path / "a.ply").rgb, RGB)


def test_float_colours_are_scaled(tmp_path):
    rows = "\n".join("0 0 0 0.0 0.5 1.0" for _ in range(50))
    (tmp_path / "a.ply").write_bytes(header("ascii", colour="float") + rows.encode())
    assert read_ply(tmp_path / "a.ply").rgb[7].tolist() == [0, 128, 255]


def test_missing_colours_are_grey(tmp_path):
    (tmp_path / "a.ply").write_bytes(header("ascii", 1, names=()) + b"1 2 3")
    points = read_ply(tmp_path / "a.ply")
    assert points.xyz.tolist() == [[1, 2, 3]]
    assert points.rgb.tolist() == [[128, 128, 128]]


@pytest.mark.parametrize("form", FORMS)
def test_no_vertices_are_no_points(tmp_path, form):
    (tmp_path / "a.ply").write_bytes(header(form, 0))
    assert len(read_ply(tmp_path / "a.ply")) == 0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a PLY file"),
        (b"ply\nformat ascii 1.0\n", "not a PLY file"),
        (header("ascii", 10**12), "truncated"),
        (header("binary_little_endian", 10**17), "truncated"),
        (header("ascii", "-3") + b"1", "not understood"),
        (header("utf7"), "unknown PLY format"),
        (header("ascii", names=("red", "red")), "unusable vertex properties"),
        (header("ascii", extra="property list uchar int x\n"), "unusable vertex properties"),
        (header("ascii", colour="quad"), "not understood"),
        (b"ply\nformat ascii 1.0\nelement face 1\nproperty int x\nend_header\n1", "vertices must come first"),
        (b"ply\nformat ascii 1.0\nend_header\n", "vertices must come first"),
        (header("ascii", 1) + b"1 2 nan 0 0 0", "not finite"),
        (header("ascii", 1) + b"1 2 3 0 0 256", "not a colour"),
        (header("ascii", 1) + b"1 2 three 0 0 0", "not a row of numbers"),
        (header("ascii", 2) + b"1 2 3 0 0 0\n          \n   \n", "truncated"),
        (header("ascii", 1) + b"               \n", "truncated"),
    ],
)
def test_bad_files_are_named(tmp_path, data, message):
    (tmp_path / "a.ply").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_ply(tmp_path / "a.ply")
    assert "a.ply" in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_an_error_or_harmless(tmp_path, form):
    data = header(form) + body(form)
    path = tmp_path / "a.ply"
    rng = np.random.default_rng(4)
    messages, start = [], time.process_time()
    for variant in range(400):
        hurt = bytearray(data)
        if variant % 4 == 0:
            hurt = hurt[: rng.integers(len(data) - 10)]
        else:
            for at in rng.integers(0, len(header(form)) if variant % 2 else len(data), variant % 4):
                hurt[at] = rng.integers(256)
        path.write_bytes(hurt)
        try:
            assert np.isfinite(read_ply(path).xyz).all()
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all(str(path) in message for message in messages)
    assert time.process_time() - start < 10


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_ply(tmp_path / "a.ply")


def test_a_real_export(shared):
    points = read_ply(shared / "samples" / "nerfstudio_export_meta" / "sparse_pc.ply")
    assert len(points) == 28162
    assert points.xyz[0].tolist() == [2.395, 0.61646, -2.034439]
    assert points.rgb[0].tolist() == [169, 163, 163]
