"""Lidar points per actor: what decides whether a vehicle counts in metrics of driving views."""

from __future__ import annotations

import numpy as np
import pytest

from recgen_bench.datasets.street import lidar
from recgen_bench.datasets.street.cameras import ego_pose
from recgen_bench.datasets.street.traffic import FRAMES
from recgen_bench.datasets.street.world import World
from recgen_bench.harness.scene import Capture, invert_rigid

FRAME = 12


@pytest.fixture(scope="module")
def counts(world: World) -> np.ndarray:
    return lidar.count_points(world, (*world.layout.moving, *world.layout.parked))


def test_tracing_every_direction_counts_the_same(world: World, counts):
    turn = (np.arange(lidar.TOP_COLUMNS) + 0.5) / lidar.TOP_COLUMNS * 2 * np.pi - np.pi
    lines = np.radians(np.linspace(lidar.TOP_LOWEST, lidar.TOP_HIGHEST, lidar.TOP_LINES))
    up, aside = (grid.ravel() for grid in np.meshgrid(lines, turn, indexing="ij"))
    local = np.stack([np.cos(up) * np.cos(aside), np.cos(up) * np.sin(aside), np.sin(up)], -1)
    ego = ego_pose(world.layout, FRAME)
    origin = ego[:3, :3] @ np.array(lidar.MOUNT) + ego[:3, 3]
    directions = (local @ ego[:3, :3].T).astype(np.float32)
    hits = world.tracer.first(origin, directions, world.poses(FRAME))
    met = (hits.face >= 0) & (hits.distance < lidar.RANGE)
    places = origin + hits.distance[met, None] * directions[met].astype(np.float64)
    for actor, row in zip((*world.layout.moving, *world.layout.parked), counts, strict=True):
        back = invert_rigid(actor.pose(world.layout.bend, FRAME))
        inside = places @ back[:3, :3].T + back[:3, 3]
        near = (np.abs(inside) < actor.size / 2 + lidar.CLEARANCE).all(1)
        near &= inside[:, 2] > lidar.CLEARANCE - actor.size[2] / 2
        # A direction on the very edge of a window may fall to either side.
        assert row[FRAME] == pytest.approx(4 * near.sum(), rel=0.02, abs=8)


def test_near_vehicles_have_many_points_and_distant_ones_none(world: World, counts):
    for actor, row in zip((*world.layout.moving, *world.layout.parked), counts, strict=True):
        for frame in range(0, FRAMES, 5):
            place = actor.pose(world.layout.bend, frame)[:3, 3]
            away = np.linalg.norm(place - ego_pose(world.layout, frame)[:3, 3])
            if away > lidar.RANGE + 10:
                assert row[frame] == 0
            if away < 9 and actor.category == "vehicle":
                assert row[frame] > 300


def test_actors_carry_their_counts(capture: Capture, world: World, counts):
    assert [actor.track for actor in capture.actors] == [
        track.name for track in (*world.layout.moving, *world.layout.parked)
    ]
    assert np.array_equal(np.stack([actor.counts for actor in capture.actors]), counts)
