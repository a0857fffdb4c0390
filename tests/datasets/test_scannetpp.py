"""ScanNet++: the world of the scan, the official undistortion, masks, bad frames, both names of folders."""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.scannetpp import Scannetpp, undistorted
from recgen_bench.harness import protocol
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.split import divide

FISHEYE = {"camera_model": "OPENCV_FISHEYE", "k1": -0.03, "k2": -0.008, "k3": 0.002, "k4": -0.0005}
UNDISTORTED = {"camera_model": "PINHOLE", "k1": 0.0, "k2": 0.0, "k3": 0.0, "k4": 0.0}
TEXT = b'0123456789-e.[]{}",:\\ null\xff'


def nerfstudio_pose(c2w):
    """Apply the published steps to an OpenCV pose: OpenGL columns, rows 1 0 2 3, third row negated."""
    pose = c2w * [1.0, -1, -1, 1]
    pose = pose[[1, 0, 2, 3]]
    pose[2] *= -1
    return pose.tolist()


def scene(root, writer, images="resized_images", masks="resized_anon_masks", kind="", test=2, colmap=True):
    """Write one scene, and return its transforms; the last `test` frames are the test frames."""
    dslr = root / "dslr"
    writer.names = [f"DSC{index + 9:05d}.JPG" for index in range(len(writer.names))]
    frames = [
        {
            "file_path": name,
            "mask_path": name.replace("JPG", "png"),
            "transform_matrix": nerfstudio_pose(pose),
            "is_bad": False,
        }
        for name, pose in zip(writer.names, writer.poses, strict=True)
    ]
    data = {"fl_x": 30.0, "fl_y": 31.0, "cx": 16.5, "cy": 11.5, "w": 32, "h": 24, "has_mask": True}
    data.update(UNDISTORTED if kind else FISHEYE)
    data["frames"], data["test_frames"] = frames[: len(frames) - test], frames[len(frames) - test :]
    save(dslr, data, kind)
    writer.pictures(dslr / images)
    for name in writer.names:
        mask(dslr / masks / name.replace("JPG", "png"), np.full((24, 32), 255, np.uint8))
    if colmap:
        writer.colmap(dslr, "txt", "OPENCV_FISHEYE", (-0.03, -0.008, 0.002, -0.0005))
        (dslr / "sparse" / "0").rename(dslr / "colmap")
    return data


def save(dslr, data, kind=""):
    (dslr / "nerfstudio").mkdir(parents=True, exist_ok=True)
    (dslr / "nerfstudio" / f"transforms{kind}.json").write_text(json.dumps(data))


