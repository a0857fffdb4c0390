import zlib

import numpy as np
import pytest

from recgen_bench.datasets.waymo.range_image import Laser, decompress, shaped, to_points
from recgen_bench.datasets.waymo.tfrecord import index_records
from recgen_bench.datasets.waymo.v1_lidar import read_points
from recgen_bench.harness.errors import DataError

STRAIGHT = Laser("FRONT", np.eye(4), lowest=-0.5, highest=0.5)


@pytest.mark.parametrize("step", [0, 3])
def test_points_come_back_within_a_millimetre(forms, drive, step):
    (path,) = forms["v1"].glob("*.tfrecord")
    found = read_points(index_records(path)[step])
    expected = drive.points(step)
    assert found.shape == expected.shape
    assert len(found) > 1000
    # Both list the lasers in one order, but the writer sorts by return last.
    order, other = (np.lexsort(np.round(points, 2).T) for points in (found, expected))
    assert np.abs(found[order] - expected[other]).max() < 1e-3


def test_first_returns_of_the_rolling_laser_hit_the_level_ground(forms, drive):
    (path,) = forms["v1"].glob("*.tfrecord")
    world = read_points(index_records(path)[2]) @ drive.egos[2][:3, :3].T + drive.egos[2][:3, 3]
    # The car drove and turned during the sweep; only the poses per pixel make the ground flat.
    level = np.abs(world[:, 2] - 30) < 0.2
    assert (np.abs(world[level, 2] - 30) < 1e-3).sum() > 500


def test_the_middle_column_looks_ahead_and_columns_turn_clockwise():
    image = np.zeros((3, 5, 1), np.float32)
    image[1, :, 0] = 10
    points = to_points(image, STRAIGHT)
    np.testing.assert_allclose(points[2], [10, 0, 0], atol=1e-6)
    angles = np.unwrap(np.arctan2(points[:, 1], points[:, 0]))
    np.testing.assert_allclose(np.diff(angles), -2 * np.pi / 5)
    assert points[0, 0] < 0


def test_the_first_row_is_the_highest():
    image = np.full((2, 1, 1), 10, np.float32)
    assert np.sign(to_points(image, STRAIGHT)[:, 2]).tolist() == [1, -1]
    beams = Laser("TOP", np.eye(4), np.array([-0.3, 0.1]))
    np.testing.assert_allclose(to_points(image, beams)[:, 2], 10 * np.sin([0.1, -0.3]))


def test_the_azimuth_is_that_of_the_vehicle(writing):
    pose = writing.turned(yaw=1.0, at=(1, 2, 3))
    image = np.zeros((1, 5, 1), np.float32)
    image[0, 2] = 10
    # The azimuth is corrected by the laser's yaw, so the middle column looks ahead of the car.
    np.testing.assert_allclose(to_points(image, Laser("REAR", pose, np.zeros(1))), [[11, 2, 3]], atol=1e-6)


def test_pixels_without_a_range_are_left_out():
    image = np.array([[[0.0], [-1.0], [3.0]]], np.float32)
    assert len(to_points(image, STRAIGHT)) == 1
    assert to_points(image * 0, STRAIGHT).shape == (0, 3)


@pytest.mark.parametrize("value", [np.inf, 1e9])
def test_absurd_ranges(value):
    image = np.full((1, 2, 1), value, np.float32)
    with pytest.raises(DataError, match="absurd"):
        to_points(image, STRAIGHT)


def test_calibrations_that_do_not_fit():
    image = np.ones((2, 2, 1), np.float32)
    with pytest.raises(DataError, match="does not fit"):
        to_points(image, Laser("TOP", np.eye(4), np.zeros(3)))
    with pytest.raises(DataError, match="NaN"):
        to_points(image, Laser("FRONT", np.eye(4), lowest=np.nan))
    with pytest.raises(DataError, match="does not fit"):
        to_points(image, STRAIGHT, np.zeros((2, 3, 6), np.float32), np.eye(4))
    with pytest.raises(DataError, match="absurd position"):
        to_points(image, STRAIGHT, np.full((2, 2, 6), np.nan, np.float32), np.eye(4))


def test_decompress(writing):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array_equal(decompress(writing.matrix_message(values), "range image"), values)


def test_a_bomb_is_not_unpacked():
    with pytest.raises(DataError, match="larger than any real one"):
        decompress(zlib.compress(bytes(200 * 2**20), 9), "range image")


def test_damaged_and_cut_data(writing):
    data = writing.matrix_message(np.ones((8, 9, 4), np.float32))
    with pytest.raises(DataError, match="cut short"):
        decompress(data[:-8], "range image")
    with pytest.raises(DataError, match="damaged"):
        decompress(b"no zlib", "range image")
    with pytest.raises(DataError, match="not a Waymo Matrix"):
        decompress(zlib.compress(b"\x0a\xff\xff\xff\x7f"), "range image")


@pytest.mark.parametrize("dims", [[], [24], [2, 3, 5], [2, 3, -4], [0, 3, 4], [2**31, 2**31, 4]])
def test_numbers_that_do_not_fill_their_shape(dims):
    with pytest.raises(DataError, match="wrong shape"):
        shaped(np.zeros(24, np.float32), dims, "range image")
