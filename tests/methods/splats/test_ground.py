from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.scene import Camera, View
from recgen_bench.harness.trajectory import shift_lane
from recgen_bench.methods.splats.ground import on_road

SIZE = (96, 64)
MOUNT = np.array([[0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]], float)
"""Camera in vehicle axes: looking ahead, 1.6 m above the road."""


def camera(frame, **changes):
    ego = np.eye(4)
    ego[:3, 3] = (1.0 * frame, 0.2, 0.0)
    K = np.array([[70.0, 0, 48], [0, 70.0, 24], [0, 0, 1]])
    return Camera(K=K, c2w=ego @ MOUNT, width=SIZE[0], height=SIZE[1], frame=frame, ego=ego, **changes)


def photographed(camera):
    """What a camera sees of a smooth pattern on the road, and where it sees the road near enough."""
    v, u = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] + 0.5
    rays = np.stack([(u - 48) / 70, (v - 24) / 70, np.ones_like(u)], -1) @ camera.c2w[:3, :3].T
    near = rays[..., 2] < -0.08
    distance = np.where(near, -camera.centre[2] / np.where(near, rays[..., 2], -1), 0)
    x, y = (camera.centre[i] + distance * rays[..., i] for i in (0, 1))
    pattern = 127 + 60 * np.sin(x / 2) + 60 * np.sin(y)
    sky = 30 + u
    return np.repeat(np.where(near, pattern, sky)[..., None], 3, -1).round().astype(np.uint8), near


def view(frame):
    here = camera(frame)
    return View(f"{frame:06d}", here, read_image=lambda: photographed(here)[0])


@pytest.mark.parametrize("metres", [-2.0, 1.0, 3.0])
def test_the_road_is_where_the_shifted_camera_sees_it(metres):
    views = [view(frame) for frame in range(40)]
    (beside,) = shift_lane([views[30].camera], metres)
    shown, (truth, near) = on_road(views[30], views, beside), photographed(beside)
    error = np.abs(shown.astype(int) - truth)[near].mean(-1)
    assert np.quantile(error, 0.95) < 6
    raw = np.abs(views[30].image.astype(int) - truth)[near].mean(-1)
    assert raw.mean() > 4 * error.mean()


def test_the_horizon_and_above_stay_as_recorded():
    views = [view(frame) for frame in range(4)]
    (beside,) = shift_lane([views[3].camera], 2.0)
    shown = on_road(views[3], views, beside)
    assert np.array_equal(shown[:24], views[3].image[:24])


def test_an_unshifted_camera_gets_its_own_frame():
    views = [view(frame) for frame in range(3)]
    shown = on_road(views[2], views, views[2].camera)
    assert np.abs(shown.astype(int) - views[2].image).max() <= 1


def test_a_held_out_frame_does_not_give_itself_away():
    """The camera's own frame is read only when it is the base."""
    views = [view(frame) for frame in range(12)]
    (beside,) = shift_lane([views[7].camera], 3.0)

    def forbidden():
        raise AssertionError("the held-out frame was read")

    views[7] = replace(views[7], read_image=forbidden)
    assert on_road(views[11], views, beside).shape == (64, 96, 3)


def test_without_a_vehicle_or_at_another_size_the_frame_stays_as_it_is():
    base = view(2)
    assert np.array_equal(on_road(base, [base], replace(camera(2), ego=None)), base.image)
    assert np.array_equal(on_road(base, [base], camera(2).resized(48, 32)), base.image)
