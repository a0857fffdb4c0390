import sys

import numpy as np
import pytest

from recgen_bench.datasets.waymo.dataset import Waymo
from recgen_bench.datasets.waymo.tables import Table
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, PluginError


def open_(folder, **request):
    return Waymo().open(Request(None, folder, **request))


@pytest.fixture(scope="module")
def other(tmp_path_factory, writing):
    """Return the same drive with text names, float32 matrices of fixed size, and one row group."""
    return writing.write_v2(
        tmp_path_factory.mktemp("v2"), writing.Drive(), texts=True, double=False, group=1000
    )


def test_column_types_do_not_matter(forms, other):
    one, two = (open_(folder, cameras=("FRONT", "SIDE_LEFT")) for folder in (forms["v2"], other))
    for a, b in zip(one.views, two.views, strict=True):
        np.testing.assert_allclose(a.camera.c2w, b.camera.c2w, atol=1e-3)
        assert np.array_equal(a.image, b.image)
    assert {actor.track for actor in one.actors} == {actor.track for actor in two.actors}
    assert len(two.points) > 100
    assert sum(actor.moving for actor in two.actors) == 1


@pytest.mark.parametrize("kind", ["forms", "other"])
def test_images_may_be_read_in_any_order(forms, other, kind, drive):
    views = open_(forms["v2"] if kind == "forms" else other).views
    first = [view.image for view in views]
    for index in (4, 0, 3, 1, 2, 4):
        assert np.array_equal(views[index].image, first[index])
    # Blue tells the time step.
    assert [int(np.median(image[..., 2])) for image in first] == [40 * step + 5 for step in range(5)]


def test_absent_tables(tmp_path, writing):
    root = writing.write_v2(tmp_path, writing.Drive(count=2))
    name = f"{writing.CONTEXT}.parquet"
    (root / "lidar_box" / name).unlink()
    capture = open_(root)
    assert capture.actors == ()
    assert "There is no lidar_box table for this segment." in capture.notes
    assert "Release 2 has no map, so there are no lanes." in capture.notes
    (root / "lidar_calibration" / name).unlink()
    with pytest.raises(DataError, match="no laser calibrations"):
        open_(root)
    (root / "lidar" / name).unlink()
    assert any("no lidar" in note for note in open_(root).notes)
    (root / "camera_calibration" / name).unlink()
    with pytest.raises(DataError, match="no calibration"):
        open_(root)
    (root / "camera_image" / name).unlink()
    assert open_(root).views == ()
    (root / "vehicle_pose" / name).unlink()
    with pytest.raises(DataError, match="holds no Waymo scenes"):
        open_(root)


def table(path, **columns):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def test_a_missing_column(tmp_path):
    found = Table(table(tmp_path / "a.parquet", x=[1]))
    with pytest.raises(DataError, match="no such column") as caught:
        found.numbers("y")
    assert "a.parquet" in str(caught.value)


def test_a_column_of_the_wrong_kind(tmp_path):
    found = Table(table(tmp_path / "a.parquet", x=["word"], y=[None]))
    with pytest.raises(DataError, match="does not hold numbers"):
        found.numbers("x")
    with pytest.raises(DataError, match="does not hold numbers"):
        found.numbers("y", np.int64)


def test_poses_that_cannot_be_used(tmp_path, writing):
    time, pose = "key.frame_timestamp_micros", "[VehiclePoseComponent].world_from_vehicle.transform"
    path = tmp_path / "vehicle_pose" / "x.parquet"
    eye = np.eye(4).reshape(-1).tolist()
    for rows, message in (
        ([eye, eye[:15]], "not a 4x4"),
        ([eye, None], "not a 4x4"),
        ([eye, [None] * 16], "not a 4x4"),
        ([eye, [np.nan] * 16], "NaN"),
        ([eye, [2.0] * 16], "not a rotation"),
    ):
        table(path, **{time: [1, 2], pose: rows})
        with pytest.raises(DataError, match=message) as caught:
            open_(tmp_path)
        assert "time 2" in str(caught.value)
    table(path, **{time: [1, 1], pose: [eye, eye]})
    with pytest.raises(DataError, match="same time"):
        open_(tmp_path)


def test_a_file_that_is_no_table(tmp_path):
    (tmp_path / "vehicle_pose").mkdir()
    (tmp_path / "vehicle_pose" / "x.parquet").write_bytes(b"nothing")
    with pytest.raises(DataError, match="table") as caught:
        open_(tmp_path)
    assert "x.parquet" in str(caught.value)


def test_a_missing_package_is_named(forms, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(PluginError, match="not installed") as caught:
        open_(forms["v2"])
    assert 'pip install "recgen-bench[waymo]"' in str(caught.value)
