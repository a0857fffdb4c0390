"""Replica: two renderings, complete frame numbers, natural order, half a pixel of principal point."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.formats.trajectory_txt import read_trajectory
from recgen_bench.datasets.replica import Replica
from recgen_bench.harness import protocol
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.scene import invert_rigid
from recgen_bench.harness.split import divide

TEXT = b"0123456789-+e. \nnaif\xff"


def trajectory(path, poses):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(" ".join(map(repr, pose.ravel().tolist())) for pose in poses) + "\n")


def depth_image(path, value, size=(32, 24)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(size[::-1], value, np.uint16)).save(path)


def semantic_nerf(folder, writer, count=12, depth=True):
    """Write Semantic-NeRF's layout; frame i is at (i, 0, 0) and its depth is 1000 + i mm."""
    poses = np.stack([np.eye(4)] * count)
    poses[:, 0, 3] = np.arange(count)
    trajectory(folder / "traj_w_c.txt", poses)
    for index in range(count):
        writer.picture(folder / "rgb" / f"rgb_{index}.png", index)
        if depth:
            depth_image(folder / "depth" / f"depth_{index}.png", 1000 + index)
    return folder


def nice_slam(folder, poses, depth=6553):
    """Write NICE-SLAM's layout at a tenth of its size."""
    trajectory(folder / "traj.txt", poses)
    rng = np.random.default_rng(0)
    (folder / "results").mkdir()
    for index in range(len(poses)):
        pixels = rng.integers(0, 256, (68, 120, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "results" / f"frame{index:06d}.jpg")
        depth_image(folder / "results" / f"depth{index:06d}.png", depth, (120, 68))
    return folder


def test_semantic_nerf_counts_as_numbers_do(tmp_path, writer):
    semantic_nerf(tmp_path / "room_0" / "Sequence_1", writer)
    assert Replica().scenes(tmp_path) == ("room_0-Sequence_1",)
    capture = Replica().open(Request("room_0-Sequence_1", tmp_path))
    assert [view.name for view in capture.views] == [f"{index:06d}" for index in range(12)]
    for index, view in enumerate(capture.views):
        assert view.camera.centre.tolist() == [index, 0, 0]
        assert np.array_equal(view.image, writer.picture(tmp_path / "x.png", index))
        np.testing.assert_allclose(view.depth, 1 + index / 1000, rtol=1e-6)
    assert capture.world.unit == "metre"


def test_semantic_nerf_looks_90_degrees_wide_around_the_centre(tmp_path, writer):
    semantic_nerf(tmp_path / "Sequence_2", writer, 1)
    view = Replica().open(Request(None, tmp_path / "Sequence_2")).views[0]
    np.testing.assert_allclose(view.camera.K, [[16, 0, 16], [0, 16, 12], [0, 0, 1]])


@pytest.mark.parametrize("level", ["", "office_4", "office_4/Sequence_2"])
def test_a_sequence_is_found_from_any_level(tmp_path, writer, level):
    semantic_nerf(tmp_path / "office_4" / "Sequence_2", writer, 2)
    for scene in ("office_4-Sequence_2", None):
        assert Replica().open(Request(scene, tmp_path / level)).id == "office_4-Sequence_2"


def test_nice_slam(tmp_path, writer):
    nice_slam(tmp_path / "room0", writer.poses)
    assert Replica().scenes(tmp_path) == ("room0",)
    capture = Replica().open(Request("room0", tmp_path, Resolution(width=60, height=34)))
    np.testing.assert_allclose(capture.views[0].camera.K, [[30, 0, 30], [0, 30, 17], [0, 0, 1]])
    for index, view in enumerate(capture.views):
        np.testing.assert_allclose(view.camera.c2w, writer.poses[index], atol=1e-15)
        assert view.image.shape == (34, 60, 3)
        np.testing.assert_allclose(view.depth, 6553 / 6553.5, rtol=1e-6)


def test_both_renderings_side_by_side(tmp_path, writer):
    nice_slam(tmp_path / "room0", writer.poses[:1])
    semantic_nerf(tmp_path / "room_0" / "Sequence_1", writer, 1)
    assert Replica().scenes(tmp_path) == ("room0", "room_0-Sequence_1")
    with pytest.raises(DataError, match="several scenes") as caught:
        Replica().open(Request(None, tmp_path))
    assert "room_0-Sequence_1" in str(caught.value)
    with pytest.raises(DataError, match="no such scene") as caught:
        Replica().open(Request("room_0-Sequence_2", tmp_path))
    assert "did you mean room_0-Sequence_1" in str(caught.value)


def test_a_missing_frame_is_named(tmp_path, writer):
    semantic_nerf(tmp_path / "Sequence_1", writer)
    (tmp_path / "Sequence_1" / "rgb" / "rgb_7.png").unlink()
    with pytest.raises(DataError, match="gap") as caught:
        Replica().open(Request(None, tmp_path))
    assert "none with number 7" in str(caught.value)


def test_a_missing_depth_image_is_named(tmp_path, writer):
    semantic_nerf(tmp_path / "Sequence_1", writer)
    (tmp_path / "Sequence_1" / "depth" / "depth_9.png").unlink()
    with pytest.raises(DataError, match="a depth image is missing") as caught:
        Replica().open(Request(None, tmp_path))
    assert "number 9" in str(caught.value)


def test_depth_may_be_absent_altogether(tmp_path, writer):
    capture = Replica().open(Request(None, semantic_nerf(tmp_path / "Sequence_1", writer, 2, depth=False)))
    assert capture.views[0].depth is None
    assert "There are no depth images." in capture.notes


def test_poses_and_images_must_agree(tmp_path, writer):
    folder = semantic_nerf(tmp_path / "Sequence_1", writer)
    trajectory(folder / "traj_w_c.txt", [np.eye(4)] * 11)
    with pytest.raises(DataError, match="do not belong together") as caught:
        Replica().open(Request(None, folder))
    assert "11 poses, 12 images" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 0 0", "3 numbers"),
        ("1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 x", "not a finite number"),
        ("1 0 0 nan 0 1 0 0 0 0 1 0 0 0 0 1", "not a finite number"),
        ("2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1", "not a rotation"),
        ("1 0 0 0 0 1 0 0 0 0 -1 0 0 0 0 1", "not a rotation"),
    ],
)
def test_a_bad_row_is_named(tmp_path, line, message):
    good = " ".join(map(str, np.eye(4).ravel()))
    (tmp_path / "traj.txt").write_text(f"{good}\n\n{line}\n")
    with pytest.raises(DataError) as caught:
        read_trajectory(tmp_path / "traj.txt")
    assert message in str(caught.value)
    assert "traj.txt, line 3" in str(caught.value)


