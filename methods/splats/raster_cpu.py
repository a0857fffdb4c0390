"""The CPU back end: native/forward.cpp and native/backward.cpp behind `torch.autograd`."""

from __future__ import annotations

import ctypes
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.calling import kernel_threads
from recgen_bench.methods.splats.raster import Gaussians, Pinhole, Rendered


class Replay:
    """What one forward pass left in native memory; freed with this object."""

    def __init__(self) -> None:
        self.handle = ctypes.c_void_p()
        self._free = native.kernel("splats_free")

    def __del__(self) -> None:
        if self.handle:
            self._free(self.handle)


def contiguous(gaussians: Gaussians) -> list[Tensor]:
    """Return the parameters as the kernels read them: float32 in C order."""
    g = gaussians
    return [t.to(torch.float32).contiguous() for t in (g.means, g.quats, g.scales, g.opacities, g.colors)]


def describe(parameters: list[Tensor], degree: int | None, camera: Pinhole, threads: int) -> native.Input:
    """Return the kernels' view of float32 contiguous parameters and a camera; it borrows their memory."""
    means, quats, scales, opacities, colors = parameters
    w2c = camera.w2c.detach().to("cpu", torch.float64)
    centre = torch.linalg.inv(w2c)[:3, 3].tolist()
    K = camera.K.detach().to("cpu", torch.float64)
    background = [0.0, 0.0, 0.0] if camera.background is None else camera.background.detach().tolist()
    floats3, floats9 = ctypes.c_float * 3, ctypes.c_float * 9
    return native.Input(
        *(native.address(tensor) for tensor in (means, quats, scales, opacities, colors)),
        means.shape[0],
        -1 if degree is None else degree,
        1 if degree is None else colors.shape[1],
        floats9(*w2c[:3, :3].flatten().tolist()),
        floats3(*w2c[:3, 3].tolist()),
        floats3(*centre),
        *(float(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))),
        camera.width,
        camera.height,
        floats3(*background),
        camera.near,
        camera.eps2d,
        threads,
    )


def forward(scene: native.Input) -> tuple[Replay, tuple[Tensor, ...]]:
    """Render and return the state for replays, then rgb, alpha, depth, contributors and radii."""
    size = (scene.height, scene.width)
    rgb, alpha, depth = torch.empty(*size, 3), torch.empty(size), torch.empty(size)
    contributors = torch.empty(size, dtype=torch.int32)
    radii = torch.empty(scene.size)
    image = native.Image(*map(native.address, (rgb, alpha, depth, contributors)))
    replay = Replay()
    run = native.kernel("splats_forward")
    native.check(
        run(
            ctypes.byref(scene),
            ctypes.byref(image),
            ctypes.c_void_p(radii.data_ptr()),
            ctypes.byref(replay.handle),
        )
    )
    return replay, (rgb, alpha, depth, contributors, radii)


def render(gaussians: Gaussians, camera: Pinhole) -> Rendered:
    """Render on the CPU; `raster.rasterize` describes the arguments."""
    parameters = contiguous(gaussians)
    wants = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in parameters)
    screen = torch.zeros(parameters[0].shape[0], 2, requires_grad=wants)
    rgb, alpha, depth, contributors, radii = _Rasterize.apply(
        *parameters, screen, gaussians.sh_degree, camera
    )
    return Rendered(rgb, alpha, depth, contributors, radii, screen)


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, ...]:
        *parameters, _, degree, camera = arguments
        # Backward uses the same number, whatever is set by then.
        ctx.threads = kernel_threads()
        scene = describe(parameters, degree, camera, ctx.threads)
        replay, (rgb, alpha, depth, contributors, radii) = forward(scene)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(contributors, radii)
        ctx.save_for_backward(*parameters, rgb, alpha, depth)
        ctx.replay, ctx.degree, ctx.camera = replay, degree, camera
        return rgb, alpha, depth, contributors, radii

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, ...]:
        *parameters, rgb, alpha, depth = ctx.saved_tensors
        scene = describe(parameters, ctx.degree, ctx.camera, ctx.threads)
        gradients = [torch.empty_like(tensor) for tensor in parameters]
        gradients.append(torch.empty(scene.size, 2))
        # Kept in a list until the kernel is done, because the structures hold bare addresses.
        planes = [None if g is None else g.to(torch.float32).contiguous() for g in upstream[:3]]
        image = native.Image(*map(native.address, (rgb, alpha, depth, None)))
        run = native.kernel("splats_backward")
        native.check(
            run(
                ctypes.byref(scene),
                ctx.replay.handle,
                ctypes.byref(image),
                ctypes.byref(native.Upstream(*map(native.address, planes))),
                ctypes.byref(native.PerGaussian(*map(native.address, gradients))),
            )
        )
        return (*gradients, None, None)
