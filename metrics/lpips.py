"""LPIPS v0.1 (Zhang et al. 2018, arXiv:1801.03924): distance of images in the features of a classifier.

The linear heads are those that the package lpips ships; the backbones are torchvision's ImageNet weights and
come through the door to pretrained weights. AlexNet and VGG give different scales and never share a column.
`Pair.mask` is not used.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision  # type: ignore[import-untyped] # The package ships no types.
from torch import Tensor, nn

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import ImageMetric, Pair
from recgen_bench.harness.record import image_hash
from recgen_bench.harness.scene import Image
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.published import ALEXNET, VGG16
from recgen_bench.metrics.state import evaluating, filled, read_state

Weights = Callable[[str], Path]

EPSILON = 1e-10
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
"""ImageNet's mean and deviation per channel, for images in [-1, 1]."""


@dataclass(frozen=True, slots=True)
class Backbone:
    """A classifier as LPIPS uses it.

    Attributes:
        build: Makes the classifier; only its `features` are used.
        taps: Indices of the five layers of `features` whose outputs are compared.
        weights: Name of its weights.
        heads: File in the package lpips with one weight per channel of each tap.
        heads_sha256: Of that file.
        side: Smallest image side in pixels that reaches the last tap.
    """

    build: Callable[..., Any]
    taps: tuple[int, ...]
    weights: str
    heads: str
    heads_sha256: str
    side: int


ALEX = Backbone(
    build=torchvision.models.alexnet,
    taps=(1, 4, 7, 9, 11),
    weights=ALEXNET.name,
    heads="alex.pth",
    heads_sha256="df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    side=31,
)
VGG = Backbone(
    build=torchvision.models.vgg16,
    taps=(3, 8, 15, 22, 29),
    weights=VGG16.name,
    heads="vgg.pth",
    heads_sha256="a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868",
    side=16,
)


def lpips_alex(weights: Weights, device: str) -> ImageMetric:
    """Return LPIPS on AlexNet, images scaled to [-1, 1] (NeRFBaselines, DriveStudio, nerfstudio)."""
    return _metric(ALEX, weights(ALEX.weights), device, -1.0)


def lpips_vgg(weights: Weights, device: str) -> ImageMetric:
    """Return LPIPS on VGG-16, images scaled to [-1, 1] as the network was calibrated for."""
    return _metric(VGG, weights(VGG.weights), device, -1.0)


def lpips_vgg_3dgs(weights: Weights, device: str) -> ImageMetric:
    """Return LPIPS on VGG-16, images left in [0, 1].

    What the 3DGS release and most code derived from it compute. It halves the contrast that the network
    sees and reads lower than `lpips_vgg`.
    """
    return _metric(VGG, weights(VGG.weights), device, 0.0)


@functools.cache
def _metric(backbone: Backbone, path: Path, device: str, black: float) -> ImageMetric:
    """Return the metric with black at -1 or 0 and white at 1.

    The network is loaded for the first pair. Every distance is remembered by the hashes of the images: AVGE
    contains LPIPS and is scored beside it, and VGG takes seconds for a pair of 640x960.
    """
    known: dict[tuple[str, str], float] = {}

    def distance(pair: Pair) -> float:
        key = image_hash(pair.prediction), image_hash(pair.reference)
        if key not in known:
            known[key] = _network(backbone, path, device).distance(pair, black)
        return known[key]

    return distance


@functools.cache
def _network(backbone: Backbone, path: Path, device: str) -> Network:
    with torch.device("meta"):
        layers = backbone.build(weights=None).features
    filled(layers, path, device, prefix="features.")
    return Network(backbone, tuple(layers)[: backbone.taps[-1] + 1], _heads(backbone, device), device)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A backbone with its weights: layers up to the last tap, and (1, C, 1, 1) head weights per tap."""

    backbone: Backbone
    layers: tuple[nn.Module, ...]
    heads: tuple[Tensor, ...]
    device: str

    def distance(self, pair: Pair, black: float) -> float:
        """Return LPIPS of two 8-bit images with black at -1 or 0 and white at 1.

        Raises:
            DataError: The image is too small for the network.
        """
        side = self.backbone.side
        if min(pair.reference.shape[:2]) < side:
            got = f"{pair.reference.shape[1]}x{pair.reference.shape[0]}"
            raise DataError("the image is too small for LPIPS", got=got, expected=f"{side}x{side} or more")
        x, y = (_tensor(image, self.device) for image in (pair.prediction, pair.reference))
        return self.between(black + (1 - black) * x, black + (1 - black) * y)

    def between(self, x: Tensor, y: Tensor) -> float:
        """Return the sum over the taps of the mean over pixels of the weighted squared difference.

        Args:
            x: (1, 3, H, W) float32 in [-1, 1] as the network was calibrated for, or in [0, 1] as 3DGS does.
            y: The same.
        """
        total = 0.0
        shift, scale = (_channels(values, self.device) for values in (SHIFT, SCALE))
        with evaluating(self.device):
            x, y = (x - shift) / scale, (y - shift) / scale
            # Both images go through a layer before the next one, so that only two activations are held.
            for index, layer in enumerate(self.layers):
                x, y = layer(x), layer(y)
                if index in self.backbone.taps:
                    head = self.heads[self.backbone.taps.index(index)]
                    weighted = torch.sum(head * torch.square(_unit(x) - _unit(y)), dim=1)
                    # numpy adds in one order whatever the number of threads.
                    total += float(np.mean(weighted.double().cpu().numpy()))
        return total


def _heads(backbone: Backbone, device: str) -> tuple[Tensor, ...]:
    """Return the head weights from the installed package, which is not imported for it.

    Raises:
        DataError: They are not the published ones.
    """
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise DataError("the package lpips is not installed", hint="pip install lpips")
    path = Path(spec.origin).parent / "weights" / "v0.1" / backbone.heads
    if (digest := file_hash(path)) != backbone.heads_sha256:
        raise DataError(
            "the heads are not those of LPIPS v0.1",
            got=digest,
            expected=backbone.heads_sha256,
            hint="reinstall the package lpips",
            where=str(path),
        )
    state = read_state(path)
    return tuple(state[f"lin{i}.model.1.weight"].to(device) for i in range(len(backbone.taps)))


def _unit(features: Tensor) -> Tensor:
    return features / (torch.sqrt(torch.sum(torch.square(features), dim=1, keepdim=True)) + EPSILON)


def _tensor(image: Image, device: str) -> Tensor:
    """Return (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255


def _channels(values: tuple[float, ...], device: str) -> Tensor:
    return torch.tensor(values, device=device).reshape(1, 3, 1, 1)
