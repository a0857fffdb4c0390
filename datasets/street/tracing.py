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

    def first(self, origins: Single, directions: Single, poses: NDArray) -> Hits:
        """Return the nearest hits of (N, 3) rays with the actors at (A, 4, 4) box-to-world poses."""
        record = self._scenes[0].run(origins, directions, output=1)
        face = record["primID"]
        met = face >= 0
        distance = np.where(met, record["tfar"], np.float32(np.inf))
        weights = np.stack([record["u"], record["v"]], -1)
        owner = np.full(len(face), STATIC, np.int32)
        for index, pose in enumerate(poses):
            rows, local = self._near(index, pose, origins, directions)
            if not len(rows):
                continue
            record = self._scenes[index + 1].run(*local, output=1)
            closer = (record["primID"] >= 0) & (record["tfar"] < distance[rows])
            kept = rows[closer]
            distance[kept] = record["tfar"][closer]
            face[kept] = record["primID"][closer] + self._first[index + 1]
            weights[kept, 0], weights[kept, 1] = record["u"][closer], record["v"][closer]
            owner[kept] = index
        return Hits(distance, face, weights, owner)

    def blocked(self, origins: Single, directions: Single, poses: NDArray) -> NDArray[np.bool_]:
        """Return whether each ray meets anything at all."""
        found = self._scenes[0].run(origins, directions, query="OCCLUDED") != -1
        for index, pose in enumerate(poses):
            rows, local = self._near(index, pose, origins, directions)
            if len(rows):
                found[rows] |= self._scenes[index + 1].run(*local, query="OCCLUDED") != -1
        return found

    def _near(
        self, index: int, pose: NDArray, origins: Single, directions: Single
    ) -> tuple[NDArray, tuple[Single, Single]]:
        """Return the rays that pass an actor's bounding sphere, and those rays in its box axes."""
        centre = pose[:3, 3].astype(np.float32)
        away = centre - origins
        along = np.einsum("ni,ni->n", away, directions)
        square = np.einsum("ni,ni->n", away, away)
        radius = self._radii[index]
        rows = np.flatnonzero((square - along * along < radius**2) & (along > -radius))
        turn = pose[:3, :3].astype(np.float32)
        local = np.einsum("ni,ij->nj", -away[rows], turn), np.einsum("ni,ij->nj", directions[rows], turn)
        return rows, (np.ascontiguousarray(local[0]), np.ascontiguousarray(local[1]))


def _scene(mesh: Mesh) -> Any:
    """Return an Embree scene; its geometry keeps the order of the faces."""
    from embreex.mesh_construction import TriangleMesh
    from embreex.rtcore_scene import EmbreeScene

    scene = EmbreeScene()
    TriangleMesh(scene, np.ascontiguousarray(mesh.corners, np.float32))
    # Embree builds its tree at the first query; do it here, where the time is expected.
    scene.run(np.zeros((1, 3), np.float32), np.array([[0, 0, 1]], np.float32))
    return scene
