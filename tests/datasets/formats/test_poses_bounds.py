import time

import numpy as np
import pytest

from recgen_bench.datasets.formats.poses_bounds import read_poses_bounds
from recgen_bench.harness.errors import DataError


def test_what_was_written_comes_back(tmp_path, writer):
    writer.llff(tmp_path)
    rows = read_poses_bounds(tmp_path / "poses_bounds.npy")
    for row, index in zip(rows, np.argsort(writer.names), strict=True):
        np.testing.assert_allclose(row.c2w, writer.poses[index], atol=1e-14)
        assert (row.lens.width, row.lens.height) == (32, 24)
        assert (row.lens.fx, row.lens.fy, row.lens.cx, row.lens.cy) == (30.0, 30.0, 16.0, 12.0)
        assert (row.near, row.far) == (0.5, 9.0)


@pytest.mark.parametrize("change", [np.asfortranarray, lambda table: table.astype(">f8")])
def test_other_memory_layouts_read_the_same(tmp_path, writer, change):
    table = writer.llff(tmp_path)
    before = read_poses_bounds(tmp_path / "poses_bounds.npy")
    np.save(tmp_path / "poses_bounds.npy", change(table))
    after = read_poses_bounds(tmp_path / "poses_bounds.npy")
    assert all(np.array_equal(one.c2w, two.c2w) for one, two in zip(before, after, strict=True))


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((4, 16)),
        np.zeros(17),
        np.zeros((0, 17)),
        np.zeros((2, 17), int),
        np.full((2, 17), "x"),
        np.zeros((2, 17, 1)),
    ],
)
def test_other_tables_are_refused(tmp_path, table):
    np.save(tmp_path / "poses_bounds.npy", table)
    with pytest.raises(DataError, match="not a table of poses"):
        read_poses_bounds(tmp_path / "poses_bounds.npy")


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "poses_bounds.npy", np.array([object()] * 17).reshape(1, 17), allow_pickle=True)
    with pytest.raises(DataError, match="not a table of poses"):
        read_poses_bounds(tmp_path / "poses_bounds.npy")


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, np.nan, "NaN or infinity"),
        (16, np.inf, "NaN or infinity"),
        (0, 5.0, "not a rotation"),
        (4, 0.0, "image size"),
        (9, 31.5, "not whole"),
        (14, 0.0, "focal length"),
        (14, -3.0, "focal length"),
    ],
)
def test_bad_rows_are_named(tmp_path, writer, column, value, message):
    table = writer.llff(tmp_path)
    table[3, column] = value
    np.save(tmp_path / "poses_bounds.npy", table)
    with pytest.raises(DataError, match=message) as caught:
        read_poses_bounds(tmp_path / "poses_bounds.npy")
    assert "poses_bounds.npy, row 3" in str(caught.value)


def test_damage_is_an_error_or_harmless(tmp_path, writer):
    writer.llff(tmp_path)
    path = tmp_path / "poses_bounds.npy"
    data = path.read_bytes()
    rng = np.random.default_rng(3)
    messages, start = [], time.process_time()
    for variant in range(500):
        hurt = bytearray(data)
        if variant % 5 == 0:
            hurt = hurt[: rng.integers(len(data))]
        elif variant % 5 < 4:  # The header, where damage could ask for memory.
            for at in rng.integers(0, 128, variant % 5):
                hurt[at] = rng.integers(256)
        else:
            hurt[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        path.write_bytes(hurt)
        try:
            assert all(np.isfinite(row.c2w).all() for row in read_poses_bounds(path))
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 200
    assert all(str(path) in message for message in messages)
    assert time.process_time() - start < 10


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_poses_bounds(tmp_path / "poses_bounds.npy")
