import shutil
import struct
import time

import numpy as np
import pytest

from recgen_bench.datasets.colmap import Colmap
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution


def scene(root, writer, **options):
    writer.colmap(root, **options)
    writer.pictures(root / "images")
    return root


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_a_scene_opens(tmp_path, writer, kind):
    capture = Colmap().open(Request(None, scene(tmp_path / "park", writer, kind=kind)))
    assert (capture.dataset, capture.id) == ("colmap", "park")
    assert [view.name for view in capture.views] == ["1", "2", "3", "4", "5", "6"]
    assert np.array_equal(capture.points.xyz, writer.xyz)
    assert capture.world.unit == "arbitrary"
    assert np.array_equal(capture.world.to_source, np.eye(4))
    assert capture.notes == ()
    for index, view in enumerate(capture.views):
        np.testing.assert_allclose(view.camera.c2w, writer.poses[index], atol=1e-14)
        assert view.image.shape == (24, 32, 3)
        assert view.mask is None
    assert np.array_equal(capture.views[2].image, writer.picture(tmp_path / "3.png", 2))


def test_binary_and_text_give_the_same_capture(tmp_path, writer):
    extra = (0.4, -0.02, 0.001, 0.002)
    captures = [
        Colmap().open(Request(None, scene(tmp_path / kind, writer, kind=kind, model="OPENCV", extra=extra)))
        for kind in ("bin", "txt")
    ]
    for one, two in zip(*(capture.views for capture in captures), strict=True):
        assert np.array_equal(one.camera.K, two.camera.K)
        assert np.array_equal(one.camera.c2w, two.camera.c2w)
        assert np.array_equal(one.image, two.image)
    assert "6 of 6 images are undistorted; focal lengths grew by up to" in captures[0].notes[0]


def test_scenes_are_listed_and_opened_by_name(tmp_path, writer):
    for name in ("b", "a"):
        scene(tmp_path / name, writer)
    assert Colmap().scenes(tmp_path) == ("a", "b")
    assert Colmap().open(Request("b", tmp_path)).id == "b"
    assert Colmap().scenes(tmp_path / "a") == ("a",)
    assert Colmap().open(Request("a", tmp_path / "a")).id == "a"


def test_a_model_right_below_sparse_is_found(tmp_path, writer):
    scene(tmp_path, writer)
    shutil.move(tmp_path / "sparse" / "0", tmp_path / "moved")
    shutil.rmtree(tmp_path / "sparse")
    shutil.move(tmp_path / "moved", tmp_path / "sparse")
    assert len(Colmap().open(Request(None, tmp_path)).views) == 6


def test_wrong_levels_are_explained(tmp_path, writer):
    scene(tmp_path / "park", writer)
    with pytest.raises(DataError, match="one level below: name one of park"):
        Colmap().open(Request(None, tmp_path))
    for below in ("images", "sparse", "sparse/0"):
        with pytest.raises(DataError, match="the scene is the folder above"):
            Colmap().open(Request(None, tmp_path / "park" / below))


def test_a_missing_image_is_named(tmp_path, writer):
    scene(tmp_path, writer)
    (tmp_path / "images" / "4.png").unlink()
    with pytest.raises(DataError, match="image of the model is missing") as caught:
        Colmap().open(Request(None, tmp_path))
    assert "4.png" in str(caught.value)
    shutil.rmtree(tmp_path / "images")
    with pytest.raises(DataError, match="does not exist") as caught:
        Colmap().open(Request(None, tmp_path))
    assert "images" in str(caught.value)


def test_unlisted_images_are_noted(tmp_path, writer):
    scene(tmp_path, writer)
    writer.picture(tmp_path / "images" / "more.png")
    assert Colmap().open(Request(None, tmp_path)).notes == (
        "1 image is not in the model and left out: more.png.",
    )


def test_names_that_leave_the_scene_are_refused(tmp_path, writer):
    writer.names[2] = "../secret.png"
    scene(tmp_path, writer)
    with pytest.raises(DataError, match="inside the scene") as caught:
        Colmap().open(Request(None, tmp_path))
    assert "image 3" in str(caught.value)


