"""Rays against the static mesh and against the actors where they are at a time step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.shapes import Mesh, join

Single = NDArray[np.float32]

STATIC = -1
"""Owner of a hit on something that never moves."""


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """What N rays met first.

    Attributes:
        distance: (N,) float32 metres along the unit ray, infinite where nothing was met.
        face: (N,) int32 row in the tracer's `mesh`, -1 where nothing was met.
        weights: (N, 2) float32 barycentric weights of the second and third corner.
        owner: (N,) int32 index of the moving actor, `STATIC` otherwise.
    """

    distance: Single
    face: NDArray[np.int32]
    weights: Single
    owner: NDArray[np.int32]


class Tracer:
    """Embree scenes of the static mesh and of each moving actor in its own axes.

    Args:
        static: Mesh in the world.
        actors: Meshes in box axes.
        sizes: (A, 3) sizes of their boxes in metres.
    """

    def __init__(self, static: Mesh, actors: Sequence[Mesh], sizes: NDArray) -> None:
        self.mesh = join([static, *actors])
        self._scenes = [_scene(mesh) for mesh in (static, *actors)]
        self._first = np.cumsum([0, len(static), *(len(actor) for actor in actors)])
        self._radii = np.linalg.norm(np.asarray(sizes, np.float64).reshape(-1, 3), axis=1) / 2 + 0.01

    def first(self, origin: NDArray, directions: Single, poses: NDArray) -> Hits:
        """Return the nearest hits of rays from one place with the actors at (A, 4, 4) box-to-world poses.

        Args:
            origin: (3,) world.
            directions: (N, 3) unit, world.
            poses: Of all actors, in the order of their meshes.
        """
        start = np.asarray(origin, np.float32)
        record = self._scenes[0].run(_repeat(start, len(directions)), directions, output=1)
        face = record["primID"]
        distance = np.where(face >= 0, record["tfar"], np.float32(np.inf))
        weights = np.empty((len(face), 2), np.float32)
        weights[:, 0], weights[:, 1] = record["u"], record["v"]
        owner = np.full(len(face), STATIC, np.int32)
        for index, pose in enumerate(poses):
            away = (pose[:3, 3] - start).astype(np.float32)
            # Tangent length of the bounding sphere; rays that miss it are nearer to the centre than that.
            reach = np.sqrt(max(float((away**2).sum()) - self._radii[index] ** 2, 0.0))
            rows = np.flatnonzero(_dot(directions, away) >= reach)
            if not len(rows):
                continue
            turn = pose[:3, :3].astype(np.float32)
            local = np.einsum("ni,ij->nj", directions[rows], turn)
            begin = np.einsum("i,ij->j", -away, turn)
            record = self._scenes[index + 1].run(_repeat(begin, len(rows)), local, output=1)
            closer = (record["primID"] >= 0) & (record["tfar"] < distance[rows])
            kept = rows[closer]
            distance[kept] = record["tfar"][closer]
            face[kept] = record["primID"][closer] + self._first[index + 1]
            weights[kept, 0], weights[kept, 1] = record["u"][closer], record["v"][closer]
            owner[kept] = index
        return Hits(distance, face, weights, owner)

    def reach(self, origins: Single, directions: Single) -> Single:
        """Return (N,) metres to the static mesh from (N, 3) places along (N, 3) unit rays; huge if free."""
        if not len(origins):
            return np.zeros(0, np.float32)
        return self._scenes[0].run(origins, directions, query="DISTANCE")

    def blocked(self, origins: Single, direction: Single, poses: NDArray) -> NDArray[np.bool_]:
        """Return whether rays from (N, 3) places in one (3,) direction, not level, meet anything at all."""
        toward = _repeat(direction, len(origins))
        found = self._scenes[0].run(origins, toward, query="OCCLUDED") != -1
        # Seen along the direction, every ray is a point on the ground and every actor a spot around another.
        slope = direction[:2] / direction[2]
        x, y = (origins[:, axis] - origins[:, 2] * slope[axis] for axis in (0, 1))
        for index, pose in enumerate(poses):
            spot = pose[:2, 3] - pose[2, 3] * slope
            reach = np.float32(self._radii[index] / direction[2])
            near = (np.abs(x - np.float32(spot[0])) < reach) & (np.abs(y - np.float32(spot[1])) < reach)
            rows = np.flatnonzero(near & ~found)
            if len(rows):
                turn = pose[:3, :3].astype(np.float32)
                begin = np.einsum("ni,ij->nj", origins[rows] - pose[:3, 3].astype(np.float32), turn)
                local = _repeat(np.einsum("i,ij->j", direction, turn), len(rows))
                found[rows] = self._scenes[index + 1].run(begin, local, query="OCCLUDED") != -1
        return found


def _repeat(vector: NDArray, count: int) -> Single:
    """Return one (3,) vector as a contiguous (N, 3) array, which is what Embree takes."""
    return np.ascontiguousarray(np.broadcast_to(vector.astype(np.float32), (count, 3)))


def _dot(vectors: Single, vector: NDArray) -> Single:
    """Return (N,) products; sums in a fixed order, unlike a threaded matrix product."""
    return vectors[:, 0] * vector[0] + vectors[:, 1] * vector[1] + vectors[:, 2] * vector[2]


def _scene(mesh: Mesh) -> Any:
    """Return an Embree scene; its geometry keeps the order of the faces."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(mesh.corners, np.float32))
    # Embree builds its tree at the first query; do it here, where the time is expected.
    scene.run(np.zeros((1, 3), np.float32), np.array([[0, 0, 1]], np.float32))
    return scene