def test_an_empty_trajectory_is_refused(tmp_path):
    (tmp_path / "traj.txt").write_text("\n")
    with pytest.raises(DataError, match="no pose"):
        read_trajectory(tmp_path / "traj.txt")


def test_damaged_trajectories_are_errors_or_harmless(tmp_path, writer, damaged):
    trajectory(tmp_path / "traj.txt", writer.poses)
    messages = []
    for hurt in damaged((tmp_path / "traj.txt").read_bytes(), TEXT):
        (tmp_path / "traj.txt").write_bytes(hurt)
        try:
            assert read_trajectory(tmp_path / "traj.txt").shape[1:] == (4, 4)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("traj.txt" in message for message in messages)


def test_damaged_depth_is_an_error_that_names_the_file(tmp_path, writer, damaged):
    folder = semantic_nerf(tmp_path / "Sequence_1", writer, 1)
    file = folder / "depth" / "depth_0.png"
    messages = []
    for hurt in damaged(file.read_bytes()):
        file.write_bytes(hurt)
        try:
            assert Replica().open(Request(None, folder)).views[0].depth.shape == (24, 32)
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("depth_0.png" in message or "rgb_0.png" in message for message in messages)


def test_a_colour_image_is_no_depth(tmp_path, writer):
    folder = semantic_nerf(tmp_path / "Sequence_1", writer, 1)
    writer.picture(folder / "depth" / "depth_0.png")
    with pytest.raises(DataError, match="not a depth image") as caught:
        _ = Replica().open(Request(None, folder)).views[0].depth
    assert "depth_0.png" in str(caught.value)


def test_depth_of_another_shape_is_refused_when_opening(tmp_path, writer):
    folder = semantic_nerf(tmp_path / "Sequence_1", writer, 1)
    depth_image(folder / "depth" / "depth_0.png", 5, (24, 32))
    with pytest.raises(DataError, match="aspect ratio") as caught:
        Replica().open(Request(None, folder))
    assert "depth_0.png" in str(caught.value)


