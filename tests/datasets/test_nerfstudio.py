import shutil
import time

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.formats.transforms_json import read_transforms
from recgen_bench.datasets.nerfstudio import Nerfstudio
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution


def scene(root, writer, **changes):
    data = writer.transforms(root, **changes)
    writer.pictures(root / "images")
    return data


def test_a_scene_opens(tmp_path, writer):
    scene(tmp_path / "park", writer)
    capture = Nerfstudio().open(Request("park", tmp_path))
    assert (capture.dataset, capture.id) == ("nerfstudio", "park")
    for index, view in enumerate(capture.views):
        assert view.name == str(index + 1)
        np.testing.assert_allclose(view.camera.c2w, writer.poses[index], atol=1e-15)
        assert np.array_equal(view.image, writer.picture(tmp_path / "x.png", index))
        assert view.camera.K[0].tolist() == [30, 0, 16.5]
    assert len(capture.points) == 0
    assert Nerfstudio().scenes(tmp_path) == ("park",)


def test_a_minority_of_missing_images_is_noted(tmp_path, writer):
    scene(tmp_path, writer)
    for name in ("2.png", "5.png"):
        (tmp_path / "images" / name).unlink()
    capture = Nerfstudio().open(Request(None, tmp_path))
    assert [view.name for view in capture.views] == ["1", "3", "4", "6"]
    assert capture.notes[0] == "2 of 6 frames have no image: images/2.png, images/5.png."


@pytest.mark.parametrize("left", [0, 2])
def test_a_majority_of_missing_images_is_an_error(tmp_path, writer, left):
    scene(tmp_path, writer)
    for name in writer.names[left:]:
        (tmp_path / "images" / name).unlink()
    with pytest.raises(DataError, match="frames have no image") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert f"images/{left + 1}.png" in str(caught.value)
    assert f"{6 - left} of 6" in str(caught.value)


def test_a_missing_folder_of_images_is_an_error(tmp_path, writer):
    writer.transforms(tmp_path)
    with pytest.raises(DataError, match="does not exist") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert "1.png" in str(caught.value)


def test_blender_names_lack_their_suffix(tmp_path, writer):
    data = scene(tmp_path, writer, fl_x=None, fl_y=None, cx=None, cy=None, w=None, h=None, camera_angle_x=0.9)
    for frame in data["frames"]:
        frame["file_path"] = "./" + frame["file_path"].removesuffix(".png")
    writer.save(tmp_path, data)
    capture = Nerfstudio().open(Request(None, tmp_path, Resolution(downscale=2)))
    assert capture.views[0].image.shape == (12, 16, 3)
    assert capture.views[0].camera.K[0, 0] == pytest.approx(8 / np.tan(0.45))


def test_images_beside_the_file(tmp_path, writer):
    data = writer.transforms(tmp_path)
    for frame in data["frames"]:
        frame["file_path"] = frame["file_path"].removeprefix("images/")
    writer.save(tmp_path, data)
    writer.pictures(tmp_path)
    assert len(Nerfstudio().open(Request(None, tmp_path)).views) == 6


def test_shrunk_images_alone(tmp_path, writer):
    """DL3DV gives full-size numbers and only images_4."""
    writer.transforms(tmp_path, camera_model="OPENCV", k1=0.3)
    writer.pictures(tmp_path / "images_4", 4)
    view = Nerfstudio().open(Request(None, tmp_path, Resolution(downscale=4))).views[0]
    assert view.image.shape == (6, 8, 3)
    zoom = view.camera.K[0, 0] / (writer.fx / 4)
    assert 1.01 < zoom < 1.2
    np.testing.assert_allclose(view.camera.K[:2, 2], [writer.cx / 4, writer.cy / 4])
    writer.transforms(tmp_path, w=None, h=None)
    with pytest.raises(DataError, match="no w and h"):
        Nerfstudio().open(Request(None, tmp_path, Resolution(downscale=4)))


def test_masks_and_depth(tmp_path, writer):
    data = scene(tmp_path, writer)
    plane = np.zeros((24, 32), np.uint8)
    plane[:, 16:] = 255
    Image.fromarray(plane).save(tmp_path / "mask.png")
    Image.fromarray(plane.astype(np.uint16) * 10).save(tmp_path / "depth.png")
    data["frames"][1] |= {"mask_path": "mask.png", "depth_file_path": "depth.png"}
    writer.save(tmp_path, data)
    views = Nerfstudio().open(Request(None, tmp_path, Resolution(downscale=2))).views
    assert views[0].mask is None
    assert views[0].depth is None
    assert np.array_equal(views[1].mask, plane[::2, ::2] > 0)
    assert views[1].depth.max() == pytest.approx(2.55)
    (tmp_path / "mask.png").unlink()
    with pytest.raises(DataError, match="does not exist") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert "mask.png" in str(caught.value)


def test_listed_points_are_in_the_world_of_the_poses(tmp_path, writer):
    swap = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    scene(tmp_path, writer, ply_file_path="points.ply", applied_transform=swap)
    properties = "".join(f"property float {axis}\n" for axis in "xyz")
    text = f"ply\nformat ascii 1.0\nelement vertex 1\n{properties}end_header\n1 2 3\n"
    (tmp_path / "points.ply").write_text(text)
    assert Nerfstudio().open(Request(None, tmp_path)).points.xyz.tolist() == [[1, 2, 3]]
    (tmp_path / "points.ply").unlink()
    with pytest.raises(DataError, match="point cloud is missing") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert "points.ply" in str(caught.value)


