import json
import math
import time

import numpy as np
import pytest

from recgen_bench.datasets.formats.transforms_json import lens, read_transforms
from recgen_bench.harness.errors import DataError

SIZE = (32, 24)


def only(root, key="frames"):
    """Return the lens of the first frame."""
    return lens(read_transforms(root / "transforms.json", key).frames[0].intrinsics, SIZE)


def test_what_was_written_comes_back(tmp_path, writer):
    writer.transforms(tmp_path)
    read = read_transforms(tmp_path / "transforms.json")
    assert [frame.file for frame in read.frames] == [f"images/{name}" for name in sorted(writer.names)]
    for frame in read.frames:
        truth = writer.poses[writer.names.index(frame.file.removeprefix("images/"))]
        np.testing.assert_allclose(frame.c2w, truth, atol=1e-15)
    found = only(tmp_path)
    assert (found.fx, found.fy, found.cx, found.cy) == (30.0, 31.0, 16.5, 11.5)
    assert found.straight
    assert read.applied is None
    assert read.points is None


def test_text_order_not_listing_order(tmp_path, writer):
    writer.names = ["10.png", "9.png", "1.png", "2.png", "b.png", "a.png"]
    writer.transforms(tmp_path)
    files = [frame.file for frame in read_transforms(tmp_path / "transforms.json").frames]
    assert files == [f"images/{name}" for name in ("1.png", "10.png", "2.png", "9.png", "a.png", "b.png")]


def test_coefficients_without_a_model_are_opencv(tmp_path, writer):
    writer.transforms(tmp_path, k1=0.1, k2=0.2, k3=0.3, k4=0.4, p1=0.01, p2=0.02)
    found = only(tmp_path)
    assert found.model == "perspective"
    assert found.coefficients == (0.1, 0.2, 0.3, 0.4, 0.01, 0.02, 0, 0, 0)


@pytest.mark.parametrize("changes", [{"camera_model": "OPENCV_FISHEYE"}, {"is_fisheye": True}])
def test_fisheye(tmp_path, writer, changes):
    writer.transforms(tmp_path, k1=0.1, k4=0.4, **changes)
    found = only(tmp_path)
    assert found.model == "fisheye"
    assert found.coefficients == (0.1, 0, 0, 0.4)


def test_full_opencv_is_rational(tmp_path, writer):
    writer.transforms(
        tmp_path, camera_model="FULL_OPENCV", k1=0.1, k2=0.2, k3=0.3, k4=0.4, k5=0.5, k6=0.6, p1=0.01, p2=0.02
    )
    assert only(tmp_path).coefficients == (0.1, 0.2, 0.3, 0, 0.01, 0.02, 0.4, 0.5, 0.6)


@pytest.mark.parametrize(
    "model",
    [
        "EQUIRECTANGULAR",
        "ORTHOPHOTO",
        "FISHEYE624",
        "OMNIDIRECTIONALSTEREO_L",
        "THIN_PRISM_FISHEYE",
        "nonsense",
    ],
)
def test_other_models_are_refused_by_name(tmp_path, writer, model):
    writer.transforms(tmp_path, camera_model=model)
    with pytest.raises(DataError, match="not supported") as caught:
        only(tmp_path)
    assert model.upper() in str(caught.value)
    assert "OPENCV_FISHEYE" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_model": "PINHOLE", "k1": 0.1}, "PINHOLE camera has distortion"),
        ({"camera_model": "OPENCV_FISHEYE", "p1": 0.1}, "does not have these coefficients"),
        ({"camera_model": "OPENCV", "k5": 0.1}, "does not have these coefficients"),
        ({"fl_x": None, "fl_y": None}, "no focal length"),
        ({"fl_x": 0}, "focal length must be positive"),
        ({"fl_x": None, "camera_angle_x": 4.0}, "field of view"),
    ],
)
def test_impossible_cameras_are_refused(tmp_path, writer, changes, message):
    writer.transforms(tmp_path, **changes)
    with pytest.raises(DataError, match=message):
        only(tmp_path)


def test_blender_angles(tmp_path, writer):
    writer.transforms(tmp_path, fl_x=None, fl_y=None, cx=None, cy=None, w=None, h=None, camera_angle_x=0.7)
    found = only(tmp_path)
    assert found.fx == found.fy == pytest.approx(16 / math.tan(0.35))
    assert (found.cx, found.cy, found.width, found.height) == (16, 12, 32, 24)
    writer.transforms(tmp_path, fl_x=None, fl_y=None, camera_angle_x=0.7, camera_angle_y=0.5)
    assert only(tmp_path).fy == pytest.approx(12 / math.tan(0.25))


def test_missing_fl_y_is_fl_x(tmp_path, writer):
    writer.transforms(tmp_path, fl_y=None, camera_angle_y=0.5)
    assert only(tmp_path).fy == writer.fx


def test_frames_override_the_file(tmp_path, writer):
    data = writer.transforms(tmp_path)
    data["frames"][0] |= {"fl_x": 50, "w": 64, "h": 48, "k1": 0.2, "camera_model": "OPENCV"}
    writer.save(tmp_path, data)
    read = read_transforms(tmp_path / "transforms.json")
    first, second = (lens(frame.intrinsics, SIZE) for frame in read.frames[:2])
    assert (first.fx, first.fy, first.width, first.coefficients[0]) == (50, 31, 64, 0.2)
    assert (second.fx, second.fy, second.width, second.coefficients[0]) == (30, 31, 32, 0)


