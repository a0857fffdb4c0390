"""The Gaussians before training: from the scene's points, or from random training pixels without any."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Camera, Points, Scene
from recgen_bench.methods.splats.actors import modelled, outside, track
from recgen_bench.methods.splats.calling import call
from recgen_bench.methods.splats.gaussians import BANDS, SH_BAND_0, Gaussians, concatenate
from recgen_bench.methods.splats.model import BACKGROUND, SplatModel
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.sky import painted
from recgen_bench.methods.splats.target import Target

NEIGHBOURS = 3
PIXEL_SCALE = 2.0
"""Standard deviation of a Gaussian that stands for a random pixel, in pixels."""

DEPTHS = (0.4, 2.5)
"""Nearest and farthest random depth, as multiples of the distance to what the cameras look at."""

BASELINES = (2.0, 60.0)
"""The same as multiples of the cameras' spread, where the cameras look in parallel."""


def initial_model(scene: Scene, targets: Sequence[Target], recipe: Recipe, seed: int) -> SplatModel:
    """Return the model to start from: background, actors with points, and a sky outdoors.

    Args:
        scene: Its points are thinned to `recipe.most_points`; those in moving actors' boxes are left out.
            With fewer than `recipe.least_points`, random pixels of the training views are used instead.
        targets: The decoded training views.
        recipe: Number of points, opacity, degree of the harmonics, size of the sky.
        seed: For thinning and random pixels.

    Raises:
        DataError: There is no training view.
    """
    if not targets:
        raise DataError("the scene has no training views", where=scene.id)
    generator = torch.Generator().manual_seed(seed % 2**32)
    points = thinned(outside(scene.points, scene.actors), recipe.most_points, generator)
    if len(points) >= recipe.least_points:
        parts = [from_points(points, recipe, extent(scene))]
    else:
        parts = [from_pixels(targets, recipe, generator)]
    actors = modelled(scene.actors)
    parts += [from_points(actor.points, recipe, float(np.max(actor.size)) / 10) for actor in actors]
    counts = torch.tensor([len(part) for part in parts])
    owner = torch.repeat_interleave(torch.arange(BACKGROUND, len(actors), dtype=torch.int32), counts)
    sky = None
    if scene.has_sky and recipe.sky_size:
        sky = painted(_pictures(targets), recipe.sky_size)
    tracks = tuple(track(actor) for actor in actors)
    return SplatModel(concatenate(parts), owner, torch.zeros_like(owner), tracks, sky)


def from_points(points: Points, recipe: Recipe, largest: float) -> Gaussians:
    """Return isotropic Gaussians at points, as large as the mean distance to the three nearest others.

    `largest` (world units) bounds that size, and is the size where there are too few points to measure.
    """
    means = torch.from_numpy(points.xyz).float()
    size = torch.full((len(means),), largest)
    if len(means) > NEIGHBOURS:
        size = neighbour_distance(means).clamp(1e-3 * largest, largest)
    return _isotropic(means, torch.from_numpy(points.rgb).float() / 255, size, recipe)


def from_pixels(targets: Sequence[Target], recipe: Recipe, generator: torch.Generator) -> Gaussians:
    """Return Gaussians at random training pixels and log-uniform depths, coloured by the pixels."""
    near, far = depth_bounds([target.camera for target in targets])
    count = recipe.random_points
    chosen = torch.randint(len(targets), (count,), generator=generator)
    across, down, deep = torch.rand(3, count, generator=generator, dtype=torch.float64)
    depth = near * (far / near) ** deep
    means, colours, size = torch.empty(count, 3), torch.empty(count, 3), torch.empty(count)
    for index, (camera, image) in enumerate(_pictures(targets)):
        rows = torch.nonzero(chosen == index)[:, 0]
        z = depth[rows]
        x, y = (across[rows] * camera.width).long(), (down[rows] * camera.height).long()
        K, c2w = torch.from_numpy(camera.K), torch.from_numpy(camera.c2w)
        right = (x + 0.5 - K[0, 2]) / K[0, 0] * z
        local = torch.stack([right, (y + 0.5 - K[1, 2]) / K[1, 1] * z, z], dim=-1)
        means[rows] = ((local[:, None, :] * c2w[:3, :3]).sum(-1) + c2w[:3, 3]).float()
        colours[rows] = image[y, x].float() / 255
        size[rows] = (PIXEL_SCALE * z / K[0, 0]).float()
    return _isotropic(means, colours, size, recipe)


