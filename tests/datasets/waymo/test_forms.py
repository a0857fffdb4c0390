"""All four forms of one drive give the same scene."""

import cv2
import numpy as np
import pytest

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.rig import CAMERAS
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.trajectory import shift_lane

FORMS = ("v1", "v2", "drivestudio", "street-gaussians")
FROM_OPENCV = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def capture(forms, form):
    return Waymo().open(Request(None, forms[form], cameras=CAMERAS))


def test_views_come_by_time_then_by_camera(capture, drive):
    names = [view.name for view in capture.views]
    assert names == [f"{step:06d}_{name}" for step in range(drive.count) for name in CAMERAS]
    assert (capture.dataset, capture.has_sky, capture.world.unit) == ("waymo", True, "metre")


def test_cameras_are_where_they_were(capture, drive):
    origin = np.linalg.inv(drive.egos[0])
    np.testing.assert_allclose(capture.world.to_source, drive.egos[0], atol=1e-9)
    for view in capture.views:
        step, number = view.camera.frame, CAMERAS.index(view.camera.sensor) + 1
        ego = origin @ drive.egos[step]
        np.testing.assert_allclose(view.camera.ego, ego, atol=1e-9)
        np.testing.assert_allclose(view.camera.c2w, ego @ drive.mounts[number] @ FROM_OPENCV, atol=1e-9)
        assert view.camera.time == pytest.approx(0.1 * step, abs=1e-4)
    # The vehicle's first forward axis is the world's x, up is z.
    assert capture.views[0].camera.c2w[:3, 2] @ [1, 0, 0] > 0.99


