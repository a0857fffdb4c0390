"""Rendering a model: actors posed at the camera's time, Gaussians rasterised, the sky behind them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.actors import Posed, pose
from recgen_bench.methods.splats.model import SplatModel
from recgen_bench.methods.splats.raster import Gaussians, Rendered, rasterize
from recgen_bench.methods.splats.sky import behind


def render(model: SplatModel, camera: Camera, degree: int | None = None) -> Rendered:
    """Render a model, differentiably by its Gaussians and its sky.

    Args:
        model: Gaussians, actors and sky.
        camera: Its `frame` says where the actors are.
        degree: Degree of the harmonics to use, None for all that the model has.

    Returns:
        The rasteriser's output with the sky composited into `rgb`; `alpha` is that of the Gaussians alone.
    """
    rendered = _rasterized(activated(model, camera, degree), camera)
    if model.sky is None:
        return rendered
    return replace(rendered, rgb=behind(rendered.rgb, rendered.alpha, model.sky, camera))


def activated(model: SplatModel, camera: Camera, degree: int | None = None) -> Gaussians:
    """Return what the rasteriser takes of a model at a camera's time step; absent actors are transparent."""
    degree = model.gaussians.degree if degree is None else min(degree, model.gaussians.degree)
    posed = pose(model, camera.frame, degree)
    opacities = torch.sigmoid(posed.gaussians.opacities)
    if posed.present is not None:
        opacities = opacities * posed.present
    gaussians = posed.gaussians
    colors = _harmonics(posed, degree)
    return Gaussians(gaussians.means, gaussians.quats, gaussians.scales.exp(), opacities, colors, degree)


def _rasterized(gaussians: Gaussians, camera: Camera) -> Rendered:
    return rasterize(
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        gaussians.opacities,
        gaussians.colors,
        w2c=torch.from_numpy(camera.w2c),
        K=torch.from_numpy(camera.K),
        width=camera.width,
        height=camera.height,
        sh_degree=gaussians.sh_degree,
    )


def _harmonics(posed: Posed, degree: int) -> Tensor:
    """Return (N, (degree + 1)^2, 3) coefficients."""
    sh0, shN = posed.gaussians.sh0, posed.gaussians.shN
    return torch.cat([sh0, shN[:, : (degree + 1) ** 2 - 1]], dim=1) if degree else sh0
