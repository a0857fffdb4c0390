from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.metrics.depth import (
    depth_abs_rel,
    depth_abs_rel_80m,
    depth_delta1,
    depth_rmse,
    depth_rmse_80m,
)

METRICS = (depth_abs_rel, depth_rmse, depth_delta1, depth_abs_rel_80m, depth_rmse_80m)


def pair(prediction, reference) -> Pair:
    depth, truth = (np.asarray(values, np.float32) for values in (prediction, reference))
    image = np.zeros((*truth.shape, 3), np.uint8)
    return Pair(image, image, prediction_depth=depth, reference_depth=truth)


def test_by_hand():
    # Errors over the three known pixels: 1 of 4, 2 of 10, and 5 of 5 where nothing was rendered.
    example = pair([[5, 8], [0, 77]], [[4, 10], [5, 0]])
    assert depth_abs_rel(example) == pytest.approx((0.25 + 0.2 + 1) / 3)
    assert depth_rmse(example) == pytest.approx(((1 + 4 + 25) / 3) ** 0.5)
    # 5 / 4 is 1.25 and not below it; 10 / 8 likewise.
    assert depth_delta1(example) == 0.0
    assert depth_delta1(pair([[4.9, 8.1]], [[4, 10]])) == 1.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), scale=st.floats(0.5, 2))
def test_scaling_both_changes_only_the_metric_one(seed, scale):
    rng = np.random.default_rng(seed)
    depth, truth = rng.uniform(1, 50, (2, 8, 9))
    truth[rng.uniform(size=truth.shape) < 0.3] = 0
    truth[0, 0] = 5
    one, two = pair(depth, truth), pair(depth * scale, truth * scale)
    assert depth_abs_rel(two) == pytest.approx(depth_abs_rel(one), rel=1e-5)
    assert depth_rmse(two) == pytest.approx(depth_rmse(one) * scale, rel=1e-5)
    assert depth_abs_rel(pair(truth, truth)) == depth_rmse(pair(truth, truth)) == 0
    assert depth_delta1(pair(truth, truth)) == 1


def test_the_driving_range_leaves_the_far_out_and_clips_predictions():
    example = pair([[8, 300, 10]], [[10, 80, 500]])
    assert depth_abs_rel_80m(example) == pytest.approx((0.2 + 0) / 2)
    assert depth_rmse_80m(example) == pytest.approx((4 / 2) ** 0.5)
    near = pair([[5, 8]], [[4, 10]])
    assert depth_abs_rel_80m(near) == depth_abs_rel(near)
    assert depth_rmse_80m(near) == depth_rmse(near)


def test_nothing_rendered_counts_as_one():
    truth = np.full((3, 4), 7.0)
    assert depth_abs_rel(pair(np.zeros((3, 4)), truth)) == 1
    assert depth_delta1(pair(np.zeros((3, 4)), truth)) == 0


def test_what_lies_where_nothing_is_known_does_not_matter():
    truth = [[4, 0], [5, 0]]
    for metric in METRICS:
        assert metric(pair([[3, np.nan], [5, 9]], truth)) == metric(pair([[3, 1], [5, 0]], truth))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("prediction", "reference", "message"),
    [
        ([[np.nan, 1]], [[1, 1]], "prediction has a negative or infinite depth"),
        ([[-1, 1]], [[1, 1]], "prediction has a negative or infinite depth"),
        ([[1, 1]], [[np.inf, 1]], "reference has a negative or infinite depth"),
        ([[1, 1]], [[0, 0]], "no pixel has a reference depth"),
        ([[1, 1, 1]], [[1, 1]], "differ in size"),
    ],
)
def test_refuses_what_has_no_value(metric, prediction, reference, message):
    with pytest.raises(DataError, match=message):
        metric(pair(prediction, reference))


def test_refuses_a_pair_without_depth():
    image = np.zeros((2, 2, 3), np.uint8)
    with pytest.raises(DataError, match="needs the depth of both"):
        depth_rmse(Pair(image, image))
