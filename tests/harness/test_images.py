from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from recgen_bench.harness.errors import DataError, OutputError
from recgen_bench.harness.images import read_rgb8, write_png

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
def test_a_png_gives_back_its_pixels(tmp_path_factory, height, width, seed):
    path = tmp_path_factory.mktemp("png") / "deep" / "image.png"
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    write_png(path, pixels)
    again = read_rgb8(path)
    np.testing.assert_array_equal(again, pixels)
    assert again.dtype == np.uint8
    np.testing.assert_array_equal(cv2.imread(str(path))[..., ::-1], pixels)


def test_equal_pixels_give_equal_bytes(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    write_png(tmp_path / "b.png", np.asfortranarray(PIXELS))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_the_pixels_may_be_changed_afterwards(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    read_rgb8(tmp_path / "a.png")[0, 0] = 0


@pytest.mark.parametrize("pixels", [PIXELS[..., 0], PIXELS / 255, PIXELS[..., :2], PIXELS[:0]])
def test_writes_only_8_bit_rgb(tmp_path, pixels):
    with pytest.raises(DataError, match="not the pixels of an image"):
        write_png(tmp_path / "a.png", pixels)
    assert not list(tmp_path.iterdir())


def test_a_jpeg_is_read_as_pillow_decodes_it(tmp_path):
    Pillow.fromarray(PIXELS).save(tmp_path / "a.jpg", quality=90)
    np.testing.assert_array_equal(read_rgb8(tmp_path / "a.jpg"), np.asarray(Pillow.open(tmp_path / "a.jpg")))
    # The contents decide, not the name.
    (tmp_path / "a.jpg").rename(tmp_path / "b.png")
    assert read_rgb8(tmp_path / "b.png").shape == PIXELS.shape


@pytest.mark.parametrize(
    ("mode", "suffix", "got"),
    [
        ("L", "png", "grey"),
        ("L", "jpg", "grey"),
        ("RGBA", "png", "alpha"),
        ("LA", "png", "alpha"),
        ("P", "png", "palette"),
        ("1", "png", "black and white"),
        ("I;16", "png", "16 bits"),
        ("CMYK", "jpg", "CMYK"),
    ],
)
def test_refuses_other_layouts(tmp_path, mode, suffix, got):
    path = tmp_path / f"image.{suffix}"
    Pillow.new(mode, (30, 20)).save(path)
    with pytest.raises(DataError) as caught:
        read_rgb8(path)
    assert got in str(caught.value)
    assert str(path) in str(caught.value)


def test_refuses_16_bit_colour_and_transparent_colours(tmp_path):
    cv2.imwrite(str(tmp_path / "deep.png"), PIXELS.astype(np.uint16) * 257)
    with pytest.raises(DataError, match="16 bits per channel"):
        read_rgb8(tmp_path / "deep.png")
    Pillow.fromarray(PIXELS).save(tmp_path / "key.png", transparency=(0, 0, 0))
    with pytest.raises(DataError, match="alpha"):
        read_rgb8(tmp_path / "key.png")


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_damage_is_an_error_that_names_the_file(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    Pillow.fromarray(PIXELS).save(path)
    good = path.read_bytes()
    for bad in (good[: len(good) // 2], good[:60], good[:10], b"", b"not an image"):
        path.write_bytes(bad)
        with pytest.raises(DataError) as caught:
            read_rgb8(path)
        assert str(path) in str(caught.value)


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        read_rgb8(tmp_path / "a.png")


def test_missing_files_folders_and_unwritable_places(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_rgb8(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError):
        read_rgb8(tmp_path / "folder.png")
    with pytest.raises(OutputError):
        write_png(tmp_path / "folder.png", PIXELS)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_files(tmp_path):
    write_png(tmp_path / "a.png", PIXELS)
    (tmp_path / "a.png").chmod(0)
    with pytest.raises(DataError, match="may not be read"):
        read_rgb8(tmp_path / "a.png")