def depth_bounds(cameras: Sequence[Camera]) -> tuple[float, float]:
    """Return the nearest and farthest depth at which the scene may lie, from how the cameras look.

    Cameras that look at one place (the point nearest to all optical axes lies in front of most of them, and
    not much farther than they are spread) see the scene around it. Otherwise what baselines can resolve.
    """
    centres = np.stack([camera.centre for camera in cameras])
    axes = np.stack([camera.c2w[:3, 2] for camera in cameras])
    spread = float(np.median(np.linalg.norm(centres - np.median(centres, axis=0), axis=-1)))
    if spread == 0:
        return 1.0, 10.0
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]
    focus = np.linalg.lstsq(across.sum(0), np.einsum("nij,nj->i", across, centres), rcond=None)[0]
    ahead = ((focus - centres) * axes).sum(-1)
    distance = float(np.median(ahead))
    if np.mean(ahead > 0) >= 0.75 and distance < BASELINES[1] * spread:
        return DEPTHS[0] * distance, DEPTHS[1] * distance
    return BASELINES[0] * spread, BASELINES[1] * spread


def extent(scene: Scene) -> float:
    """Return the size of the scene in world units, which scales learning rates and thresholds.

    As in the 3DGS release: 1.1 times the largest distance of a training camera from their mean. A vehicle
    drives through its scene: there at most the median distance from the points to the nearest camera.
    """
    centres = np.stack([view.camera.centre for view in scene.train])
    radius = 1.1 * float(np.linalg.norm(centres - centres.mean(0), axis=-1).max())
    drives = any(view.camera.ego is not None for view in scene.train)
    if drives and len(scene.points):
        some = scene.points.xyz[:: math.ceil(len(scene.points) / 2000)]
        nearest = np.linalg.norm(some[:, None] - centres, axis=-1).min(-1)
        radius = min(radius, float(np.median(nearest))) or radius
    return radius or 1.0


def thinned(points: Points, most: int, generator: torch.Generator) -> Points:
    """Return at most that many points, a random choice in the original order."""
    if len(points) <= most:
        return points
    kept = torch.randperm(len(points), generator=generator)[:most].sort().values.numpy()
    return Points(points.xyz[kept], points.rgb[kept])


def neighbour_distance(points: Tensor) -> Tensor:
    """Return (N,) mean distances to the three nearest other points, for (N, 3) float32 with N above three."""
    means = torch.empty(len(points))
    call("neighbour_distance", points.contiguous(), len(points), NEIGHBOURS, means)
    return means


def _pictures(targets: Sequence[Target]) -> list[tuple[Camera, Tensor]]:
    """Return camera and (H, W, 3) uint8 image, on the CPU, of the targets that have one."""
    return [(target.camera, target.image.cpu()) for target in targets if target.image is not None]


def _isotropic(means: Tensor, colours: Tensor, size: Tensor, recipe: Recipe) -> Gaussians:
    count = len(means)
    identity: NDArray = np.array([1, 0, 0, 0], np.float32)
    return Gaussians(
        means=means,
        quats=torch.from_numpy(identity).repeat(count, 1),
        scales=size.clamp_min(1e-7).log()[:, None].repeat(1, 3),
        opacities=torch.full((count,), math.log(recipe.initial_opacity / (1 - recipe.initial_opacity))),
        sh0=((colours - 0.5) / SH_BAND_0)[:, None],
        shN=torch.zeros(count, BANDS[recipe.sh_degree], 3),
    )
