"""The CUDA back end: gsplat behind the interface of `raster`. gsplat is imported only here."""

from __future__ import annotations

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.raster import Gaussians, Pinhole, Rendered


def render(gaussians: Gaussians, camera: Pinhole) -> Rendered:
    """Render on CUDA; `raster.rasterize` describes the arguments.

    gsplat does not count contributors, so `contributors` is -1 everywhere. `screen.grad` is filled by a hook
    on gsplat's own projected centres.

    Raises:
        MethodFailed: gsplat is not installed, or its kernels cannot be built here.
    """
    g, device = gaussians, gaussians.means.device
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise MethodFailed("gsplat is missing", got=error, hint="pip install gsplat") from error
    parameters = [t.to(torch.float32) for t in (g.means, g.quats, g.scales, g.opacities, g.colors)]
    background = camera.background
    try:
        planes, alphas, meta = rasterization(
            *parameters,
            viewmats=_on(device, camera.w2c)[None],
            Ks=_on(device, camera.K)[None],
            width=camera.width,
            height=camera.height,
            near_plane=camera.near,
            eps2d=camera.eps2d,
            sh_degree=g.sh_degree,
            packed=False,
            backgrounds=None if background is None else _on(device, background)[None],
            render_mode="RGB+ED",
        )
    except ImportError as error:
        hint = "gsplat compiles its kernels on first use: it needs nvcc, g++ and a CUDA build of torch"
        raise MethodFailed("gsplat's CUDA kernels do not load", got=error, hint=hint) from error
    wants = torch.is_grad_enabled() and any(t.requires_grad for t in parameters)
    screen = torch.zeros(len(g.means), 2, device=device, requires_grad=wants)
    if meta["means2d"].requires_grad:
        meta["means2d"].register_hook(lambda gradient: _record(screen, gradient[0]))
    return Rendered(
        rgb=planes[0, ..., :3],
        alpha=alphas[0, ..., 0],
        depth=planes[0, ..., 3],
        contributors=torch.full(alphas.shape[1:3], -1, dtype=torch.int32, device=device),
        radii=meta["radii"][0].amax(-1).to(torch.float32),
        screen=screen,
    )


def _on(device: torch.device, tensor: Tensor) -> Tensor:
    return tensor.detach().to(device, torch.float32)


def _record(screen: Tensor, gradient: Tensor) -> None:
    # gsplat projects inside its own graph, so nothing of ours can stand in for its centres there.
    screen.grad = gradient.detach().clone() if screen.grad is None else screen.grad + gradient.detach()
