from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Actor, Camera
from recgen_bench.metrics.embedded.samples import counted, draw_samples, join, kept_samples, visible_boxes

CAMERA = Camera(np.array([[200.0, 0, 120], [0, 200, 80], [0, 0, 1]]), np.eye(4), 240, 160)


def block(name, x, z, category="vehicle"):
    """A cube of 2 m whose front stands z metres ahead."""
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], -1)
    pose[:3, 3] = x, 0, z + 1
    return Actor(name, category, np.array([2.0, 2.0, 2.0]), np.array([0]), pose[None], False)


def test_boxes_enclose_what_is_visible():
    depth = np.zeros((160, 240), np.float32)
    # The face of a cube 10 m ahead, half of it behind something nearer.
    depth[60:100, 100:140] = 10
    depth[60:100, 120:140] = 5
    boxes, pixels = visible_boxes(depth, CAMERA, [block("a", 0, 10), block("b", 0, 10, "pedestrian")])
    assert boxes.tolist() == [[100, 60, 120, 99]]
    # The lowest row lies on the ground, which belongs to nobody.
    assert pixels.tolist() == [20 * 39]


def test_a_hidden_or_absent_vehicle_has_no_box():
    depth = np.full((160, 240), 5, np.float32)
    assert len(visible_boxes(depth, CAMERA, [block("a", 0, 10)])[0]) == 0
    later = replace(CAMERA, frame=7)
    assert len(visible_boxes(np.full_like(depth, 10), later, [block("a", 0, 10)])[0]) == 0


def test_boxes_in_a_street_hold_the_moving_vehicles_of_the_ray_tracer(street):
    from recgen_bench.datasets.street.world import build_world

    world = build_world(1905)
    view = street.views[12]
    owners = world.actors(view.camera)
    for index, track in enumerate(world.layout.moving):
        own = np.argwhere(owners == index)
        if track.category != "vehicle" or len(own) < 60:
            continue
        (actor,) = [each for each in street.actors if each.track == track.name]
        (box,), _ = visible_boxes(view.depth, view.camera, [actor])
        expected = [own[:, 1].min(), own[:, 0].min(), own[:, 1].max() + 1, own[:, 0].max() + 1]
        assert box == pytest.approx(expected, abs=2)


def test_lane_paint_is_brighter_than_the_road_around_it(samples):
    ratios = []
    for image, paint in zip(samples.images, samples.paint, strict=True):
        grey = image.mean(2)[90:]
        if paint[90:].sum() > 50:
            ratios.append(grey[paint[90:]].mean() / grey[~paint[90:]].mean())
    assert min(ratios) > 1.1


def test_samples_are_kept_and_repeat(street, samples, tmp_path):
    again = draw_samples(street, 5)
    assert np.array_equal(again.images, samples.images)
    first, second = kept_samples(tmp_path, 1905, 2), kept_samples(tmp_path, 1905, 2)
    for name in ("images", "paint", "boxes", "view", "pixels"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match="cannot be read"):
        kept_samples(tmp_path, 1905, 2)


def test_views_of_joined_samples_keep_their_boxes(samples):
    both = join([samples, samples])
    assert len(both.images) == 2 * len(samples.images)
    late = both.view >= len(samples.images)
    assert np.array_equal(both.boxes[late], samples.boxes)
    assert counted(both).sum() == 2 * counted(samples).sum()


def test_only_generated_streets_can_be_learnt_from(street):
    with pytest.raises(DataError, match="generated streets"):
        draw_samples(replace(street, oracle=None), 1)
