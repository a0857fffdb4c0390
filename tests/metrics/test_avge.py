"""AVGE against published rows, its logarithmic form, and the two ways of averaging it."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.pair import Pair
from recgen_bench.harness.weights import file_hash
from recgen_bench.metrics.avge import (
    PERFECT,
    avge,
    avge_image_3dgs,
    avge_image_alex,
    avge_image_vgg,
    avge_scene_3dgs,
    avge_scene_alex,
    avge_scene_vgg,
    from_views,
)
from recgen_bench.metrics.lpips import lpips_alex, lpips_vgg, lpips_vgg_3dgs
from recgen_bench.metrics.psnr import psnr
from recgen_bench.metrics.ssim import ssim, ssim_3dgs

GOLDEN = Path(__file__).parents[1] / "golden/metrics"
IMAGES = (
    (avge_image_alex, ssim, lpips_alex),
    (avge_image_vgg, ssim, lpips_vgg),
    (avge_image_3dgs, ssim_3dgs, lpips_vgg_3dgs),
)
SCENES = (avge_scene_alex, avge_scene_vgg, avge_scene_3dgs)


def images(count: int, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, 34, 40, 3), dtype=np.uint8))


def test_equals_the_goldens():
    for row in json.loads((GOLDEN / "avge.json").read_text())["rows"]:
        assert avge(row["psnr"], row["ssim"], row["lpips"]) == pytest.approx(row["avge"], rel=1e-12)
        if row["paper"] is not None:
            assert avge(row["psnr"], row["ssim"], row["lpips"]) == pytest.approx(row["paper"], abs=5e-4)


def test_means_first_or_last_are_different_numbers():
    golden = json.loads((GOLDEN / "avge_two_conventions.json").read_text())
    rows = golden["images"]
    means = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    assert avge(**means) == pytest.approx(golden["avge_of_means"], rel=1e-12)
    assert np.mean([avge(**row) for row in rows]) == pytest.approx(golden["mean_of_avge"], rel=1e-12)


@given(psnr=st.floats(1, 60), ssim=st.floats(-1, 0.999), lpips=st.floats(1e-4, 2))
def test_is_the_exponential_of_the_mean_logarithm(psnr, ssim, lpips):
    logarithms = [math.log(10 ** (-psnr / 10)), math.log(math.sqrt(1 - ssim)), math.log(lpips)]
    assert avge(psnr, ssim, lpips) == pytest.approx(math.exp(sum(logarithms) / 3), rel=1e-9)
    assert avge(psnr + 1, ssim, lpips) < avge(psnr, ssim, lpips) < avge(psnr, ssim, lpips * 1.01)


def test_a_perfect_image_has_none():
    assert avge(math.inf, 1.0, 0.0) == avge(math.inf, 1 + 1e-12, -1e-12) == 0.0


@pytest.mark.parametrize(("factory", "similarity", "lpips"), IMAGES)
def test_the_image_metric_is_made_of_its_parts(factory, similarity, lpips, weights):
    pair = Pair(*images(2))
    expected = avge(psnr(pair), similarity(pair), lpips(weights, "cpu")(pair))
    assert factory(weights, "cpu")(pair) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("scene", "parts"), [*zip(SCENES, IMAGES, strict=True)])
def test_the_scene_metric_is_that_of_the_means(scene, parts, make_track, weights):
    predictions, truths = images(3), images(3, 1)
    track = make_track(predictions, weights=weights)
    references = make_track(truths)
    track = make_track(predictions, weights=weights, reference=[f.prediction for f in references.frames])
    found = scene(track)
    pairs = [Pair(*both) for both in zip(predictions, truths, strict=True)]
    _, similarity, lpips = parts
    means = [
        np.mean([metric(pair) for pair in pairs]) for metric in (psnr, similarity, lpips(weights, "cpu"))
    ]
    assert found.value == pytest.approx(avge(*means), rel=1e-9)
    assert found.count == 3
    assert found.parts["perfect"] == 0
    # A record keeps what the value follows from.
    assert from_views(found.per_view) == found.value


def test_one_perfect_image_does_not_decide_the_scene(make_track, weights):
    predictions, truths = images(2), images(2, 1)
    truths[0] = predictions[0]
    references = [frame.prediction for frame in make_track(truths).frames]
    found = avge_scene_alex(make_track(predictions, weights=weights, reference=references))
    assert found.value > 0
    assert found.parts["perfect"] == 1
    assert found.per_view["000"] == {"psnr": PERFECT, "ssim": 1.0, "lpips": 0.0}


def test_distances_come_from_the_store(make_track, weights):
    references = [frame.prediction for frame in make_track(images(3, 1)).frames]
    track = make_track(images(3), weights=weights, reference=references)
    asked = []

    def stored(purpose, digest, compute):
        asked.append((purpose, digest))
        return np.array([0.25])

    found = avge_scene_alex(replace(track, stored=stored))
    assert found.parts["lpips"] == 0.25
    assert len({digest for _, digest in asked}) == 3
    (purpose,) = {purpose for purpose, _ in asked}
    assert purpose == f"lpips_alex/v1/{file_hash(weights('alexnet'))[:16]}"


def test_no_references_no_value(make_track):
    found = avge_scene_vgg(make_track(images(3)))
    assert (found.value, found.reason) == (None, "no frame has a reference")
