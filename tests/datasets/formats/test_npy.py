"""NumPy files: never a pickle, never more memory than there are bytes."""

from __future__ import annotations

import time
import zipfile

import numpy as np
import pytest

from recgen_bench.datasets.formats.npy import parse_npy, read_npz
from recgen_bench.harness.errors import DataError


def saved(tmp_path, **arrays):
    np.savez(tmp_path / "cameras.npz", **arrays)
    return tmp_path / "cameras.npz"


def test_only_the_wanted_names_are_read(tmp_path):
    path = saved(
        tmp_path, world_mat_0=np.eye(4), world_mat_inv_0=np.ones(3), world_mat_12=np.eye(4, dtype="f4")
    )
    found = read_npz(path, ("world_mat_",))
    assert set(found) == {"world_mat_0", "world_mat_12"}
    assert found["world_mat_12"].dtype == np.float64


def test_compressed_files_are_read(tmp_path):
    np.savez_compressed(tmp_path / "c.npz", a_0=np.arange(16).reshape(4, 4))
    assert np.array_equal(read_npz(tmp_path / "c.npz", ("a_",))["a_0"], np.arange(16).reshape(4, 4))


def test_pickles_are_refused(tmp_path):
    path = saved(tmp_path, world_mat_0=np.array([object()] * 16))
    with pytest.raises(DataError, match="not an array of numbers") as caught:
        read_npz(path, ("world_mat_",))
    assert "cameras.npz, world_mat_0" in str(caught.value)


def test_large_members_are_refused_before_they_are_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a_0.npy", bytes(50 * 2**20))
    start = time.process_time()
    with pytest.raises(DataError, match="too large"):
        read_npz(tmp_path / "c.npz", ("a_",))
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip file"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(DataError, match="damaged") as caught:
        read_npz(tmp_path / "c.npz", ("a_",))
    assert "c.npz" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="cannot be read") as caught:
        read_npz(tmp_path / "c.npz", ("a_",))
    assert "c.npz" in str(caught.value)


def test_a_header_that_promises_too_much_is_refused():
    import io

    stream = io.BytesIO()
    np.save(stream, np.zeros((2, 3)))
    data = stream.getvalue().replace(b"(2, 3)", b"(9, 9)")
    with pytest.raises(DataError, match="wrong length"):
        parse_npy(data, "x.npy")


def test_damage_is_an_error_or_harmless(tmp_path, damaged):
    path = saved(tmp_path, world_mat_0=np.eye(4), scale_mat_0=np.eye(4))
    messages = []
    for hurt in damaged(path.read_bytes()):
        path.write_bytes(hurt)
        try:
            for matrix in read_npz(path, ("world_mat_", "scale_mat_")).values():
                assert matrix.dtype == np.float64
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("cameras.npz" in message for message in messages)
