from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from recgen_bench.datasets.formats.regnerf_world import moved_points, moved_poses, regnerf_to_source
from recgen_bench.datasets.llff import Llff
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import rigid


def cameras(seed: int, count: int = 9) -> np.ndarray:
    rng = np.random.default_rng(seed)
    poses = np.tile(np.eye(4), (count, 1, 1))
    turned = Rotation.from_rotvec(rng.normal(0, 0.2, (count, 3))) * Rotation.from_rotvec(rng.normal(0, 1, 3))
    poses[:, :3, :3] = turned.as_matrix()
    poses[:, :3, 3] = rng.normal(3, 1, (count, 3))
    return poses


@pytest.mark.parametrize("seed", range(5))
def test_the_average_camera_is_the_origin_and_lengths_are_in_bounds(seed):
    poses, nearest = cameras(seed), 2.5
    to_source = regnerf_to_source(poses, nearest)
    moved = moved_poses(poses, to_source)
    for pose in moved:
        rigid(pose, "moved pose")
    assert moved[:, :3, 3].mean(0) == pytest.approx(np.zeros(3), abs=1e-12)
    # The axes of the world are right, up, back: the cameras look against z, and their mean up has no x.
    back, up = -moved[:, :3, 2].mean(0), -moved[:, :3, 1].mean(0)
    assert back / np.linalg.norm(back) == pytest.approx([0, 0, 1], abs=1e-12)
    assert up[0] == pytest.approx(0, abs=1e-12)
    assert up[1] > 0
    apart = np.linalg.norm(poses[0, :3, 3] - poses[1, :3, 3])
    assert np.linalg.norm(moved[0, :3, 3] - moved[1, :3, 3]) == pytest.approx(apart / (0.75 * nearest))


def test_points_move_with_their_cameras_and_back():
    poses = cameras(7)
    to_source = regnerf_to_source(poses, 1.7)
    xyz = np.random.default_rng(0).normal(0, 4, (20, 3))
    points, moved = moved_points(xyz, to_source), moved_poses(poses, to_source)
    back = points @ to_source[:3, :3].T + to_source[:3, 3]
    assert back == pytest.approx(xyz, abs=1e-12)
    for before, after in zip(poses, moved, strict=True):
        old = (xyz - before[:3, 3]) @ before[:3, :3]
        new = (points - after[:3, 3]) @ after[:3, :3]
        assert new == pytest.approx(old / (0.75 * 1.7), abs=1e-12)


def test_refuses_what_has_no_average():
    opposite = cameras(0, 2)
    opposite[1, :3, :3] = opposite[0, :3, :3] @ np.diag([1.0, -1, -1])
    with pytest.raises(DataError, match="no average direction"):
        regnerf_to_source(opposite, 1.0)
    with pytest.raises(DataError, match="must be positive"):
        regnerf_to_source(cameras(0), 0.0)


def test_a_real_capture_maps_back(shared):
    folder = shared / "samples/llff_capture"
    plain = Llff().open(Request(None, folder, Resolution(downscale=4)))
    moved = Llff().open(Request(None, folder, Resolution(downscale=4), world="regnerf"))
    A = moved.world.to_source
    assert moved.points.xyz @ A[:3, :3].T + A[:3, 3] == pytest.approx(plain.points.xyz, abs=1e-9)
    centres = np.stack([view.camera.centre for view in moved.views])
    assert centres.mean(0) == pytest.approx(np.zeros(3), abs=1e-9)
    assert centres @ A[:3, :3].T + A[:3, 3] == pytest.approx(
        np.stack([view.camera.centre for view in plain.views]), abs=1e-9
    )
