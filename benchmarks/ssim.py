"""Time SSIM against torchmetrics, pytorch-msssim and scikit-image on one 640x960 pair.

Run with `python benchmarks/ssim.py [REPEATS]`. The candidates take turns, so that a busy machine slows all of
them alike; medians of the wall time are printed, and each value, since fast and wrong is no use.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytorch_msssim  # type: ignore[import-untyped] # The package ships no types.
import skimage.metrics
import torch
import torchmetrics.functional.image

from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.ssim import ssim, ssim_3dgs, ssim_uniform7

HEIGHT, WIDTH, THREADS = 640, 960, 2

# Not typed, or too narrowly for tensors that are passed by position.
TORCHMETRICS: Any = torchmetrics.functional.image.structural_similarity_index_measure
MSSSIM: Any = pytorch_msssim.ssim
SKIMAGE: Any = skimage.metrics.structural_similarity


def make_pair() -> Pair:
    """Return a smooth random image and a noisy copy of it."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (40, 60, 3)).astype(np.float32)
    image = np.clip(cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), 0, 255)
    noisy = np.clip(image + rng.normal(0, 10, image.shape), 0, 255)
    return Pair(noisy.round().astype(np.uint8), image.round().astype(np.uint8))


def candidates(pair: Pair) -> dict[str, Callable[[], float]]:
    """Return the functions to time; tensors are made beforehand, as a training loop would have them."""
    images = (pair.prediction, pair.reference)
    tensors = [torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for image in images]
    gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return {
        "ssim": lambda: ssim(pair),
        "ssim_3dgs": lambda: ssim_3dgs(pair),
        "ssim_uniform7": lambda: ssim_uniform7(pair),
        "torchmetrics": lambda: float(TORCHMETRICS(*tensors, data_range=1.0)),
        "pytorch-msssim": lambda: float(MSSSIM(*tensors, data_range=1.0)),
        "skimage gaussian": lambda: float(SKIMAGE(*images, channel_axis=2, **gaussian)),
        "skimage default": lambda: float(SKIMAGE(*images, channel_axis=2)),
    }


def main(repeats: int) -> None:
    """Print a line per candidate: value, median and fastest milliseconds, and the median over `ssim`'s."""
    torch.set_num_threads(THREADS)
    functions = candidates(make_pair())
    values = {name: function() for name, function in functions.items()}
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append((time.perf_counter() - start) * 1e3)
    medians = {name: statistics.median(column) for name, column in times.items()}
    print(f"{WIDTH}x{HEIGHT}, {repeats} rounds, torch threads {THREADS}, OpenCV {cv2.__version__}")
    print(f"{'':<18}{'value':>10}{'median ms':>11}{'fastest':>9}{'/ ssim':>8}")
    for name, median in medians.items():
        ratio = median / medians["ssim"]
        print(f"{name:<18}{values[name]:>10.6f}{median:>11.1f}{min(times[name]):>9.1f}{ratio:>8.1f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
