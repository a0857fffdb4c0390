"""Damaged files of every form end in a `RecgenError` or a scene, and quickly."""

import contextlib
import io
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.maps import read_map
from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.rig import CAMERAS
from recgen_bench.datasets.waymo.tables import Table
from recgen_bench.datasets.waymo.tfrecord import index_records, read_record
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import RecgenError

pytestmark = pytest.mark.slow

VARIANTS = 220
SLOWEST = 10.0
"""Seconds of computing for one damaged scene; whole ones take hundredths."""


def exercise(folder):
    """Open a scene and read everything in it."""
    capture = Waymo().open(Request(None, folder, cameras=CAMERAS))
    assert np.isfinite(capture.points.xyz).all()
    for actor in capture.actors:
        assert np.isfinite(actor.points.xyz).all()
    for view in capture.views:
        _ = view.image, view.depth
    return capture


def damaged(data, rng):
    """Return the bytes with a flipped bit, a run of noise, a lost or repeated piece, or a lost end."""
    data = bytearray(data)
    at = int(rng.integers(len(data)))
    size = int(rng.integers(1, 40))
    match rng.integers(6):
        case 0 | 1:
            data[at] ^= 1 << int(rng.integers(8))
        case 2:
            data[at : at + size] = rng.bytes(len(data[at : at + size]))
        case 3:
            del data[at : at + size]
        case 4:
            data[at:at] = data[at : at + size]
        case _:
            del data[at:]
    return bytes(data)


def survives(folder):
    """Return whether the scene still opened; anything but a clean error fails the test."""
    started = time.process_time()
    opened = False
    with contextlib.suppress(RecgenError):
        exercise(folder)
        opened = True
    assert time.process_time() - started < SLOWEST
    return opened


@pytest.fixture(scope="module")
def small(writing):
    """Return a drive of two frames whose pictures are as small as they can be."""

    class Small(writing.Drive):
        def picture(self, step, camera):
            buffer = io.BytesIO()
            Image.new("RGB", self.size(camera), (9, 9, 9)).save(buffer, "JPEG", quality=5)
            return buffer.getvalue()

    return Small(count=2)


def test_the_undamaged_drive_survives(tmp_path, writing, small):
    for write in (
        writing.write_v1,
        writing.write_v2,
        writing.write_drivestudio,
        writing.write_street_gaussians,
    ):
        folder = tmp_path / write.__name__
        write(folder, small)
        assert len(exercise(folder).views) == 10


def test_damaged_records(tmp_path, writing, small):
    path = writing.write_v1(tmp_path, small)
    intact = path.read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(VARIANTS):
        path.write_bytes(damaged(intact, rng))
        assert not survives(tmp_path)


def test_damaged_messages_with_right_crcs(tmp_path, writing, small):
    path = writing.write_v1(tmp_path, small)
    frames = [writing.frame_message(small, step) for step in range(2)]
    rng = np.random.default_rng(2)
    outcomes = []
    for index in range(VARIANTS):
        hurt = list(frames)
        hurt[index % 2] = damaged(hurt[index % 2], rng)
        path.write_bytes(b"".join(map(writing.framed, hurt)))
        outcomes.append(survives(tmp_path))
    assert 0 < sum(outcomes) < VARIANTS


def test_damaged_range_images_with_right_checksums(tmp_path, writing, small):
    rng = np.random.default_rng(3)
    outcomes = []
    for _ in range(60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(
                writing.frame_message.__globals__,
                "matrix_message",
                lambda values: zlib.compress(damaged(zlib.decompress(writing.matrix_message(values)), rng)),
            )
            writing.write_v1(tmp_path, writing.Drive(count=1))
        outcomes.append(survives(tmp_path))
    assert not all(outcomes)


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["v2", "drivestudio", "street_gaussians"])
def test_damaged_tables_and_folders(tmp_path, writing, small, form):
    getattr(writing, f"write_{form}")(tmp_path, small)
    rng = np.random.default_rng(4)
    paths = [path for path in files(tmp_path) if path.suffix != ".json" or "track" not in path.name]
    outcomes = []
    for index in range(VARIANTS):
        path = paths[index % len(paths)]
        intact = path.read_bytes()
        path.write_bytes(damaged(intact, rng))
        outcomes.append(survives(tmp_path))
        path.write_bytes(intact)
    assert 0 < sum(outcomes) < VARIANTS


@pytest.mark.parametrize("form", ["v1", "v2", "drivestudio", "street_gaussians"])
def test_lost_files(tmp_path, writing, small, form):
    getattr(writing, f"write_{form}")(tmp_path, small)
    for path in files(tmp_path):
        intact = path.read_bytes()
        path.unlink()
        survives(tmp_path)
        path.write_bytes(b"")
        survives(tmp_path)
        path.write_bytes(intact)
    assert survives(tmp_path)


def test_damaged_sample_record(tmp_path, shared, writing):
    intact = (shared / "samples/waymo_v1_frame/pvps_data_one_frame.tfrecord").read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(VARIANTS):
        (tmp_path / "a.tfrecord").write_bytes(damaged(intact, rng))
        assert not survives(tmp_path)


def test_damaged_sample_map(shared, writing):
    file = shared / "samples/waymo_map_scenario/motion_data_one_scenario.tfrecord"
    (record,) = index_records(file)
    intact = read_record(record)
    rng = np.random.default_rng(6)
    outcomes = []
    for _ in range(VARIANTS):
        started = time.process_time()
        with contextlib.suppress(RecgenError):
            scenario = parse("Scenario", damaged(intact, rng), "here")
            read_map(scenario.map_features, np.zeros(3), "here")
            outcomes.append(True)
        assert time.process_time() - started < SLOWEST
    assert 0 < len(outcomes) < VARIANTS


@pytest.mark.parametrize("component", ["vehicle_pose", "camera_hkp"])
def test_damaged_sample_tables(tmp_path, shared, writing, component):
    (table,) = (shared / "samples/waymo_v2_parquet" / component).iterdir()
    (tmp_path / component).mkdir()
    rng = np.random.default_rng(7)
    for _ in range(VARIANTS):
        (tmp_path / component / "b.parquet").write_bytes(damaged(table.read_bytes(), rng))
        survives(tmp_path)
        with contextlib.suppress(RecgenError):
            Table(tmp_path / component / "b.parquet").objects("key.segment_context_name")
