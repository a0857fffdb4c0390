"""Features of the embedded eye in the form that distances of image sets take."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import torch

from recgen_bench.harness.scene import Image
from recgen_bench.harness.track import Track
from recgen_bench.metrics.embedded.eye import load_eye
from recgen_bench.metrics.features import Embed, Embedding, Features

VERSION = 1


def eye_features(track: Track) -> Embedding:
    """Return the embedding into the trunk of this project's own network, which saw embedded streets only."""
    digest, embed = _eye(track.device)
    return Embedding(
        purpose=f"embedded-eye/v{VERSION}/{digest[:16]}",
        load=lambda: embed,
        facts={"network": "embedded eye", "weights": digest, "resizer": "antialias, 240x160"},
    )


@functools.cache
def _eye(device: str) -> tuple[str, Embed]:
    eye = load_eye(device)

    def embed(images: Sequence[Image]) -> Features:
        # One by one: images of a folder may differ in size, and the network is small.
        rows = [eye.features(_tensor(image)).numpy() for image in images]
        return np.concatenate(rows).astype(np.float32)

    return eye.digest, embed


def _tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].float() / 255
