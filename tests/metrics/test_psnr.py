from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio
from torchmetrics.functional.image import peak_signal_noise_ratio as torch_psnr

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.psnr import psnr, psnr_masked_select


def random_pair(seed: int, height: int = 30, width: int = 40) -> Pair:
    rng = np.random.default_rng(seed)
    return Pair(*rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 60), width=st.integers(1, 60))
def test_equals_the_packages_and_the_definition(seed, height, width):
    pair = random_pair(seed, height, width)
    x, y = pair.prediction.astype(np.int64), pair.reference.astype(np.int64)
    mse = int(np.square(x - y).sum()) / x.size
    assert psnr(pair) == pytest.approx(10 * math.log10(255**2 / mse), rel=1e-14)
    assert psnr(pair) == pytest.approx(peak_signal_noise_ratio(pair.reference, pair.prediction), rel=1e-12)
    tensors = (torch.from_numpy(image).double() for image in (pair.prediction, pair.reference))
    assert psnr(pair) == pytest.approx(torch_psnr(*tensors, data_range=255.0).item(), rel=1e-6)
    assert psnr(pair) == psnr(Pair(pair.reference, pair.prediction))


def test_equals_the_published_code(shared):
    arrays = np.load(shared / "golden/metrics/ssim_psnr.npz")
    golden = json.loads((shared / "golden/metrics/ssim_psnr.json").read_text())
    value = psnr(Pair(arrays["degraded_uint8"], arrays["image_uint8"]))
    assert value == pytest.approx(golden["psnr_skimage"], abs=1e-9)
    assert value == pytest.approx(golden["psnr_3dgs_batched"], abs=1e-5)
    masked = Pair(arrays["degraded_uint8"], arrays["image_uint8"], arrays["mask"] > 0)
    assert psnr_masked_select(masked) == pytest.approx(golden["psnr_mask_only_pixels"], abs=1e-5)


def test_known_values():
    black, white = np.zeros((4, 5, 3), np.uint8), np.full((4, 5, 3), 255, np.uint8)
    assert psnr(Pair(black, white)) == 0.0
    assert psnr(Pair(white, white)) == math.inf
    assert psnr(Pair(white - 1, white)) == pytest.approx(20 * math.log10(255))
    one = white.copy()
    one[2, 3, 1] = 254
    assert psnr(Pair(one, white)) == pytest.approx(10 * math.log10(255**2 * 60))


def test_sums_beyond_32_bits_are_exact():
    black, white = np.zeros((400, 400, 3), np.uint8), np.full((400, 400, 3), 255, np.uint8)
    black[0, 0, 0] = 1
    squared = 255**2 * (400 * 400 * 3 - 1) + 254**2
    assert squared > 2**32
    assert psnr(Pair(black, white)) == 10 * math.log10(255**2 * black.size / squared)


def test_falls_with_noise():
    image = random_pair(3).reference // 2 + 64
    noise = np.random.default_rng(4).normal(0, 1, image.shape)
    values = [psnr(Pair((image + sigma * noise).round().astype(np.uint8), image)) for sigma in (1, 2, 4, 8)]
    assert values == sorted(values, reverse=True)
    # Doubling the error costs 6.02 dB; rounding to 8 bits adds a variance of 1/12.
    assert values[2] - values[3] == pytest.approx(6.02, abs=0.05)


def test_masked_counts_the_selected_pixels_only():
    pair = random_pair(3)
    mask = np.zeros(pair.reference.shape[:2], bool)
    mask[4:9, 10:30] = True
    selected = Pair(pair.prediction[4:9, 10:30], pair.reference[4:9, 10:30])
    assert psnr_masked_select(replace(pair, mask=mask)) == pytest.approx(psnr(selected), rel=1e-12)
    assert psnr_masked_select(replace(pair, mask=np.ones_like(mask))) == psnr(pair)
    outside = pair.prediction.copy()
    outside[~mask] = 0
    blackened = Pair(outside, pair.reference, mask)
    assert psnr_masked_select(blackened) == psnr_masked_select(replace(pair, mask=mask))


@pytest.mark.parametrize("mask", [None, np.zeros((30, 40), bool)])
def test_masked_refuses_a_mask_that_selects_nothing(mask):
    with pytest.raises(DataError, match="selects some pixel"):
        psnr_masked_select(replace(random_pair(3), mask=mask))