def test_colmap_points_are_brought_into_the_world_of_the_poses(tmp_path, writer):
    writer.colmap(tmp_path / "colmap")
    truth = writer.xyz
    A = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1.0]])
    writer.poses = A @ writer.poses
    writer.poses[:, :3, 3] *= 0.5
    scene(tmp_path, writer, applied_transform=A[:3].tolist(), applied_scale=0.5)
    capture = Nerfstudio().open(Request(None, tmp_path))
    np.testing.assert_allclose(capture.points.xyz, 0.5 * truth @ A[:3, :3].T, atol=1e-15)
    assert "Points are those of colmap/sparse/0/." in capture.notes
    scene(tmp_path, writer)
    capture = Nerfstudio().open(Request(None, tmp_path))
    assert len(capture.points) == 0
    assert "do not match" in capture.notes[-1]


def test_bad_intrinsics_name_the_frame(tmp_path, writer):
    data = scene(tmp_path, writer)
    data["frames"][2]["camera_model"] = "EQUIRECTANGULAR"
    writer.save(tmp_path, data)
    with pytest.raises(DataError, match="not supported") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert "EQUIRECTANGULAR" in str(caught.value)
    assert "transforms.json, frame images/3.png" in str(caught.value)


def test_declared_sizes_scale_the_intrinsics_and_are_noted(tmp_path, writer):
    scene(tmp_path, writer, w=64, h=48)
    capture = Nerfstudio().open(Request(None, tmp_path))
    np.testing.assert_allclose(capture.views[0].camera.K[0, 0], writer.fx / 2)
    assert "declares 64x48 but the images are 32x24" in capture.notes[0]
    scene(tmp_path, writer, w=64, h=64)
    with pytest.raises(DataError, match="another aspect ratio") as caught:
        Nerfstudio().open(Request(None, tmp_path))
    assert "1.png" in str(caught.value)


def test_linked_images_are_followed_and_loops_are_not(tmp_path, writer):
    scene(tmp_path / "disk", writer)
    writer.transforms(tmp_path / "scene")
    (tmp_path / "scene" / "images").symlink_to(tmp_path / "disk" / "images")
    (tmp_path / "disk" / "images" / "loop").symlink_to(tmp_path / "disk" / "images")
    assert len(Nerfstudio().open(Request(None, tmp_path / "scene")).views) == 6
    (tmp_path / "scene" / "images").unlink()
    (tmp_path / "scene" / "images").symlink_to(tmp_path / "scene" / "images")
    with pytest.raises(DataError, match="does not exist"):
        Nerfstudio().open(Request(None, tmp_path / "scene"))


def test_a_thousand_frames_open_fast(tmp_path, many):
    data = scene(tmp_path, many, camera_model="OPENCV", k1=0.05)
    start = time.process_time()
    assert len(Nerfstudio().open(Request(None, tmp_path)).views) == 1000
    assert time.process_time() - start < 1
    for index, frame in enumerate(data["frames"]):
        frame["fl_x"] = 30 + index / 1000
    many.save(tmp_path, data)
    start = time.process_time()
    assert len(Nerfstudio().open(Request(None, tmp_path)).views) == 1000
    assert time.process_time() - start < 2


def test_the_fox(shared):
    request = Request("instant_ngp_fox", shared / "samples", Resolution(downscale=8))
    capture = Nerfstudio().open(request)
    assert len(capture.views) == 50
    assert capture.notes[0].startswith("17 of 67 frames have no image: images/0005.jpg, images/")
    view = capture.views[0]
    assert (view.name, view.camera.width, view.camera.height) == ("0001", 135, 240)
    # The coefficients push corners outwards by about ten pixels of 1920, which the focal length makes up for.
    zoom = view.camera.K[0, 0] / (1375.52 / 8)
    assert 1.005 < zoom < 1.02
    assert view.camera.K[1, 1] == pytest.approx(zoom * 1374.49 / 8)
    np.testing.assert_allclose(view.camera.K[:2, 2], [554.558 / 8, 965.268 / 8])
    full = Nerfstudio().open(Request("instant_ngp_fox", shared / "samples")).views[0]
    assert full.image.shape == (1920, 1080, 3)
    boxes = full.image.reshape(240, 8, 135, 8, 3).mean(axis=(1, 3))
    assert np.abs(view.image - boxes).mean() < 0.5


def test_a_real_export(shared, tmp_path):
    root = shared / "samples" / "nerfstudio_export_meta"
    read = read_transforms(root / "transforms.json")
    assert len(read.frames) == 111
    assert read.frames[0].file == "images/frame_00001.jpg"
    assert read.applied[:3].tolist() == [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]]
    with pytest.raises(DataError, match="does not exist") as caught:
        Nerfstudio().open(Request(None, root))
    assert "frame_00001.jpg" in str(caught.value)
    for name in ("transforms.json", "sparse_pc.ply"):
        shutil.copy(root / name, tmp_path / name)
    (tmp_path / "images_8").mkdir()
    for frame in read.frames:
        Image.new("RGB", (714, 535)).save(tmp_path / frame.file.replace("images/", "images_8/"))
    capture = Nerfstudio().open(Request(None, tmp_path, Resolution(downscale=8)))
    assert len(capture.points) == 28162
    assert len(capture.views) == 111
    # Most points lie before a camera and inside its picture, so points and poses share their world.
    seen = []
    for view in capture.views[::10]:
        at = capture.points.xyz @ view.camera.w2c[:3, :3].T + view.camera.w2c[:3, 3]
        pixel = at @ view.camera.K.T / at[:, 2:]
        inside = (np.abs(pixel[:, :2] - [357, 267.5]) < [357, 267.5]).all(axis=1) & (at[:, 2] > 0)
        seen.append(inside.mean())
    assert np.mean(seen) > 0.3
