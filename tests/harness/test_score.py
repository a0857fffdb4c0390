"""Metrics see what they need or are left out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError, PluginError
from recgen_bench.harness.features import FeatureStore
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.record import image_hash
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import WeightsDoor

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


CALLS: list[str] = []


def counted(pair):
    CALLS.append("counted")
    return float(pair.prediction.mean())


def factory(weights, device):
    CALLS.append(f"built on {device}")
    factor = float(weights("toy-scale").read_text())
    return lambda pair: factor * counted(pair)


def test_a_metric_with_weights_is_built_once_and_only_when_needed(toy, tmp_path):
    CALLS.clear()
    path = tmp_path / "scale"
    path.write_text("3")
    info = MetricInfo("m", "", factory, weights=(toy.SCALE,))
    door = WeightsDoor({"toy-scale": toy.SCALE}, {"toy-scale": path})
    loaded = Scorer.load([info], door, "cuda")
    assert CALLS == []
    for _ in range(2):
        assert loaded.row("v", 0.0, Pair(WHITE, BLACK)).values == {"m": 765.0}
    assert CALLS == ["built on cuda", "counted", "counted"]


def test_a_metric_without_its_weights_is_missing_and_no_error(toy):
    loaded = Scorer.load([MetricInfo("m", "", factory, weights=(toy.SCALE,)), MetricInfo("n", "", counted)])
    assert loaded.row("v", 0.0, Pair(WHITE, BLACK)).values == {"n": 255.0}
    assert list(loaded.missing) == ["m"]
    assert "RECGEN_WEIGHTS" in loaded.missing["m"]


def test_values_are_kept_by_image_version_weights_and_source(toy, tmp_path, monkeypatch):
    store = FeatureStore(tmp_path / "f")
    plain = MetricInfo("m", "", counted)
    scale = tmp_path / "scale"

    def computed(info, pair=Pair(WHITE, BLACK), given="3"):  # noqa: B008 # A constant.
        CALLS.clear()
        scale.write_text(given)
        door = WeightsDoor({"toy-scale": toy.SCALE}, {"toy-scale": scale})
        Scorer.load([info], door, stored=store.stored).row("v", 0.0, pair)
        return "counted" in CALLS

    assert computed(plain)
    assert not computed(plain)
    assert computed(plain, Pair(BLACK, BLACK))
    assert computed(plain, Pair(WHITE, WHITE))
    assert computed(replace(plain, version=2))
    weighted = replace(plain, name="w", target=factory, weights=(toy.SCALE,))
    assert computed(weighted)
    assert not computed(weighted)
    assert computed(weighted, given="4")
    # Somebody who works on a metric must see what it gives now.
    monkeypatch.setattr("recgen_bench.harness.score._source", lambda target: "edited")
    assert computed(plain)


def test_what_has_more_to_it_than_its_file_is_never_kept(tmp_path):
    store = FeatureStore(tmp_path / "f")
    level = [1.0]
    info = MetricInfo("m", "", lambda pair: level[0])
    masked = MetricInfo("k", "", counted, needs=frozenset({"mask"}))
    for level[0] in (1.0, 2.0):
        row = Scorer.load([info, masked], stored=store.stored).row(
            "v", 0.0, Pair(BLACK, WHITE, np.eye(4, 5, dtype=bool))
        )
        assert row.values["m"] == level[0]
    assert not store.folder.exists()
