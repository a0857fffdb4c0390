"""Gaussians on the screen in plain torch, on any device: ellipses, tile lists, and how parameters move them.

It serves the Triton kernels of `fisher_triton.py` and follows the semantics of `raster.rasterize`.
Derivatives come from autograd on the projection, in float64, so nothing repeats the C++ kernels' formulas.

A column is what one parameter adds to log alpha, a polynomial in the coordinates (e, y) of a pixel: with
(dx, dy) = pixel - centre, e = dx - lean dy and y = dy. Its five coefficients belong to e, y, ee, ey, yy.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recgen_bench.methods.splats.raster import Gaussians, Pinhole
from recgen_bench.methods.splats.sh import basis, evaluate

TILE = 16
MIN_ALPHA = 1 / 255
FAR = 1e10
MOST_SIGMAS = 3.33


@dataclass(frozen=True, eq=False)
class Footprint:
    """The M visible Gaussians of a view.

    Attributes:
        rows: (M,) int64 their rows in the parameters.
        splats: (M, 9) float32: centre x, y in pixels, lean, the conic's a and c, opacity, colour.
        depth: (M,) z-depth.
        reach: (M, 2) half the sides of the box of the ellipse alpha >= 1/255, pixels.
        columns: (M, 10, 5) float64 by mean (3), quaternion (4), scale (3).
        basis: (M, K) float64 harmonics towards the Gaussian; ones for RGB.
        lit: (M, 3) bool, channels that the clamp at zero leaves alone.
        slopes: (M, 3, 3) float64 by channel and mean: colour through the viewing direction; None without.
    """

    rows: Tensor
    splats: Tensor
    depth: Tensor
    reach: Tensor
    columns: Tensor
    basis: Tensor
    lit: Tensor
    slopes: Tensor | None


@dataclass(frozen=True, eq=False)
class TileLists:
    """Which visible Gaussians meet which tile of 16x16 pixels, front to back.

    Attributes:
        entries: (P,) int32 numbers of visible Gaussians, tile by tile.
        begin: (tiles + 1,) int32 first entry of each tile.
        across: Tiles in a row of them.
    """

    entries: Tensor
    begin: Tensor
    across: int


def footprint(gaussians: Gaussians, camera: Pinhole) -> Footprint:
    """Project the Gaussians and keep those that the rasteriser would draw."""
    g = gaussians
    finite = torch.isfinite(
        torch.cat([g.means, g.quats, g.scales, g.opacities[:, None], g.colors.flatten(1)], 1)
    )
    depth = g.means.detach().double() @ _on(camera.w2c, g.means)[2, :3] + _on(camera.w2c, g.means)[2, 3]
    kept = finite.all(1) & (g.opacities >= MIN_ALPHA) & (camera.near <= depth) & (depth <= FAR)
    rows = torch.nonzero(kept)[:, 0]
    leaves = [t.detach()[rows].double().requires_grad_() for t in (g.means, g.quats, g.scales)]
    with torch.enable_grad():
        screen = _project(leaves, camera)  # x, y, xx, xy, yy
        moved = [torch.cat(_derivatives(each, leaves), 1) for each in screen]
    x, y, xx, xy, yy = (s.detach() for s in screen)
    opacity = g.opacities[rows].double().clamp_max(1)
    lean = xy / yy
    a, c = 1 / (xx - xy * lean), 1 / yy
    sigmas = (2 * torch.log(opacity / MIN_ALPHA)).clamp_min(0).sqrt()
    reach = sigmas[:, None] * torch.stack([xx, yy], 1).sqrt()
    box = (sigmas.clamp_max(MOST_SIGMAS)[:, None] * torch.stack([xx, yy], 1).sqrt()).ceil()
    centre, size = torch.stack([x, y], 1), reach.new_tensor([camera.width, camera.height])
    inside = ((centre + box > 0) & (centre - box < size)).all(1) & (box > 0).any(1)
    inside &= torch.isfinite(torch.stack([a, c, lean, *box.unbind(1)], 1)).all(1) & (a > 0)
    harmonics, colors, lit, slopes = _colors(g, leaves[0], rows, camera)
    inside &= torch.isfinite(colors).all(1)
    table = torch.stack([x, y, lean, a, c, opacity, *colors.unbind(1)], 1)
    return Footprint(
        rows[inside],
        table[inside].float().contiguous(),
        depth[rows][inside],
        reach[inside],
        _columns(torch.stack(moved, 2)[inside], a[inside], c[inside], lean[inside]),
        harmonics[inside],
        lit[inside],
        None if slopes is None else slopes[inside],
    )


def tile_lists(seen: Footprint, width: int, height: int) -> TileLists:
    """Return the lists of all tiles; equal depths keep the order of the rows."""
    device = seen.depth.device
    across, down = (width + TILE - 1) // TILE, (height + TILE - 1) // TILE
    order = torch.sort(seen.depth.float(), stable=True).indices
    centre, reach = seen.splats[order, :2].double(), seen.reach[order]
    most = torch.tensor([across, down], device=device)
    # A pixel's centre lies at +0.5, so a tile is met from its first centre to its last.
    low = ((centre - reach + 0.5) / TILE - 1).ceil().clamp_min(0).long().minimum(most)
    high = ((centre + reach - 0.5) / TILE).floor().add(1).clamp_min(0).long().minimum(most)
    sides = (high - low).clamp_min(0)
    count = sides.prod(1)
    owner = torch.repeat_interleave(torch.arange(len(order), device=device), count)
    nth = torch.arange(len(owner), device=device) - (count.cumsum(0) - count)[owner]
    tile = (low[owner, 1] + nth // sides[owner, 0]) * across + low[owner, 0] + nth % sides[owner, 0]
    tile, by_tile = torch.sort(tile, stable=True)
    begin = torch.searchsorted(tile, torch.arange(across * down + 1, device=device))
    return TileLists(order[owner[by_tile]].int(), begin.int(), across)


def weigh(seen: Footprint, variance: Tensor) -> Tensor:
    """Return (M, 12) coefficients of sum_k variance_k column_k^2: ee ey yy, eee .. yyy, eeee .. yyyy."""
    x, y, xx, xy, yy = seen.columns.unbind(2)
    terms = [x * x, 2 * x * y, y * y]
    terms += [2 * x * xx, 2 * (x * xy + y * xx), 2 * (x * yy + y * xy), 2 * y * yy]
    terms += [xx * xx, 2 * xx * xy, xy * xy + 2 * xx * yy, 2 * xy * yy, yy * yy]
    return (torch.stack(terms, 2) * variance[..., None]).sum(1)


def square(seen: Footprint, moments: Tensor) -> Tensor:
    """Return (M, 10) sums over pixels of s column^2 from the moments (M, 12) of s in the same order."""
    each = torch.eye(10, dtype=torch.float64, device=moments.device)
    return torch.stack([(weigh(seen, e.expand(len(moments), 10)) * moments).sum(1) for e in each], 1)


def _project(leaves: list[Tensor], camera: Pinhole) -> tuple[Tensor, ...]:
    """Return centre x, y and covariance xx, xy, yy on the screen, each (M,)."""
    means, quats, scales = leaves
    w2c, K = _on(camera.w2c, means), _on(camera.K, means)
    point = means @ w2c[:3, :3].T + w2c[:3, 3]
    f, z = torch.stack([K[0, 0], K[1, 1]]), point[:, 2:]
    centre, size = K[:2, 2], means.new_tensor([camera.width, camera.height])
    ratio = point[:, :2] / z
    margin = 0.15 * size / f
    clamped = torch.minimum(torch.maximum(ratio, -(centre / f + margin)), (size - centre) / f + margin)
    pixel = f * ratio + centre
    # Rows of the Jacobian times the rotation of the camera, f/z (V_i - ratio_i V_z).
    rows = (f / z)[..., None] * (w2c[:2, :3] - clamped[..., None] * w2c[2, :3])
    half = rows @ (_rotation(quats) * scales[:, None])
    covariance = half @ half.transpose(1, 2)
    return (
        pixel[:, 0],
        pixel[:, 1],
        covariance[:, 0, 0] + camera.eps2d,
        covariance[:, 0, 1],
        covariance[:, 1, 1] + camera.eps2d,
    )


def _derivatives(values: Tensor, leaves: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the derivatives of values (M,), each of which depends on its own row of the leaves only."""
    return torch.autograd.grad(values.sum(), leaves, retain_graph=True, materialize_grads=True)