def test_shrunk_folders_are_used(tmp_path, writer):
    scene(tmp_path, writer)
    writer.pictures(tmp_path / "images_4", 4, "image{:03d}.png")
    view = Colmap().open(Request(None, tmp_path, Resolution(downscale=4))).views[5]
    assert view.source.endswith("images_4/image005.png")
    assert view.image.shape == (6, 8, 3)
    np.testing.assert_allclose(view.camera.K[0, 0], writer.fx / 4)


def test_cameras_are_selected_by_name(tmp_path, writer):
    scene(tmp_path, writer, kind="txt")
    folder = tmp_path / "sparse" / "0"
    (folder / "cameras.txt").write_text("7 PINHOLE 32 24 30 31 16 12\n9 SIMPLE_RADIAL 32 24 30 16 12 0.1\n")
    text = (folder / "images.txt").read_text()
    (folder / "images.txt").write_text(text.replace("7 2.png", "9 2.png"))
    capture = Colmap().open(Request(None, tmp_path))
    assert [view.camera.sensor for view in capture.views[:3]] == ["camera7", "camera9", "camera7"]
    assert "1 of 6 images are undistorted" in capture.notes[0]
    assert [view.name for view in Colmap().open(Request(None, tmp_path, cameras=("camera9",))).views] == ["2"]
    with pytest.raises(DataError, match="no such camera"):
        Colmap().open(Request(None, tmp_path, cameras=("camera8",)))


def test_one_size_for_a_camera_whose_images_differ_is_refused(tmp_path, writer):
    scene(tmp_path, writer)
    writer.picture(tmp_path / "images" / "5.png", 0, (24, 32))
    with pytest.raises(DataError, match="another aspect ratio") as caught:
        Colmap().open(Request(None, tmp_path))
    assert "5.png" in str(caught.value)


def test_a_thousand_frames_open_fast(tmp_path, many):
    scene(tmp_path, many, model="OPENCV", extra=(0.05, -0.02, 0.001, 0.002))
    start = time.process_time()
    capture = Colmap().open(Request(None, tmp_path))
    assert time.process_time() - start < 1
    assert len(capture.views) == 1000


def observations(folder):
    """Return by image name the (N, 2) pixels where COLMAP saw points and the points' positions."""
    data = (folder / "points3D.bin").read_bytes()
    at, positions = 8, {}
    for _ in range(*struct.unpack_from("<Q", data)):
        key, x, y, z = struct.unpack_from("<Q3d", data, at)
        positions[key] = x, y, z
        at += 51 + 8 * struct.unpack_from("<Q", data, at + 43)[0]
    data = (folder / "images.bin").read_bytes()
    at, seen = 8, {}
    for _ in range(*struct.unpack_from("<Q", data)):
        end = data.index(b"\0", at + 64)
        name = data[at + 64 : end].decode()
        (count,) = struct.unpack_from("<Q", data, end + 1)
        rows = list(struct.iter_unpack("<ddq", data[end + 9 : end + 9 + 24 * count]))
        at = end + 9 + 24 * count
        kept = [(x, y, *positions[key]) for x, y, key in rows if key != -1]
        seen[name] = np.array(kept).reshape(-1, 5)
    return seen


def test_points_of_a_real_capture_project_where_they_were_seen(shared):
    capture = Colmap().open(Request("llff_capture", shared / "samples"))
    assert len(capture.views) == 77
    assert len(capture.points) == 9262
    seen = observations(shared / "samples" / "llff_capture" / "sparse" / "0")
    assert sum(len(rows) for rows in seen.values()) > 20_000
    for view in capture.views:
        rows = seen[f"{view.name}.jpg"]
        at = rows[:, 2:] @ view.camera.w2c[:3, :3].T + view.camera.w2c[:3, 3]
        pixel = at @ view.camera.K.T / at[:, 2:]
        error = np.hypot(*(pixel[:, :2] - rows[:, :2]).T)
        assert at[:, 2].min() > 0
        assert np.median(error) < 1.5
