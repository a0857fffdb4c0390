"""The network of the embedded eye: one trunk, a head that finds vehicles, a head that segments lane paint.

Vehicles are found without anchors, as in FCOS (arXiv:1904.01355) and CenterNet (arXiv:1904.07850): a map of
centres at a quarter of the image's size, and beside it the distances from a centre to the four sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 4
"""Pixels per cell of the vehicle head."""
FEATURES = 160
"""Numbers in a feature vector: means of the maps at strides 8 (64 channels) and 16 (96)."""


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What the network says of B images of H by W pixels, both divisible by 16.

    Attributes:
        centres: (B, H/4, W/4) logits that a vehicle's centre lies in a cell.
        sides: (B, 4, H/4, W/4) pixels from a cell's middle to left, top, right, bottom, positive.
        lanes: (B, H, W) logits that a pixel shows lane paint.
    """

    centres: Tensor
    sides: Tensor
    lanes: Tensor


class _Conv(nn.Sequential):
    """A 3x3 convolution, batch normalisation and SiLU."""

    def __init__(self, into: int, out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(into, out, 3, stride, dilation, dilation, bias=False), nn.BatchNorm2d(out), nn.SiLU()
        )


class _Residual(nn.Module):
    """Two 3x3 convolutions beside the identity."""

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = _Conv(width, width, dilation=dilation)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return functional.silu(x + self.second(self.first(x)))


class EyeNetwork(nn.Module):
    """0.45 million parameters; about 0.35 G multiply-adds for 240x160 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stage2 = _Conv(3, 16, 2)
        self.stage4 = nn.Sequential(_Conv(16, 32, 2), _Residual(32))
        self.stage8 = nn.Sequential(_Conv(32, 64, 2), _Residual(64))
        self.stage16 = nn.Sequential(_Conv(64, 96, 2), _Residual(96, dilation=2))
        self.join8 = _Conv(96 + 64, 48)
        self.join4 = _Conv(48 + 32, 32)
        self.vehicles = nn.Sequential(_Conv(32, 32), nn.Conv2d(32, 5, 1))
        self.join2 = _Conv(32 + 16, 16)
        self.paint = nn.Sequential(nn.Conv2d(16, 4, 1), nn.PixelShuffle(2))
        # Both heads begin by saying "nothing here", which is what most of an image is.
        for head in (self.vehicles[-1], self.paint[0]):
            assert isinstance(head, nn.Conv2d)
            assert head.bias is not None
            nn.init.constant_(head.bias[:1] if head is self.vehicles[-1] else head.bias, -4.0)

    def forward(self, images: Tensor) -> Sight:
        """Look at (B, 3, H, W) images in [0, 1], H and W divisible by 16."""
        half, quarter, eighth, sixteenth = self._trunk(images)
        eighth = self.join8(torch.cat([_doubled(sixteenth), eighth], 1))
        quarter = self.join4(torch.cat([_doubled(eighth), quarter], 1))
        found = self.vehicles(quarter)
        half = self.join2(torch.cat([_doubled(quarter), half], 1))
        # The exponent keeps sides positive and lets near and far vehicles have alike errors.
        sides = STRIDE * torch.exp(found[:, 1:].clamp(max=5.0))
        return Sight(found[:, 0], sides, self.paint(half)[:, 0])

    def features(self, images: Tensor) -> Tensor:
        """Return (B, 160) spatial means of the trunk's two coarsest maps for (B, 3, H, W) in [0, 1]."""
        _, _, eighth, sixteenth = self._trunk(images)
        return torch.cat([eighth.mean((2, 3)), sixteenth.mean((2, 3))], 1)

    def _trunk(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        half = self.stage2(images * 4 - 2)
        quarter = self.stage4(half)
        eighth = self.stage8(quarter)
        return half, quarter, eighth, self.stage16(eighth)


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
