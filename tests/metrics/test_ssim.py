"""SSIM against its definition in float64, and against the packages whose numbers papers report."""

from __future__ import annotations

import json
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_msssim import ssim as pytorch_ssim
from skimage.metrics import structural_similarity

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.ssim import BAND, ssim, ssim_3dgs, ssim_uniform7

VARIANTS = (ssim, ssim_3dgs, ssim_uniform7)


def natural(height: int, width: int, seed: int = 0) -> np.ndarray:
    """An image with structure at several scales, flat bright and flat dark areas."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for size in (3, 9, 27):
        coarse = rng.uniform(0, 1, (size, size, 3))
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) / 3
    image[: height // 4, : width // 4] = 1
    image[-height // 4 :, -width // 4 :] = 0
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, 1, image.shape)
    return np.clip(np.round(image + sigma * noise), 0, 255).astype(np.uint8)


def by_definition(pair: Pair, window: np.ndarray, padding: int, correction: float) -> float:
    """One window at a time, two-pass moments, float64."""
    r = len(window) // 2
    x, y = (
        np.pad(image / 255.0, ((padding, padding), (padding, padding), (0, 0)))
        for image in (pair.prediction, pair.reference)
    )
    values = []
    for i in range(r, x.shape[0] - r):
        for j in range(r, x.shape[1] - r):
            a, b = (image[i - r : i + r + 1, j - r : j + r + 1] for image in (x, y))
            w = window[..., None]
            ma, mb = (w * a).sum((0, 1)), (w * b).sum((0, 1))
            va, vb = (w * (a - ma) ** 2).sum((0, 1)), (w * (b - mb) ** 2).sum((0, 1))
            cov = (w * (a - ma) * (b - mb)).sum((0, 1))
            va, vb, cov = correction * va, correction * vb, correction * cov
            values.append(
                (2 * ma * mb + 1e-4) * (2 * cov + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
            )
    return float(np.mean(values))


def gaussian_window() -> np.ndarray:
    weights = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(weights, weights)
    return window / window.sum()


@pytest.mark.parametrize(
    ("metric", "window", "padding", "correction"),
    [
        (ssim, gaussian_window(), 0, 1.0),
        (ssim_3dgs, gaussian_window(), 5, 1.0),
        (ssim_uniform7, np.full((7, 7), 1 / 49), 0, 49 / 48),
    ],
)
@pytest.mark.parametrize("size", [(11, 11), (11, 30), (BAND + 13, 17)])
def test_equals_the_definition(metric, window, padding, correction, size):
    image = natural(*size)
    pair = Pair(noisy(image, 12), image)
    assert metric(pair) == pytest.approx(by_definition(pair, window, padding, correction), abs=1e-6)


@pytest.mark.parametrize("sigma", [0.6, 5, 40])
@pytest.mark.parametrize("size", [(96, 120), (2 * BAND + 10, 300)])
def test_equals_the_packages(sigma, size):
    image = natural(*size)
    pair = Pair(noisy(image, sigma), image)
    x, y = (torch.from_numpy(p).permute(2, 0, 1)[None].double() for p in (pair.prediction, pair.reference))
    as_gaussian = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    arrays = (pair.prediction, pair.reference)
    assert ssim(pair) == pytest.approx(
        structural_similarity(*arrays, channel_axis=2, **as_gaussian), abs=1e-6
    )
    assert ssim(pair) == pytest.approx(pytorch_ssim(x, y, data_range=255).item(), abs=1e-5)
    assert ssim_uniform7(pair) == pytest.approx(structural_similarity(*arrays, channel_axis=2), abs=1e-6)


def test_equals_the_published_code(shared):
    arrays = np.load(shared / "golden/metrics/ssim_psnr.npz")
    golden = json.loads((shared / "golden/metrics/ssim_psnr.json").read_text())
    pair = Pair(arrays["degraded_uint8"], arrays["image_uint8"])
    assert ssim(pair) == pytest.approx(golden["ssim_skimage_gaussian_sigma1p5_population"], abs=1e-6)
    assert ssim(pair) == pytest.approx(golden["ssim_3dgs_valid_padding"], abs=1e-5)
    assert ssim_uniform7(pair) == pytest.approx(golden["ssim_skimage_uniform7_default"], abs=1e-6)
    assert ssim_3dgs(pair) == pytest.approx(golden["ssim_3dgs_float64"], abs=1e-5)
    # The published code runs in float32, and its own two precisions differ by 2.3e-5.
    assert ssim_3dgs(pair) == pytest.approx(golden["ssim_3dgs_zero_padded"], abs=2.5e-5)


@pytest.mark.parametrize("metric", VARIANTS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(11, 90), width=st.integers(11, 40))
def test_identity_symmetry_bounds(metric, seed, height, width):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    assert metric(Pair(x, x)) == 1.0
    assert metric(Pair(x, y)) == pytest.approx(metric(Pair(y, x)), abs=1e-7)
    assert -1 <= metric(Pair(x, y)) < 1


@pytest.mark.parametrize("metric", VARIANTS)
def test_falls_with_noise_and_blur(metric):
    image = natural(80, 100)
    by_noise = [metric(Pair(noisy(image, sigma), image)) for sigma in (0, 2, 6, 18, 54)]
    by_blur = [metric(Pair(cv2.GaussianBlur(image, (0, 0), sigma), image)) for sigma in (0.3, 1, 2, 4)]
    for values in (by_noise, by_blur):
        assert all(better > worse for better, worse in pairwise(values))


def test_the_variants_are_different_numbers():
    image = natural(60, 60)
    pair = Pair(noisy(image, 10), image)
    values = [metric(pair) for metric in VARIANTS]
    assert len({round(value, 4) for value in values}) == 3


def test_black_against_white_and_constant_images():
    black, white = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 255, np.uint8)
    # Only the luminance term is left: C1 / (1 + C1).
    assert ssim(Pair(black, white)) == pytest.approx(1e-4 / (1 + 1e-4), abs=1e-7)
    assert ssim_uniform7(Pair(white, white)) == 1.0


@pytest.mark.parametrize(("metric", "side"), [(ssim, 11), (ssim_3dgs, 11), (ssim_uniform7, 7)])
def test_refuses_images_below_the_window(metric, side):
    image = np.zeros((side - 1, 40, 3), np.uint8)
    with pytest.raises(DataError) as caught:
        metric(Pair(image, image))
    assert f"40x{side - 1}" in str(caught.value)
    assert f"{side}x{side}" in str(caught.value)


@pytest.mark.parametrize("metric", VARIANTS)
def test_threads_and_memory_layout_do_not_matter(metric):
    image = natural(200, 150)
    pair = Pair(noisy(image, 9), image)
    before = cv2.getNumThreads()
    try:
        values = []
        for threads in (1, 2):
            cv2.setNumThreads(threads)
            values.append(metric(pair))
    finally:
        cv2.setNumThreads(before)
    values.append(metric(Pair(np.asfortranarray(pair.prediction), pair.reference[::-1][::-1])))
    assert len(set(values)) == 1


def test_does_not_change_its_inputs():
    image = natural(40, 40)
    pair = Pair(noisy(image, 9), image.copy())
    prediction = pair.prediction.copy()
    for metric in VARIANTS:
        metric(pair)
    np.testing.assert_array_equal(pair.prediction, prediction)
    np.testing.assert_array_equal(pair.reference, image)
