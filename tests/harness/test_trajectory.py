"""Group laws of the lane shift, and interpolation along the shortest turn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.errors import ProtocolError
from recgen_bench.harness.scene import Camera
from recgen_bench.harness.trajectory import interpolate, interpolate_pose, rotation, shift_lane

CONVENTIONS = ("ego-y", "first-frame-y", "camera-x", "path-normal")
metres = st.floats(-10, 10, allow_nan=False)
conventions = st.sampled_from(CONVENTIONS)
K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
MOUNT = np.array([[0.0, 0, 1, 1], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def track(count: int = 8, turn: float = 0.0) -> tuple[Camera, ...]:
    """A drive along +x with 0.5 m per frame; `turn` radians to the left per frame."""
    cameras, position, heading = [], np.zeros(3), 0.0
    for frame in range(count):
        ego = np.eye(4)
        ego[:3, :3] = rotation(np.array([0.0, 0, 1]), heading)
        ego[:3, 3] = position
        cameras.append(Camera(K, ego @ MOUNT, 32, 24, frame / 10, frame, "front", ego))
        position = position + 0.5 * ego[:3, 0]
        heading += turn
    return tuple(cameras)


def poses(cameras) -> np.ndarray:
    return np.stack([camera.c2w for camera in cameras])


def egos(cameras) -> np.ndarray:
    return np.stack([camera.ego for camera in cameras])


@given(metres, conventions, st.floats(-0.1, 0.1))
def test_shift_back_is_the_identity(distance, convention, turn):
    # On a curve the path's normal is that of the shifted path, so the law holds on straight roads only there.
    start = track(turn=0.0 if convention == "path-normal" else turn)
    back = shift_lane(shift_lane(start, distance, convention), -distance, convention)
    np.testing.assert_allclose(poses(back), poses(start), atol=1e-9)
    np.testing.assert_allclose(egos(back), egos(start), atol=1e-9)


@given(metres, metres, conventions, st.floats(-0.1, 0.1))
def test_shifts_add(a, b, convention, turn):
    start = track(turn=0.0 if convention == "path-normal" else turn)
    twice = shift_lane(shift_lane(start, a, convention), b, convention)
    np.testing.assert_allclose(poses(twice), poses(shift_lane(start, a + b, convention)), atol=1e-9)


@given(metres, conventions)
def test_left_is_positive_and_all_conventions_agree_on_a_straight_road(distance, convention):
    start = track()
    moved = shift_lane(start, distance, convention)
    expected = poses(start)
    expected[:, 1, 3] += distance  # The vehicle drives along x, so its left is +y.
    np.testing.assert_allclose(poses(moved), expected, atol=1e-9)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_orientation_time_and_intrinsics_stay(convention):
    start = track(turn=0.05)
    for before, after in zip(start, shift_lane(start, 3.0, convention), strict=True):
        assert np.array_equal(before.c2w[:3, :3], after.c2w[:3, :3])
        assert np.array_equal(before.ego[:3, :3], after.ego[:3, :3])
        assert np.array_equal(before.K, after.K)
        assert (before.time, before.frame, before.sensor) == (after.time, after.frame, after.sensor)
        # Camera and vehicle move together.
        np.testing.assert_allclose(after.c2w[:3, 3] - before.c2w[:3, 3], after.ego[:3, 3] - before.ego[:3, 3])


def offsets(convention: str, turn: float, distance: float = 2.0) -> np.ndarray:
    start = track(turn=turn)
    return poses(shift_lane(start, distance, convention))[:, :3, 3] - poses(start)[:, :3, 3]


def test_conventions_differ_on_a_curve_as_documented():
    turn = 0.1
    headings = turn * np.arange(8)
    own_left = 2 * np.stack([-np.sin(headings), np.cos(headings), np.zeros(8)], -1)
    np.testing.assert_allclose(offsets("ego-y", turn), own_left, atol=1e-12)
    np.testing.assert_allclose(offsets("camera-x", turn), own_left, atol=1e-12)
    np.testing.assert_allclose(offsets("first-frame-y", turn), np.tile([0, 2, 0], (8, 1)), atol=1e-12)
    # The chord from the frame before to the one after leaves at half a turn before the frame's heading.
    halfway = headings - turn / 2
    normal = 2 * np.stack([-np.sin(halfway), np.cos(halfway), np.zeros(8)], -1)
    np.testing.assert_allclose(offsets("path-normal", turn)[1:-1], normal[1:-1], atol=1e-12)
    assert np.abs(offsets("path-normal", turn) - own_left).max() > 0.05
    np.testing.assert_allclose(np.linalg.norm(offsets("path-normal", turn), axis=1), 2)


def test_camera_x_follows_a_tilted_camera_where_ego_y_does_not():
    roll = np.eye(4)
    roll[:3, :3] = rotation(np.array([0.0, 0, 1]), 0.2)
    tilted = tuple(replace(camera, c2w=camera.c2w @ roll) for camera in track())
    by_camera, by_vehicle = (shift_lane(tilted, 1.0, c)[0].centre for c in ("camera-x", "ego-y"))
    np.testing.assert_allclose(by_vehicle - tilted[0].centre, [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(by_camera - tilted[0].centre, [0, np.cos(0.2), np.sin(0.2)], atol=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_ramp_starts_at_zero_and_ends_at_the_distance(convention):
    start = track()
    moved = poses(shift_lane(start, 3.5, convention, "ramp"))[:, 1, 3]
    np.testing.assert_allclose(moved, np.linspace(0, 3.5, 8), atol=1e-12)


def test_sensors_of_one_frame_move_together():
    front = track(3, turn=0.2)
    side = tuple(replace(camera, sensor="side", c2w=camera.c2w @ turned(np.pi / 2)) for camera in front)
    mixed = [camera for pair in zip(front, side, strict=True) for camera in pair]
    moved = shift_lane(mixed, 2.0, "path-normal", "ramp")
    for a, b, camera in zip(moved[::2], moved[1::2], front, strict=True):
        np.testing.assert_allclose(a.centre, b.centre)
        assert np.array_equal(a.ego, b.ego)
        assert a.frame == camera.frame


def turned(angle: float) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = rotation(np.array([0.0, 1, 0]), angle)
    return pose


def test_a_standing_vehicle_moves_along_its_own_axis():
    standing = tuple(replace(camera, ego=track()[0].ego) for camera in track())
    moved = shift_lane(standing, 2.0, "path-normal")
    np.testing.assert_allclose(poses(moved)[:, :3, 3] - poses(standing)[:, :3, 3], np.tile([0, 2, 0], (8, 1)))


def test_short_tracks():
    assert shift_lane((), 3.0) == ()
    (only,) = shift_lane(track(1), 3.0, "path-normal")
    np.testing.assert_allclose(only.centre, [1, 3, 1.5])


def test_vehicle_poses_are_asked_for_where_they_are_needed():
    bare = tuple(replace(camera, ego=None) for camera in track())
    for convention in CONVENTIONS:
        if convention == "camera-x":
            assert shift_lane(bare, 1.0, convention)[0].ego is None
        else:
            with pytest.raises(ProtocolError, match="needs vehicle poses"):
                shift_lane(bare, 1.0, convention)


axes = st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1)


def pose_of(axis, angle, offset=(0, 0, 0)) -> np.ndarray:
    pose = np.eye(4)
    pose[:3, :3] = rotation(np.array(axis) / np.linalg.norm(axis), angle)
    pose[:3, 3] = offset
    return pose


def angle_between(a: np.ndarray, b: np.ndarray) -> float:
    """From the chord |Ra - Rb|, which is exact for small angles where the trace is not."""
    chord = np.linalg.norm(a[:3, :3] - b[:3, :3]) / (2 * np.sqrt(2))
    return float(2 * np.arcsin(min(1.0, chord)))


@given(axes, st.floats(-np.pi, np.pi), axes, st.floats(-np.pi, np.pi), st.floats(0, 1))
def test_interpolation_is_geodesic(axis_a, angle_a, axis_b, angle_b, t):
    a, b = pose_of(axis_a, angle_a, (0, 0, 0)), pose_of(axis_b, angle_b, (1, 2, 3))
    between = interpolate_pose(a, b, t)
    np.testing.assert_allclose(between[:3, :3].T @ between[:3, :3], np.eye(3), atol=1e-9)
    assert np.linalg.det(between[:3, :3]) > 0
    np.testing.assert_allclose(between[:3, 3], t * np.array([1, 2, 3]), atol=1e-12)
    np.testing.assert_allclose(interpolate_pose(a, b, 0.0), a, atol=1e-9)
    np.testing.assert_allclose(interpolate_pose(a, b, 1.0), b, atol=1e-6)
    whole = angle_between(a, b)
    assert angle_between(a, between) == pytest.approx(t * whole, abs=1e-6)
    assert angle_between(between, b) == pytest.approx((1 - t) * whole, abs=1e-6)


@given(axes)
def test_half_turns_interpolate(axis):
    a, b = np.eye(4), pose_of(axis, np.pi)
    half = interpolate_pose(a, b, 0.5)
    assert angle_between(a, half) == pytest.approx(np.pi / 2, abs=1e-6)
    np.testing.assert_allclose(half[:3, :3] @ half[:3, :3], b[:3, :3], atol=1e-6)


def test_interpolated_tracks_end_at_their_ends_and_are_evenly_spaced():
    start = track(5, turn=0.1)
    path = interpolate(start, 9)
    assert len(path) == 9
    np.testing.assert_allclose(poses(path)[::2], poses(start), atol=1e-7)
    np.testing.assert_allclose(egos(path)[::2], egos(start), atol=1e-7)
    np.testing.assert_allclose([camera.time for camera in path], np.linspace(0, 0.4, 9), atol=1e-12)
    assert [camera.frame for camera in path] == [0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_interpolation_of_one_camera_or_to_one_camera():
    start = track(3)
    assert interpolate(start[:1], 4) == (start[0],) * 4
    assert interpolate(start, 1) == (start[0],)


@given(axes, st.floats(-10, 10), st.floats(-10, 10))
def test_rotations_about_one_axis_form_a_group(axis, a, b):
    axis = np.array(axis) / np.linalg.norm(axis)
    np.testing.assert_allclose(rotation(axis, a) @ rotation(axis, b), rotation(axis, a + b), atol=1e-9)
    np.testing.assert_allclose(rotation(axis, a) @ axis, axis, atol=1e-12)


def test_rotation_turns_x_towards_y_about_z():
    np.testing.assert_allclose(rotation(np.array([0.0, 0, 1]), np.pi / 2) @ [1, 0, 0], [0, 1, 0], atol=1e-12)
