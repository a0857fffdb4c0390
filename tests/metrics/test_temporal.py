"""Warping error on a textured plane that cameras look at, where every pixel's motion is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Actor, Camera
from recgen_bench.metrics.temporal import from_views, warp_l1_depth

HEIGHT, WIDTH, FOCAL, DISTANCE = 40, 60, 50.0, 10.0


def camera(x: float, frame: int, sensor: str = "front") -> Camera:
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    c2w = np.eye(4)
    c2w[:3, 3] = (x, 0.1 * x, 0.3 * x)
    return Camera(K, c2w, WIDTH, HEIGHT, frame=frame, sensor=sensor)


def rays(view: Camera) -> tuple[np.ndarray, np.ndarray]:
    """World coordinates on the plane z = 10 seen by every pixel."""
    u, v = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    depth = DISTANCE - view.centre[2]
    return (
        (u - WIDTH / 2) / FOCAL * depth + view.centre[0],
        (v - HEIGHT / 2) / FOCAL * depth + view.centre[1],
    )


def seen(view: Camera) -> np.ndarray:
    """A plane whose colour is linear in the world, so that bilinear sampling makes no error but rounding."""
    x, y = rays(view)
    return np.stack([100 + 9 * x, 120 + 11 * y, 90 + 5 * x - 4 * y], -1).round().astype(np.uint8)


def plane(view: Camera) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), DISTANCE - view.centre[2], np.float32)


@pytest.fixture
def drive(make_track):
    """(images, depths, cameras, **fields) -> a track."""

    def make(images, depths, cameras, **fields):
        reads = [lambda depth=depth: depth for depth in depths]
        return make_track(images, camera=cameras, read_depth=reads, **fields)

    return make


CAMERAS = [camera(0.4 * i, i) for i in range(4)]
IMAGES = [seen(view) for view in CAMERAS]
DEPTHS = [plane(view) for view in CAMERAS]
# Rounding to 8 bits moves each side by up to half a level, a quarter on average.
ROUNDING = 0.5 / 255


def test_a_consistent_track_is_at_rounding(drive):
    found = warp_l1_depth(drive(IMAGES, DEPTHS, CAMERAS))
    assert 0 < found.value < ROUNDING
    assert found.count == 3
    # The camera moves by 2 px of 60 to the side, and a little forward and down.
    assert 0.85 < found.parts["valid"] < 0.97
    assert "real" not in found.parts
    assert list(found.per_view) == ["000", "001", "002"]
    assert from_views(found.per_view) == found.value


def test_standing_still_is_exactly_zero(drive):
    still = [camera(0, i) for i in range(3)]
    found = warp_l1_depth(drive([IMAGES[0]] * 3, [DEPTHS[0]] * 3, still))
    assert found.value == 0.0
    assert found.parts["valid"] == 1.0


def test_a_flicker_is_measured_at_its_size(drive):
    flicker = [
        np.clip(image.astype(int) + 10 * (i % 2), 0, 255).astype(np.uint8) for i, image in enumerate(IMAGES)
    ]
    found = warp_l1_depth(drive(flicker, DEPTHS, CAMERAS))
    assert found.value == pytest.approx(10 / 255, abs=ROUNDING)


def test_grows_with_noise(drive):
    noise = np.random.default_rng(0).normal(0, 1, (4, HEIGHT, WIDTH, 3))
    values = [
        warp_l1_depth(
            drive(list(np.clip(np.array(IMAGES) + s * noise, 0, 255).astype(np.uint8)), DEPTHS, CAMERAS)
        ).value
        for s in (0, 3, 9, 27)
    ]
    assert values == sorted(values)
    # Two independent errors, the second averaged by sampling: between one and two mean deviations.
    assert 0.8 * 9 < values[2] * 255 < 1.6 * 9


def test_wrong_geometry_costs(drive):
    far = [np.float32(1.5) * depth for depth in DEPTHS]
    wrong = warp_l1_depth(drive(IMAGES, far, CAMERAS)).value
    assert wrong > 2 * warp_l1_depth(drive(IMAGES, DEPTHS, CAMERAS)).value


def test_depths_that_are_none_are_left_out(drive):
    holes = [depth.copy() for depth in DEPTHS]
    for depth in holes:
        depth[:4], depth[4:8], depth[8:12], depth[12:16] = np.nan, np.inf, -3, 1e-30
    found = warp_l1_depth(drive(IMAGES, holes, CAMERAS))
    assert found.value < ROUNDING
    assert found.parts["valid"] < 0.6


def test_frames_are_taken_in_time_per_camera_and_shift(drive):
    order = [2, 0, 3, 1]
    shuffled = [[group[i] for i in order] for group in (IMAGES, DEPTHS, CAMERAS)]
    assert warp_l1_depth(drive(*shuffled)).value == warp_l1_depth(drive(IMAGES, DEPTHS, CAMERAS)).value
    both = drive(IMAGES * 2, DEPTHS * 2, CAMERAS * 2, shift=[3.0] * 4 + [-3.0] * 4)
    assert warp_l1_depth(both).count == 6
    sides = [replace(view, sensor="side") for view in CAMERAS]
    assert warp_l1_depth(drive(IMAGES * 2, DEPTHS * 2, CAMERAS + sides)).count == 6


def test_what_is_hidden_in_the_next_frame_does_not_count(drive):
    covered = [image.copy() for image in IMAGES]
    near = [depth.copy() for depth in DEPTHS]
    # Something near and white covers a corner of every second frame.
    for i in (1, 3):
        covered[i][:20, :30], near[i][:20, :30] = 255, 2.0
    found = warp_l1_depth(drive(covered, near, CAMERAS))
    assert found.value < 1.5 * ROUNDING
    assert found.parts["valid"] < 0.75


def test_moving_actors_do_not_count(drive):
    images = [image.copy() for image in IMAGES]
    pose = np.eye(4)
    pose[2, 3] = DISTANCE
    for i in (1, 3):
        x, y = rays(CAMERAS[i])
        images[i][(np.abs(x) < 2) & (np.abs(y) < 1)] = 255
    track = drive(images, DEPTHS, CAMERAS)
    blinking = warp_l1_depth(track).value
    # Sampling smears the rim of the box by a pixel, 0.2 m, which the margin covers.
    actor = Actor("a", "vehicle", np.array([4.0, 2.0, 1.0]), np.arange(4), np.stack([pose] * 4), moving=True)
    assert warp_l1_depth(replace(track, actors=(actor,))).value < ROUNDING < blinking / 5
    assert warp_l1_depth(replace(track, actors=(replace(actor, moving=False),))).value == blinking
    gone = replace(actor, frames=np.arange(10, 14))
    assert warp_l1_depth(replace(track, actors=(gone,))).value == blinking


def test_the_true_frames_are_measured_alike(drive, make_track):
    truths = [frame.prediction for frame in make_track(IMAGES).frames]
    flicker = [image + np.uint8(10 * (i % 2)) for i, image in enumerate(IMAGES)]
    found = warp_l1_depth(drive(flicker, DEPTHS, CAMERAS, reference=truths))
    assert found.parts["real"] == warp_l1_depth(drive(IMAGES, DEPTHS, CAMERAS)).value
    partly = warp_l1_depth(drive(flicker, DEPTHS, CAMERAS, reference=[*truths[:3], None]))
    assert "real" not in partly.parts


@pytest.mark.parametrize("hidden", ["depth", "behind"])
def test_no_common_point_is_no_value(drive, hidden):
    if hidden == "depth":
        track = drive(IMAGES, [np.zeros((HEIGHT, WIDTH), np.float32)] * 4, CAMERAS)
    else:
        turned = np.diag([-1.0, 1.0, -1.0, 1.0])
        views = [replace(view, c2w=view.c2w @ turned) if i % 2 else view for i, view in enumerate(CAMERAS)]
        track = drive(IMAGES, DEPTHS, views)
    found = warp_l1_depth(track)
    assert (found.value, found.count) == (None, 0)
    assert "common point" in found.reason


def test_needs_cameras_depths_and_neighbours(drive, make_track):
    assert "camera and the rendered depth" in warp_l1_depth(make_track(IMAGES)).reason
    assert "camera and the rendered depth" in warp_l1_depth(make_track([])).reason
    assert warp_l1_depth(drive(IMAGES[:1], DEPTHS[:1], CAMERAS[:1])).value is None


def test_sizes_that_disagree_are_errors(drive):
    with pytest.raises(DataError, match="depth has another size"):
        warp_l1_depth(drive(IMAGES, [depth[1:] for depth in DEPTHS], CAMERAS))
    with pytest.raises(DataError, match="image has another size"):
        warp_l1_depth(drive([image[1:] for image in IMAGES], DEPTHS, CAMERAS))
