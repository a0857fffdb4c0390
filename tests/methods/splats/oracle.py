"""What the rasterisers must compute, written for reading: dense, float64, plain autograd, one row per pixel.

It follows the definition of gsplat's classic mode and shares no code with the kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Cloud:
    """Gaussians and a camera, small enough for a dense image."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    w2c: Tensor
    K: Tensor
    width: int
    height: int
    background: Tensor
    sh_degree: int | None = None

    @property
    def parameters(self) -> list[Tensor]:
        return [self.means, self.quats, self.scales, self.opacities, self.colors]

    def to(self, dtype: torch.dtype) -> Cloud:
        tensors = {k: v.detach().to(dtype) for k, v in vars(self).items() if isinstance(v, Tensor)}
        return Cloud(**{**vars(self), **tensors})

    def requiring_grad(self) -> Cloud:
        for tensor in self.parameters:
            tensor.requires_grad_()
        return self

    def options(self) -> dict:
        names = ("w2c", "K", "width", "height", "background", "sh_degree")
        return {name: getattr(self, name) for name in names}


def cloud(
    n: int, width: int, height: int, *, seed: int, size: float = 0.5, sh_degree: int | None = None
) -> Cloud:
    """Return Gaussians spread over a frustum from z = 2 to z = 6, about `size` of their spacing large."""
    random = torch.Generator().manual_seed(seed)
    focal = 0.9 * max(width, height)
    z = 2 + 4 * torch.rand(n, generator=random) ** 0.5
    pixel = torch.rand(n, 2, generator=random) * torch.tensor([width, height])
    points = torch.cat([(pixel - torch.tensor([width / 2, height / 2])) / focal * z[:, None], z[:, None]], 1)
    spacing = (4 * 16 * width * height / focal**2 / n) ** (1 / 3)
    angle = torch.tensor(0.3)
    R = torch.eye(3)
    R[0, 0] = R[2, 2] = angle.cos()
    R[0, 2], R[2, 0] = angle.sin(), -angle.sin()
    t = torch.tensor([0.02, -0.03, 0.1])
    w2c = torch.eye(4)
    w2c[:3, :3], w2c[:3, 3] = R, t
    if sh_degree is None:
        colors = torch.rand(n, 3, generator=random)
    else:
        # Wide enough that some colours meet the clamp at zero.
        colors = 0.6 * torch.randn(n, (sh_degree + 1) ** 2, 3, generator=random)
    return Cloud(
        means=(points - t) @ R,
        quats=torch.randn(n, 4, generator=random),
        scales=size * spacing * torch.exp(0.5 * torch.randn(n, 3, generator=random)),
        opacities=torch.sigmoid(1.5 * torch.randn(n, generator=random)),
        colors=colors,
        w2c=w2c,
        K=torch.tensor([[focal, 0, width / 2 + 1], [0, 1.1 * focal, height / 2 - 2], [0, 0, 1]]),
        width=width,
        height=height,
        background=torch.tensor([0.2, 0.5, 0.7]),
        sh_degree=sh_degree,
    )


def rotation(quats: Tensor) -> Tensor:
    """(N, 4) w x y z of any norm -> (N, 3, 3), by rotating the three axes: v + 2 u x (u x v + w v)."""
    q = quats / quats.norm(dim=1, keepdim=True)
    axes = torch.eye(3, dtype=q.dtype).expand(len(q), 3, 3)
    u, w = q[:, None, 1:].expand(-1, 3, -1), q[:, None, :1]
    turned = axes + 2 * torch.linalg.cross(u, torch.linalg.cross(u, axes) + w * axes)
    return turned.transpose(1, 2)


def project(c: Cloud, eps2d: float = 0.3) -> tuple[Tensor, Tensor, Tensor]:
    """Return the centres (N, 2) in pixels, the conics (N, 2, 2) and the depths (N,)."""
    W = c.w2c[:3, :3]
    x, y, z = (c.means @ W.T + c.w2c[:3, 3]).unbind(1)
    f = torch.stack([c.K[0, 0], c.K[1, 1]])
    centre = torch.stack([c.K[0, 2], c.K[1, 2]])
    size = torch.tensor([c.width, c.height], dtype=z.dtype)
    ratio = torch.stack([x / z, y / z], 1)
    margin = 0.3 * 0.5 * size / f
    seen = torch.minimum(torch.maximum(ratio, -(centre / f + margin)), (size - centre) / f + margin)
    J = torch.zeros(len(z), 2, 3, dtype=z.dtype)
    J[:, 0, 0], J[:, 1, 1] = f[0] / z, f[1] / z
    J[:, :, 2] = -f * seen / z[:, None]
    half = J @ W @ rotation(c.quats) @ torch.diag_embed(c.scales)
    covariance = half @ half.transpose(1, 2) + eps2d * torch.eye(2, dtype=z.dtype)
    return f * ratio + centre, torch.linalg.inv(covariance), z


