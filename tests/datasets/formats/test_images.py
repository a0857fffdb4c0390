import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image

from recgen_bench.datasets.formats.images import decode, decode_depth, decode_mask, list_images, probe
from recgen_bench.harness.errors import DataError

SIZE = (32, 24)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def test_rgb_comes_back(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), pixels)
    assert probe(tmp_path / "a.png") == SIZE


def test_grey_becomes_three_channels(tmp_path, pixels):
    Image.fromarray(pixels[..., 0]).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), np.repeat(pixels[..., :1], 3, axis=2))


def test_16_bits_keep_the_upper_byte(tmp_path, pixels):
    deep = pixels[..., 0].astype(np.uint16) * 256 + 200
    Image.fromarray(deep).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png")[..., 1], pixels[..., 0])


def test_opaque_alpha_is_dropped(tmp_path, pixels):
    alpha = np.full((24, 32, 1), 255, np.uint8)
    Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(tmp_path / "a.png")
    assert np.array_equal(decode(tmp_path / "a.png"), pixels)


def test_transparency_is_refused(tmp_path, pixels):
    alpha = np.full((24, 32, 1), 255, np.uint8)
    alpha[3, 4] = 254
    Image.fromarray(np.concatenate([pixels, alpha], axis=2)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match="transparent") as caught:
        decode(tmp_path / "a.png")
    assert "a.png" in str(caught.value)


def test_palette_images_are_converted(tmp_path):
    flat = np.zeros((24, 32, 3), np.uint8)
    flat[:, 16:] = 200, 10, 30
    Image.fromarray(flat).convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    assert np.abs(decode(tmp_path / "a.png").astype(int) - flat).max() <= 1


def test_cmyk_is_refused(tmp_path):
    Image.new("CMYK", SIZE, (10, 20, 30, 40)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="colour space"):
        decode(tmp_path / "a.jpg")


def test_exif_rotation_is_ignored(tmp_path, pixels):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif)
    assert probe(tmp_path / "a.jpg") == SIZE
    assert decode(tmp_path / "a.jpg").shape == (24, 32, 3)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp"])
def test_any_truncation_is_an_error(tmp_path, pixels, kind):
    Image.fromarray(pixels).save(tmp_path / f"whole.{kind}", **({"lossless": True} if kind == "webp" else {}))
    data = (tmp_path / f"whole.{kind}").read_bytes()
    path = tmp_path / f"cut.{kind}"
    for size in range(0, len(data) - 20, max(1, len(data) // 40)):
        path.write_bytes(data[:size])
        with pytest.raises(DataError) as caught:
            decode(path)
        assert f"cut.{kind}" in str(caught.value)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "bmp"])
def test_corruption_is_an_error_or_an_image(tmp_path, pixels, kind):
    Image.fromarray(pixels).save(tmp_path / f"whole.{kind}")
    data = (tmp_path / f"whole.{kind}").read_bytes()
    path = tmp_path / f"hurt.{kind}"
    rng = np.random.default_rng(1)
    messages = []
    for _ in range(200):
        hurt = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            hurt[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(hurt)
        try:
            assert decode(path).dtype == np.uint8
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 0
    assert all(str(path) in message for message in messages)


def test_other_files_are_not_images(tmp_path):
    (tmp_path / "a.jpg").write_text("not an image")
    with pytest.raises(DataError, match="not an image"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(DataError, match="does not exist"):
        decode(tmp_path / "b.jpg")
    with pytest.raises(DataError, match="damaged"):
        decode(tmp_path)


def test_decompression_bombs_are_refused(tmp_path):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (12_000, 30_000, 2**31 - 1):
        head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
        with pytest.raises(DataError, match=r"too large|damaged"):
            probe(tmp_path / "a.png")


def test_masks_count_where_they_are_not_black(tmp_path):
    plane = np.zeros((24, 32), np.uint8)
    plane[5:9, 7:11] = 1
    plane[12, 12] = 255
    Image.fromarray(plane).save(tmp_path / "grey.png")
    Image.fromarray(np.repeat(plane[..., None], 3, axis=2)).save(tmp_path / "colour.png")
    Image.fromarray(plane > 0).save(tmp_path / "bits.png")
    for name in ("grey", "colour", "bits"):
        assert np.array_equal(decode_mask(tmp_path / f"{name}.png"), np.where(plane > 0, 255, 0))


def test_depth_is_16_bit(tmp_path, pixels):
    deep = pixels[..., 0].astype(np.uint16) * 200
    Image.fromarray(deep).save(tmp_path / "d.png")
    assert np.array_equal(decode_depth(tmp_path / "d.png"), deep.astype(np.float32))
    Image.fromarray(pixels).save(tmp_path / "c.png")
    with pytest.raises(DataError, match="not a depth image"):
        decode_depth(tmp_path / "c.png")


def test_lists_in_text_order_and_survives_loops(tmp_path):
    for name in ("10.jpg", "2.PNG", "1.jpg", "sub/3.jpeg", ".hidden.jpg", "notes.txt", ".cache/4.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "sub" / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert list_images(tmp_path) == ("1.jpg", "10.jpg", "2.PNG", "sub/3.jpeg")
    assert list_images(tmp_path / "absent") == ()


def test_threads_decode_the_same(tmp_path, pixels):
    Image.fromarray(pixels).save(tmp_path / "a.jpg")
    expected = decode(tmp_path / "a.jpg")
    results = []
    threads = [threading.Thread(target=lambda: results.append(decode(tmp_path / "a.jpg"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert all(np.array_equal(result, expected) for result in results)
