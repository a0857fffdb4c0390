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
from recgen_bench.methods.splats.raster_cpu import contiguous, describe, forward


@dataclass(frozen=True)
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


def fisher_diagonal(gaussians: Gaussians, cameras: Iterable[Pinhole]) -> FisherDiagonal:
    """Return the Fisher diagonal over all cameras; the parameters get no gradients.

    A view costs one forward pass and about one backward pass. Above degree 0 the colours change with the
    viewing direction, which the means' entries include. Depth does not count as a channel.

    Raises:
        MethodFailed: The Gaussians are not on the CPU.
    """
    if gaussians.means.device.type != "cpu":
        what, got = "Fisher information is computed on the CPU only", gaussians.means.device
        raise MethodFailed(what, got=got, expected="cpu", hint="move the Gaussians to the CPU")
    parameters = [tensor.detach() for tensor in contiguous(gaussians)]
    sums = [torch.zeros_like(tensor) for tensor in parameters]
    run = native.kernel("splats_fisher")
    for camera in cameras:
        scene = describe(parameters, gaussians.sh_degree, camera, kernel_threads())
        replay, (rgb, *_) = forward(scene)
        image = native.Image(rgb.data_ptr())
        out = native.PerGaussian(*map(native.address, sums))
        native.check(run(ctypes.byref(scene), replay.handle, ctypes.byref(image), ctypes.byref(out)))
    return FisherDiagonal(*sums)
