"""GMSD against its formula written with scipy, and sharpness by what blur and noise do to it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.gradients import gmsd, sharpness_ratio

PREWITT = np.array([[1, 0, -1]] * 3) / 3
LUMA = np.array([0.299, 0.587, 0.114])


def natural(seed: int = 0, height: int = 64, width: int = 90) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scales = [cv2.resize(rng.uniform(0, 1, (n, n, 3)), (width, height)) for n in (4, 12, 36)]
    return (sum(scales) / 3 * 255).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 1, image.shape)
    return np.clip(image + sigma * noise, 0, 255).round().astype(np.uint8)


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), sigma)


def by_definition(pair: Pair) -> float:
    maps = []
    for image in (pair.prediction, pair.reference):
        luma = image @ LUMA
        # MATLAB's central part of a 2x2 kernel looks to the right and below.
        mean = convolve2d(luma, np.full((2, 2), 0.25))[1:, 1:][::2, ::2]
        gradients = [convolve2d(mean, kernel, mode="same") for kernel in (PREWITT, PREWITT.T)]
        maps.append(np.hypot(*gradients))
    a, b = maps
    return float(np.std((2 * a * b + 170) / (a**2 + b**2 + 170), ddof=1))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(4, 60), width=st.integers(4, 60))
def test_gmsd_equals_its_definition(seed, height, width):
    x, y = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    assert gmsd(Pair(x, y)) == pytest.approx(by_definition(Pair(x, y)), rel=1e-4, abs=1e-6)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(2, 20), width=st.integers(2, 20))
def test_identity_symmetry_and_flips(seed, height, width):
    # Even sides, since halving starts at the top left corner.
    x, y = np.random.default_rng(seed).integers(0, 256, (2, 2 * height, 2 * width, 3), dtype=np.uint8)
    for metric, best in ((gmsd, 0.0), (sharpness_ratio, 1.0)):
        assert metric(Pair(x, x)) == best
        assert metric(Pair(x, y)) == pytest.approx(metric(Pair(y, x)), rel=1e-6)
        for flipped in (Pair(x[::-1], y[::-1]), Pair(x[:, ::-1], y[:, ::-1])):
            assert metric(flipped) == pytest.approx(metric(Pair(x, y)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("damage", [noisy, blurred])
def test_both_fall_with_noise_and_blur(damage):
    image = natural()
    pairs = [Pair(damage(image, strength), image) for strength in (0.7, 1.5, 3, 6)]
    deviations = [gmsd(pair) for pair in pairs]
    assert deviations == sorted(deviations)
    ratios = [sharpness_ratio(pair) for pair in pairs]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] < 1


def test_sharpness_is_the_ratio_of_gradient_energies():
    ramp = np.repeat(np.arange(0, 60, 2, dtype=np.uint8)[None, :, None], 20, 0).repeat(3, 2)
    # A ramp of 2 levels per pixel has a Prewitt gradient of 4 everywhere inside, half of it 2.
    assert sharpness_ratio(Pair(ramp // 2, ramp)) == pytest.approx((2**2 + 1) / (4**2 + 1), rel=1e-6)
    flat = np.full_like(ramp, 9)
    assert sharpness_ratio(Pair(flat, flat + 30)) == 1.0
    assert sharpness_ratio(Pair(flat, ramp)) == pytest.approx(1 / 17, rel=1e-6)


def test_refuses_what_has_no_gradient():
    with pytest.raises(DataError, match="too small"):
        gmsd(Pair(*np.zeros((2, 3, 9, 3), np.uint8)))
    with pytest.raises(DataError, match="too small"):
        sharpness_ratio(Pair(*np.zeros((2, 9, 2, 3), np.uint8)))
