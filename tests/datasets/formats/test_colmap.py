import struct
import time

import numpy as np
import pytest

from recgen_bench.datasets.formats.colmap import centres_agree, find_model, read_points, read_sparse
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import rigid


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_what_was_written_comes_back(tmp_path, writer, kind):
    folder = writer.colmap(tmp_path, kind)
    model, points = read_sparse(folder), read_points(folder)
    assert [image.name for image in model.images] == sorted(writer.names)
    for image in model.images:
        np.testing.assert_allclose(image.c2w, writer.poses[writer.names.index(image.name)], atol=1e-14)
        rigid(image.c2w, "pose")
    lens = model.lens(7)
    assert (lens.fx, lens.fy, lens.cx, lens.cy) == (writer.fx, writer.fy, writer.cx, writer.cy)
    assert np.array_equal(points.xyz, writer.xyz)
    assert np.array_equal(points.rgb, writer.rgb)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("SIMPLE_PINHOLE", ()),
        ("SIMPLE_RADIAL", (0.1,)),
        ("RADIAL", (0.1, -0.02)),
        ("OPENCV", (0.1, 0.02, 0.003, 0.004)),
        ("OPENCV_FISHEYE", (0.1, 0.02, 0.003, 0.004)),
    ],
)
def test_binary_and_text_are_equal(tmp_path, writer, name, extra):
    binary = read_sparse(writer.colmap(tmp_path / "b", "bin", name, extra))
    text = read_sparse(writer.colmap(tmp_path / "t", "txt", name, extra))
    assert binary.cameras == text.cameras
    assert binary.images == text.images
    assert binary.lens(7) == text.lens(7)


def test_binary_is_read_before_text(tmp_path, writer):
    folder = writer.colmap(tmp_path, "bin")
    writer.rgb[:] = 3
    writer.colmap(tmp_path, "txt")
    assert read_points(folder).rgb.max() > 3
    assert find_model(tmp_path) == folder
    assert find_model(tmp_path / "sparse" / "0", ("absent", "")) == folder
    assert find_model(tmp_path, ("absent",)) is None


def test_a_model_without_points_has_none(tmp_path, writer):
    folder = writer.colmap(tmp_path)
    (folder / "points3D.bin").unlink()
    assert len(read_points(folder)) == 0
    (folder / "points3D.bin").write_bytes(struct.pack("<Q", 0))
    assert len(read_points(folder)) == 0


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_damage_is_an_error_or_harmless(tmp_path, writer, part, kind):
    """400 variants per file: every bit flip and truncation either reads or is one clear error, at once."""
    folder = writer.colmap(tmp_path, kind)
    path = folder / f"{part}.{kind}"
    data = path.read_bytes()
    rng = np.random.default_rng(2)
    messages, start = [], time.process_time()
    for variant in range(400):
        hurt = bytearray(data)
        if variant % 4 == 0:
            hurt = hurt[: rng.integers(len(data))]
        elif variant % 4 == 1:  # The counts and headers, where damage could ask for memory.
            hurt[rng.integers(min(64, len(data)))] ^= 1 << int(rng.integers(8))
        else:
            for at in rng.integers(0, len(data), variant % 4):
                hurt[at] = rng.integers(256)
        path.write_bytes(hurt)
        try:
            model = read_sparse(folder)
            assert all(np.isfinite(image.c2w).all() for image in model.images)
            model.lens(model.images[0].camera_id).pinhole()
            assert np.isfinite(read_points(folder).xyz).all()
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 40
    assert all(str(folder) in message for message in messages)
    assert time.process_time() - start < 20


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
def test_every_truncation_of_a_binary_file_names_the_byte(tmp_path, writer, part):
    folder = writer.colmap(tmp_path)
    path = folder / f"{part}.bin"
    data = path.read_bytes()
    for size in range(0, len(data), 7):
        path.write_bytes(data[:size])
        with pytest.raises(DataError) as caught:
            (read_points if part == "points3D" else read_sparse)(folder)
        assert f"{part}.bin, byte " in str(caught.value)


@pytest.mark.parametrize("part", ["cameras", "images", "points3D"])
def test_absurd_counts_allocate_nothing(tmp_path, writer, part):
    folder = writer.colmap(tmp_path)
    path = folder / f"{part}.bin"
    data = path.read_bytes()
    for count in (2**64 - 1, 2**40, 10_000):
        path.write_bytes(struct.pack("<Q", count) + data[8:])
        with pytest.raises(DataError, match="too short for its number") as caught:
            (read_points if part == "points3D" else read_sparse)(folder)
        assert f"{part}.bin, byte 0" in str(caught.value)


def test_bytes_left_over_are_refused(tmp_path, writer):
    folder = writer.colmap(tmp_path)
    path = folder / "points3D.bin"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DataError, match="1 bytes left over"):
        read_points(folder)


