"""TwinLiteNet (arXiv:2307.10705): drivable area and lane lines of road scenes, in 0.44 million parameters.

Written from the description of the architecture; the names of the modules are those of the published weights,
which load by key. Their licence is MIT, they were trained on BDD100K. NTL-IoU uses the lane head only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recgen_bench.harness.scene import Image, Mask
from recgen_bench.metrics.state import filled, read_state

WIDTH, HEIGHT = 640, 360
"""Pixels of what the network looks at."""
_EPSILON = 1e-3


class _Finish(nn.Module):
    """Batch normalisation and a PReLU per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width, eps=_EPSILON)
        self.act = nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(x))


class _Conv(nn.Module):
    """A convolution without bias that keeps the size, or halves it with stride 2."""

    def __init__(self, into: int, out: int, side: int = 3, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        padding = (side - 1) // 2 * dilation
        self.conv = nn.Conv2d(into, out, side, stride, padding, dilation, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class _Block(_Conv):
    """A convolution, batch normalisation and PReLU."""

    def __init__(self, into: int, out: int, side: int = 3, stride: int = 1) -> None:
        super().__init__(into, out, side, stride)
        self.bn = nn.BatchNorm2d(out, eps=_EPSILON)
        self.act = nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class _Pyramid(nn.Module):
    """ESPNet's pyramid (arXiv:1803.06815): one narrow map at five dilations, running sums concatenated."""

    def __init__(self, into: int, out: int, side: int, stride: int) -> None:
        super().__init__()
        narrow = out // 5
        self.c1 = _Conv(into, narrow, side, stride)
        self.d1 = _Conv(narrow, out - 4 * narrow)
        self.d2 = _Conv(narrow, narrow, dilation=2)
        self.d4 = _Conv(narrow, narrow, dilation=4)
        self.d8 = _Conv(narrow, narrow, dilation=8)
        self.d16 = _Conv(narrow, narrow, dilation=16)

    def gathered(self, x: Tensor) -> Tensor:
        narrow = self.c1(x)
        # Running sums hide the grid that dilated convolutions leave.
        sums = [self.d2(narrow)]
        for layer in (self.d4, self.d8, self.d16):
            sums.append(sums[-1] + layer(narrow))
        return torch.cat([self.d1(narrow), *sums], 1)


class _Down(_Pyramid):
    """The pyramid at half the size."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__(into, out, 3, 2)
        self.bn = nn.BatchNorm2d(out, eps=_EPSILON)
        self.act = nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.gathered(x)))


class _Residual(_Pyramid):
    """The pyramid beside the identity."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width, 1, 1)
        self.bn = _Finish(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(x + self.gathered(x))


class _PositionAttention(nn.Module):
    """Every position gathers values from all others (DANet, arXiv:1809.02983)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(width, width // 8, 1)
        self.key_conv = nn.Conv2d(width, width // 8, 1)
        self.value_conv = nn.Conv2d(width, width, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (
            layer(x).flatten(2) for layer in (self.query_conv, self.key_conv, self.value_conv)
        )
        attention = torch.softmax(query.transpose(1, 2) @ key, -1)
        return self.gamma * (value @ attention.transpose(1, 2)).view_as(x) + x


class _ChannelAttention(nn.Module):
    """Every channel gathers from all others, the least alike most (DANet)."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        energy = flat @ flat.transpose(1, 2)
        attention = torch.softmax(energy.max(-1, keepdim=True).values - energy, -1)
        return self.gamma * (attention @ flat).view_as(x) + x


class _Encoder(nn.Module):
    """(B, 3, H, W) to (B, 32, H/8, W/8)."""

    def __init__(self) -> None:
        super().__init__()
        self.level1 = _Block(3, 16, stride=2)
        self.b1 = _Block(19, 19)
        self.level2_0 = _Down(19, 64)
        self.level2 = nn.ModuleList(_Residual(64) for _ in range(2))
        self.b2 = _Block(131, 131)
        self.level3_0 = _Down(131, 128)
        self.level3 = nn.ModuleList(_Residual(128) for _ in range(3))
        self.b3 = _Block(256, 32)
        self.sa = _PositionAttention(32)
        self.sc = _ChannelAttention()
        self.conv_sa = _Block(32, 32)
        self.conv_sc = _Block(32, 32)
        self.classifier = _Block(32, 32, side=1)

    def forward(self, images: Tensor) -> Tensor:
        half, quarter = _halved(images), _halved(_halved(images))
        x = self.b1(torch.cat([self.level1(images), half], 1))
        entry = self.level2_0(x)
        x = entry
        for layer in self.level2:
            x = layer(x)
        x = self.b2(torch.cat([x, entry, quarter], 1))
        entry = self.level3_0(x)
        x = entry
        for layer in self.level3:
            x = layer(x)
        x = self.b3(torch.cat([entry, x], 1))
        return self.classifier(self.conv_sa(self.sa(x)) + self.conv_sc(self.sc(x)))


class _Up(nn.Module):
    """A transposed convolution that doubles the size, batch normalisation and PReLU."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.deconv = nn.ConvTranspose2d(into, out, 2, stride=2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=_EPSILON)
        self.act = nn.PReLU(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.deconv(x)))


class TwinLiteNet(nn.Module):
    """The network; `forward` returns drivable-area and lane logits, (B, 2, H, W) each."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.up_1_1, self.up_2_1, self.classifier_1 = _Up(32, 16), _Up(16, 8), _Up(8, 2)
        self.up_1_2, self.up_2_2, self.classifier_2 = _Up(32, 16), _Up(16, 8), _Up(8, 2)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Look at (B, 3, H, W) float32 RGB images in [0, 1], H and W divisible by 8."""
        x = self.encoder(images)
        drivable = self.classifier_1(self.up_2_1(self.up_1_1(x)))
        return drivable, self.classifier_2(self.up_2_2(self.up_1_2(x)))


@dataclass(frozen=True, slots=True, eq=False)
class LaneModel:
    """A loaded TwinLiteNet on its device."""

    network: TwinLiteNet
    device: str

    def lanes(self, image: Image) -> Mask:
        """Return (360, 640) bool, True on lane lines.

        Args:
            image: (H, W, 3) uint8 sRGB of any size; resized bilinearly to 640x360 whatever its shape, as
                DriveDreamer4D's script does, scaled to [0, 1], without mean or deviation.
        """
        pixels = cv2.resize(np.ascontiguousarray(image), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        batch = (
            torch.from_numpy(np.asarray(pixels)).permute(2, 0, 1)[None].to(self.device, torch.float32) / 255
        )
        with torch.inference_mode():
            _, lanes = self.network(batch)
        return lanes[0].argmax(0).cpu().numpy().astype(bool)


def load_twinlitenet(path: Path, device: str = "cpu") -> LaneModel:
    """Load published weights: a state dict of tensors, keys with or without the prefix "module.".

    Raises:
        DataError: The file is damaged, holds anything but tensors, or tensors of another network.
    """
    prefix = "module."
    parallel = all(name.startswith(prefix) for name in read_state(path))
    network = filled(TwinLiteNet(), path, device, prefix if parallel else "")
    assert isinstance(network, TwinLiteNet)
    return LaneModel(network, device)


def _halved(x: Tensor) -> Tensor:
    return functional.avg_pool2d(x, 3, 2, 1)
