"""What is known of Waymo's own files, where the developers have them."""

from collections import Counter

import numpy as np
import pytest

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.maps import read_map
from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.rig import CAMERAS
from recgen_bench.datasets.waymo.segment import Window
from recgen_bench.datasets.waymo.tables import Table
from recgen_bench.datasets.waymo.tfrecord import index_records, read_record
from recgen_bench.datasets.waymo.v1 import open_v1
from recgen_bench.datasets.waymo.v2 import read_poses
from recgen_bench.harness.dataset import Request

SEGMENT = "10023947602400723454_1120_000_1140_000"


@pytest.fixture
def record(shared, writing):
    path = shared / "samples/waymo_v1_frame/pvps_data_one_frame.tfrecord"
    (record,) = index_records(path)
    return record


def test_the_labels_of_a_real_frame(record):
    segment = open_v1(record.path, Window(), CAMERAS)
    assert segment.name == "1024360143612057520_3580_000_3600_000"
    kinds = Counter(box.category for box in segment.frames[0].boxes)
    assert kinds == {"vehicle": 37, "sign": 25, "pedestrian": 12, "cyclist": 1}
    assert [shot.camera for shot in segment.frames[0].shots] == list(CAMERAS)


def test_the_images_of_a_real_frame(shared, record):
    capture = Waymo().open(Request(None, record.path.parent, cameras=CAMERAS))
    sizes = [view.image.shape for view in capture.views]
    assert sizes == [(1280, 1920, 3)] * 3 + [(886, 1920, 3)] * 2
    assert len(capture.actors) == 50
    text = "\n".join(capture.notes)
    assert "no lidar range images" in text
    assert "no map" in text


@pytest.mark.parametrize("camera", [1])
def test_boxes_project_into_their_rectangles(record, camera):
    message = parse("Frame", read_record(record), "here")
    assert [image.name for image in message.images] == [1, 2, 4, 3, 5]
    counts = {each.name: len(each.labels) for each in message.projected_lidar_labels}
    assert counts == {1: 12, 2: 18, 4: 6, 3: 12, 5: 14}
    segment = open_v1(record.path, Window(), CAMERAS)
    mount = segment.mount(CAMERAS[camera - 1])
    frame = segment.frames[0]
    w2c = np.linalg.inv(frame.ego @ mount.pose)
    boxes = {box.track: box for box in frame.boxes}
    (projected,) = (each for each in message.projected_lidar_labels if each.name == camera)
    hits = 0
    for label in projected.labels:
        centre = w2c @ boxes[label.id.decode().removesuffix("_FRONT")].pose[:, 3]
        u, v = mount.lens.project(centre[:1] / centre[2], centre[1:2] / centre[2])
        across, down = abs(u[0] - label.box.center_x), abs(v[0] - label.box.center_y)
        hits += across <= label.box.length / 2 + 8 and down <= label.box.width / 2 + 8
    assert hits == len(projected.labels) == 12


def test_the_map_of_a_real_scenario(shared, writing):
    path = shared / "samples/waymo_map_scenario/motion_data_one_scenario.tfrecord"
    (record,) = index_records(path)
    scenario = parse("Scenario", read_record(record), "here")
    assert scenario.scenario_id == b"637f20cafde22ff8"
    found = read_map(scenario.map_features, np.zeros(3), "here")
    kinds = Counter(lane.kind for lane in found.lanes)
    assert kinds == {
        "lane_centre": 199,
        "road_line/broken-white": 24,
        "road_line/solid-white": 18,
        "road_line/solid-yellow": 17,
        "road_edge": 28,
        "crosswalk": 4,
        "speed_bump": 3,
    }
    assert sum(len(lane.polyline) for lane in found.lanes if lane.kind == "lane_centre") == 10135
    assert found.stop_signs.shape == (8, 3)


def test_the_poses_of_a_real_segment(shared, writing):
    root = shared / "samples/waymo_v2_parquet"
    poses = read_poses(Table(root / "vehicle_pose" / f"{SEGMENT}.parquet"))
    times = np.array([time for time, _ in poses])
    positions = np.stack([pose[:3, 3] for _, pose in poses])
    assert len(poses) == 199
    assert np.abs(np.diff(times) / 1000 - 100).max() < 0.2
    assert np.linalg.norm(np.diff(positions, axis=0), axis=1).sum() == pytest.approx(7.55, abs=0.005)
    assert Waymo().scenes(root) == (SEGMENT,)
    capture = Waymo().open(Request(SEGMENT, root))
    assert capture.views == ()
    assert "There is no camera_image table for this segment." in capture.notes
    names = Table(root / "camera_hkp" / f"{SEGMENT}.parquet").objects("key.camera_name")
    assert set(names) <= set(CAMERAS)
    assert len(names) == 15844
