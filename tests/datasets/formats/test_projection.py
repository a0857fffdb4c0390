"""Camera matrices: what was multiplied together comes apart again."""

from __future__ import annotations

import numpy as np
import pytest

from recgen_bench.datasets.formats.projection import Pinhole, decompose
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import invert_rigid


@pytest.mark.parametrize("factor", [1.0, -1.0, 1e-9, -3e7])
def test_a_product_comes_apart(writer, factor):
    K = np.array([[2892.33, 0, 823.21], [0, 2883.18, 619.07], [0, 0, 1]])
    for pose in writer.poses:
        pose[:3, 3] *= 600
        found = decompose(factor * K @ invert_rigid(pose)[:3])
        np.testing.assert_allclose(found.K, K, atol=1e-8)
        np.testing.assert_allclose(found.c2w, pose, atol=1e-9)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((3, 4)), "singular"),
        (np.ones((3, 4)), "singular"),
        (np.full((3, 4), np.nan), "finite 3x4"),
        (np.eye(4), "finite 3x4"),
        (np.full((3, 4), 1e200), "singular"),
        (np.array([[100.0, 40, 50, 0], [0, 100, 50, 0], [0, 0, 1, 0]]), "skewed"),
    ],
)
def test_what_is_no_camera_is_refused(matrix, message):
    with pytest.raises(DataError, match=message):
        decompose(matrix)


def test_the_size_is_the_one_whose_centre_fits():
    pinhole = Pinhole(np.array([[2892.33, 0, 823.21], [0, 2883.18, 619.07], [0, 0, 1]]), np.eye(4))
    assert pinhole.lens((1600, 1200)).width == 1600
    small = pinhole.lens((400, 300), [(1600, 1200), (100, 75)])
    assert (small.width, small.height, small.fx) == (1600, 1200, 2892.33)
    with pytest.raises(DataError, match="does not belong to images of this size") as caught:
        pinhole.lens((400, 300))
    assert "823.2, 619.1" in str(caught.value)
