"""The diagonal of the Fisher information of Gaussians, exactly, in one pass per view.

For a parameter theta it is the sum over views, pixels and colour channels of (dC/dtheta)^2, the Gauss-Newton
diagonal that FisherRF (Jiang et al. 2024) and FaithFusion build on. native/fisher.cpp explains the pass.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.calling import kernel_threads
from recgen_bench.methods.splats.raster import Gaussians, Pinhole
from recgen_bench.methods.splats.raster_cpu import Replay, contiguous, describe, forward


@dataclass(frozen=True, eq=False)
class FisherDiagonal:
    """Sums of squared derivatives by the activated parameters, in the shapes of the parameters.

    Attributes:
        means: (N, 3) per square world unit.
        quats: (N, 4) by the quaternion as given, whatever its norm.
        scales: (N, 3) per square world unit; times scales^2 for log scales.
        opacities: (N,); times (o (1 - o))^2 for logits.
        colors: (N, 3) or (N, K, 3) like the colours; 0 for coefficients above the degree in use.
    """

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor

    @property
    def groups(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The five tensors in the order of the fields."""
        return self.means, self.quats, self.scales, self.opacities, self.colors

    def __add__(self, other: FisherDiagonal) -> FisherDiagonal:
        """Return the information of both sets of views on the same Gaussians."""
        return FisherDiagonal(*(a + b for a, b in zip(self.groups, other.groups, strict=True)))


def fisher_diagonal(
    gaussians: Gaussians, cameras: Iterable[Pinhole], skies: Iterable[Tensor | None] | None = None
) -> FisherDiagonal:
    """Return the Fisher diagonal over all cameras; the parameters get no gradients.

    A view costs one forward pass and about one backward pass. Above degree 0 the colours change with the
    viewing direction, which the means' entries include. Depth does not count as a channel.

    Args:
        gaussians: Activated parameters.
        cameras: One per view.
        skies: Per view the (H, W, 3) colours far behind the Gaussians, None for the camera's background.

    Raises:
        MethodFailed: There is no Fisher pass for the device of the Gaussians, or the skies do not fit.
    """
    views = pair(cameras, skies)
    if gaussians.means.device.type == "cuda":
        from recgen_bench.methods.splats.fisher_cuda import fisher_diagonal_cuda

        return fisher_diagonal_cuda(gaussians, views)
    require_cpu(gaussians)
    parameters = [tensor.detach() for tensor in contiguous(gaussians)]
    sums = [torch.zeros_like(tensor) for tensor in parameters]
    run = native.kernel("splats_fisher")
    for camera, sky in views:
        view = look(parameters, gaussians.sh_degree, camera, sky)
        out = native.PerGaussian(*map(native.address, sums))
        native.check(
            run(
                ctypes.byref(view.scene),
                view.replay.handle,
                ctypes.byref(native.Image(view.rgb.data_ptr())),
                ctypes.byref(out),
            )
        )
    return FisherDiagonal(*sums)


@dataclass(frozen=True, eq=False)
class Look:
    """A view rendered on the CPU for the passes that replay it.

    Attributes:
        scene: What the kernels read; it borrows the memory of the parameters.
        replay: What the forward pass left.
        rgb: (H, W, 3) with everything behind the Gaussians.
        alpha: (H, W) of the Gaussians.
    """

    scene: native.Input
    replay: Replay
    rgb: Tensor
    alpha: Tensor


def look(parameters: list[Tensor], degree: int | None, camera: Pinhole, sky: Tensor | None) -> Look:
    """Render float32 contiguous parameters, which must outlive the result."""
    if sky is not None and camera.background is not None:
        raise MethodFailed("a view has a background and a sky", expected="one of them")
    scene = describe(parameters, degree, camera, kernel_threads())
    replay, (rgb, alpha, *_) = forward(scene)
    if sky is not None:
        if sky.shape != rgb.shape:
            what = "the sky of a view has the wrong shape"
            raise MethodFailed(what, got=tuple(sky.shape), expected=tuple(rgb.shape))
        # The derivatives by alpha see what is behind, so whatever stands there takes part.
        rgb = rgb + (1 - alpha)[..., None] * sky.detach().to(rgb)
    return Look(scene, replay, rgb, alpha)


def pair(
    cameras: Iterable[Pinhole], skies: Iterable[Tensor | None] | None
) -> list[tuple[Pinhole, Tensor | None]]:
    """Return each camera with its sky.

    Raises:
        MethodFailed: There are skies, but not one for each camera.
    """
    cameras = list(cameras)
    behind: list[Tensor | None] = [None] * len(cameras) if skies is None else list(skies)
    if len(behind) != len(cameras):
        raise MethodFailed("every camera needs its sky", got=f"{len(behind)} for {len(cameras)} cameras")
    return list(zip(cameras, behind, strict=True))


def require_cpu(gaussians: Gaussians) -> None:
    """Raise MethodFailed when the Gaussians are not on the CPU."""
    if gaussians.means.device.type != "cpu":
        what, got = "there is no Fisher pass for this device", gaussians.means.device
        raise MethodFailed(what, got=got, expected="cpu or cuda", hint="move the Gaussians to the CPU")