def mask(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def opened(source, scene=None, resolution=None):
    return Scannetpp().open(Request(scene, source, resolution or Resolution()))


def test_poses_return_to_the_world_of_the_scan(tmp_path, writer):
    scene(tmp_path / "data" / "8a20d62ac0", writer)
    assert Scannetpp().scenes(tmp_path) == ("8a20d62ac0",)
    capture = opened(tmp_path, "8a20d62ac0")
    assert (capture.dataset, capture.id, capture.world.unit) == ("scannetpp", "8a20d62ac0", "metre")
    assert [view.name for view in capture.views] == [f"DSC{index:05d}" for index in range(9, 15)]
    for view, pose in zip(capture.views, writer.poses, strict=True):
        np.testing.assert_allclose(view.camera.c2w, pose, atol=1e-14)
    # The points of colmap/ are in that world already.
    assert np.array_equal(capture.points.xyz, writer.xyz)


@pytest.mark.parametrize("level", ["", "data", "data/8a20d62ac0", "data/8a20d62ac0/dslr"])
def test_a_scene_is_found_from_any_level(tmp_path, writer, level):
    scene(tmp_path / "data" / "8a20d62ac0", writer)
    assert opened(tmp_path / level).id == "8a20d62ac0"


def test_frames_and_test_frames_are_pooled_in_text_order(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    data["frames"], data["test_frames"] = data["frames"][::-1][:2], data["test_frames"] + data["frames"][:2]
    save(tmp_path / "a" / "dslr", data)
    names = [view.name for view in opened(tmp_path, "a").views]
    assert names == [f"DSC{index:05d}" for index in range(9, 15)]


def test_the_camera_is_the_official_toolkits(tmp_path, writer):
    """Balance 0: the longest focal length of those that put a mid-edge of the photograph on the border."""
    scene(tmp_path / "a", writer)
    K = opened(tmp_path).views[0].camera.K
    assert K[:2, 2].tolist() == [16, 12]

    def ray(distorted):
        """Invert theta (1 + k1 theta^2 + ...) by bisection."""
        k = [FISHEYE[f"k{index}"] for index in range(1, 5)]
        low, high = 0.0, 1.4
        for _ in range(80):
            theta = (low + high) / 2
            value = theta * (1 + sum(c * theta ** (2 * i + 2) for i, c in enumerate(k)))
            low, high = (theta, high) if value < abs(distorted) else (low, theta)
        return math.copysign(math.tan(low), distorted)

    aspect = 30 / 31
    # Mid-edges are not on the axes through the principal point, so both coordinates bend.
    edges = []
    for u, v in ((16, 0), (32, 12), (16, 24), (0, 12)):
        x, y = (u - 16.5) / 30, (v - 11.5) / 31
        r = math.hypot(x, y)
        edges.append((x / r * ray(r), y / r * ray(r) * aspect))
    edges = np.array(edges)
    centre = edges.mean(axis=0)
    focal = max(
        16 / (centre[0] - edges[:, 0].min()),
        16 / (edges[:, 0].max() - centre[0]),
        12 * aspect / (centre[1] - edges[:, 1].min()),
        12 * aspect / (edges[:, 1].max() - centre[1]),
    )
    assert K[0, 0] == pytest.approx(focal, rel=1e-5)
    assert K[1, 1] == pytest.approx(focal / aspect, rel=1e-5)
    assert K[0, 0] < 30


def test_undistorted_pixels_show_the_right_directions(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    data.update(w=320, h=240, fl_x=300.0, fl_y=310.0, cx=165.0, cy=115.0)
    save(tmp_path / "a" / "dslr", data)
    u, v = np.meshgrid(np.arange(320) + 0.5, np.arange(240) + 0.5)
    x, y = (u - 165) / 300, (v - 115) / 310
    r = np.hypot(x, y)
    theta = r.copy()
    for _ in range(30):
        k = [FISHEYE[f"k{index}"] for index in range(1, 5)]
        theta = r / (1 + sum(c * theta ** (2 * i + 2) for i, c in enumerate(k)))
    scale = np.tan(theta) / r

    def colour(x, y):
        return np.stack([120 + 80 * np.sin(3 * x), 120 + 80 * np.sin(4 * y), 120 + 80 * x * y], axis=-1)

    pixels = np.round(colour(x * scale, y * scale)).astype(np.uint8)
    for name in writer.names:
        path = (tmp_path / "a" / "dslr" / "resized_images" / name).with_suffix(".png")
        Image.fromarray(pixels).save(path)
        path.rename(path.with_suffix(".JPG"))
        mask(
            tmp_path / "a/dslr/resized_anon_masks" / name.replace("JPG", "png"),
            np.full((240, 320), 255, np.uint8),
        )
    view = opened(tmp_path, "a").views[0]
    K = view.camera.K
    expected = colour((u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1])
    error = np.abs(view.image - expected)[4:-4, 4:-4]
    assert error.max() < 1.5
    assert view.mask.all()


def test_photographs_undistorted_beforehand_are_preferred(tmp_path, writer):
    scene(tmp_path / "a", writer)
    scene(
        tmp_path / "a",
        writer,
        "resized_undistorted_images",
        "resized_undistorted_masks",
        "_undistorted",
        colmap=False,
    )
    capture = opened(tmp_path)
    view = capture.views[0]
    assert "resized_undistorted_images" in view.source
    assert view.camera.K.tolist() == [[30, 0, 16.5], [0, 31, 11.5], [0, 0, 1]]
    np.testing.assert_allclose(view.camera.c2w, writer.poses[0], atol=1e-14)
    assert len(capture.points) == len(writer.xyz)


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("resized_undistorted_images", "resized_undistorted_masks"),
        ("undistorted_images", "undistorted_anon_masks"),
    ],
)
def test_both_names_of_the_undistorted_folders(tmp_path, writer, images, masks):
    scene(tmp_path / "a", writer, images, masks, "_undistorted")
    view = opened(tmp_path).views[5]
    assert f"{images}/DSC00014.JPG" in view.source
    assert view.mask.all()


def test_masks_count_only_where_they_are_white(tmp_path, writer):
    scene(tmp_path / "a", writer, "undistorted_images", "undistorted_anon_masks", "_undistorted")
    pixels = np.full((24, 32), 255, np.uint8)
    pixels[5, 7] = 254
    pixels[20, 30] = 0
    mask(tmp_path / "a" / "dslr" / "undistorted_anon_masks" / "DSC00009.png", pixels)
    assert np.array_equal(opened(tmp_path).views[0].mask, pixels == 255)
    half = opened(tmp_path, "a", Resolution(downscale=2)).views[0].mask
    assert np.argwhere(~half).tolist() == [[2, 3], [10, 15]]


def test_masks_of_another_shape_are_refused(tmp_path, writer):
    scene(tmp_path / "a", writer)
    mask(tmp_path / "a" / "dslr" / "resized_anon_masks" / "DSC00011.png", np.zeros((32, 24), np.uint8))
    with pytest.raises(DataError, match="mask has another aspect ratio") as caught:
        opened(tmp_path)
    assert "DSC00011.png" in str(caught.value)


def test_a_missing_mask_is_named(tmp_path, writer):
    scene(tmp_path / "a", writer)
    (tmp_path / "a" / "dslr" / "resized_anon_masks" / "DSC00012.png").unlink()
    with pytest.raises(DataError, match="mask does not exist") as caught:
        opened(tmp_path)
    assert "frame DSC00012.JPG" in str(caught.value)


def test_missing_masks_altogether_are_noted(tmp_path, writer):
    scene(tmp_path / "a", writer, masks="elsewhere")
    capture = opened(tmp_path)
    assert capture.views[0].mask is None
    assert any("no resized_anon_masks/" in note for note in capture.notes)


def test_bad_frames_are_left_out_with_a_note_and_keep_the_count(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    data["frames"][1]["is_bad"] = data["test_frames"][0]["is_bad"] = True
    save(tmp_path / "a" / "dslr", data)
    capture = opened(tmp_path)
    assert [view.name for view in capture.views] == ["DSC00009", "DSC00011", "DSC00012", "DSC00014"]
    assert [view.camera.frame for view in capture.views] == [0, 2, 3, 5]
    assert "2 of 6 frames are flagged as bad and left out: DSC00010.JPG, DSC00013.JPG." in capture.notes


def test_only_bad_frames_are_an_error(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    for frame in data["frames"] + data["test_frames"]:
        frame["is_bad"] = True
    save(tmp_path / "a" / "dslr", data)
    with pytest.raises(DataError, match="no frame is left"):
        opened(tmp_path)


def test_an_odd_flag_is_refused(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    data["frames"][1]["is_bad"] = "yes"
    save(tmp_path / "a" / "dslr", data)
    with pytest.raises(DataError, match="neither true nor false") as caught:
        opened(tmp_path)
    assert "frame 1 (DSC00010.JPG)" in str(caught.value)


def test_frames_without_image_are_noted(tmp_path, writer):
    scene(tmp_path / "a", writer)
    (tmp_path / "a" / "dslr" / "resized_images" / "DSC00013.JPG").unlink()
    capture = opened(tmp_path)
    assert len(capture.views) == 5
    assert "1 of 6 frames have no image and are left out: DSC00013.JPG." in capture.notes


def test_missing_test_frames_are_noted(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    del data["test_frames"]
    save(tmp_path / "a" / "dslr", data)
    capture = opened(tmp_path)
    assert len(capture.views) == 4
    assert any('has no "test_frames"' in note for note in capture.notes)


@pytest.mark.parametrize(
    ("key", "value"), [("frames", None), ("frames", []), ("test_frames", []), ("test_frames", 3)]
)
def test_broken_lists_of_frames_are_named(tmp_path, writer, key, value):
    data = scene(tmp_path / "a", writer)
    data[key] = value
    save(tmp_path / "a" / "dslr", data)
    with pytest.raises(DataError, match=f'no list "{key}"') as caught:
        opened(tmp_path)
    assert "transforms.json" in str(caught.value)


def test_a_frame_in_both_lists_is_named(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    data["test_frames"].append(data["frames"][2])
    save(tmp_path / "a" / "dslr", data)
    with pytest.raises(DataError, match="listed twice") as caught:
        opened(tmp_path)
    assert "DSC00011.JPG" in str(caught.value)


def test_colmap_alone_will_do(tmp_path, writer):
    scene(tmp_path / "a", writer)
    expected = opened(tmp_path)
    (tmp_path / "a" / "dslr" / "nerfstudio" / "transforms.json").unlink()
    capture = opened(tmp_path)
    assert any("cameras are those of colmap/" in note for note in capture.notes)
    for one, other in zip(expected.views, capture.views, strict=True):
        assert one.name == other.name
        np.testing.assert_allclose(one.camera.c2w, other.camera.c2w, atol=1e-14)
        np.testing.assert_allclose(one.camera.K, other.camera.K, rtol=1e-12)
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)
    assert np.array_equal(expected.points.xyz, capture.points.xyz)


def test_points_of_another_world_are_left_out(tmp_path, writer):
    data = scene(tmp_path / "a", writer)
    for frame in data["frames"] + data["test_frames"]:
        frame["transform_matrix"][0][3] += 1
    save(tmp_path / "a" / "dslr", data)
    capture = opened(tmp_path)
    assert len(capture.points) == 0
    assert any("do not match" in note for note in capture.notes)


def test_a_folder_without_images_is_explained(tmp_path, writer):
    scene(tmp_path / "a", writer, images="elsewhere")
    with pytest.raises(DataError, match="no folder of images") as caught:
        opened(tmp_path)
    assert "resized_undistorted_images/" in str(caught.value)


@pytest.mark.parametrize("k1", [-5.0, 1e9, -1e9])
def test_coefficients_that_fold_the_image_are_refused(tmp_path, writer, k1):
    data = scene(tmp_path / "a", writer)
    save(tmp_path / "a" / "dslr", {**data, "k1": k1})
    with pytest.raises(DataError, match="fold the image") as caught:
        opened(tmp_path)
    assert "transforms.json, frame DSC00009.JPG" in str(caught.value)


def test_undistortion_scales_with_the_photograph():
    small = Lens(32, 24, 30, 31, 16.5, 11.5, "fisheye", (-0.03, -0.008, 0.002, -0.0005))
    np.testing.assert_allclose(
        undistorted(small.resized(320, 240)).K, undistorted(small).resized(320, 240).K, rtol=1e-6
    )
    straight = undistorted(replace(small, coefficients=(0.0,) * 4))
    assert straight.fx < 30  # An equidistant lens without coefficients is no pinhole either.


def test_damage_is_an_error_or_harmless(tmp_path, writer, damaged):
    data = scene(tmp_path / "a", writer)
    file = tmp_path / "a" / "dslr" / "nerfstudio" / "transforms.json"
    messages, start = [], time.process_time()
    for hurt in damaged(json.dumps(data).encode(), TEXT):
        file.write_bytes(hurt)
        try:
            assert opened(tmp_path).views
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 100
    assert all("transforms.json" in message or "DSC0" in message for message in messages)
    assert time.process_time() - start < 15


def test_a_scene_opens_fast_and_without_pixels(tmp_path, many):
    scene(tmp_path / "a", many, colmap=False)
    folder = tmp_path / "a" / "dslr" / "resized_images"
    for name in many.names:
        (folder / name).write_bytes((folder / name).read_bytes()[:640])
    start = time.process_time()
    capture = opened(tmp_path)
    assert time.process_time() - start < 2
    assert len(capture.views) == 1000
    with pytest.raises(DataError, match="damaged"):
        _ = capture.views[999].image


PUBLISHED = Path(protocol.__file__).parent / "protocols" / "scannetpp-6view.toml"


def pooled(tmp_path, many, bad=()):
    """Write scene 8a20d62ac0 with photographs DSC00001 to DSC00400."""
    many.poses, many.quats, many.names = many.poses[:400], many.quats[:400], many.names[:400]
    data = scene(tmp_path / "8a20d62ac0", many, colmap=False, test=20)
    for index, frame in enumerate(data["frames"] + data["test_frames"]):
        number = index + 1
        old = frame["file_path"]
        frame.update(file_path=f"DSC{number:05d}.JPG", mask_path=f"m{number}.png", is_bad=number in bad)
        dslr = tmp_path / "8a20d62ac0" / "dslr"
        (dslr / "resized_images" / old).rename(dslr / f"{number}.tmp")
    (dslr / "images").mkdir()
    for number in range(1, 401):
        (dslr / f"{number}.tmp").rename(dslr / "resized_images" / f"DSC{number:05d}.JPG")
    for path in (dslr / "resized_anon_masks").iterdir():
        path.unlink()
    (dslr / "resized_anon_masks").rmdir()
    save(dslr, data)
    return opened(tmp_path, "8a20d62ac0")


def test_the_protocol_tests_every_6th_around_its_training_views(tmp_path, many):
    (published,) = load_protocols(PUBLISHED)
    scenes = {entry.id: entry.train_views for entry in published.scenes}
    assert set(scenes) == {"8a20d62ac0", "94ee15e8ba", "7831862f02", "a29cccc784"}
    scene, _ = divide(pooled(tmp_path, many), published, None)
    train = [9, 85, 134, 172, 329, 380]
    assert [view.name for view in scene.train] == [f"DSC{number:05d}" for number in train]
    # DSC00001 is at position 0, so DSC00009 is at 8, and counting starts at 0 and ends at 379 + 10.
    positions = [place for place in range(0, 390, 6) if place + 1 not in train]
    assert [view.name for view in scene.test] == [f"DSC{place + 1:05d}" for place in positions]


def test_bad_frames_do_not_move_the_test_views(tmp_path, many):
    (published,) = load_protocols(PUBLISHED)
    scene, _ = divide(pooled(tmp_path, many, bad=(2, 7, 100)), published, None)
    train = [9, 85, 134, 172, 329, 380]
    positions = [place for place in range(0, 390, 6) if place + 1 not in (*train, 7)]
    assert [view.name for view in scene.test] == [f"DSC{place + 1:05d}" for place in positions]


def test_a_scene_without_the_training_views_is_refused(tmp_path, writer):
    scene(tmp_path / "8a20d62ac0", writer)
    (published,) = load_protocols(PUBLISHED)
    with pytest.raises(ProtocolError, match="lacks a view that the protocol names") as caught:
        divide(opened(tmp_path), published, None)
    assert "DSC00085" in str(caught.value)
    assert "8a20d62ac0" in str(caught.value)
