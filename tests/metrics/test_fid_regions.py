"""FID-UCR and FID-HPR: which pixels they see, and what their rule does to both sets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.errors import DataError
from recgen_bench.metrics.features import Embedding
from recgen_bench.metrics.fid_regions import fid_region, fid_ucr_pytorch_fid

SHAPE = (10, 14)


def images(count: int, seed: int = 0, shape=SHAPE) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).integers(0, 256, (count, *shape, 3), dtype=np.uint8))


def watched(seen: list[np.ndarray]):
    def embed(batch):
        seen.extend(batch)
        return np.stack([image.mean((0, 1)) for image in batch]).astype(np.float32)

    return lambda track: Embedding("watched", lambda: embed)


def maps(count: int, seed: int = 5) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).uniform(0, 1, (count, *SHAPE)).astype(np.float32))


def reading(arrays):
    return [lambda array=array: array for array in arrays]


def test_the_other_region_is_grey_on_both_sides(make_track):
    predictions, real, eig = images(4), images(4, 1), maps(4)
    track = make_track(predictions, real, read_eig=reading(eig))
    for region in ("ucr", "hpr"):
        seen: list[np.ndarray] = []
        found = fid_region(track, region, watched(seen))
        assert found.value is not None
        for i, (image, recorded) in enumerate(zip(predictions, real, strict=True)):
            inside = (eig[i] > 0.4) if region == "ucr" else (eig[i] <= 0.4)
            for shown, original in ((seen[i], image), (seen[4 + i], recorded)):
                np.testing.assert_array_equal(shown[inside], original[inside])
                assert (shown[~inside] == 128).all()
        share = np.mean([(m > 0.4).mean() for m in eig])
        assert found.parts["share"] == pytest.approx(share if region == "ucr" else 1 - share)


def test_the_sentinel_is_uncertain_and_negatives_are_not(make_track):
    eig = np.zeros(SHAPE, np.float32)
    eig[:3], eig[3:5] = 100.0, -1.0
    track = make_track(images(3), images(3, 1), read_eig=reading([eig] * 3))
    assert fid_region(track, "ucr", watched([])).parts["share"] == pytest.approx(0.3)


def test_the_threshold_itself_is_well_observed(make_track):
    track = make_track(images(3), images(3, 1), read_eig=reading([np.full(SHAPE, 0.4, np.float32)] * 3))
    # float32(0.4) lies above the decimal 0.4, and counts as it is stored.
    shares = [fid_region(track, region, watched([])) for region in ("ucr", "hpr")]
    assert sorted(found.value is None for found in shares) == [False, True]


def test_a_frame_without_the_region_is_left_out_of_both_sets(make_track):
    eig = maps(4)
    eig[2] = np.zeros(SHAPE, np.float32)
    seen: list[np.ndarray] = []
    found = fid_region(make_track(images(4), images(4, 1), read_eig=reading(eig)), "ucr", watched(seen))
    assert found.count == 3
    assert found.parts["real"] == 3
    assert len(seen) == 6
    inside = eig[3] > 0.4
    np.testing.assert_array_equal(seen[5][inside], images(4, 1)[3][inside])


def test_frames_of_each_shift_are_spread_over_the_real_set(make_track):
    real = images(3, 1)
    track = make_track(
        images(8), real, read_eig=reading([np.ones(SHAPE, np.float32)] * 8), shift=[3.0, -3.0] * 4
    )
    seen: list[np.ndarray] = []
    fid_region(track, "ucr", watched(seen))
    # Four frames per side over three real images.
    assert [next(i for i, image in enumerate(real) if (image == s).all()) for s in seen[8:]] == [
        0,
        0,
        1,
        2,
    ] * 2
    assert fid_region(track, "ucr", watched([])).parts["real"] == 8


def test_real_images_of_another_size_get_the_mask_resized(make_track):
    eig = np.zeros(SHAPE, np.float32)
    eig[:5] = 1
    seen: list[np.ndarray] = []
    track = make_track(images(2), images(2, 1, (20, 28)), read_eig=reading([eig] * 2))
    fid_region(track, "ucr", watched(seen))
    assert (seen[2][10:] == 128).all()
    assert not (seen[2][:10] == 128).all()


@pytest.mark.parametrize(
    ("fields", "real", "reason"),
    [
        ({}, 3, "no expected information gain"),
        ({"read_eig": [*reading(maps(2)), None]}, 3, "no expected information gain"),
        ({"read_eig": reading(maps(3))}, 0, "no real images"),
        ({"read_eig": reading([np.zeros(SHAPE, np.float32)] * 3)}, 3, "two real images"),
    ],
)
def test_no_value_has_a_reason(fields, real, reason, make_track):
    found = fid_region(make_track(images(3), images(real, 1), **fields), "ucr", watched([]))
    assert found.value is None
    assert reason in found.reason


def test_maps_that_cannot_be_used_name_their_frame(make_track):
    broken = maps(3)
    broken[1][0, 0] = np.nan
    with pytest.raises(DataError, match="NaN") as caught:
        fid_region(make_track(images(3), images(3, 1), read_eig=reading(broken)), "ucr", watched([]))
    assert caught.value.where == "001"
    small = [eig[:5] for eig in maps(3)]
    with pytest.raises(DataError, match="another size"):
        fid_region(make_track(images(3), images(3, 1), read_eig=reading(small)), "ucr", watched([]))


def test_the_registered_one_runs(make_track, weights):
    track = make_track(images(2), images(2, 1), weights, read_eig=reading(maps(2)))
    found = fid_ucr_pytorch_fid(replace(track, threads=2))
    assert np.isfinite(found.value)
    assert found.facts["region"].startswith("ucr")
