import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.track import Box
from recgen_bench.metrics.boxes import areas, corners_of, overlaps, suppressed, vehicles

sides = st.integers(0, 400)


@st.composite
def boxes(draw, most=6):
    rows = [
        (x, y, x + draw(st.integers(1, 80)), y + draw(st.integers(1, 80)))
        for x, y in draw(st.lists(st.tuples(sides, sides), min_size=1, max_size=most))
    ]
    return np.array(rows, np.float64)


@given(boxes(), boxes())
def test_overlap_agrees_with_counting_pixels(a, b):
    grid = np.zeros((2, 500, 500), bool)
    for layer, box in ((0, a[0]), (1, b[0])):
        x1, y1, x2, y2 = box.astype(int)
        grid[layer, y1:y2, x1:x2] = True
    expected = (grid[0] & grid[1]).sum() / (grid[0] | grid[1]).sum()
    assert overlaps(a, b)[0, 0] == pytest.approx(expected, abs=1e-12)


@given(boxes(), boxes())
def test_overlap_is_symmetric_and_within_bounds(a, b):
    assert np.array_equal(overlaps(a, b), overlaps(b, a).T)
    assert overlaps(a, b).min() >= 0
    assert np.diag(overlaps(a, a)).tolist() == [1.0] * len(a)


def test_boxes_without_area_do_not_divide_by_zero():
    point = np.array([[5.0, 5, 5, 9]])
    assert overlaps(point, point).tolist() == [[0.0]]
    assert areas(point).tolist() == [0.0]


def test_the_most_certain_of_overlapping_boxes_stays():
    rows = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
    assert suppressed(rows, np.array([0.4, 0.9, 0.1]), 0.5).tolist() == [1, 2]
    assert suppressed(rows, np.array([0.4, 0.9, 0.1]), 0.9).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("corners", "message"),
    [
        ([1, 2, 3], "not four finite numbers"),
        ([1, 2, np.nan, 4], "not four finite numbers"),
        ([5, 2, 3, 4], "inside out"),
    ],
)
def test_damaged_boxes_are_refused(corners, message):
    with pytest.raises(DataError, match=message):
        corners_of([Box(np.array(corners, np.float64), "car")])


def test_only_vehicles_are_vehicles():
    kinds = [Box(np.zeros(4), name) for name in ("car", "person", "vehicle", "traffic light")]
    assert [box.category for box in vehicles(kinds)] == ["car", "vehicle"]