def test_images_are_undistorted_as_opencv_does(capture, drive):
    for view in capture.views[:5]:
        number = CAMERAS.index(view.camera.sensor) + 1
        fx, fy, cx, cy, *distortion = drive.intrinsics(number)
        # OpenCV puts the centre of the first pixel at 0.
        K = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
        new = view.camera.K - [[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]]
        size = drive.size(number)
        x, y = cv2.initUndistortRectifyMap(K, np.array(distortion), np.eye(3), new, size, cv2.CV_32FC1)
        expected = cv2.remap(drive.pixels(0, number), x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        assert np.abs(view.image.astype(int) - expected).max() <= 1
        assert new[0, 0] == pytest.approx(fx, rel=0.05)


def test_images_shrink(forms, form):
    capture = Waymo().open(Request(None, forms[form], Resolution(downscale=2)))
    assert [view.camera.sensor for view in capture.views] == ["FRONT"] * 5
    assert capture.views[0].image.shape == (32, 48, 3)
    assert (capture.views[0].camera.width, capture.views[0].camera.height) == (48, 32)


def test_actors_are_posed_in_the_scene(capture, form, drive):
    actors = {actor.track: actor for actor in capture.actors}
    assert len(actors) == 3
    # The car drives 8 m/s, so 3.2 m in the four tenths of a second; the walker does 0.6 m/s.
    for index, (body, moving) in enumerate(zip(drive.bodies[:3], (True, False, False), strict=True)):
        actor = actors[str(index) if form == "street-gaussians" else body.track]
        assert (actor.category, actor.moving) == (body.kind, moving)
        assert actor.frames.tolist() == list(range(drive.count))
        np.testing.assert_allclose(actor.size, body.size)
        for step in range(drive.count):
            world = drive.egos[0] @ actor.pose_at(step)
            np.testing.assert_allclose(world[:3, 3], body.pose(step)[:3, 3], atol=1e-6)
            assert world[:3, 0] @ body.pose(step)[:3, 0] > 0.999


def test_a_window_keeps_the_numbers_of_time_steps(forms, form, drive):
    capture = Waymo().open(Request(None, forms[form], first=2, count=2))
    assert [view.name for view in capture.views] == ["000002_FRONT", "000003_FRONT"]
    assert [view.camera.frame for view in capture.views] == [2, 3]
    assert capture.views[0].camera.time == 0
    np.testing.assert_allclose(capture.world.to_source, drive.egos[2], atol=1e-9)
    assert all(actor.frames.tolist() == [2, 3] for actor in capture.actors)
    assert np.array_equal(
        capture.views[0].image[32, 48], Waymo().open(Request(None, forms[form])).views[2].image[32, 48]
    )


@pytest.mark.parametrize(("first", "count"), [(-1, 2), (0, 6), (5, None), (3, 0), (2, -1)])
def test_a_window_outside_the_segment_is_an_error(forms, form, first, count):
    with pytest.raises(DataError, match="time step"):
        Waymo().open(Request(None, forms[form], first=first, count=count))


@pytest.mark.parametrize("form", FORMS[:3])
def test_static_points_lie_on_the_ground_and_on_parked_cars(forms, form, drive):
    capture = Waymo().open(Request(None, forms[form]))
    world = capture.points.xyz @ drive.egos[0][:3, :3].T + drive.egos[0][:3, 3]
    ground = np.abs(world[:, 2] - 30) < 1e-3
    assert 100 < ground.sum() < len(world)
    car = next(actor for actor in capture.actors if actor.track == "car")
    assert len(car.points) > 10
    # First returns lie on the surface of the box, up to the tilt of the car against its upright label; second
    # returns are 0.5 m behind.
    half = car.size / 2
    distance = np.abs(np.abs(car.points.xyz) - half).min(axis=1)
    assert (distance < 0.05).mean() > 0.6
    assert (np.abs(car.points.xyz) <= half + 0.11).all()
    parked = next(actor for actor in capture.actors if actor.track == "parked")
    assert len(parked.points) == 0


@pytest.mark.parametrize("form", FORMS[:3])
def test_points_take_the_colour_they_are_seen_in(forms, form, drive):
    capture = Waymo().open(Request(None, forms[form], count=1))
    camera = capture.views[0].camera
    local = capture.points.xyz @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    fx, fy, cx, cy, *distortion = drive.intrinsics(1)
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    uv = cv2.projectPoints(local, np.zeros(3), np.zeros(3), K, np.array(distortion))[0].reshape(-1, 2)
    expected = uv * 255 / [drive.width, drive.height]
    assert len(local) > 50
    assert np.abs(capture.points.rgb[:, :2] - expected).max() < 6
    assert (capture.points.rgb[:, 2] == 5).all()


@pytest.mark.parametrize("form", FORMS[:3])
def test_depth_is_that_of_the_nearest_point(forms, form, drive):
    capture = Waymo().open(Request(None, forms[form], cameras=("FRONT", "SIDE_LEFT")))
    for view in capture.views[2:4]:
        depth, camera = view.depth, view.camera
        points = drive.points(view.camera.frame)
        if form == "drivestudio":
            points = points.astype(np.float32)
        xyz = points @ camera.ego[:3, :3].T + camera.ego[:3, 3]
        local = xyz @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
        expected = np.zeros((camera.height, camera.width))
        for x, y, z in local:
            if z < 0.5:
                continue
            u, v = camera.K[0, 0] * x / z + camera.K[0, 2], camera.K[1, 1] * y / z + camera.K[1, 2]
            if 0 <= u < camera.width and 0 <= v < camera.height:
                row, column = int(v), int(u)
                expected[row, column] = min(z, expected[row, column] or np.inf)
        assert (expected > 0).sum() > 30
        np.testing.assert_allclose(depth, expected, atol=1e-3)


def test_poses_per_image_are_a_choice(forms, form, drive):
    if form == "drivestudio":
        with pytest.raises(DataError, match="no pose of its own"):
            Waymo("image").open(Request(None, forms[form]))
        return
    capture = Waymo("image").open(Request(None, forms[form], cameras=("SIDE_RIGHT",)))
    ego = np.linalg.inv(drive.egos[0]) @ drive.image_ego(1, 5)
    np.testing.assert_allclose(capture.views[1].camera.ego, ego, atol=1e-9)
    assert any("at their exposure" in note and "5.0 cm" in note for note in capture.notes)


def test_notes_name_the_choice_of_poses(capture, form):
    (note,) = (note for note in capture.notes if "vehicle pose of their frame" in note)
    assert ("5.0 cm" in note) == (form != "drivestudio")


def test_a_lane_shift_is_along_the_vehicle(capture):
    cameras = [view.camera for view in capture.views if view.camera.sensor == "FRONT"]
    moved = shift_lane(cameras, 3.0)
    for before, after in zip(cameras, moved, strict=True):
        np.testing.assert_allclose(after.centre - before.centre, 3 * before.ego[:3, 1], atol=1e-12)
        assert before.ego[:3, 1] @ -before.c2w[:3, 0] > 0.99


def test_unknown_and_repeated_cameras(forms, form):
    with pytest.raises(DataError, match="no such camera") as caught:
        Waymo().open(Request(None, forms[form], cameras=("FRONTLEFT",)))
    assert "FRONT_LEFT" in str(caught.value)
    with pytest.raises(DataError, match="twice"):
        Waymo().open(Request(None, forms[form], cameras=("FRONT", "FRONT")))