def test_unknown_models_are_named(tmp_path, writer):
    folder = writer.colmap(tmp_path)
    data = bytearray((folder / "cameras.bin").read_bytes())
    data[12] = 77
    (folder / "cameras.bin").write_bytes(data)
    with pytest.raises(DataError, match="not supported") as caught:
        read_sparse(folder)
    assert "model number 77" in str(caught.value)
    assert "camera 7" in str(caught.value)
    (folder / "cameras.bin").unlink()
    (folder / "cameras.txt").write_text("1 MAGIC 32 24 1 2 3\n")
    with pytest.raises(DataError, match="not supported") as caught:
        read_sparse(folder)
    assert "cameras.txt, line 1" in str(caught.value)
    assert "MAGIC" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("7 1.png", "8 1.png", "a camera that is not there"),
        ("7 2.png", "7 1.png", "listed twice"),
        ("7 1.png", "x 1.png", "not a whole number"),
        ("7 1.png", "7", "not an image"),
    ],
)
def test_contradictions_in_images_are_named(tmp_path, writer, old, new, message):
    folder = writer.colmap(tmp_path, "txt")
    text = (folder / "images.txt").read_text()
    assert old in text
    (folder / "images.txt").write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message) as caught:
        read_sparse(folder)
    assert "images.txt" in str(caught.value)


@pytest.mark.parametrize("value", ["nan", "inf", "1e200", "0.3"])
def test_bad_rotations_name_the_image(tmp_path, writer, value):
    folder = writer.colmap(tmp_path, "txt")
    (folder / "images.txt").write_text(f"1 {value} 0 0 0 0 0 0 7 one.png\n\n")
    with pytest.raises(DataError, match="unit quaternion") as caught:
        read_sparse(folder)
    assert "image one.png" in str(caught.value)


def test_bad_positions_name_the_image(tmp_path, writer):
    folder = writer.colmap(tmp_path, "txt")
    (folder / "images.txt").write_text("1 1 0 0 0 0 nan 0 7 one.png\n\n")
    with pytest.raises(DataError, match="NaN") as caught:
        read_sparse(folder)
    assert "image one.png" in str(caught.value)


def test_a_missing_line_of_points_is_explained(tmp_path, writer):
    folder = writer.colmap(tmp_path, "txt")
    (folder / "images.txt").write_text("1 1 0 0 0 0 0 0 7 a.png\n2 1 0 0 0 0 0 0 7 b.png\n")
    with pytest.raises(DataError, match="triples") as caught:
        read_sparse(folder)
    assert "line 1" in str(caught.value)


def test_bad_cameras_name_the_camera(tmp_path, writer):
    folder = writer.colmap(tmp_path, "txt")
    for params, message in (
        ("0 0 16 12", "focal length"),
        ("nan 1 16 12", "NaN"),
        ("1 2 3", "number of camera"),
    ):
        (folder / "cameras.txt").write_text(f"7 PINHOLE 32 24 {params}\n")
        with pytest.raises(DataError, match=message) as caught:
            read_sparse(folder).lens(7)
        assert "camera 7" in str(caught.value) or "line 1" in str(caught.value)


def test_points_that_are_not_finite_are_named(tmp_path, writer):
    writer.xyz[5, 1] = np.nan
    for kind in ("bin", "txt"):
        folder = writer.colmap(tmp_path / kind, kind)
        with pytest.raises(DataError, match="not finite") as caught:
            read_points(folder)
        assert f"points3D.{kind}, point 5" in str(caught.value)


def test_missing_parts_are_named(tmp_path, writer):
    folder = writer.colmap(tmp_path)
    (folder / "images.bin").unlink()
    with pytest.raises(DataError) as caught:
        read_sparse(folder)
    assert "images.bin or images.txt" in str(caught.value)


def test_text_that_is_not_text_is_refused(tmp_path, writer):
    folder = writer.colmap(tmp_path, "txt")
    (folder / "points3D.txt").write_bytes(b"\xff\xfe\0")
    with pytest.raises(DataError, match="read as text"):
        read_points(folder)


def test_centres_agree_only_when_they_do(tmp_path, writer):
    model = read_sparse(writer.colmap(tmp_path))
    centres = {name: pose[:3, 3] for name, pose in zip(writer.names, writer.poses, strict=True)}
    similarity = np.diag([2.0, 2, 2, 1])
    similarity[:3, 3] = 1, 2, 3
    moved = {name: 2 * centre + [1, 2, 3] for name, centre in centres.items()}
    assert centres_agree(model, centres)
    assert centres_agree(model, moved, similarity)
    assert not centres_agree(model, moved)
    assert not centres_agree(model, {"other.png": np.zeros(3)})
    centres["3.png"] = centres["3.png"] + 0.1
    assert not centres_agree(model, centres)


def test_a_hundred_thousand_points_read_fast(tmp_path):
    count = 100_000
    rng = np.random.default_rng(0)
    xyz, track = rng.standard_normal((count, 3)), rng.integers(2, 6, count)
    data = [struct.pack("<Q", count)]
    for index in range(count):
        n = int(track[index])
        data.append(struct.pack("<Q3d3BdQ", index, *xyz[index], 1, 2, 3, 0.5, n) + b"\7" * 8 * n)
    (tmp_path / "points3D.bin").write_bytes(b"".join(data))
    start = time.process_time()
    points = read_points(tmp_path)
    assert time.process_time() - start < 2
    assert np.array_equal(points.xyz, xyz)
