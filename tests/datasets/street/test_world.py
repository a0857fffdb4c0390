from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.datasets.street.cameras import ego_camera, ego_pose
from recgen_bench.datasets.street.layout import draw_layout
from recgen_bench.datasets.street.scenery import build_actor
from recgen_bench.datasets.street.traffic import FRAMES
from recgen_bench.datasets.street.vehicles import BODIES, build, size_of
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.scene import Camera, Capture

SEEDS = range(1000, 1060)


def lift(camera: Camera, depth: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) world positions of pixel centres at their z-depth."""
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    eye = np.stack(
        [(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1], 0 * x + 1], -1
    )
    return (eye * depth[..., None]) @ camera.c2w[:3, :3].T + camera.centre


def project(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 2) pixels and (N,) depths."""
    eye = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixel = eye[:, :2] / eye[:, 2:] * [camera.K[0, 0], camera.K[1, 1]] + camera.K[:2, 2]
    return pixel, eye[:, 2]


def inside(camera: Camera, pixel: np.ndarray, z: np.ndarray) -> np.ndarray:
    return (z > 0.5) & (pixel > 0).all(1) & (pixel < [camera.width, camera.height]).all(1)


def test_two_builds_agree_and_two_seeds_differ(world: World):
    camera = ego_camera(world.layout, 3, "front", (60, 40))
    again, other = World(1004), World(1005)
    assert np.array_equal(again.image(camera), world.image(camera))
    assert np.array_equal(again.depth(camera), world.depth(camera))
    assert np.abs(other.image(camera).astype(int) - world.image(camera)).mean() > 5


@pytest.mark.parametrize("sensor", ["front", "left", "right"])
def test_depth_and_colour_of_one_frame_predict_the_next(world: World, sensor):
    first, second = (ego_camera(world.layout, frame, sensor, (120, 80)) for frame in (10, 11))
    depth = world.depth(first)
    solid = (depth > 0) & (depth < 60) & (world.actors(first) < 0)
    places = lift(first, depth)[solid]
    pixel, z = project(second, places)
    good = inside(second, pixel, z)
    column, row = pixel[good].astype(int).T
    seen = world.depth(second)[row, column]
    # Pixels are not the same rays, so surfaces seen at a slant differ by a step of depth; most agree closely.
    assert np.median(np.abs(seen - z[good]) / z[good]) < 0.02
    assert (np.abs(seen - z[good]) < 0.1 * z[good]).mean() > 0.85
    agree = np.abs(seen - z[good]) < 0.03 * z[good]
    before = world.image(first)[solid][good][agree].astype(int)
    after = world.image(second)[row, column][agree].astype(int)
    assert np.median(np.abs(before - after)) < 8


def test_depth_is_exact_on_the_flat_road(world: World):
    camera = ego_camera(world.layout, 0, "front", (60, 40))
    depth = world.depth(camera)
    places = lift(camera, depth)[-6:, 25:35]
    assert np.abs(places[..., 2]).max() < 1e-3


def test_depth_does_not_depend_on_the_image_around_it(world: World):
    camera = ego_camera(world.layout, 5, "front", (60, 40))
    K = camera.K.copy()
    K[:2, 2] -= [20, 10]
    crop = replace(camera, K=K, width=30, height=20)
    assert np.array_equal(world.depth(crop), world.depth(camera)[10:30, 20:50])


def test_points_lie_on_what_the_cameras_see(capture: Capture, world: World):
    camera = ego_camera(world.layout, 20, "front", (120, 80))
    pixel, z = project(camera, capture.points.xyz)
    good = inside(camera, pixel, z)
    column, row = pixel[good].astype(int).T
    depth = world.depth(camera)[row, column]
    visible = np.abs(depth - z[good]) < 0.05 * z[good] + 0.1
    assert good.sum() > 3000
    # The rest is hidden from this camera, mostly by trees and cars.
    assert visible.mean() > 0.6
    colour = world.image(camera)[row, column].astype(int)
    assert np.median(np.abs(colour - capture.points.rgb[good])[visible]) < 10


def test_no_static_point_lies_in_a_moving_box(capture: Capture):
    for actor in capture.actors:
        if actor.moving:
            assert (np.abs(actor.points.xyz) <= actor.size / 2 + 0.15).all()
    assert sum(len(actor.points) for actor in capture.actors if actor.moving) > 50


@pytest.mark.parametrize("kind", [*BODIES, "bus", "truck", "pedestrian", "cyclist"])
def test_meshes_fill_their_boxes(kind):
    mesh = build(kind, 3, 5)
    reach = np.abs(mesh.corners).max((0, 1))
    assert np.allclose(reach, np.array(size_of(kind)) / 2, atol=1e-4)


