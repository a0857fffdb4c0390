"""Mask policies: what they do outside the mask, and how their numbers relate."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.masks import painted
from recgen_bench.metrics.psnr import psnr, psnr_masked_multiply, psnr_masked_select
from recgen_bench.metrics.ssim import (
    ssim_3dgs,
    ssim_3dgs_masked_black,
    ssim_3dgs_masked_white,
    ssim_uniform7,
    ssim_uniform7_masked_select,
)

MASKED = (
    psnr_masked_select,
    psnr_masked_multiply,
    ssim_uniform7_masked_select,
    ssim_3dgs_masked_white,
    ssim_3dgs_masked_black,
)
PAINTED = (psnr_masked_multiply, ssim_3dgs_masked_white, ssim_3dgs_masked_black)


def example(seed: int, height: int = 30, width: int = 40, share: float = 0.4) -> Pair:
    rng = np.random.default_rng(seed)
    reference = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    prediction = np.clip(reference + rng.normal(0, 20, reference.shape), 0, 255).astype(np.uint8)
    return Pair(prediction, reference, rng.uniform(size=(height, width)) < share)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 1))
def test_multiplying_inflates_psnr_by_the_coverage(seed, share):
    pair = example(seed, share=share)
    inflation = 10 * math.log10(1 / pair.mask.mean())
    assert psnr_masked_multiply(pair) == pytest.approx(psnr_masked_select(pair) + inflation, abs=1e-9)
    assert psnr_masked_multiply(pair) == pytest.approx(psnr(painted(pair, 255)), abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(7, 50), width=st.integers(7, 50))
def test_select_is_scikit_images_map_inside_the_mask(seed, height, width):
    pair = example(seed, height, width)
    pair.mask[0, 0] = True
    _, similarity = structural_similarity(pair.prediction, pair.reference, channel_axis=2, full=True)
    assert ssim_uniform7_masked_select(pair) == pytest.approx(similarity[pair.mask].mean(), abs=1e-6)


def test_white_is_the_published_code(shared):
    arrays = np.load(shared / "golden/metrics/ssim_psnr.npz")
    golden = json.loads((shared / "golden/metrics/ssim_psnr.json").read_text())
    pair = Pair(arrays["degraded_uint8"], arrays["image_uint8"], arrays["mask"] > 0)
    assert ssim_3dgs_masked_white(pair) == pytest.approx(golden["ssim_white_composite"], abs=2.5e-5)


@pytest.mark.parametrize("metric", PAINTED)
def test_what_lies_outside_does_not_matter_to_painting(metric):
    pair = example(5)
    other = pair.prediction.copy()
    other[~pair.mask] = 17
    assert metric(replace(pair, prediction=other)) == metric(pair)


def test_windows_of_select_see_beyond_the_mask():
    pair = example(5)
    other = pair.prediction.copy()
    other[~pair.mask] = 17
    assert ssim_uniform7_masked_select(replace(pair, prediction=other)) != ssim_uniform7_masked_select(pair)


def test_a_full_mask_changes_nothing():
    pair = replace(example(6), mask=np.ones((30, 40), np.bool_))
    assert psnr_masked_select(pair) == psnr_masked_multiply(pair) == psnr(pair)
    assert ssim_3dgs_masked_white(pair) == ssim_3dgs_masked_black(pair) == ssim_3dgs(pair)
    inner = np.zeros((30, 40), np.bool_)
    inner[3:-3, 3:-3] = True
    assert ssim_uniform7_masked_select(replace(pair, mask=inner)) == pytest.approx(
        ssim_uniform7(pair), abs=1e-6
    )


def test_white_and_black_are_different_numbers():
    pair = example(7)
    assert abs(ssim_3dgs_masked_white(pair) - ssim_3dgs_masked_black(pair)) > 1e-3


@pytest.mark.parametrize("metric", MASKED)
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (None, "selects some pixel"),
        (np.zeros((30, 40), np.bool_), "selects some pixel"),
        (np.ones((40, 30), np.bool_), "another size"),
    ],
)
def test_refuses_what_selects_nothing(metric, mask, message):
    with pytest.raises(DataError, match=message):
        metric(replace(example(3), mask=mask))


@pytest.mark.parametrize("metric", MASKED)
def test_leaves_its_inputs_alone(metric):
    pair = example(8)
    prediction, reference = pair.prediction.copy(), pair.reference.copy()
    metric(pair)
    np.testing.assert_array_equal(pair.prediction, prediction)
    np.testing.assert_array_equal(pair.reference, reference)
