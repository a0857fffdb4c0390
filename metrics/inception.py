"""Inception of 2015-12-05 as pytorch-fid runs it: the network that FID and KID are defined with.

The architecture comes from the package pytorch-fid (torchvision's, with four kinds of blocks replaced), built
without its download; the weights come through the door.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from recgen_bench.harness.scene import Image
from recgen_bench.harness.track import Track
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.features import Embed, Embedding, Features
from recgen_bench.metrics.published import INCEPTION
from recgen_bench.metrics.state import evaluating, filled

Resizer = Literal["pytorch-fid", "antialias"]
"""To 299x299, bilinear, on float images in [0, 1]: from four neighbours each, or low-pass filtered first."""

SIDE = 299
VERSION = 1

REPLACED = {
    "Mixed_5b": ("FIDInceptionA", {"in_channels": 192, "pool_features": 32}),
    "Mixed_5c": ("FIDInceptionA", {"in_channels": 256, "pool_features": 64}),
    "Mixed_5d": ("FIDInceptionA", {"in_channels": 288, "pool_features": 64}),
    "Mixed_6b": ("FIDInceptionC", {"in_channels": 768, "channels_7x7": 128}),
    "Mixed_6c": ("FIDInceptionC", {"in_channels": 768, "channels_7x7": 160}),
    "Mixed_6d": ("FIDInceptionC", {"in_channels": 768, "channels_7x7": 160}),
    "Mixed_6e": ("FIDInceptionC", {"in_channels": 768, "channels_7x7": 192}),
    "Mixed_7b": ("FIDInceptionE_1", {"in_channels": 1280}),
    "Mixed_7c": ("FIDInceptionE_2", {"in_channels": 2048}),
}
"""Blocks that differ from torchvision's (average pooling without the padding, maximum pooling at the end)."""

STAGES = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1", "Conv2d_3b_1x1", "Conv2d_4a_3x3"),
    *("maxpool2", "Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d"),
    *("Mixed_6e", "Mixed_7a", "Mixed_7b", "Mixed_7c"),
)


def inception(track: Track, resizer: Resizer) -> Embedding:
    """Return the embedding into the 2048 averaged activations of the last block.

    Raises:
        WeightsMissing: The weights are not on this machine.
    """
    path = track.weights(INCEPTION.name)
    digest = file_hash(path)
    return Embedding(
        purpose=f"inception-2015-12-05/{resizer}/v{VERSION}/{digest[:16]}",
        load=functools.partial(_embed, path, resizer, track.device),
        facts={"network": "inception-2015-12-05 (pytorch-fid)", "weights": digest, "resizer": resizer},
    )


@functools.cache
def _embed(path: Path, resizer: Resizer, device: str) -> Embed:
    network = _network(path, device)

    def embed(images: Sequence[Image]) -> Features:
        with evaluating(device):
            x = torch.cat([resized(image, resizer, device) for image in images])
            activations = network(2 * x - 1).cpu().numpy()
        # numpy adds in one order whatever the number of threads.
        return activations.mean(axis=(2, 3), dtype=np.float64).astype(np.float32)

    return embed


def resized(image: Image, resizer: Resizer, device: str = "cpu") -> Tensor:
    """Return (1, 3, 299, 299) float32 in [0, 1]; the aspect is not kept, as nowhere in the field."""
    x = torch.from_numpy(np.ascontiguousarray(image)).to(device).permute(2, 0, 1)[None].float() / 255
    return functional.interpolate(
        x, (SIDE, SIDE), mode="bilinear", align_corners=False, antialias=resizer == "antialias"
    )


@functools.cache
def _network(path: Path, device: str) -> nn.Module:
    whole = filled(architecture(), path, device)
    return nn.Sequential(*(getattr(whole, stage) for stage in STAGES))


def architecture() -> nn.Module:
    """Return the network without weights, on torch's "meta" device."""
    import torchvision  # type: ignore[import-untyped] # The package ships no types.
    from pytorch_fid import inception as fid

    with torch.device("meta"):
        network: Any = torchvision.models.inception_v3(
            weights=None, num_classes=1008, aux_logits=False, init_weights=False
        )
        for name, (block, sizes) in REPLACED.items():
            setattr(network, name, getattr(fid, block)(**sizes))
    return network