def test_a_sequence_opens_fast_and_without_pixels(tmp_path, writer):
    folder = tmp_path / "Sequence_1"
    trajectory(folder / "traj_w_c.txt", [np.eye(4)] * 900)
    picture = tmp_path / "picture.png"
    writer.picture(picture)
    (folder / "rgb").mkdir()
    # Only the header is there: whoever decodes it fails.
    head = picture.read_bytes()[:60]
    for index in range(900):
        (folder / "rgb" / f"rgb_{index}.png").write_bytes(head)
    start = time.process_time()
    capture = Replica().open(Request(None, folder))
    assert time.process_time() - start < 1.5
    assert len(capture.views) == 900
    with pytest.raises(DataError, match="damaged"):
        _ = capture.views[3].image


@pytest.fixture
def protocols():
    folder = Path(protocol.__file__).parent / "protocols"
    found = [each for path in folder.glob("replica-*.toml") for each in load_protocols(path)]
    return {each.name: each for each in found}


@pytest.mark.parametrize("views", [3, 6, 9])
def test_the_protocols_test_frames_follow_the_published_rule(protocols, views):
    """The union over the training frames of every 10th of [t-50, t-1] joined with [t+1, t+49]."""
    chosen = protocols[f"replica-{views}view"]
    others = {entry.id: entry.train for entry in protocols["replica-6view"].scenes}
    assert len(chosen.scenes) == 6
    for entry in chosen.scenes:
        assert len(entry.train) == views
        expected = set()
        for t in entry.train if views < 9 else others[entry.id]:
            around = [*range(max(0, t - 50), t), *range(t + 1, min(900, t + 50))]
            expected |= set(around[::10])
        assert entry.test == tuple(sorted(expected))
        assert set(others[entry.id]) <= set(entry.train) or views == 3


def test_the_leaking_frame_is_reported_with_and_without(tmp_path, protocols):
    folder = tmp_path / "room_2" / "Sequence_1"
    trajectory(folder / "traj_w_c.txt", [np.eye(4)] * 900)
    (folder / "rgb").mkdir()
    Image.fromarray(np.zeros((480, 640, 3), np.uint8)).save(tmp_path / "large.png")
    for index in range(900):
        (folder / "rgb" / f"rgb_{index}.png").symlink_to(tmp_path / "large.png")
    leaking = protocols["replica-6view"]
    capture = Replica().open(Request("room_2-Sequence_1", tmp_path, leaking.resolution))
    scene, _ = divide(capture, leaking, None)
    assert [view.name for view in scene.train] == ["000061", "000178", "000323", "000485", "000526", "000758"]
    leak = {view.name for view in scene.train} & {view.name for view in scene.test}
    assert leak == {"000526"}
    clean, _ = divide(capture, protocols["replica-6view/disjoint"], None)
    assert {view.name for view in scene.test} - {view.name for view in clean.test} == leak


def test_a_scene_outside_the_protocol_is_refused(tmp_path, writer, protocols):
    nice_slam(tmp_path / "room0", writer.poses)
    capture = Replica().open(Request("room0", tmp_path))
    with pytest.raises(ProtocolError, match="does not list this scene") as caught:
        divide(capture, protocols["replica-6view"], None)
    assert "room0" in str(caught.value)


def test_a_real_trajectory(shared, tmp_path):
    poses = read_trajectory(shared / "samples" / "replica_traj_300" / "traj.txt")
    assert poses.shape == (300, 4, 4)
    R = poses[:, :3, :3]
    assert np.abs(np.swapaxes(R, 1, 2) @ R - np.eye(3)).max() < 6e-16
    np.testing.assert_allclose(np.linalg.det(R), 1, atol=1e-14)
    # z is up: the camera's x axis is level and its y axis points down.
    assert np.abs(R[:, 2, 0]).max() < 1e-9
    assert R[:, 2, 1].mean() == pytest.approx(-0.90, abs=0.005)
    folder = tmp_path / "room0"
    nice_slam(folder, poses[:3])
    capture = Replica().open(Request(None, folder))
    for pose, view in zip(poses, capture.views, strict=False):
        assert np.array_equal(view.camera.c2w, pose)
        np.testing.assert_allclose(view.camera.w2c, invert_rigid(pose))
