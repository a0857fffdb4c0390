"""The embedded eye: finds vehicles and lane paint in embedded streets, and describes their images.

It stands in for YOLO, TwinLiteNet and Inception where those weights are not at hand, under metric ids of its
own. It knows nothing but the streets it was trained on (`eye.md`): numbers on recorded data mean little.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Image, Mask
from recgen_bench.harness.track import Box
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.boxes import suppressed
from recgen_bench.metrics.embedded.network import FEATURES, STRIDE, EyeNetwork, Sight

WEIGHTS = Path(__file__).with_name("eye.safetensors")
WIDTH, HEIGHT = 240, 160
"""Pixels of what the network looks at; other images are resized."""
CONFIDENCE = 0.35
"""Centres below it are no vehicles; the best F1 of 0.2, 0.25, 0.3 and 0.35 on training streets 1000-1005."""
OVERLAP = 0.6
"""Of two boxes that overlap by more, the less certain one goes."""


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """The loaded network.

    Attributes:
        network: In evaluation mode.
        device: "cpu" or "cuda".
        digest: sha256 of the weights' file.
    """

    network: EyeNetwork
    device: str
    digest: str

    def detect(self, image: Image) -> tuple[Box, ...]:
        """Return the visible parts of vehicles, the most certain first.

        Args:
            image: (H, W, 3) uint8 sRGB of any size; seen at 240x160.

        Returns:
            Boxes in pixels of the image, clipped to it, of confidence 0.35 and more.

        Raises:
            DataError: It is not such an image.
        """
        sight = self._look(image)
        scale = np.array([image.shape[1] / WIDTH, image.shape[0] / HEIGHT] * 2)
        boxes, scores = _peaks(sight)
        return tuple(
            Box(box * scale, "vehicle", float(score)) for box, score in zip(boxes, scores, strict=True)
        )

    def lanes(self, image: Image) -> Mask:
        """Return (H, W) bool, True where lane paint is seen; see `detect` for the image and errors."""
        logits = self._look(image).lanes[0].cpu().numpy()
        height, width = image.shape[:2]
        if (height, width) != logits.shape:
            logits = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(logits) > 0

    def features(self, images: Tensor) -> Tensor:
        """Return (B, 160) float32 features of (B, 3, H, W) float32 images in [0, 1], seen at 240x160."""
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            got = f"{images.dtype} {tuple(images.shape)}"
            raise DataError(
                "features need a batch of float images", got=got, expected="(B, 3, H, W) in [0, 1]"
            )
        with torch.inference_mode(), _one_thread():
            images = images.to(self.device, torch.float32)
            if images.shape[2:] != (HEIGHT, WIDTH):
                images = functional.interpolate(images, (HEIGHT, WIDTH), mode="bilinear", antialias=True)
            return self.network.features(images).cpu()

    def _look(self, image: Image) -> Sight:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            got = f"{image.dtype} {image.shape}"
            raise DataError("the embedded eye needs an RGB image", got=got, expected="uint8 (H, W, 3)")
        pixels = np.ascontiguousarray(image)
        if image.shape[:2] != (HEIGHT, WIDTH):
            shrinks = image.shape[0] >= HEIGHT and image.shape[1] >= WIDTH
            way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            pixels = np.asarray(cv2.resize(pixels, (WIDTH, HEIGHT), interpolation=way), np.uint8)
        batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.device, torch.float32) / 255
        with torch.inference_mode(), _one_thread():
            return self.network(batch)


def load_eye(device: str = "cpu", path: Path = WEIGHTS) -> Eye:
    """Load the eye that ships with the package, or another training of the same network.

    Raises:
        DataError: The file is missing, damaged, or holds other tensors than the network's.
    """
    try:
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"the weights of the embedded eye cannot be read: {error}", where=str(path)
        ) from error
    network = EyeNetwork()
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    got = {name: tuple(value.shape) for name, value in state.items()}
    if got != expected:
        wrong = sorted(name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name))
        first = f"{wrong[0]}: {got.get(wrong[0], 'absent')} instead of {expected.get(wrong[0], 'nothing')}"
        what = f"{len(wrong)} tensors are not those of the embedded eye"
        raise DataError(what, got=first, hint="train it with this version", where=str(path))
    if not all(bool(torch.isfinite(value).all()) for value in state.values()):
        raise DataError("the weights of the embedded eye are not finite", where=str(path))
    network.load_state_dict(state)
    return Eye(network.eval().to(device), device, file_hash(path))


def _peaks(sight: Sight) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 4) boxes and (N,) confidences of one image at 240x160, the most certain first."""
    heat = torch.sigmoid(sight.centres)
    top = functional.max_pool2d(heat[:, None], 3, 1, 1)[:, 0]
    row, column = torch.nonzero((heat[0] == top[0]) & (heat[0] >= CONFIDENCE), as_tuple=True)
    sides = sight.sides[0, :, row, column].cpu().numpy().astype(np.float64).T
    scores = heat[0, row, column].cpu().numpy().astype(np.float64)
    x, y = ((cells.cpu().numpy() + 0.5) * STRIDE for cells in (column, row))
    boxes = np.stack([x - sides[:, 0], y - sides[:, 1], x + sides[:, 2], y + sides[:, 3]], -1)
    boxes = np.clip(boxes, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    kept = suppressed(boxes, scores, OVERLAP)
    return boxes[kept], scores[kept]


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the last bits the same on any number of threads; the network is too small to gain from more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


__all__ = ["CONFIDENCE", "FEATURES", "WEIGHTS", "Eye", "load_eye"]
