import json
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness.scene import Actor, Camera
from recgen_bench.metrics.projection import (
    box_corners,
    careful_box,
    has_points,
    labelled,
    project,
    published_box,
    seen_by,
)

GOLDEN = Path(__file__).parents[1] / "golden/metrics"
CAMERA = Camera(np.array([[400.0, 0, 240], [0, 400, 160], [0, 0, 1]]), np.eye(4), 480, 320)


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "box_projection.json").read_text())


def placed(golden):
    """Yield the world pose and size of each box of the golden, and its label."""
    ego = np.array(golden["ego_to_world"])
    for numbers, kind in zip(golden["boxes_vehicle_frame"], golden["labels"], strict=True):
        pose = np.eye(4)
        c, s = np.cos(numbers[6]), np.sin(numbers[6])
        pose[:2, :2], pose[:3, 3] = [[c, -s], [s, c]], numbers[:3]
        yield ego @ pose, np.array(numbers[3:6]), kind


def facing(x, z, size=(4.0, 2.0, 1.5)):
    """A box whose length lies along the view, at x metres to the right and z ahead."""
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], -1)
    pose[:3, 3] = x, 0, z
    return pose, np.array(size)


@pytest.mark.parametrize("view", ["shift0", "left3", "left6", "right2"])
@pytest.mark.parametrize(("preset", "needs_front"), [("drivedreamer4d", True), ("recondreamer", False)])
def test_boxes_of_the_released_scripts(golden, view, preset, needs_front):
    stored = golden["views"][view]
    camera = Camera(np.array(golden["K"]), np.array(stored["c2w"]), 1920, 1280).resized(480, 320)
    found = [
        published_box(pose, size, camera, needs_front) for pose, size, kind in placed(golden) if kind == 1
    ]
    assert [box.tolist() for box in found if box is not None] == stored[f"{preset}_boxes"]


def test_corners_of_the_released_scripts(golden):
    for (pose, size, _), corners in zip(placed(golden), golden["corners_world"], strict=True):
        assert box_corners(pose, size) == pytest.approx(np.array(corners), abs=2e-4)


def test_projected_corners_of_the_released_scripts(golden):
    for stored in golden["views"].values():
        camera = Camera(np.array(golden["K"]), np.array(stored["c2w"]), 1920, 1280)
        for (pose, size, _), pixels in zip(placed(golden), stored["projected_corners_1920"], strict=True):
            found, _ = project(box_corners(pose, size), camera)
            # World corners are float32 in the script.
            assert found == pytest.approx(np.array(pixels), rel=2e-3, abs=0.05)


def test_a_box_in_front_has_the_same_careful_rectangle():
    pose, size = facing(1.0, 20.0)
    whole = published_box(pose, size, CAMERA, True)
    careful = careful_box(pose, size, CAMERA)
    assert np.trunc(careful).tolist() == whole.tolist()


def test_a_box_across_the_camera_plane_is_cut_and_not_mirrored():
    pose, size = facing(3.0, 0.0)
    careful = careful_box(pose, size, CAMERA)
    # It lies to the right, so no part of it may appear to the left of the image's middle.
    assert careful[0] > 240
    # At its far end, 2 m ahead, the near side is 2 m to the right: 240 + 400 * 2 / 2.
    assert careful[0] == pytest.approx(640)


def test_a_box_behind_is_nowhere_but_in_recondreamers_projection():
    pose, size = facing(0.0, -15.0)
    assert careful_box(pose, size, CAMERA) is None
    assert published_box(pose, size, CAMERA, True) is None
    assert published_box(pose, size, CAMERA, False) is not None


def test_the_label_export_keeps_vehicles_with_points_that_the_recorded_camera_saw():
    frames = np.array([3, 4])

    def actor(name, x, z, category="vehicle", counts=None):
        pose, size = facing(x, z)
        return Actor(name, category, size, frames, np.stack([pose, pose]), False, counts=counts)

    actors = [
        actor("seen", 0, 20),
        actor("behind", 0, -20),
        actor("beside", 60, 20),
        actor("walker", 0, 20, "pedestrian"),
        actor("few", 0, 20, counts=np.array([9, 10])),
    ]
    assert len(labelled(actors, 3, CAMERA, 10)) == 1
    assert len(labelled(actors, 4, CAMERA, 10)) == 2
    assert len(labelled(actors, 4, None, 10)) == 4
    assert labelled(actors, 9, None, 10) == []
    assert has_points(actors[0], 3, 10)
    assert not seen_by(*facing(60, 20), CAMERA)
