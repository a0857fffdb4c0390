import pickle
import sys
import tracemalloc

import numpy as np
import pytest

from recgen_bench.datasets.waymo import messages
from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.tfrecord import index_records, read_record
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, PluginError
from recgen_bench.harness.scene import Points


def open_(folder, **request):
    return Waymo().open(Request(None, folder, **request))


def rewritten(folder, writing, drive, change):
    """Write the drive with every record changed and framed anew."""
    folder.mkdir()
    records = [writing.framed(change(writing.frame_message(drive, step))) for step in range(drive.count)]
    (folder / "a.tfrecord").write_bytes(b"".join(records))
    return folder


@pytest.fixture(scope="module")
def bare(writing):
    """Return a drive without lidar, which is quick to write."""
    return writing.Drive(lidar=False, count=2)


def test_the_map_is_in_the_scene(forms, drive, writing):
    lanes = open_(forms["v1"], first=3).lanes
    closed = ["crosswalk", "speed_bump", "driveway"]
    assert [lane.kind for lane in lanes] == ["lane_centre", "road_line/solid-white", "road_edge", *closed]
    line = drive.egos[0][:3, 3] + np.array([[0, 0, 0], [5, 3, 0], [10, 6, 0.0]])
    for lane in lanes:
        world = lane.polyline @ drive.egos[3][:3, :3].T + drive.egos[3][:3, 3]
        np.testing.assert_allclose(world[:3], line, atol=1e-9)
        assert len(world) == (4 if lane.kind in closed else 3)
    np.testing.assert_allclose(lanes[-1].polyline[0], lanes[-1].polyline[-1])


def test_only_wanted_records_and_the_first_are_read(tmp_path, writing, bare):
    path = writing.write_v1(tmp_path / "x", writing.Drive(lidar=False, count=4))
    data = bytearray(path.read_bytes())
    records = index_records(path)
    for number in (1, 3):
        data[records[number].start + 40] ^= 255
    path.write_bytes(data)
    assert [view.camera.frame for view in open_(path.parent, first=2, count=1).views] == [2]
    with pytest.raises(DataError, match="CRC") as caught:
        open_(path.parent)
    assert "record 1" in str(caught.value)


def test_a_frame_without_images_keeps_its_labels(tmp_path, writing, bare):
    writing.write_v1(tmp_path, bare, images=True)
    capture = open_(tmp_path)
    assert capture.views == ()
    assert len(capture.actors) == 3
    assert "2 of 2 time steps have no FRONT image and give no view of it." in capture.notes


def test_absent_lidar_map_and_labels_are_said(tmp_path, writing, bare):
    writing.write_v1(tmp_path, bare, labels=True, map=True)
    capture = open_(tmp_path)
    assert (len(capture.views), len(capture.actors), len(capture.lanes), len(capture.points)) == (2, 0, 0, 0)
    assert capture.views[0].depth is None
    text = "\n".join(capture.notes)
    assert "no lidar range images" in text
    assert "no map" in text


def test_lidar_without_images_is_grey(tmp_path, writing):
    writing.write_v1(tmp_path, writing.Drive(count=1), images=True)
    capture = open_(tmp_path)
    assert len(capture.points) > 500
    assert (capture.points.rgb == 128).all()
    assert any("grey" in note for note in capture.notes)


def test_a_camera_without_calibration(tmp_path, writing, bare):
    writing.write_v1(tmp_path, bare, cameras=True)
    with pytest.raises(DataError, match="no calibration") as caught:
        open_(tmp_path)
    assert "record 0" in str(caught.value)


def test_a_laser_without_calibration(tmp_path, writing):
    writing.write_v1(tmp_path, writing.Drive(count=1), lasers=True)
    capture = open_(tmp_path)
    with pytest.raises(DataError, match="TOP has range images but no calibration") as caught:
        len(capture.points)
    assert "record 0" in str(caught.value)


def test_unknown_cameras_are_left_out_and_said(tmp_path, writing, bare):
    stranger = b"\x22\x05\x08\x63\x12\x01x"  # Field 4: an image with the name 99.
    capture = open_(rewritten(tmp_path / "a", writing, bare, lambda frame: frame + stranger))
    assert len(capture.views) == 2
    assert "Images of cameras with an unknown number are left out: 99." in capture.notes


def test_times_must_ascend(tmp_path, writing, bare):
    late = b"\x10\x05"  # Field 2 again; the last one counts.
    with pytest.raises(DataError, match="order of time") as caught:
        open_(rewritten(tmp_path / "a", writing, bare, lambda frame: frame + late))
    assert "record 1" in str(caught.value)