def seen_colors(c: Cloud) -> Tensor:
    """(N, 3) RGB as seen from the camera; harmonics as products of x, y, z on the unit sphere."""
    if c.sh_degree is None:
        return c.colors
    centre = torch.linalg.inv(c.w2c)[:3, 3]
    d = c.means - centre
    x, y, z = (d / d.norm(dim=1, keepdim=True)).unbind(1)
    pi = torch.pi
    terms = [torch.full_like(x, 0.5 * pi**-0.5)]
    if c.sh_degree > 0:
        k = (3 / (4 * pi)) ** 0.5
        terms += [-k * y, k * z, -k * x]
    if c.sh_degree > 1:
        k = (15 / (4 * pi)) ** 0.5
        terms += [k * x * y, -k * y * z, (5 / (16 * pi)) ** 0.5 * (2 * z * z - x * x - y * y), -k * x * z]
        terms += [k / 2 * (x * x - y * y)]
    if c.sh_degree > 2:
        a, b, e = (35 / (32 * pi)) ** 0.5, (105 / (4 * pi)) ** 0.5, (21 / (32 * pi)) ** 0.5
        terms += [-a * y * (3 * x * x - y * y), b * x * y * z, -e * y * (4 * z * z - x * x - y * y)]
        terms += [(7 / (16 * pi)) ** 0.5 * z * (2 * z * z - 3 * x * x - 3 * y * y)]
        terms += [
            -e * x * (4 * z * z - x * x - y * y),
            b / 2 * z * (x * x - y * y),
            -a * x * (x * x - 3 * y * y),
        ]
    basis = torch.stack(terms, 1)
    return torch.clamp_min(torch.einsum("nk,nkc->nc", basis, c.colors[:, : basis.shape[1]]) + 0.5, 0)


@dataclass
class Picture:
    """The planes of `recgen_bench.methods.splats.raster.Rendered`, and the projected centres."""

    rgb: Tensor
    alpha: Tensor
    depth: Tensor
    contributors: Tensor
    screen: Tensor


def render(c: Cloud, near: float = 0.01) -> Picture:
    """Composite every Gaussian over every pixel, front to back."""
    centre, conic, z = project(c)
    if centre.requires_grad:
        centre.retain_grad()
    order = torch.argsort(z.detach(), stable=True)
    order = order[z.detach()[order] >= near]
    xs = torch.arange(c.width, dtype=z.dtype) + 0.5
    ys = torch.arange(c.height, dtype=z.dtype) + 0.5
    pixels = torch.cartesian_prod(ys, xs).flip(1)
    d = pixels[:, None] - centre[order]
    sigma = 0.5 * torch.einsum("pni,nij,pnj->pn", d, conic[order], d)
    alpha = torch.clamp_max(c.opacities[order] * torch.exp(-sigma), 0.999)
    alpha = torch.where(alpha >= 1 / 255, alpha, 0)
    # Transmittance only falls, so comparing it in place is the same as stopping at the first failure.
    alpha = torch.where(torch.cumprod(1 - alpha.detach(), 1) > 1e-4, alpha, 0)
    through = torch.cumprod(1 - alpha, 1)
    before = torch.cat([torch.ones_like(through[:, :1]), through[:, :-1]], 1)
    weight = alpha * before
    last = through[:, -1] if len(order) else torch.ones(len(pixels), dtype=z.dtype)
    total = 1 - last
    rgb = weight @ seen_colors(c)[order] + last[:, None] * c.background
    depth = torch.where(total > 0, weight @ z[order] / torch.where(total > 0, total, 1), 0)
    shape = (c.height, c.width)
    blended = (weight > 0).sum(1).reshape(shape)
    return Picture(rgb.reshape(*shape, 3), total.reshape(shape), depth.reshape(shape), blended, centre)
