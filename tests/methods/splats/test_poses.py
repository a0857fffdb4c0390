from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.scene import Camera, Scene, View
from recgen_bench.harness.trajectory import rotation
from recgen_bench.methods.splats.poses import (
    beside,
    farthest,
    nearest,
    pose_distance,
    spacing,
    step_towards,
)

K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])


def camera(x=0.0, y=0.0, turn=0.0, frame=0, ego=None) -> Camera:
    c2w = np.eye(4)
    c2w[:3, :3] = rotation(np.array([0, 0, 1.0]), turn)
    c2w[:3, 3] = x, y, 0
    return Camera(K, c2w, 32, 24, frame=frame, ego=ego)


def street(count=4, drivable=None) -> Scene:
    """A vehicle that drives along x; its y axis is the world's."""
    views = []
    for frame in range(count):
        ego = np.eye(4)
        ego[0, 3] = 2.0 * frame
        views.append(View(str(frame), camera(2.0 * frame, frame=frame, ego=ego)))
    return Scene("toy", "street", tuple(views), (), drivable=drivable)


def test_distance_is_metres_plus_radians():
    assert pose_distance(camera(), camera(3, 4)) == pytest.approx(5)
    assert pose_distance(camera(turn=0.2), camera(turn=-0.5)) == pytest.approx(0.7)
    assert pose_distance(camera(3, 4, 0.5), camera()) == pytest.approx(5.5)


def test_the_nearest_looks_at_rotation_and_prefers_its_own_time():
    others = [camera(1), camera(0.2, turn=1.2), camera(0, 1, frame=7)]
    assert nearest(camera(), others) == 0
    assert nearest(camera(turn=1.2), others) == 1
    # The first and the last are equally far; the last is of the same time step.
    assert nearest(camera(frame=7), others) == 2
    with pytest.raises(DataError, match="no camera"):
        nearest(camera(), [])


def test_steps_go_straight_to_the_target_and_end_there():
    start, goal = camera(turn=0.1), camera(0, 2, turn=0.9, frame=5)
    here = (start,)
    seen = []
    for _ in range(6):
        here = step_towards(here, [goal], 0.5)
        seen.append(here[0])
    assert [round(each.centre[1], 9) for each in seen] == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]
    angles = [np.arctan2(each.c2w[1, 0], each.c2w[0, 0]) for each in seen[:4]]
    assert angles == pytest.approx([0.3, 0.5, 0.7, 0.9])
    assert np.array_equal(seen[3].c2w, goal.c2w)
    assert all(each.frame == 5 for each in seen)


def test_the_vehicle_comes_along():
    """What stands 2 m behind and 1 m below the camera in its own axes does so after every step."""
    ego = np.eye(4)
    ego[:3, 3] = -2, 4, -1
    goal = camera(0, 4, turn=0.8, ego=ego)
    (moved,) = step_towards([camera(0, 0, turn=0.2)], [goal], 1.0)
    for each in (moved, goal):
        mount = np.linalg.inv(each.c2w) @ each.ego
        assert mount == pytest.approx(np.linalg.inv(goal.c2w) @ ego)
    assert step_towards([camera()], [camera(0, 4)], 1.0)[0].ego is None


def test_each_target_is_approached_from_the_nearest_pose():
    here = step_towards([camera(0), camera(10)], [camera(2), camera(9.5), camera(14)], 1.0)
    assert [each.centre[0] for each in here] == [1.0, 9.5, 11.0]


def test_spacing_and_the_longest_way():
    track = [camera(0), camera(1), camera(3)]
    assert spacing(track) == pytest.approx((1 + 1 + 2) / 3)
    assert spacing(track[:1]) == 0
    assert farthest(track, [camera(0, 4), camera(3, 1)]) == pytest.approx(4)


def test_a_track_beside_the_road_keeps_to_it():
    scene = street()
    both = beside(scene, 2.0, "both")
    assert [each.centre[1] for each in both] == [2.0] * 4 + [-2.0] * 4
    assert [each.frame for each in both] == [0, 1, 2, 3] * 2
    assert {each.centre[1] for each in beside(scene, 2.0, "left")} == {2.0}
    assert {each.centre[1] for each in beside(scene, 2.0, "right")} == {-2.0}
    narrow = street(drivable=(0.02, 3.5))
    assert {each.centre[1] for each in beside(narrow, 2.0, "both")} == {2.0}
    assert {each.centre[1] for each in beside(narrow, 6.0, "both")} == {3.5}
    assert beside(narrow, 6.0, "right") == ()


def test_a_scene_without_vehicle_poses_has_no_side():
    scene = street()
    views = tuple(replace(view, camera=replace(view.camera, ego=None)) for view in scene.train)
    with pytest.raises(ProtocolError, match="vehicle poses"):
        beside(replace(scene, train=views), 1.0, "both")
