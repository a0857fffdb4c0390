import pickle
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.views import Photo, make_views, view_names
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution

LENS = Lens(32, 24, 30.0, 31.0, 16.5, 11.5)


@pytest.fixture
def photo(tmp_path, writer):
    writer.picture(tmp_path / "1.png", 1)
    return Photo("1.png", tmp_path / "1.png", LENS, writer.poses[0], "model, image 1.png")


def test_intrinsics_scale_with_the_decoded_size(photo, writer):
    writer.picture(photo.path, 1, (33, 25))
    (view,) = make_views([replace(photo, lens=Lens(33, 25, 30, 31, 16.5, 11.5))], Resolution(downscale=2))
    assert (view.camera.width, view.camera.height) == (16, 12)
    np.testing.assert_allclose(view.camera.K[0], [30 * 16 / 33, 0, 16.5 * 16 / 33])
    np.testing.assert_allclose(view.camera.K[1], [0, 31 * 12 / 25, 11.5 * 12 / 25])


def test_the_image_actually_there_is_the_full_size(photo, writer):
    pixels = writer.picture(photo.path, 1, (64, 48))
    (view,) = make_views([photo], Resolution())
    assert np.array_equal(view.image, pixels)
    np.testing.assert_allclose(view.camera.K[:2], 2 * LENS.K[:2])


@pytest.mark.parametrize("size", [(16, 12), (17, 13)])
def test_shrunk_images_keep_their_size(photo, writer, size):
    pixels = writer.picture(photo.path, 1, size)
    lens = Lens(33, 25, 30, 31, 16.5, 11.5)
    (view,) = make_views([replace(photo, lens=lens, divisor=2)], Resolution(downscale=2))
    assert np.array_equal(view.image, pixels)
    np.testing.assert_allclose(view.camera.K[0, 0], 30 * size[0] / 33)


def test_shrunk_images_shrink_on_to_what_is_asked(photo, writer):
    pixels = writer.picture(photo.path, 1, (16, 12))
    (view,) = make_views([replace(photo, divisor=2)], Resolution(downscale=4))
    boxes = pixels.reshape(6, 2, 8, 2, 3).mean(axis=(1, 3))
    assert np.abs(view.image - boxes).max() <= 0.5


def test_shrunk_images_of_another_factor_are_refused(photo, writer):
    writer.picture(photo.path, 1, (8, 6))
    with pytest.raises(DataError, match="shrunk image has the wrong size") as caught:
        make_views([replace(photo, divisor=2)], Resolution(downscale=2))
    assert "1.png" in str(caught.value)


@pytest.mark.parametrize(("size", "turned"), [((24, 32), True), ((32, 32), False)])
def test_another_shape_is_refused(photo, writer, size, turned):
    writer.picture(photo.path, 1, size)
    with pytest.raises(DataError, match="another aspect ratio") as caught:
        make_views([photo], Resolution())
    assert "1.png" in str(caught.value)
    assert ("turned by 90 degrees" in str(caught.value)) == turned


def test_nothing_is_decoded_until_it_is_read(photo):
    data = photo.path.read_bytes()
    photo.path.write_bytes(data[: len(data) // 2])
    (view,) = make_views([photo], Resolution())
    with pytest.raises(DataError, match="damaged") as caught:
        _ = view.image
    assert "1.png" in str(caught.value)


def test_an_image_replaced_later_is_refused(photo, writer):
    (view,) = make_views([photo], Resolution())
    writer.picture(photo.path, 1, (64, 48))
    with pytest.raises(DataError, match="changed since"):
        _ = view.image


def test_bad_poses_name_the_frame(photo):
    pose = photo.c2w.copy()
    pose[0, 0] = np.nan
    with pytest.raises(DataError, match="NaN") as caught:
        make_views([replace(photo, c2w=pose)], Resolution())
    assert "model, image 1.png" in str(caught.value)


def test_masks_count_only_where_all_their_pixels_do(photo, tmp_path):
    plane = np.full((24, 32), 255, np.uint8)
    plane[5, 9] = 0
    Image.fromarray(plane).save(tmp_path / "mask.png")
    (view,) = make_views([replace(photo, mask=tmp_path / "mask.png")], Resolution(downscale=4))
    assert view.mask.dtype == bool
    assert np.argwhere(~view.mask).tolist() == [[1, 2]]
    bent = replace(LENS, coefficients=(-0.05, *(0.0,) * 8))
    (view,) = make_views([replace(photo, mask=tmp_path / "mask.png", lens=bent)], Resolution(downscale=4))
    assert [1, 2] in np.argwhere(~view.mask).tolist()
    assert (~view.mask).sum() <= 2


def test_smaller_masks_are_accepted(photo, tmp_path):
    plane = np.full((12, 16), 255, np.uint8)
    plane[5, 7] = 0
    Image.fromarray(plane).save(tmp_path / "mask.png")
    (view,) = make_views([replace(photo, mask=tmp_path / "mask.png")], Resolution())
    assert np.argwhere(~view.mask).tolist() == [[10, 14], [10, 15], [11, 14], [11, 15]]


def test_masks_and_depth_of_another_shape_are_refused(photo, tmp_path, writer):
    writer.picture(tmp_path / "odd.png", 0, (24, 24))
    for kind in ("mask", "depth"):
        with pytest.raises(DataError, match=f"the {kind}.* has another aspect ratio") as caught:
            make_views([replace(photo, **{kind: tmp_path / "odd.png"})], Resolution())
        assert "odd.png" in str(caught.value)
        with pytest.raises(DataError, match="does not exist"):
            make_views([replace(photo, **{kind: tmp_path / "absent.png"})], Resolution())


def test_depth_has_its_unit(photo, tmp_path):
    Image.fromarray(np.full((24, 32), 1500, np.uint16)).save(tmp_path / "d.png")
    (view,) = make_views([replace(photo, depth=tmp_path / "d.png", depth_unit=1e-3)], Resolution(downscale=2))
    assert view.depth.dtype == np.float32
    assert view.depth.shape == (12, 16)
    assert view.depth == pytest.approx(1.5)


def test_names_are_unique_file_names():
    assert view_names(["a/1.jpg", "a/2.jpg"]) == ("1", "2")
    assert view_names(["a/1.jpg", "b/1.jpg"]) == ("a_1", "b_1")
    assert view_names(["1.jpg", "1.png"]) == ("1.jpg", "1.png")
    with pytest.raises(DataError, match="same view name"):
        view_names(["a/b_1.jpg", "c/b_1.jpg", "a_b_1.jpg"])


def test_views_travel_to_worker_processes(photo):
    (view,) = make_views(
        [replace(photo, lens=replace(LENS, coefficients=(0.1, *(0.0,) * 8)))], Resolution(downscale=2)
    )
    assert np.array_equal(pickle.loads(pickle.dumps(view)).image, view.image)


def test_an_own_pinhole_decides_the_camera(photo):
    own = Lens(32, 24, 25.0, 25.0, 16.0, 12.0)
    (view,) = make_views([replace(photo, pinhole=own)], Resolution(downscale=2))
    np.testing.assert_allclose(view.camera.K[:2], own.K[:2] / 2)