def test_quirks_are_tolerated(tmp_path, writer):
    data = writer.transforms(tmp_path, fl_x="30.5", w=32.0, h="24", k1=None)
    data["frames"][0]["file_path"] = "./images/../images/1.png"
    data["frames"][0]["transform_matrix"] = data["frames"][0]["transform_matrix"][:3]
    data["k2"] = None
    (tmp_path / "transforms.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(data).encode())
    assert only(tmp_path).fx == 30.5
    assert read_transforms(tmp_path / "transforms.json").frames[0].file == "images/1.png"


def test_applied_transform_and_scale(tmp_path, writer):
    swap = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    writer.transforms(tmp_path, applied_transform=swap, applied_scale=0.5)
    applied = read_transforms(tmp_path / "transforms.json").applied
    assert (applied @ [1, 2, 3, 1]).tolist() == [0.5, 1.5, -1, 1]
    writer.transforms(tmp_path, applied_transform=[[1, 0], [0, 1]])
    with pytest.raises(DataError, match="applied_transform"):
        read_transforms(tmp_path / "transforms.json")
    writer.transforms(tmp_path, applied_scale=-1)
    with pytest.raises(DataError, match="applied_scale"):
        read_transforms(tmp_path / "transforms.json")


def test_other_lists_of_frames(tmp_path, writer):
    data = writer.transforms(tmp_path)
    writer.transforms(tmp_path, test_frames=data["frames"][:2])
    assert len(read_transforms(tmp_path / "transforms.json", "test_frames").frames) == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("file_path", 7, "not text"),
        ("file_path", "", "inside the scene"),
        ("file_path", "../other/1.png", "inside the scene"),
        ("file_path", "images/../../1.png", "inside the scene"),
        ("file_path", "/etc/passwd", "inside the scene"),
        ("file_path", "C:\\images\\1.png", "inside the scene"),
        ("file_path", "a\0b.png", "not a usable file name"),
        ("file_path", "x" * 300, "not a usable file name"),
        ("file_path", "\ud800.png", "broken characters"),
        ("mask_path", "../mask.png", "inside the scene"),
        ("mask_path", 3, "not text"),
        ("transform_matrix", None, "4x4"),
        ("transform_matrix", "identity", "matrix of numbers"),
        ("transform_matrix", [[1, 2], [3]], "matrix of numbers"),
        ("transform_matrix", [[1, 0, 0], [0, 1, 0], [0, 0, 1]], "4x4"),
        ("transform_matrix", (np.eye(4) * np.nan).tolist(), "NaN"),
        ("transform_matrix", (np.eye(4) * 2).tolist(), "not a rotation"),
        ("transform_matrix", np.diag([1.0, 1, -1, 1]).tolist(), "not a rotation"),
        ("transform_matrix", np.zeros((4, 4)).tolist(), "not a rotation"),
        ("fl_x", math.nan, "finite"),
        ("fl_x", "wide", "finite"),
        ("fl_x", True, "finite"),
        ("fl_x", [30], "finite"),
        ("k1", math.inf, "finite"),
        ("w", 31.5, "pixels"),
        ("h", -24, "pixels"),
        ("camera_model", 4, "not a name"),
    ],
)
def test_bad_frames_are_named(tmp_path, writer, key, value, message):
    data = writer.transforms(tmp_path)
    data["frames"][3][key] = value
    writer.save(tmp_path, data)
    with pytest.raises(DataError, match=message) as caught:
        read_transforms(tmp_path / "transforms.json")
    assert "transforms.json, frame 3" in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize("entry", [None, 3, "images/1.png", [], {}])
def test_frames_that_are_no_objects_are_named(tmp_path, writer, entry):
    data = writer.transforms(tmp_path)
    data["frames"][2] = entry
    writer.save(tmp_path, data)
    with pytest.raises(DataError) as caught:
        read_transforms(tmp_path / "transforms.json")
    assert "frame 2" in str(caught.value)


def test_frames_listed_twice_are_named(tmp_path, writer):
    data = writer.transforms(tmp_path)
    data["frames"][4]["file_path"] = "./images/2.png"
    writer.save(tmp_path, data)
    with pytest.raises(DataError, match="listed twice") as caught:
        read_transforms(tmp_path / "transforms.json")
    assert "images/2.png" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"frames": [\n{},\n}', "line 3"),
        ("", "line 1"),
        ("[]", "one JSON object"),
        ("{}", 'no list "frames"'),
        ('{"frames": []}', 'no list "frames"'),
        ('{"frames": {"a": 1}}', 'no list "frames"'),
        ("[" * 100_000, "not valid JSON"),
        ('{"w": ' + "9" * 5000 + ', "frames": [{}]}', "not valid JSON"),
    ],
)
def test_bad_files_are_named(tmp_path, text, message):
    (tmp_path / "transforms.json").write_text(text)
    with pytest.raises(DataError) as caught:
        read_transforms(tmp_path / "transforms.json")
    assert message in str(caught.value)
    assert "transforms.json" in str(caught.value)


def test_bytes_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "transforms.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(DataError, match="not valid JSON"):
        read_transforms(tmp_path / "transforms.json")


def test_damage_is_an_error_or_harmless(tmp_path, writer):
    writer.transforms(tmp_path, camera_model="OPENCV", k1=0.1, applied_transform=np.eye(4)[:3].tolist())
    path = tmp_path / "transforms.json"
    data = path.read_bytes()
    rng = np.random.default_rng(5)
    messages, start = [], time.process_time()
    for variant in range(400):
        hurt = bytearray(data)
        if variant % 4 == 0:
            hurt = hurt[: rng.integers(len(data))]
        else:
            for at in rng.integers(0, len(data), variant % 4):
                hurt[at] = rng.choice(np.frombuffer(b'0123456789-e.[]{}",:\\ null\xff', np.uint8))
        path.write_bytes(hurt)
        try:
            read = read_transforms(path)
            for frame in read.frames:
                lens(frame.intrinsics, SIZE).pinhole()
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert time.process_time() - start < 10
