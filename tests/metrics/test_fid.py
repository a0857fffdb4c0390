"""FID and KID of a track: what they are computed over, what they store, and when they are not defined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.features import BATCH, Embedding, features
from recgen_bench.metrics.fid import (
    fid,
    fid_antialias,
    fid_embedded,
    fid_pytorch_fid,
    kid,
    kid_embedded,
    kid_pytorch_fid,
)
from recgen_bench.metrics.frechet import frechet
from recgen_bench.metrics.kernel import kernel_distance


def images(count: int, seed: int = 0, bright: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [(rng.uniform(0, 200, (12, 16, 3)) + bright).astype(np.uint8) for _ in range(count)]


def colours(image: np.ndarray) -> np.ndarray:
    """Six features: means and deviations of the channels."""
    return np.concatenate([image.mean((0, 1)), image.std((0, 1))]).astype(np.float32) / 255


def embedding(calls: list[int] | None = None) -> Embedding:
    def embed(batch):
        if calls is not None:
            calls.append(len(batch))
        return np.stack([colours(image) for image in batch])

    return Embedding("colours", lambda: embed, {"network": "colours"})


def test_the_values_are_those_of_the_features(make_track):
    predictions, real = images(12), images(20, 1, 30)
    track = make_track(predictions, real)
    x, y = (np.array([colours(image) for image in group], np.float64) for group in (predictions, real))
    found = fid(track, lambda track: embedding())
    assert found.value == frechet(x, y).distance
    assert found.count == 12
    assert found.parts["real"] == 20
    assert found.parts["means"] + found.parts["covariances"] == pytest.approx(found.value)
    assert found.facts["network"] == "colours"
    found = kid(track, lambda track: embedding())
    assert found.value == kernel_distance(x, y).value
    assert found.low < found.value < found.high
    assert "3 blocks" in found.facts["interval"]


def test_a_set_has_no_distance_from_itself(make_track):
    track = make_track(images(9), images(9))
    assert fid(track, lambda track: embedding()).value == pytest.approx(0, abs=1e-6)


def test_both_grow_with_the_difference(make_track):
    for metric in (fid, kid):
        values = [
            metric(make_track(images(30, 0, bright), images(30, 1)), lambda track: embedding()).value
            for bright in (0, 10, 25, 50)
        ]
        assert values == sorted(values)


@pytest.mark.parametrize("metric", [fid, kid])
@pytest.mark.parametrize(
    ("predictions", "real", "reason"),
    [
        (1, 5, "two renderings"),
        (0, 5, "two renderings"),
        (5, 1, "two real images"),
        (5, 0, "two real images"),
    ],
)
def test_one_image_is_no_distribution(metric, predictions, real, reason, make_track):
    found = metric(make_track(images(predictions), images(real)), lambda track: embedding())
    assert found.value is None
    assert reason in found.reason
    assert found.count == predictions


@pytest.mark.parametrize("metric", [fid_pytorch_fid, fid_antialias, kid_pytorch_fid])
def test_the_registered_ones_run(metric, make_track, weights):
    found = metric(make_track(images(2), images(2, 1), weights))
    assert np.isfinite(found.value)
    assert found.facts["resizer"] in {"pytorch-fid", "antialias"}
    assert len(found.facts["real"]) == 64


def test_the_embedded_ones_run_without_any_weights_of_others(make_track):
    track = make_track(images(12), images(12, 1, 40))
    distance, kernel = fid_embedded(track), kid_embedded(track)
    assert distance.value > 0
    assert kernel.low < kernel.value < kernel.high
    for found in (distance, kernel):
        assert found.facts["network"] == "embedded eye"
        assert len(found.facts["weights"]) == 64
    assert fid_embedded(make_track(images(12), images(12))).value == pytest.approx(0, abs=1e-6)
    assert fid_embedded(replace(make_track(images(12), images(12, 1, 40)), threads=2)).value == distance.value


def test_the_real_set_is_named_by_its_content_and_order(make_track):
    real = images(4, 1)
    facts = [
        fid(make_track(images(4), group), lambda track: embedding()).facts["real"]
        for group in (real, [image.copy() for image in real], real[::-1], real[:3])
    ]
    assert facts[0] == facts[1]
    assert len(set(facts)) == 3


def test_features_are_computed_once_and_in_batches(make_track):
    calls: list[int] = []
    track = make_track(images(BATCH + 3))
    pictures = [frame.prediction for frame in track.frames]
    first = features(track, pictures, embedding(calls))
    assert calls == [BATCH, 3]
    np.testing.assert_array_equal(features(track, pictures, embedding(calls)), first)
    assert calls == [BATCH, 3]
    features(track, pictures, replace(embedding(calls), purpose="another"))
    assert sum(calls) == 2 * (BATCH + 3)


def test_a_store_that_knows_some_images_changes_nothing(make_track):
    track = make_track(images(20))
    pictures = [frame.prediction for frame in track.frames]
    features(track, pictures[3:13:2], embedding())
    found = features(track, pictures, embedding())
    np.testing.assert_array_equal(found, features(make_track(images(20)), pictures, embedding()))


def test_no_more_than_a_batch_is_decoded_at_a_time(make_track):
    alive, most = 0, 0

    class Counted(np.ndarray):
        def __array_finalize__(self, _):
            nonlocal alive, most
            alive += 1
            most = max(most, alive)

        def __del__(self):
            nonlocal alive
            alive -= 1

    track = make_track(images(5 * BATCH))
    pictures = [
        replace(frame.prediction, read=lambda read=frame.prediction.read: read().copy().view(Counted))
        for frame in track.frames
    ]
    plain = Embedding("zeros", lambda: lambda batch: np.zeros((len(batch), 2), np.float32))
    features(track, pictures, plain)
    assert BATCH <= most <= 2 * BATCH


def test_threads_keep_the_order(make_track):
    track = replace(make_track(images(11)), threads=3)
    pictures = [frame.prediction for frame in track.frames]
    expected = [colours(image) for image in images(11)]
    np.testing.assert_array_equal(features(track, pictures, embedding()), np.array(expected, np.float64))


def test_features_that_are_not_finite_name_their_image(make_track):
    track = make_track(images(5))
    pictures = [frame.prediction for frame in track.frames]
    broken = Embedding(
        "broken", lambda: lambda batch: np.array([[np.nan if i == 3 else 1.0] for i in range(len(batch))])
    )
    with pytest.raises(DataError, match="not finite") as caught:
        features(track, pictures, broken)
    assert caught.value.where == "003"
