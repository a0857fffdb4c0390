import json
import time

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError


def open_(folder, **request):
    return Waymo().open(Request(None, folder, **request))


@pytest.fixture
def ds(tmp_path, writing):
    return writing.write_drivestudio(tmp_path / "005", writing.Drive(count=3))


@pytest.fixture
def sg(tmp_path, writing):
    return writing.write_street_gaussians(tmp_path / "005", writing.Drive(count=3))


def test_a_missing_image_is_said(ds):
    (ds / "images" / "001_0.jpg").unlink()
    capture = open_(ds)
    assert [view.camera.frame for view in capture.views] == [0, 2]
    assert "1 of 3 time steps have no FRONT image and give no view of it." in capture.notes


def test_what_the_layout_lacks_is_said(ds):
    text = "\n".join(open_(ds).notes)
    assert "0.1 s apart" in text
    assert "no map" in text
    assert "Boxes have no speeds; a track counts as moving by the distance it travels." in text


def test_speeds_decide_where_they_are_recorded(tmp_path, writing):
    drive = writing.Drive(count=3, lidar=False)
    # Its label says that it drives, though it has not moved; one frame of speed is enough.
    drive.bodies[1].velocity = (1.0, 1.0)
    root = writing.write_street_gaussians(tmp_path / "005", drive)
    rows = (root / "track" / "track_info.txt").read_text().splitlines()
    rows = [row.rsplit(maxsplit=1)[0] + " 0" if row.startswith(("0 1 ", "1 1 ")) else row for row in rows]
    (root / "track" / "track_info.txt").write_text("\n".join(rows))
    capture = open_(root)
    assert [actor.moving for actor in capture.actors] == [True, True, False]
    assert "no speeds" not in "\n".join(capture.notes)


def test_pickled_points_are_not_read(sg):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("a pickle was loaded",))

    np.savez(sg / "pointcloud.npz", pointcloud=np.array(Trap(), object))
    capture = open_(sg)
    assert len(capture.points) == 0
    assert any("pointcloud.npz is a pickle" in note for note in capture.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ego_pose/001.txt", "1 2 3", "not a 4x4"),
        ("ego_pose/001.txt", "nan " * 16, "NaN"),
        ("ego_pose/001.txt", "a " * 16, "no number"),
        ("ego_pose/001.txt", "1 " * 100_000, "too large"),
        ("ego_pose/001.txt", b"\xff\xfe", "UTF-8"),
        ("ego_pose/001.txt", None, "no vehicle pose"),
        ("extrinsics/0.txt", None, "cannot be read"),
        ("extrinsics/0.txt", "2 " * 16, "not a rotation"),
        ("intrinsics/0.txt", "1 2 3 4", "nine intrinsics"),
        ("intrinsics/0.txt", "inf " * 9, "NaN or infinity"),
        ("images/000_0.jpg", "not an image", "not an image"),
        ("instances/instances_info.json", "[]", "no JSON object"),
        ("instances/instances_info.json", "{", "not JSON"),
        ("instances/instances_info.json", "[" * 100_000, "not JSON"),
        ("instances/instances_info.json", '{"0": {"id": 1}}', "not a track"),
        ("instances/instances_info.json", '{"0": null}', "not a track"),
    ],
)
def test_damage_is_named(ds, name, content, message):
    path = ds / name
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError, match=message) as caught:
        open_(ds, count=3)
    assert name.split("/")[0] in str(caught.value)


@pytest.mark.parametrize("size", [[1, 2], [1, 2, -3], [1, 2, float("nan")], ["a", 1, 2], None])
def test_boxes_that_cannot_be_used(ds, size):
    path = ds / "instances" / "instances_info.json"
    info = json.loads(path.read_text())
    info["1"]["frame_annotations"]["box_size"][1] = size
    path.write_text(json.dumps(info))
    with pytest.raises(DataError) as caught:
        open_(ds)
    assert "track '1'" in str(caught.value)


@pytest.mark.parametrize("content", [b"\0" * 57, np.full(14, np.nan, "<f4").tobytes()])
def test_damaged_lidar(ds, content):
    (ds / "lidar" / "001.bin").write_bytes(content)
    capture = open_(ds)
    with pytest.raises(DataError, match="lidar point") as caught:
        len(capture.points)
    assert "001.bin" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("timestamps.json", "{}", "no time"),
        ("timestamps.json", '{"FRAME": {"000000": 1, "000001": 1, "000002": 2}}', "order of time"),
        ("timestamps.json", '{"FRAME": {"000000": "x"}}', "no time"),
        ("track/track_info.txt", "0 1 vehicle -10 1 1", "not a row"),
        ("track/track_info.txt", "0 1 vehicle -10 1 1 1 a 0 0 0 0", "not a row"),
        ("track/track_info.txt", "0 1 vehicle -10 1 1 0 0 0 0 0 0", "not a usable box"),
        ("track/track_info.txt", "0 1 vehicle -10 1 1 1 0 0 0 0 nan", "not a usable box"),
    ],
)
def test_damage_of_street_gaussians_is_named(sg, name, content, message):
    (sg / name).write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        open_(sg)
    assert name in str(caught.value) or "time step 1" in str(caught.value)


def test_a_thousand_frames_open_without_pixels(tmp_path, writing):
    drive = writing.Drive(count=1, lidar=False)
    root = writing.write_drivestudio(tmp_path / "005", drive)
    Image.new("RGB", (1920, 1280)).save(root / "images" / "000_0.jpg")
    (root / "intrinsics" / "0.txt").write_text("2050 2050 950 640 0.04 -0.33 0.001 -0.0015 0")
    for step in range(1, 1000):
        (root / "images" / f"{step:03d}_0.jpg").write_bytes(b"not decoded")
        (root / "ego_pose" / f"{step:03d}.txt").write_bytes((root / "ego_pose" / "000.txt").read_bytes())
    open_(root, count=1)
    started = time.process_time()
    capture = open_(root)
    assert time.process_time() - started < 1
    assert len(capture.views) == 1000
    assert (capture.views[0].camera.width, capture.views[0].camera.height) == (1920, 1280)
