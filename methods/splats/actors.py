"""Rigid actors: Gaussians in the axes of a box, posed in the world at each time step."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgen_bench.harness.scene import Actor, Points, invert_rigid
from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.model import BACKGROUND, SplatModel, Track
from recgen_bench.methods.splats.rotation import (
    harmonics_rotation,
    matrix_to_quaternion,
    multiply,
    quaternion_to_matrix,
    transform,
)

FLOOR = 0.1
"""Part of a box's height, from below, that belongs to the road under the actor."""


@dataclass(frozen=True, slots=True, eq=False)
class Posed:
    """The Gaussians of one time step in world coordinates, differentiable by the model's.

    Attributes:
        gaussians: All rows of the model, actors posed.
        present: (N,) float32, 0 for the rows of actors that were not seen then, None when all are there.
    """

    gaussians: Gaussians
    present: Tensor | None = None


def pose(model: SplatModel, frame: int, degree: int) -> Posed:
    """Return all Gaussians where they are at a time step.

    Positions, rotations and harmonics up to `degree` are turned by the pose of the actor's box; rows of
    absent actors stay where they are and are marked.
    """
    if not model.tracks:
        return Posed(model.gaussians)
    poses = [track.pose_at(frame) for track in model.tracks]
    here = torch.tensor([at is not None for at in poses] + [True])  # The background is the last entry.
    here = here.to(model.owner.device)
    owner = torch.where(model.owner == BACKGROUND, len(poses), model.owner)
    rows = torch.nonzero((model.owner != BACKGROUND) & here[owner])[:, 0]
    gaussians = model.gaussians
    if len(rows):
        matrices = np.stack([np.eye(4) if at is None else at for at in poses])
        gaussians = _moved(gaussians, rows, owner[rows], matrices, degree)
    return Posed(gaussians, None if all(at is not None for at in poses) else here[owner].float())


def _moved(
    gaussians: Gaussians, rows: Tensor, owner: Tensor, matrices: NDArray[np.float64], degree: int
) -> Gaussians:
    """Return Gaussians with some rows moved by the matrices (A, 4, 4) of their owners."""
    like = gaussians.means
    turns = np.stack([_quaternion(matrix[:3, :3].tobytes()) for matrix in matrices])
    turn = torch.from_numpy(turns).to(like)[owner]
    shift = torch.from_numpy(matrices[:, :3, 3]).to(like)[owner]
    means = transform(quaternion_to_matrix(turn), gaussians.means[rows]) + shift
    changed = replace(
        gaussians,
        means=gaussians.means.index_copy(0, rows, means),
        quats=gaussians.quats.index_copy(0, rows, multiply(turn, gaussians.quats[rows])),
    )
    if degree == 0 or gaussians.degree == 0:
        return changed
    blocks = np.stack([_harmonics(matrix[:3, :3].tobytes(), gaussians.degree) for matrix in matrices])
    block = torch.from_numpy(blocks).to(like)[owner]
    turned = (block[..., None] * gaussians.shN[rows][:, None]).sum(2)
    return replace(changed, shN=gaussians.shN.index_copy(0, rows, turned))


# A training visits each pose many times, and each costs more here than in the renderer.
@functools.lru_cache(maxsize=8192)
def _quaternion(rotation: bytes) -> NDArray[np.float64]:
    return matrix_to_quaternion(np.frombuffer(rotation).reshape(3, 3))


@functools.lru_cache(maxsize=8192)
def _harmonics(rotation: bytes, degree: int) -> NDArray[np.float64]:
    return harmonics_rotation(np.frombuffer(rotation).reshape(3, 3), degree)


def moved(gaussians: Gaussians, matrix: NDArray[np.float64]) -> Gaussians:
    """Return all Gaussians moved by one (4, 4) rigid transform, harmonics included."""
    rows = torch.arange(len(gaussians), device=gaussians.means.device)
    return _moved(gaussians, rows, torch.zeros_like(rows), matrix[None], gaussians.degree)


def at_frame(model: SplatModel, frame: int | None) -> Gaussians:
    """Return what a file without actors can hold: the background, and the actors of a frame if given."""
    if frame is None:
        return model.background
    posed = pose(model, frame, model.gaussians.degree)
    return posed.gaussians if posed.present is None else posed.gaussians.select(posed.present > 0)


def modelled(actors: Sequence[Actor]) -> tuple[Actor, ...]:
    """Return the actors that get Gaussians of their own: moving ones with points; others are background."""
    return tuple(actor for actor in actors if actor.moving and len(actor.points))


def track(actor: Actor) -> Track:
    """Return what the model stores of an actor."""
    return Track(actor.track, actor.frames, actor.poses)


def outside(points: Points, actors: Sequence[Actor]) -> Points:
    """Return the points that no moving actor's box ever contained, its lowest part excepted."""
    keep = np.ones(len(points), bool)
    for actor in actors:
        if not actor.moving:
            continue
        half = np.asarray(actor.size) / 2
        low, high = np.array([-half[0], -half[1], (2 * FLOOR - 1) * half[2]]), half
        for world_to_box in invert_rigid(actor.poses):
            # Only points within reach are transformed: a drive has 10^6 points and 10^4 boxes.
            centre = -world_to_box[:3, :3].T @ world_to_box[:3, 3]
            near = np.flatnonzero(keep & (np.abs(points.xyz - centre) <= np.linalg.norm(half)).all(-1))
            local = points.xyz[near] @ world_to_box[:3, :3].T + world_to_box[:3, 3]
            keep[near[((local >= low) & (local <= high)).all(-1)]] = False
    return Points(points.xyz[keep], points.rgb[keep])
