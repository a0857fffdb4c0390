"""Fisher diagonals and EIG maps of Gaussians on CUDA, with the results of the C++ kernels.

The small part, per Gaussian, is torch (`footprint.py`); what touches pixels is Triton (`fisher_triton.py`).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.fisher import FisherDiagonal
from recgen_bench.methods.splats.footprint import (
    TILE,
    Footprint,
    TileLists,
    footprint,
    square,
    tile_lists,
    weigh,
)
from recgen_bench.methods.splats.raster import Gaussians, Pinhole


def fisher_diagonal_cuda(gaussians: Gaussians, views: list[tuple[Pinhole, Tensor | None]]) -> FisherDiagonal:
    """Return the Fisher diagonal over views with their skies; `fisher.fisher_diagonal` describes it.

    Raises:
        MethodFailed: Triton is not installed, or a sky does not fit.
    """
    kernels = _kernels()
    gaussians = g = _detached(gaussians)
    sums = [
        torch.zeros_like(t, dtype=torch.float32) for t in (g.means, g.quats, g.scales, g.opacities, g.colors)
    ]
    for camera, sky in views:
        seen = footprint(gaussians, camera)
        lists = tile_lists(seen, camera.width, camera.height)
        with_view = seen.slopes is not None
        terms = kernels.VIEW_TERMS if with_view else kernels.PLAIN_TERMS
        slots = torch.zeros(len(lists.entries), terms, device=g.means.device)
        behind = _behind(camera, sky, g.means)
        with _device_of(behind):
            kernels.moments_kernel[(len(lists.begin) - 1,)](
                seen.splats,
                lists.entries,
                lists.begin,
                behind,
                slots,
                camera.width,
                camera.height,
                lists.across,
                TERMS=terms,
                WITH_VIEW=with_view,
                SIDE=TILE,
            )
        _add(sums, seen, _summed(slots, lists, len(seen.rows)), gaussians)
    return FisherDiagonal(*sums)


def gain_cuda(
    gaussians: Gaussians, camera: Pinhole, variances: FisherDiagonal, sky: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the trace bound and alpha of each pixel, each (H, W) float32.

    Raises:
        MethodFailed: Triton is not installed, or the sky does not fit.
    """
    kernels = _kernels()
    gaussians = _detached(gaussians)
    seen = footprint(gaussians, camera)
    lists = tile_lists(seen, camera.width, camera.height)
    table = gain_table(gaussians, seen, variances)
    values = torch.empty(camera.height, camera.width, device=gaussians.means.device)
    alphas = torch.empty_like(values)
    behind = _behind(camera, sky, gaussians.means)
    with _device_of(behind):
        kernels.gain_kernel[(len(lists.begin) - 1,)](
            seen.splats,
            table,
            lists.entries,
            lists.begin,
            behind,
            values,
            alphas,
            camera.width,
            camera.height,
            lists.across,
            STRIDE=table.shape[1],
            WITH_VIEW=seen.slopes is not None,
            SIDE=TILE,
        )
    return values, alphas


def gain_table(gaussians: Gaussians, seen: Footprint, variances: FisherDiagonal) -> Tensor:
    """Return what each Gaussian's pixels gain, float32 (M, 16), with a view term (M, 32); see the kernel."""
    means, quats, scales, opacities, colors = (v.double()[seen.rows] for v in variances.groups)
    if gaussians.sh_degree is None:
        colors = colors[:, None]
    terms = seen.basis.shape[1]
    by_color = (colors[:, :terms] * seen.basis.square()[..., None]).sum(1)
    light = (by_color * seen.lit).sum(1)
    shape = weigh(seen, torch.cat([means, quats, scales], 1))
    opacity = opacities / gaussians.opacities.double()[seen.rows].square()
    unused = torch.zeros(len(light), 2, dtype=torch.float64, device=light.device)
    if seen.slopes is None:
        return torch.cat([light[:, None], opacity[:, None], shape, unused], 1).float().contiguous()
    light = light + (means[:, None] * seen.slopes.square()).sum((1, 2))
    mixed = 2 * torch.einsum("mj,mcj,mjk->mck", means, seen.slopes, seen.columns[:, :3]).flatten(1)
    return (
        torch.cat([light[:, None], opacity[:, None], shape, unused, mixed, unused[:, :1]], 1)
        .float()
        .contiguous()
    )


def _add(sums: list[Tensor], seen: Footprint, moments: Tensor, gaussians: Gaussians) -> None:
    """Add one view's information, from the moments (M, 14 or 29) of the visible Gaussians."""
    light, total = moments[:, 0], moments[:, 1]
    shape = square(seen, moments[:, 2:14])
    if seen.slopes is not None:
        mixed = torch.einsum("mck,mjk->mcj", moments[:, 14:].view(-1, 3, 5), seen.columns[:, :3])
        shape[:, :3] += (seen.slopes * (seen.slopes * light[:, None, None] + 2 * mixed)).sum(1)
    colors = seen.basis.square()[..., None] * seen.lit[:, None] * light[:, None, None]
    parts = [
        shape[:, :3],
        shape[:, 3:7],
        shape[:, 7:],
        total / gaussians.opacities.double()[seen.rows].square(),
    ]
    for to, part in zip(sums, parts, strict=False):
        to[seen.rows] += part.float()
    if gaussians.sh_degree is None:
        sums[4][seen.rows] += colors[:, 0].float()
    else:
        sums[4][seen.rows, : colors.shape[1]] += colors.float()


def _summed(slots: Tensor, lists: TileLists, count: int) -> Tensor:
    """Return (M, terms) float64: the slots of each Gaussian added up in the order of the tiles."""
    if not len(slots):
        return slots.new_zeros(count, slots.shape[1], dtype=torch.float64)
    owner, order = torch.sort(lists.entries.long(), stable=True)
    lengths = torch.bincount(owner, minlength=count)
    return torch.segment_reduce(slots[order].double(), "sum", lengths=lengths, unsafe=True)


def _behind(camera: Pinhole, sky: Tensor | None, like: Tensor) -> Tensor:
    """Return the (H, W, 3) float32 colours behind the Gaussians."""
    size = (camera.height, camera.width, 3)
    if sky is not None:
        if camera.background is not None:
            raise MethodFailed("a view has a background and a sky", expected="one of them")
        if sky.shape != size:
            raise MethodFailed("the sky of a view has the wrong shape", got=tuple(sky.shape), expected=size)
        return sky.detach().to(like.device, torch.float32).contiguous()
    if camera.background is None:
        return torch.zeros(size, device=like.device)
    return camera.background.detach().to(like.device, torch.float32).expand(size).contiguous()


def _detached(g: Gaussians) -> Gaussians:
    means, quats, scales, opacities, colors = (
        tensor.detach() for tensor in (g.means, g.quats, g.scales, g.opacities, g.colors)
    )
    return Gaussians(means, quats, scales, opacities, colors, g.sh_degree)


def _device_of(tensor: Tensor) -> AbstractContextManager[None]:
    """Make a tensor's device the current one, on which Triton launches; nothing for the interpreter's CPU."""
    return nullcontext() if tensor.device.type == "cpu" else torch.cuda.device(tensor.device)


def _kernels() -> Any:
    try:
        from recgen_bench.methods.splats import fisher_triton
    except ImportError as error:
        hint = "install a CUDA build of torch, or move the Gaussians to the CPU"
        raise MethodFailed("Triton is missing", got=error, hint=hint) from error
    return fisher_triton
