"""The feature store: found again by content, healed when damaged, bounded."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from recgen_bench.harness import features
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.features import DIGEST, FeatureStore, compute_always, open_store


class Counted:
    """Computes an array and counts how often."""

    def __init__(self, array):
        self.array, self.calls = array, 0

    def __call__(self):
        self.calls += 1
        return self.array


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path / "features")


def test_computed_once_per_purpose_and_digest(store):
    compute = Counted(np.arange(6, dtype=np.float32).reshape(2, 3))
    for _ in range(3):
        found = store.stored("net v1", "a", compute)
        assert np.array_equal(found, compute.array)
        assert found.dtype == np.float32
    assert compute.calls == 1
    store.stored("net v2", "a", compute)
    store.stored("net v1", "b", compute)
    assert compute.calls == 3
    # Another process, here another object, finds them too.
    FeatureStore(store.folder).stored("net v2", "a", compute)
    assert compute.calls == 3


@given(
    arrays.arrays(
        st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
        arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    )
)
def test_every_array_survives(tmp_path_factory, array):
    store = FeatureStore(tmp_path_factory.mktemp("f"))
    store.stored("p", "d", lambda: array)
    back = store.stored("p", "d", lambda: pytest.fail("it is stored"))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")


@pytest.mark.parametrize("where", ["header", "middle", "checksum", "cut", "empty"])
def test_damage_is_computed_again_and_healed(store, where):
    compute = Counted(np.arange(100.0))
    store.stored("p", "d", compute)
    path = store.entry("p", "d")
    data = bytearray(path.read_bytes())
    spot = {"header": 3, "middle": len(data) // 2, "checksum": len(data) - DIGEST // 2}.get(where)
    if spot is not None:
        data[spot] ^= 1
    path.write_bytes(data[: {"cut": 200, "empty": 0}.get(where, len(data))])
    for _ in range(2):
        assert np.array_equal(store.stored("p", "d", compute), compute.array)
    assert compute.calls == 2


def test_an_entry_is_an_npy_that_numpy_reads(store):
    store.stored("p", "d", lambda: np.arange(3))
    assert np.load(store.entry("p", "d"), allow_pickle=False).tolist() == [0, 1, 2]


def test_objects_are_refused(store):
    with pytest.raises(DataError, match="only numbers can be stored"):
        store.stored("p", "d", lambda: np.array([{}]))
    assert not store.entry("p", "d").exists()


@pytest.mark.parametrize("name", ["../../up", "/abs", "a/b", "x" * 500, "", "\x00", "Fréchet"])
def test_names_never_leave_the_folder(store, name):
    store.stored(name, name, lambda: np.zeros(1))
    path = store.entry(name, name)
    assert path.is_file()
    assert path.resolve().is_relative_to(store.folder.resolve())


def test_a_store_that_cannot_be_written_costs_only_time(tmp_path):
    (tmp_path / "file").write_text("")
    compute = Counted(np.ones(2))
    store = FeatureStore(tmp_path / "file" / "features")
    assert store.stored("p", "d", compute).tolist() == [1, 1]
    assert store.stored("p", "d", compute).tolist() == [1, 1]
    assert compute.calls == 2


def test_an_error_while_computing_leaves_nothing(store):
    with pytest.raises(ZeroDivisionError):
        store.stored("p", "d", lambda: np.ones(1) / (1 // 0))
    assert not store.folder.exists()


def test_trim_keeps_what_was_used_last(store):
    for i in range(6):
        store.stored("p", str(i), lambda: np.zeros(100))
        os.utime(store.entry("p", str(i)), (1000 + i, 1000 + i))
    size = store.entry("p", "0").stat().st_size
    store.stored("p", "0", lambda: pytest.fail("it is stored"))  # Reading counts as use.
    left = FeatureStore(store.folder, limit=3 * size).trim()
    assert left == 3 * size
    assert [i for i in range(6) if store.entry("p", str(i)).exists()] == [0, 4, 5]
    assert FeatureStore(store.folder / "none").trim() == 0


def test_the_users_store(tmp_path, monkeypatch):
    monkeypatch.setenv("RECGEN_CACHE", str(tmp_path))
    monkeypatch.delenv("RECGEN_FEATURES_GB", raising=False)
    assert open_store() == FeatureStore(tmp_path / "features", features.LIMIT)
    monkeypatch.setenv("RECGEN_FEATURES_GB", "0.5")
    assert open_store().limit == 2**29
    for text in ("much", "inf", "nan"):
        monkeypatch.setenv("RECGEN_FEATURES_GB", text)
        with pytest.raises(DataError, match="not a size"):
            open_store()


def test_without_a_store_everything_is_computed():
    compute = Counted(np.ones(1))
    assert compute_always("p", "d", compute) is compute.array
    assert compute_always("p", "d", compute) is compute.array
    assert compute.calls == 2