def _rotation(quats: Tensor) -> Tensor:
    w, x, y, z = (quats / quats.norm(dim=1, keepdim=True)).unbind(1)
    entries = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)]
    entries += [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)]
    entries += [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]
    return torch.stack(entries, 1).view(-1, 3, 3)


def _columns(moved: Tensor, a: Tensor, c: Tensor, lean: Tensor) -> Tensor:
    """Return columns from derivatives (M, 10, 5) of centre and covariance.

    Log alpha moves by v.m' + v^T S' v / 2 with v = Q d, Q the conic.
    """
    a, c, lean = a[:, None], c[:, None], lean[:, None]
    mx, my, sxx, sxy, syy = moved.unbind(2)
    # v = (a e, c y - lean a e): the same form with S' sheared upright.
    sheared = sxy - lean * syy
    upright = sxx - lean * (sxy + sheared)
    return torch.stack(
        [a * (mx - lean * my), c * my, a * a * upright / 2, a * c * sheared, c * c * syy / 2], 2
    )


def _colors(
    g: Gaussians, means: Tensor, rows: Tensor, camera: Pinhole
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Return harmonics (M, K), colours (M, 3), which are lit (M, 3), and slopes (M, 3, 3) or None."""
    picked = g.colors.detach()[rows].double()
    if g.sh_degree is None:
        ones = torch.ones(len(rows), 1, dtype=torch.float64, device=means.device)
        return ones, picked, torch.ones_like(picked, dtype=torch.bool), None
    centre = torch.linalg.inv(_on(camera.w2c, means))[:3, 3]
    with torch.enable_grad():
        colors = evaluate(picked, means - centre, g.sh_degree)
        slopes = None
        if g.sh_degree > 0:
            slopes = torch.stack([_derivatives(c, [means])[0] for c in colors.unbind(1)], 1)
    harmonics = basis(means.detach() - centre, g.sh_degree)
    dark = (harmonics[..., None] * picked[:, : harmonics.shape[1]]).sum(1) + 0.5 < 0
    return harmonics, colors.detach(), ~dark, slopes


def _on(tensor: Tensor, like: Tensor) -> Tensor:
    return tensor.detach().to(like.device, torch.float64)
