"""DL3DV: benchmark and 10K layouts, shrunk images with full-size intrinsics, points in the poses' world."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.datasets.dl3dv import APPLIED, Dl3dv
from recgen_bench.harness import protocol
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.split import divide

HASH = "032dee9fb0a8bc1b90871dc5fe950080d0bcd3caf166447f44e60ca50ac04ec7"
QUARTER = Resolution(downscale=4)
PROTOCOLS = Path(protocol.__file__).parent / "protocols"


def transforms(root, writer, model="colmap/sparse/0", applied=True, pictures=(4, 8)):
    """Write transforms.json in nerfstudio's world over a COLMAP model in the writer's."""
    writer.names = [f"frame_{index + 1:05d}.png" for index in range(len(writer.names))]
    writer.colmap(root)
    (root / model).parent.mkdir(parents=True, exist_ok=True)
    (root / "sparse" / "0").rename(root / model)
    ours = writer.poses
    writer.poses = APPLIED @ ours
    extra = {"applied_transform": APPLIED[:3].tolist()} if applied else {}
    data = writer.transforms(root, camera_model="OPENCV", k1=0.01, k2=0.0, p1=0.0, p2=0.0, **extra)
    writer.poses = ours
    for divisor in pictures:
        writer.pictures(root / ("images" if divisor == 1 else f"images_{divisor}"), divisor)
    return data


def splat(folder, writer):
    writer.names = [f"frame_{index + 1:05d}.png" for index in range(len(writer.names))]
    writer.colmap(folder / "gaussian_splat")
    writer.pictures(folder / "gaussian_splat" / "images_4", 4)


def check(capture, writer, world):
    assert (capture.dataset, capture.id) == ("dl3dv", HASH)
    assert [view.name for view in capture.views] == [f"frame_{index + 1:05d}" for index in range(6)]
    for view, pose in zip(capture.views, writer.poses, strict=True):
        np.testing.assert_allclose(view.camera.c2w, world @ pose, atol=1e-14)
        assert view.image.shape == (6, 8, 3)
        # The principal point of the full size, a quarter of it.
        np.testing.assert_allclose(view.camera.K[:2, 2], [16.5 / 4, 11.5 / 4])
    np.testing.assert_allclose(capture.points.xyz, writer.xyz @ world[:3, :3].T, atol=1e-14)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize(
    ("folder", "model"),
    [
        ("nerfstudio", "colmap/sparse/0"),
        ("colmap", "colmap/sparse/0"),
        ("", "colmap/sparse/0"),
        ("", "sparse/0"),
    ],
)
def test_transforms_in_every_place(tmp_path, writer, folder, model, applied):
    transforms(tmp_path / HASH / folder, writer, model, applied)
    assert Dl3dv().scenes(tmp_path) == (HASH,)
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    check(capture, writer, APPLIED)
    assert "images_4" in capture.views[0].source
    assert any(note == f"Points are those of {model}/." for note in capture.notes)


def test_the_release_sorts_scenes_by_thousands(tmp_path, writer):
    transforms(tmp_path / "3K" / HASH, writer)
    assert Dl3dv().scenes(tmp_path) == (HASH,)
    assert Dl3dv().scenes(tmp_path / "3K") == (HASH,)
    assert Dl3dv().open(Request(None, tmp_path / "3K" / HASH, QUARTER)).id == HASH


@pytest.mark.parametrize("level", ["", HASH, f"{HASH}/nerfstudio"])
def test_a_scene_is_found_from_any_level(tmp_path, writer, level):
    transforms(tmp_path / HASH / "nerfstudio", writer)
    for name in (HASH, None):
        assert Dl3dv().open(Request(name, tmp_path / level, QUARTER)).id == HASH


def test_a_splat_folder_alone(tmp_path, writer):
    splat(tmp_path / HASH, writer)
    assert Dl3dv().scenes(tmp_path) == (HASH,)
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    check(capture, writer, np.eye(4))
    assert any("gaussian_splat/" in note for note in capture.notes)


def test_nerfstudio_is_preferred_to_the_splat_folder(tmp_path, writer):
    splat(tmp_path / HASH, writer)
    transforms(tmp_path / HASH / "nerfstudio", writer)
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    assert all("/nerfstudio/" in view.source for view in capture.views)
    check(capture, writer, APPLIED)


def test_intrinsics_scale_with_the_folder_that_is_read(tmp_path, writer):
    transforms(tmp_path / HASH, writer)
    for factor in (4, 8):
        view = Dl3dv().open(Request(HASH, tmp_path, Resolution(downscale=factor))).views[0]
        assert f"images_{factor}" in view.source
        assert view.image.shape == (24 // factor, 32 // factor, 3)
        assert view.camera.K[0, 2] * factor == pytest.approx(16.5)
        assert view.camera.K[1, 1] / view.camera.K[0, 0] == pytest.approx(31 / 30)


def test_full_images_that_are_absent_are_explained(tmp_path, writer):
    transforms(tmp_path / HASH, writer)
    with pytest.raises(DataError, match="does not exist") as caught:
        Dl3dv().open(Request(HASH, tmp_path))
    assert "ask for a downscale of 4 or more" in str(caught.value)


def test_a_missing_image_is_named(tmp_path, writer):
    transforms(tmp_path / HASH, writer, pictures=(1,))
    (tmp_path / HASH / "images" / "frame_00003.png").unlink()
    with pytest.raises(DataError, match="an image is missing") as caught:
        Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    assert "frame_00003.png" in str(caught.value)


def test_a_missing_shrunk_image_is_refused(tmp_path, writer):
    transforms(tmp_path / HASH, writer)
    (tmp_path / HASH / "images_4" / "frame_00003.png").unlink()
    with pytest.raises(DataError, match="does not hold the same images") as caught:
        Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    assert "images_4" in str(caught.value)


def test_points_of_another_world_are_left_out(tmp_path, writer):
    data = transforms(tmp_path / HASH, writer)
    data["applied_transform"] = np.eye(4)[:3].tolist()
    writer.save(tmp_path / HASH, data)
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    assert len(capture.points) == 0
    assert any("do not match" in note for note in capture.notes)


def test_other_folders_are_explained(tmp_path, writer):
    writer.pictures(tmp_path / "photos")
    with pytest.raises(DataError, match="no scene of this data set") as caught:
        Dl3dv().scenes(tmp_path)
    assert "gaussian_splat" in str(caught.value)
    transforms(tmp_path / HASH, writer)
    with pytest.raises(DataError, match="no such scene") as caught:
        Dl3dv().open(Request(HASH[:-1] + "8", tmp_path))
    assert f"did you mean {HASH}?" in str(caught.value)


@pytest.mark.parametrize("which", ["transforms", "splat"])
def test_damage_is_an_error_or_harmless(tmp_path, writer, damaged, which):
    if which == "splat":
        splat(tmp_path / HASH, writer)
        file, letters = tmp_path / HASH / "gaussian_splat" / "sparse" / "0" / "images.bin", None
    else:
        transforms(tmp_path / HASH, writer)
        file, letters = tmp_path / HASH / "transforms.json", b'0123456789-e.[]{}",:\\ null\xff'
    messages, start = [], time.process_time()
    for hurt in damaged(file.read_bytes(), letters):
        file.write_bytes(hurt)
        try:
            assert Dl3dv().open(Request(HASH, tmp_path, QUARTER)).views
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 60
    assert all(HASH in message for message in messages)
    assert time.process_time() - start < 20


def test_a_scene_opens_fast_and_without_pixels(tmp_path, many):
    transforms(tmp_path / HASH, many, pictures=(4,))
    folder = tmp_path / HASH / "images_4"
    for name in many.names:
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    start = time.process_time()
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    assert time.process_time() - start < 2
    with pytest.raises(DataError, match="damaged"):
        _ = capture.views[999].image


def published(name):
    found = {each.name: each for path in PROTOCOLS.glob("dl3dv-*.toml") for each in load_protocols(path)}
    return found[name]


def test_the_published_lists_of_scenes():
    benchmark, masked = published("dl3dv-benchmark-140"), published("dl3dv-masked-24")
    sparse = published("dl3dv-sparse")
    known = [entry.id for entry in benchmark.scenes]
    assert len(known) == len(set(known)) == 140
    assert all(len(name) == 64 and set(name) <= set("0123456789abcdef") for name in known)
    assert len(masked.scenes) == 24
    outside = {entry.id for entry in masked.scenes} - set(known)
    assert {name[:16] for name in outside} == {"95e4b24092d76881", "b0c4613d6cd5f98c"}
    assert [entry.id for entry in sparse.scenes] == sorted(known)[::5]
    assert {published(f"dl3dv-sparse{n}").split.views for n in ("", "/3", "/9")} == {3, 6, 9}


def test_the_benchmark_holds_out_every_8th(tmp_path, many):
    many.poses, many.quats, many.names = many.poses[:20], many.quats[:20], many.names[:20]
    transforms(tmp_path / HASH, many)
    capture = Dl3dv().open(Request(HASH, tmp_path, QUARTER))
    scene, _ = divide(capture, published("dl3dv-benchmark-140"), None)
    assert [view.name for view in scene.test] == ["frame_00001", "frame_00009", "frame_00017"]
    assert len(scene.train) == 17
    shutil.move(tmp_path / HASH, tmp_path / "other")
    capture = Dl3dv().open(Request("other", tmp_path, QUARTER))
    with pytest.raises(ProtocolError, match="does not list this scene"):
        divide(capture, published("dl3dv-benchmark-140"), None)


def test_the_masked_protocol_shows_a_moving_window(tmp_path, writer):
    masked = published("dl3dv-masked-24")
    name = masked.scenes[0].id
    writer.width, writer.height, writer.cx, writer.cy = 3840, 2160, 1920.0, 1080.0
    writer.fx = writer.fy = 3000.0
    transforms(tmp_path / name, writer, pictures=(4,))
    capture = Dl3dv().open(Request(name, tmp_path, masked.resolution))
    scene, _ = divide(capture, masked, None)
    assert [view.name for view in scene.train] == ["frame_00001", "frame_00003", "frame_00005"]
    assert [view.name for view in scene.test] == ["frame_00002", "frame_00004", "frame_00006"]
    assert all(view.mask is None for view in scene.test)
    whole = {view.name: view for view in capture.views}
    for view in scene.train:
        x, y = 2 + 5 * view.camera.frame, 1 + 5 * view.camera.frame
        seen = np.zeros((540, 960), bool)
        seen[y : y + 270, x : x + 480] = True
        assert np.array_equal(view.mask, seen)
        assert np.array_equal(view.image, whole[view.name].image * seen[..., None])
    assert 0 < len(scene.points) < len(capture.points)


def test_the_sparse_protocol_spreads_its_views(tmp_path, many):
    sparse = published("dl3dv-sparse")
    name = sparse.scenes[0].id
    many.poses, many.quats, many.names = many.poses[:40], many.quats[:40], many.names[:40]
    transforms(tmp_path / name, many)
    capture = Dl3dv().open(Request(name, tmp_path, sparse.resolution))
    scene, _ = divide(capture, sparse, None)
    assert [view.camera.frame for view in scene.test] == [0, 8, 16, 24, 32]
    assert len(scene.train) == 6
    centres = np.array([view.camera.centre for view in capture.views])
    chosen = [view.camera.frame for view in scene.train]
    # Farthest-point selection: the chosen stand farther apart than any left-out view from them.
    pool = [index for index in range(40) if index % 8 and index not in chosen]
    gaps = np.linalg.norm(centres[chosen][:, None] - centres[chosen][None], axis=-1) + 1e9 * np.eye(6)
    left = np.linalg.norm(centres[pool][:, None] - centres[chosen][None], axis=-1).min(axis=1)
    assert left.max() <= gaps.min()
