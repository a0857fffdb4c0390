"""What is on disk is what gets scored."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness import frames
from recgen_bench.harness.errors import DataError, MethodFailed
from recgen_bench.harness.frames import frame_hash, quantise, read_frame, write_frame
from recgen_bench.harness.method import Rendering
from recgen_bench.harness.scene import Camera, View

VIEW = View("000001", Camera(np.diag([9.0, 9, 1]), np.eye(4), 5, 4))
RGB = np.linspace(-0.2, 1.2, 60, dtype=np.float32).reshape(4, 5, 3)
DEPTH = np.arange(20, dtype=np.float32).reshape(4, 5)


def test_round_trip(tmp_path):
    pixels, written = write_frame(tmp_path, VIEW, Rendering(RGB, DEPTH), with_depth=True)
    back, depth = read_frame(tmp_path, VIEW)
    assert np.array_equal(pixels, back)
    assert np.array_equal(written, depth)
    assert np.array_equal(pixels, np.clip(np.round(RGB * 255), 0, 255))
    assert depth.dtype == np.float32
    assert np.array_equal(depth, DEPTH)


def test_equal_frames_give_equal_bytes(tmp_path):
    for folder in ("a", "b"):
        write_frame(tmp_path / folder, VIEW, Rendering(RGB, DEPTH), with_depth=True)
    for name in ("000001.png", "000001.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_depth_is_stored_only_where_a_metric_needs_it(tmp_path):
    for rendering, with_depth in ((Rendering(RGB, DEPTH), False), (Rendering(RGB), True)):
        # Even where an earlier attempt had one.
        write_frame(tmp_path, VIEW, Rendering(RGB, DEPTH), with_depth=True)
        assert write_frame(tmp_path, VIEW, rendering, with_depth=with_depth)[1] is None
        assert read_frame(tmp_path, VIEW)[1] is None


def test_the_hash_covers_pixels_and_depth():
    pixels = quantise(RGB)
    hashes = {frame_hash(pixels, None), frame_hash(pixels, DEPTH), frame_hash(pixels, DEPTH + 1)}
    assert len(hashes | {frame_hash(pixels[::-1], DEPTH)}) == 4
    assert frame_hash(pixels.copy(), DEPTH.copy()) in hashes


def test_tensors_and_wider_floats_are_taken(tmp_path):
    plain, _ = write_frame(tmp_path, VIEW, Rendering(RGB, DEPTH), with_depth=True)
    tensors = Rendering(torch.from_numpy(RGB), torch.from_numpy(DEPTH).double())
    assert np.array_equal(write_frame(tmp_path, VIEW, tensors, with_depth=True)[0], plain)
    assert np.array_equal(read_frame(tmp_path, VIEW)[1], DEPTH)
    assert np.array_equal(
        write_frame(tmp_path, VIEW, Rendering(RGB.astype(np.float64)), with_depth=False)[0], plain
    )


def edited(array: np.ndarray, value: float) -> np.ndarray:
    array = array.copy()
    array[2, 3] = value
    return array


@pytest.mark.parametrize(
    ("rendering", "message"),
    [
        (Rendering(RGB[1:]), "rendered the wrong size"),
        (Rendering(RGB.transpose(1, 0, 2)), "rendered the wrong size"),
        (Rendering(RGB[..., 0]), "rendered the wrong size"),
        (Rendering(edited(RGB, np.nan)), "not finite"),
        (Rendering(edited(RGB, np.inf)), "not finite"),
        (Rendering((RGB * 255).astype(np.uint8)), "rendered whole numbers"),
        (Rendering(RGB > 0.5), "rendered whole numbers"),
        (Rendering(RGB, DEPTH[1:]), "rendered depth of the wrong size"),
        (Rendering(RGB, edited(DEPTH, np.nan)), "negative or not finite"),
        (Rendering(RGB, edited(DEPTH, np.inf)), "negative or not finite"),
        (Rendering(RGB, edited(DEPTH, -1)), "negative or not finite"),
    ],
)
def test_wrong_renderings_name_the_view(tmp_path, rendering, message):
    with pytest.raises(MethodFailed, match=f"000001: .*{message}"):
        write_frame(tmp_path, VIEW, rendering, with_depth=True)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY", None])
def test_damaged_depth(tmp_path, content):
    write_frame(tmp_path, VIEW, Rendering(RGB, DEPTH), with_depth=True)
    path = tmp_path / "000001.npz"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(DataError, match="stored depth cannot be read") as caught:
        read_frame(tmp_path, VIEW)
    assert caught.value.where == str(path)


@given(st.integers(0, 255))
def test_eight_bits_survive(level):
    assert quantise(np.full((1, 1, 3), level / 255, np.float32))[0, 0, 0] == level
    assert quantise(np.full((1, 1, 3), level / 255, np.float64))[0, 0, 0] == level


def test_doctest():
    assert doctest.testmod(frames).failed == 0
