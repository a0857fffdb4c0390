"""Metrics see what they need or are left out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError, PluginError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.record import image_hash
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.score import Scorer

BLACK = np.zeros((4, 5, 3), np.uint8)
WHITE = np.full((4, 5, 3), 255, np.uint8)
NEAR, FAR = np.ones((4, 5), np.float32), np.full((4, 5), 3, np.float32)


def scorer(**needs: frozenset[str]) -> Scorer:
    infos = {
        "plain": MetricInfo("plain", "", lambda pair: np.float32(pair.prediction.mean())),
        "deep": MetricInfo("deep", "", lambda pair: pair.prediction_depth.mean(), needs=frozenset({"depth"})),
        "masked": MetricInfo("masked", "", lambda pair: pair.mask.sum(), needs=frozenset({"mask"})),
        "infinite": MetricInfo("infinite", "", lambda pair: math.inf),
    }
    return Scorer.load(replace(info, needs=needs.get(name, info.needs)) for name, info in infos.items())


def test_what_the_pair_lacks_leaves_metrics_out():
    mask = np.ones((4, 5), bool)
    for pair, names in (
        (Pair(BLACK, WHITE), {"plain", "infinite"}),
        (Pair(BLACK, WHITE, mask), {"plain", "infinite", "masked"}),
        (Pair(BLACK, WHITE, None, NEAR), {"plain", "infinite"}),
        (Pair(BLACK, WHITE, None, None, FAR), {"plain", "infinite"}),
        (Pair(BLACK, WHITE, mask, NEAR, FAR), {"plain", "infinite", "masked", "deep"}),
    ):
        assert set(scorer().row("v", 0.0, pair).values) == names


def test_a_row_has_hashes_and_plain_floats():
    row = scorer().row("v", -3.0, Pair(BLACK, WHITE))
    assert (row.view, row.shift) == ("v", -3.0)
    assert (row.prediction, row.reference) == (image_hash(BLACK), image_hash(WHITE))
    assert row.values == {"plain": 0.0, "infinite": math.inf}
    assert all(type(value) is float for value in row.values.values())


def test_sizes_must_agree():
    with pytest.raises(DataError, match="v: prediction and reference differ in size") as caught:
        scorer().row("v", 0.0, Pair(BLACK[1:], WHITE))
    assert (caught.value.got, caught.value.expected) == ("5x3", "5x4")


def test_nan_is_not_a_score(toy_registry):
    with pytest.raises(DataError, match="a metric gave no number") as caught:
        Scorer.load([toy_registry.metric("toy_nan")]).row("v", 0.0, Pair(BLACK, WHITE))
    assert caught.value.got == "toy_nan = nan"


def test_needs_depth(toy_registry):
    assert scorer().needs_depth
    assert not Scorer.load([toy_registry.metric("toy_mae")]).needs_depth


def test_a_metric_whose_module_is_missing():
    with pytest.raises(PluginError, match="metric gone cannot be loaded"):
        Scorer.load([MetricInfo("gone", "", "recgen_no_such_module:f")])
