import numpy as np
import pytest

from recgen_bench.datasets.formats.resize import check_resolution, same_shape, shrink, target_size
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution


@pytest.mark.parametrize("factor", [2, 3, 8])
def test_whole_factors_average_exact_boxes(factor):
    pixels = np.random.default_rng(factor).integers(0, 256, (48, 72, 3), dtype=np.uint8)
    boxes = pixels.reshape(48 // factor, factor, 72 // factor, factor, 3).mean(axis=(1, 3))
    assert np.abs(shrink(pixels, 72 // factor, 48 // factor) - boxes).max() <= 0.5


def test_fractional_factors_weigh_pixels_by_area():
    line = np.array([[0, 90, 30]], np.uint8)
    # Each target pixel covers one and a half source pixels.
    assert shrink(line, 2, 1).tolist() == [[30, 50]]


def test_the_result_of_shrinking_is_floored():
    assert target_size((1081, 1927), Resolution(downscale=8)) == (135, 240)
    assert target_size((1081, 1927), Resolution(downscale=2.5)) == (432, 770)
    assert target_size((1081, 1927), Resolution()) == (1081, 1927)
    assert target_size((4946, 3286), Resolution(width=1237, height=822)) == (1237, 822)


@pytest.mark.parametrize(
    ("resolution", "message"),
    [
        (Resolution(width=64, height=48), "never enlarged"),
        (Resolution(width=16, height=16), "aspect ratio"),
        (Resolution(downscale=40), "nothing is left"),
    ],
)
def test_impossible_targets_are_refused(resolution, message):
    with pytest.raises(DataError, match=message):
        target_size((32, 24), resolution)


@pytest.mark.parametrize(
    "resolution",
    [
        Resolution(downscale=2, width=3, height=4),
        Resolution(width=3),
        Resolution(downscale=0),
        Resolution(downscale=0.5),
        Resolution(downscale=float("nan")),
        Resolution(width=0, height=0),
        Resolution(width=-3, height=4),
        Resolution(downscale=2, filter="nearest"),
    ],
)
def test_contradictory_resolutions_are_refused(resolution):
    with pytest.raises(DataError):
        check_resolution(resolution)


def test_shapes_agree_up_to_a_pixel_of_rounding():
    assert same_shape((1237, 822), (4946, 3286))
    assert same_shape((4946, 3286), (1237, 821))
    assert not same_shape((24, 32), (32, 24))
    assert not same_shape((1237, 830), (4946, 3286))