def test_a_pose_that_is_not_rigid(tmp_path, writing, bare):
    bent = b"\x1a\x09\x09" + np.float64(2).tobytes()  # Field 3: one more number in the transform.
    with pytest.raises(DataError, match="17 numbers") as caught:
        open_(rewritten(tmp_path / "a", writing, bare, lambda frame: frame + bent))
    assert "record 0" in str(caught.value)


def test_a_label_with_a_flat_box(tmp_path, writing, bare):
    flat = b"\x32\x05\x22\x03odd"  # Field 6: a label that is only an id.
    with pytest.raises(DataError, match="not a usable box") as caught:
        open_(rewritten(tmp_path / "a", writing, bare, lambda frame: frame + flat))
    assert "record 0, label 'odd'" in str(caught.value)


def test_a_track_twice_in_a_frame(tmp_path, writing):
    drive = writing.Drive(lidar=False, count=1)
    drive.bodies.append(drive.bodies[0])
    writing.write_v1(tmp_path, drive)
    with pytest.raises(DataError, match="two boxes") as caught:
        open_(tmp_path)
    assert "car" in str(caught.value)


def test_a_damaged_picture_is_named(tmp_path, writing, bare):
    class Torn(writing.Drive):
        def picture(self, step, camera):
            return super().picture(step, camera)[:-30]

    writing.write_v1(tmp_path, Torn(lidar=False, count=1))
    view = open_(tmp_path).views[0]
    with pytest.raises(DataError, match="damaged") as caught:
        _ = view.image
    assert "record 0, camera FRONT" in str(caught.value)


def test_a_picture_of_another_size(tmp_path, writing):
    class Small(writing.Drive):
        def picture(self, step, camera):
            self.width = 48
            try:
                return super().picture(step, camera)
            finally:
                self.width = 96

    writing.write_v1(tmp_path, Small(lidar=False, count=1))
    with pytest.raises(DataError, match="another size than its calibration"):
        _ = open_(tmp_path).views[0].image


def test_records_are_streamed(tmp_path, writing):
    class Large(writing.Drive):
        noise = np.random.default_rng(0).bytes(300_000)

        def picture(self, step, camera):
            # PNG readers ignore what follows the end of the image.
            return super().picture(step, camera) + self.noise

    writing.write_v1(tmp_path, Large(lidar=False, count=4))
    tracemalloc.start()
    capture = open_(tmp_path)
    _, opening = tracemalloc.get_traced_memory()
    for view in capture.views:
        _ = view.image
    _, reading = tracemalloc.get_traced_memory()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 200_000
    # One record of 1.5 MB is held as bytes, parsed, and padded for its CRC, never all four records.
    assert max(opening, reading) < 9_000_000


def test_lidar_is_read_when_it_is_asked_for_and_then_kept(tmp_path, writing):
    path = writing.write_v1(tmp_path, writing.Drive(count=1))
    one, other = open_(tmp_path), open_(tmp_path)
    assert len(one.points) > 100
    path.unlink()
    copy = pickle.loads(pickle.dumps(one.points))
    assert type(copy) is Points
    assert np.array_equal(copy.xyz, one.points.xyz)
    assert np.array_equal(copy.rgb, one.points.rgb)
    with pytest.raises(DataError, match="cannot be read") as caught:
        len(other.points)
    assert "record 0" in str(caught.value)


def test_a_missing_package_is_named(forms, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf.message_factory", None)
    with pytest.raises(PluginError, match="not installed") as caught:
        open_(forms["v1"])
    assert 'pip install "recgen-bench[waymo]"' in str(caught.value)


def test_messages_live_in_a_pool_of_their_own():
    from google.protobuf import descriptor_pool

    assert messages.message("Frame").DESCRIPTOR.full_name == f"{messages.PACKAGE}.Frame"
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName(f"{messages.PACKAGE}.Frame")


def test_bytes_that_are_no_message():
    with pytest.raises(DataError, match="not a Waymo Frame"):
        parse("Frame", b"\xff\xff\xff", "here")


def test_order_does_not_matter_but_names_do(forms, drive):
    (path,) = forms["v1"].glob("*.tfrecord")
    frame = parse("Frame", read_record(index_records(path)[0]), "here")
    assert [image.name for image in frame.images] == [1, 2, 4, 3, 5]
    assert [laser.name for laser in frame.context.laser_calibrations] == [2, 5, 3, 4, 1]
