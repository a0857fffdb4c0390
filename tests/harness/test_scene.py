"""Bad cameras and images are refused with their name; answers stay hidden."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Actor, Camera, Points, Scene, View, invert_rigid, rigid
from recgen_bench.harness.trajectory import rotation

K = np.array([[30.0, 0, 16], [0, 40, 12], [0, 0, 1]])


def camera(**changes) -> Camera:
    return Camera(**{"K": K, "c2w": np.eye(4), "width": 32, "height": 24} | changes)


def edited(row: int, column: int, value: float) -> np.ndarray:
    pose = np.eye(4)
    pose[row, column] = value
    return pose


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"c2w": np.eye(3)}, "camera pose is not a 4x4 matrix"),
        ({"c2w": edited(0, 3, np.nan)}, "camera pose holds NaN"),
        ({"c2w": edited(0, 3, np.inf)}, "camera pose holds NaN or infinity"),
        ({"c2w": edited(0, 0, -1)}, "camera pose is not a rotation"),
        ({"c2w": edited(0, 0, 1.01)}, "camera pose is not a rotation"),
        ({"c2w": edited(3, 0, 0.5)}, "camera pose is not a rotation"),
        ({"c2w": np.diag([2.0, 2, 2, 1])}, "camera pose is not a rotation"),
        ({"c2w": np.zeros((4, 4))}, "camera pose is not a rotation"),
        ({"ego": edited(1, 1, np.nan)}, "vehicle pose holds NaN"),
        ({"ego": edited(2, 2, -1)}, "vehicle pose is not a rotation"),
        ({"K": np.eye(4)}, "intrinsics are not a finite 3x3"),
        ({"K": K * np.nan}, "intrinsics are not a finite 3x3"),
        ({"K": np.diag([0.0, 40, 1])}, "focal length must be positive"),
        ({"K": np.diag([30.0, -40, 1])}, "focal length must be positive"),
        ({"width": 0}, "image size must be positive"),
        ({"height": -24}, "image size must be positive"),
    ],
)
def test_bad_cameras(changes, message):
    with pytest.raises(DataError, match=message):
        camera(**changes)


def test_float32_poses_are_accepted_as_float64():
    turned = np.eye(4, dtype=np.float32)
    turned[:3, :3] = rotation(np.array([0.6, 0, 0.8]), 1.0).astype(np.float32)
    made = camera(c2w=turned, K=K.astype(np.float32))
    assert made.c2w.dtype == made.K.dtype == np.float64


@given(st.floats(-3, 3), st.floats(-100, 100))
def test_w2c_is_the_inverse(angle, x):
    pose = np.eye(4)
    pose[:3, :3] = rotation(np.array([0.6, 0, 0.8]), angle)
    pose[:3, 3] = [x, 1, -2]
    made = camera(c2w=pose)
    np.testing.assert_allclose(made.w2c @ made.c2w, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(made.w2c @ [*made.centre, 1], [0, 0, 0, 1], atol=1e-10)
    np.testing.assert_allclose(
        invert_rigid(np.stack([pose, np.eye(4)])), np.stack([made.w2c, np.eye(4)]), atol=1e-12
    )


def test_resized_camera_sees_the_same_directions():
    small = camera().resized(16, 6)
    assert (small.width, small.height) == (16, 6)
    # Pixel centres are at +0.5, so image corners map to image corners.
    for corner in ((0, 0), (1, 1), (0.5, 0.25)):
        full = np.linalg.inv(camera().K) @ [corner[0] * 32, corner[1] * 24, 1]
        less = np.linalg.inv(small.K) @ [corner[0] * 16, corner[1] * 6, 1]
        np.testing.assert_allclose(full, less, atol=1e-12)


def pixels(shape=(24, 32, 3), dtype=np.uint8) -> np.ndarray:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize("shape", [(24, 31, 3), (32, 24, 3), (24, 32), (24, 32, 4)])
def test_images_of_the_wrong_size_name_their_file(shape):
    with pytest.raises(DataError, match=r"a/b.png: decoded to the wrong size"):
        _ = View("v", camera(), read_image=lambda: pixels(shape), source="a/b.png").image


def test_images_masks_and_depths_of_the_wrong_type():
    with pytest.raises(DataError, match="v: decoded to the wrong size"):
        _ = View("v", camera(), read_image=lambda: pixels(dtype=np.float32)).image
    with pytest.raises(DataError, match="the mask has the wrong size"):
        _ = View("v", camera(), read_mask=lambda: pixels((24, 32))).mask
    with pytest.raises(DataError, match="the depth has the wrong size"):
        _ = View("v", camera(), read_depth=lambda: np.zeros((24, 32))).depth
    with pytest.raises(DataError, match="v: this view has no image"):
        _ = View("v", camera()).image


def test_absent_planes_are_none_and_images_are_read_only_when_asked_for():
    reads = []
    view = View("v", camera(), read_image=lambda: (reads.append(1), pixels())[1])
    assert view.mask is None
    assert view.depth is None
    assert not reads
    assert view.image.shape == (24, 32, 3)
    assert reads == [1]


def test_a_method_never_sees_the_answers():
    full = View(
        "v",
        camera(),
        read_image=pixels,
        read_mask=lambda: np.ones((24, 32), bool),
        read_depth=lambda: np.ones((24, 32), np.float32),
        shift=3.0,
    )
    scene = Scene("toy", "0", train=(replace(full, name="t"),), test=(full,)).without_answers()
    (hidden,) = scene.test
    assert (hidden.read_image, hidden.read_mask, hidden.read_depth) == (None, None, None)
    assert (hidden.name, hidden.shift, hidden.camera) == ("v", 3.0, full.camera)
    with pytest.raises(DataError, match="no image"):
        _ = hidden.image
    assert scene.train[0].image.shape == (24, 32, 3)


def test_points():
    assert len(Points()) == 0
    assert len(Points(np.zeros((5, 3)), np.zeros((5, 3), np.uint8))) == 5
    with pytest.raises(DataError, match="one colour per position"):
        Points(np.zeros((5, 3)), np.zeros((4, 3), np.uint8))
    with pytest.raises(DataError, match="one colour per position"):
        Points(np.zeros((5, 2)), np.zeros((5, 2), np.uint8))
    with pytest.raises(DataError, match="not finite"):
        Points(np.full((5, 3), np.nan), np.zeros((5, 3), np.uint8))


def test_actors_are_posed_only_where_they_were_seen():
    frames = np.array([2, 3, 7])
    poses = np.stack([np.eye(4) * 1.0] * 3)
    poses[:, 0, 3] = frames
    actor = Actor("a", "vehicle", np.array([4.0, 2, 1.5]), frames, poses, moving=True)
    for frame in range(10):
        pose = actor.pose_at(frame)
        assert (pose is not None) == (frame in frames)
        assert pose is None or pose[0, 3] == frame


def test_rigid_says_what_is_wrong():
    with pytest.raises(DataError) as caught:
        rigid(np.diag([1.0, 1, -1, 1]), "pose")
    assert "det R = -1" in str(caught.value)