def test_actors_are_rendered_where_their_boxes_are(world: World, capture: Capture):
    camera = ego_camera(world.layout, 0, "front", (120, 80))
    owner, depth = world.actors(camera), world.depth(camera)
    places = lift(camera, depth)
    found = 0
    for index, actor in enumerate(actor for actor in capture.actors if actor.moving):
        pose = actor.pose_at(0)
        local = (places[owner == index] - pose[:3, 3]) @ pose[:3, :3]
        found += len(local)
        assert (np.abs(local) <= actor.size / 2 + 1e-2).all()
    assert found > 20


def test_parked_cars_are_static_actors_without_points(capture: Capture):
    parked = [actor for actor in capture.actors if not actor.moving]
    assert parked
    for actor in parked:
        assert np.ptp(actor.poses, axis=0).max() == 0
        assert len(actor.points) == 0


@pytest.mark.parametrize("frame", [0, 30])
def test_lane_lines_lie_on_the_road_and_hit_paint(world: World, capture: Capture, frame):
    camera = ego_camera(world.layout, frame, "front", (240, 160))
    paint, depth = world.paint(camera), world.depth(camera)
    share = []
    for lane in capture.lanes:
        expected = 0.13 if lane.kind == "kerb" else 0.0
        assert np.allclose(lane.polyline[:, 2], expected)
        if lane.kind.startswith("solid"):
            s = np.linspace(0, len(lane.polyline) - 1, 2000)
            index = np.arange(len(lane.polyline))
            dense = np.stack([np.interp(s, index, lane.polyline[:, axis]) for axis in range(3)], -1)
            pixel, z = project(camera, dense)
            good = inside(camera, pixel, z) & (z < 14)
            column, row = pixel[good].astype(int).T
            clear = np.abs(depth[row, column] - z[good]) < 0.5
            share += list(paint[row, column][clear])
    assert len(share) > 30
    assert np.mean(share) > 0.7


def test_paint_is_brighter_than_the_road(world: World):
    camera = ego_camera(world.layout, 0, "front", (120, 80))
    paint, image = world.paint(camera), world.image(camera).mean(2)
    rows = slice(60, 80)
    assert image[rows][paint[rows]].mean() > image[rows][~paint[rows]].mean() + 25


@pytest.mark.parametrize("seed", SEEDS)
def test_shifted_cameras_meet_nobody(seed):
    layout = draw_layout(seed)
    right, left = layout.drivable
    shifts = [d for d in (-6, -3, -2, -1, 0, 1, 2, 3, 4.5, 6) if -right <= d <= left]
    for frame in range(FRAMES):
        ego = ego_pose(layout, frame)
        for x in (1.5, 0.0, 3.5):
            eyes = np.array([ego[:3, 3] + ego[:3, 0] * x + ego[:3, 1] * d for d in shifts])
            eyes[:, 2] += 1.0
            for track in (*layout.moving, *layout.parked):
                pose = track.pose(layout.bend, frame)
                local = np.abs((eyes - pose[:3, 3]) @ pose[:3, :3])
                assert (local > track.size / 2 + 0.2).any(1).all(), (track.name, frame)


def test_layouts_leave_room_for_the_protocol_and_have_traffic():
    layouts = [draw_layout(seed) for seed in SEEDS]
    assert np.mean([min(layout.drivable) >= 3 for layout in layouts]) > 0.9
    assert all(max(layout.drivable) >= 6 for layout in layouts)
    assert all(2 <= len(layout.moving) <= 5 for layout in layouts)
    assert len({len(layout.road.bands) for layout in layouts}) > 3


def test_the_ego_drives_about_08_m_a_frame_along_its_heading():
    for seed in SEEDS:
        layout = draw_layout(seed)
        poses = [ego_pose(layout, frame) for frame in range(FRAMES)]
        steps = np.diff([pose[:3, 3] for pose in poses], axis=0)
        assert (np.abs(np.linalg.norm(steps, axis=1) - 0.8) < 0.1).all()
        forward = [pose[:3, 0] for pose in poses[:-1]]
        assert (np.einsum("ni,ni->n", steps, forward) > 0.999 * np.linalg.norm(steps, axis=1)).all()


def test_a_camera_inside_a_house_or_below_the_ground_still_renders(world: World):
    camera = ego_camera(world.layout, 0, "front", (60, 40))
    for place in ((20.0, 30.0, 2.0), (5.0, 0.0, -1.0), (1e4, 0.0, 50.0)):
        c2w = camera.c2w.copy()
        c2w[:3, 3] = place
        moved = replace(camera, c2w=c2w)
        assert world.image(moved).shape == (40, 60, 3)
        assert np.isfinite(world.depth(moved)).all()


def test_frames_beyond_the_capture_are_posed_too(world: World):
    tracks = world.layout.moving
    step = [
        track.pose(world.layout.bend, 60)[:2, 3] - track.pose(world.layout.bend, 59)[:2, 3]
        for track in tracks
    ]
    for moved, track in zip(step, tracks, strict=True):
        assert np.linalg.norm(moved) == pytest.approx(abs(track.speed) / 10, rel=0.05)
        assert len(build_actor(track)) > 0
