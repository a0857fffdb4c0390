from dataclasses import replace

import numpy as np

from recgen_bench.harness.scene import Actor, Camera, Points, Scene
from recgen_bench.methods.splats.lidar import sparse_depth, static_points

K = np.array([[10.0, 0, 8], [0, 10, 6], [0, 0, 1]])
CAMERA = Camera(K, np.eye(4), 16, 12)


def points(*xyz) -> Points:
    return Points(np.array(xyz, float).reshape(-1, 3), np.zeros((len(xyz), 3), np.uint8))


def car(*xyz, frames=(0, 1), moving=True) -> Actor:
    """A box of 2 m that stands 4 m in front of the camera, and a metre to the right a step later."""
    poses = np.stack([np.eye(4)] * len(frames))
    poses[:, :3, 3] = [(float(frame), 0, 4) for frame in frames]
    return Actor("car", "vehicle", np.array([2.0, 2, 2]), np.array(frames), poses, moving, points(*xyz))


def test_each_pixel_has_its_nearest_point():
    cloud = points((0, 0, 5), (0.01, 0, 3), (1, 0, 5), (0, 0, -2), (50, 0, 5), (0, 0, 0.01))
    depth = sparse_depth(cloud, Scene("toy", "0", (), ()), CAMERA)
    expected = np.zeros((12, 16), np.float32)
    expected[6, 8], expected[6, 10] = 3, 5
    assert np.array_equal(depth, expected)
    assert depth.dtype == np.float32


def test_the_camera_may_stand_anywhere():
    aside = np.eye(4)
    aside[0, 3] = 1.0
    depth = sparse_depth(points((1, 0, 5)), Scene("toy", "0", (), ()), replace(CAMERA, c2w=aside))
    assert list(map(tuple, np.argwhere(depth))) == [(6, 8)]


def test_an_actor_covers_the_points_behind_it_and_stands_where_it_is_then():
    behind, before, elsewhere = (0.1, 0, 8), (0.3, 0.2, 2), (-6, 0, 8)
    cloud = points(behind, before, elsewhere)
    scene = Scene("toy", "0", (), (), actors=(car((0.0, 0, -1)),))
    depth = sparse_depth(cloud, scene, CAMERA)
    assert sorted(depth[depth > 0].tolist()) == [2.0, 3.0, 8.0]
    assert depth[6, 8] == 3  # The car's own point, not the one behind.
    later = sparse_depth(cloud, scene, replace(CAMERA, frame=1))
    assert later[6, 11] == 3
    gone = sparse_depth(cloud, scene, replace(CAMERA, frame=9))
    assert sorted(gone[gone > 0].tolist()) == [2.0, 8.0, 8.0]


def test_nothing_in_sight_is_none():
    scene = Scene("toy", "0", (), ())
    assert sparse_depth(points(), scene, CAMERA) is None
    assert sparse_depth(points((0, 0, -5)), scene, CAMERA) is None


def test_static_points_leave_out_what_moves():
    cloud = points((0, 0, 4), (5, 0, 4))
    scene = Scene("toy", "0", (), (), points=cloud, actors=(car((0.0, 0, 0)),))
    assert static_points(scene).xyz.tolist() == [[5, 0, 4]]
    parked = replace(scene, actors=(car((0.0, 0, 0), moving=False),))
    assert len(static_points(parked)) == 2
