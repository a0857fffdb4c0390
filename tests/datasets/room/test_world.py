from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.datasets.room.baking import Lamps, Pane, bake, refine
from recgen_bench.datasets.room.furniture import slab
from recgen_bench.datasets.room.layout import draw_layout
from recgen_bench.datasets.room.palette import draw_palette
from recgen_bench.datasets.room.path import FRAMES, path_camera
from recgen_bench.datasets.room.shell import build_room
from recgen_bench.datasets.room.surfaces import Surface
from recgen_bench.datasets.room.world import World
from recgen_bench.datasets.street.shapes import join, sheet
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.tracing import Tracer
from recgen_bench.harness.scene import Camera, Capture

SEEDS = range(1000, 1016)


def lift(camera: Camera, depth: np.ndarray) -> np.ndarray:
    """Return (H, W, 3) world positions of pixel centres at their z-depth."""
    y, x = np.mgrid[: camera.height, : camera.width] + 0.5
    eye = np.stack(
        [(x - camera.K[0, 2]) / camera.K[0, 0], (y - camera.K[1, 2]) / camera.K[1, 1], 0 * x + 1], -1
    )
    return (eye * depth[..., None]) @ camera.c2w[:3, :3].T + camera.centre


def project(camera: Camera, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (N, 2) integer pixels, (N,) depths and (N,) whether a point projects into the image."""
    eye = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    z = eye[:, 2]
    pixel = eye[:, :2] / np.where(z > 0.1, z, 1)[:, None] * [camera.K[0, 0], camera.K[1, 1]]
    pixel = np.floor(pixel + camera.K[:2, 2]).astype(int)
    return pixel, z, (z > 0.1) & (pixel >= 0).all(1) & (pixel < [camera.width, camera.height]).all(1)


def test_two_builds_agree_and_two_seeds_differ(world: World):
    camera = path_camera(world.layout.path, 3, (60, 40))
    again, other = World(1004), World(1005)
    assert np.array_equal(again.image(camera), world.image(camera))
    assert np.array_equal(again.depth(camera), world.depth(camera))
    assert np.abs(other.image(camera).astype(int) - world.image(camera)).mean() > 5


@pytest.mark.parametrize("frame", [0, 25, 50])
def test_depth_and_colour_of_one_frame_predict_a_later_one(world: World, frame):
    first, second = (path_camera(world.layout.path, one, (120, 80)) for one in (frame, frame + 4))
    pixel, z, good = project(second, lift(first, world.depth(first)).reshape(-1, 3))
    column, row = pixel[good].T
    seen = world.depth(second)[row, column]
    assert good.mean() > 0.6
    assert np.median(np.abs(seen - z[good]) / z[good]) < 0.01
    agree = np.abs(seen - z[good]) < 0.03 * z[good]
    assert agree.mean() > 0.8
    before = world.image(first).reshape(-1, 3)[good][agree].astype(int)
    after = world.image(second)[row, column][agree].astype(int)
    assert np.median(np.abs(before - after)) < 8


def test_every_ray_from_the_path_ends_and_most_end_in_the_room(world: World):
    half = np.array(world.layout.size) / [2, 2, 1]
    for frame in range(0, FRAMES, 6):
        camera = path_camera(world.layout.path, frame, (60, 40))
        depth = world.depth(camera)
        places = lift(camera, depth).reshape(-1, 3)
        inside = (np.abs(places[:, :2]) < half[:2] + 0.01).all(1) & (places[:, 2] < half[2] + 0.01)
        assert depth.min() > 0.25
        assert places[inside, 2].min() > -0.001
        assert inside.mean() > 0.65


def test_points_lie_on_what_the_cameras_see(capture: Capture, world: World):
    camera = path_camera(world.layout.path, 20, (120, 80))
    pixel, z, good = project(camera, capture.points.xyz)
    column, row = pixel[good].T
    visible = np.abs(world.depth(camera)[row, column] - z[good]) < 0.03 * z[good] + 0.02
    colour = world.image(camera)[row, column].astype(int)
    assert good.sum() > 5000
    assert visible.mean() > 0.7
    assert np.median(np.abs(colour - capture.points.rgb[good])[visible]) < 12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_camera_keeps_30_cm_from_everything(seed):
    layout = draw_layout(seed)
    # Corners 0.15 m apart at most are dense enough: no surface point is further than 9 cm from one.
    mesh = refine(build_room(layout, draw_palette(stream(seed, "surfaces"))))
    corners = np.unique(mesh.corners.reshape(-1, 3), axis=0)
    for place in layout.path.places[::2]:
        nearest = np.linalg.norm(corners - place, axis=1).min()
        assert np.sqrt(max(nearest**2 - 0.09**2, 0)) > 0.3
        assert (np.abs(place[:2]) < np.array(layout.size[:2]) / 2 - 0.3).all()


def test_rooms_differ_and_are_furnished():
    layouts = [draw_layout(seed) for seed in SEEDS]
    kinds = [{item.kind for item in layout.items} for layout in layouts]
    assert min(len(layout.items) for layout in layouts) >= 4
    assert len(set().union(*kinds)) >= 10
    assert np.mean(["sofa" in kind or "bed" in kind for kind in kinds]) > 0.8
    assert np.ptp([layout.size[0] for layout in layouts]) > 1


@pytest.mark.parametrize("seed", SEEDS)
def test_furniture_does_not_overlap_and_stands_inside(seed):
    layout = draw_layout(seed)
    along = [item for item in layout.items if item.kind not in ("table", "chair")]
    for index, item in enumerate(along):
        low, high = item.footprint()
        assert (np.abs([low, high]) < np.array(layout.size[:2]) / 2).all()
        for other in along[:index]:
            from_, to = other.footprint()
            assert (low > to).any() or (high < from_).any()


def test_the_path_is_smooth_and_looks_where_it_aims(world: World):
    path = world.layout.path
    steps = np.linalg.norm(np.diff(path.places, axis=0), axis=1)
    assert steps.max() < 0.2
    for frame in (0, 30, 59):
        aim = path.targets[frame] - path.places[frame]
        forward = path_camera(path, frame).c2w[:3, 2]
        assert forward @ aim / np.linalg.norm(aim) == pytest.approx(1)
        assert path_camera(path, frame).c2w[2, 1] < -0.7  # Down in the image is down in the room.


def test_refining_keeps_the_area_and_bounds_the_edges(world: World):
    layout = world.layout
    mesh = build_room(layout, draw_palette(stream(layout.seed, "surfaces")))
    fine = refine(mesh)

    def area(one) -> float:
        a, b, c = (one.corners[:, i].astype(np.float64) for i in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)

    edges = np.linalg.norm(np.roll(fine.corners, -1, 1) - fine.corners, axis=2)
    assert edges.max() <= 0.15
    assert area(fine) == pytest.approx(area(mesh), rel=1e-4)


def test_lamplight_falls_with_the_square_and_tables_shade_the_floor():
    floor = sheet([[(-2, -2, 0), (-2, 2, 0)], [(2, -2, 0), (2, 2, 0)]], 0, smooth=False)
    board = slab((0.3, 0.3, 0.7), (1.5, 1.5, 0.75), Surface.PLAIN, (1, 1, 1))
    mesh = refine(join([floor, board]))
    nothing = np.zeros(3, np.float32)
    lamps = Lamps((), np.array([(0.0, 0.0, 2.0)]), np.ones(3, np.float32), nothing, nothing)
    light = bake(mesh, Tracer(mesh, [], np.zeros((0, 3))), lamps)[..., 0].ravel()
    place = mesh.corners.reshape(-1, 3)
    ground = place[:, 2] == 0
    shaded = ground & (np.abs(place[:, :2] - 1.2) < 0.4).all(1)
    open_ = ground & (place[:, :2] < 0.2).all(1)
    distance = np.linalg.norm(place[open_] - [0, 0, 2], axis=1)
    assert light[shaded].max() == 0
    # A lamp of intensity 1: cosine over squared distance, and the lamp is a few centimetres wide.
    assert light[open_] == pytest.approx(2 / distance**3, rel=0.06)


def test_windows_light_a_facing_surface_by_their_form_factor():
    patch = sheet([[(-0.02, 0, 0), (-0.02, 0, 0.04)], [(0.02, 0, 0), (0.02, 0, 0.04)]], 0, smooth=False)
    patch = replace(patch, normals=np.broadcast_to(np.float32([0, 1, 0]), (len(patch), 3, 3)).copy())
    pane = Pane(
        np.array([0, 4.0, 0]),
        np.array([0.5, 0, 0]),
        np.array([0, 0, 0.4]),
        np.array([0, -1.0, 0]),
        np.ones(3, np.float32),
    )
    nothing = np.zeros(3, np.float32)
    lamps = Lamps((pane,), np.zeros((0, 3)), nothing, nothing, nothing)
    light = bake(patch, Tracer(patch, [], np.zeros((0, 3))), lamps)
    # A small parallel rectangle far away: area over pi times squared distance.
    assert light == pytest.approx(1.0 * 0.8 / (np.pi * 16), rel=0.05)


def test_cameras_outside_still_render(world: World):
    camera = path_camera(world.layout.path, 0, (60, 40))
    for place in ((20.0, 30.0, 2.0), (5.0, 0.0, -1.0), (0.0, 0.0, 50.0)):
        c2w = camera.c2w.copy()
        c2w[:3, 3] = place
        moved = replace(camera, c2w=c2w)
        assert world.image(moved).shape == (40, 60, 3)
        assert np.isfinite(world.depth(moved)).all()
