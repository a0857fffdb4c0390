from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.datasets.street import store
from recgen_bench.datasets.street.dataset import Street
from recgen_bench.datasets.street.layout import draw_layout
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Camera, Capture

SMALL = Resolution(width=60, height=40)


def moved_left(camera: Camera, metres: float) -> Camera:
    c2w = camera.c2w.copy()
    c2w[:3, 3] += metres * camera.ego[:3, 1]
    return replace(camera, c2w=c2w)


def test_views_come_by_frame_then_sensor_whatever_the_order_of_the_request(capture: Capture):
    names = [view.name for view in capture.views]
    assert names[:4] == ["000000_front", "000000_left", "000000_right", "000001_front"]
    assert len(names) == 120
    assert capture.views[-1].camera.time == pytest.approx(3.9)


def test_the_capture_states_unit_sky_and_room_for_shifts(capture: Capture):
    assert capture.world.unit == "metre"
    assert np.array_equal(capture.world.to_source, np.eye(4))
    assert capture.has_sky
    assert min(capture.drivable) >= 2.9
    assert max(capture.drivable) >= 6


def test_the_default_is_the_front_camera_at_240x160(cache):
    capture = Street().open(Request("1004", None, first=38))
    camera = capture.views[0].camera
    assert [view.name for view in capture.views] == ["000038_front", "000039_front"]
    assert (camera.width, camera.height, camera.K[0, 0], camera.K[0, 2]) == (240, 160, 200, 120)
    assert camera.centre[2] == pytest.approx(1.6)
    assert camera.c2w[:3, 2] @ camera.ego[:3, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("resolution", "size", "focal"),
    [
        (Resolution(downscale=2), (120, 80), 100),
        (Resolution(width=480, height=320), (480, 320), 400),
        (Resolution(width=240, height=100), (240, 100), 200),
        (Resolution(downscale=7), (34, 22), 200 * 34 / 240),
    ],
)
def test_sizes_scale_the_focal_length_with_the_width(cache, resolution, size, focal):
    camera = Street().open(Request("1004", None, resolution, count=1)).views[0].camera
    assert (camera.width, camera.height) == size
    assert np.allclose(camera.K, [[focal, 0, size[0] / 2], [0, focal, size[1] / 2], [0, 0, 1]])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scene": "-1"}, "not a scene"),
        ({"scene": None}, "not a scene"),
        ({"scene": "01"}, "not a scene"),
        ({"scene": "1.5"}, "not a scene"),
        ({"scene": "²"}, "not a scene"),
        ({"scene": "9" * 81}, "not a scene"),
        ({"cameras": ("fornt",)}, "did you mean front"),
        ({"cameras": ("front", "front")}, "asked for twice"),
        ({"resolution": Resolution(downscale=0)}, "positive"),
        ({"resolution": Resolution(downscale=float("nan"))}, "positive"),
        ({"resolution": Resolution(downscale=300)}, "out of range"),
        ({"resolution": Resolution(width=100000, height=10)}, "out of range"),
        ({"first": 40}, "time step"),
        ({"first": -1}, "time step"),
        ({"count": 41}, "time step"),
        ({"count": 0}, "time step"),
    ],
)
def test_bad_requests_are_named(change, words):
    request = replace(Request("1004", None, SMALL), **change)
    with pytest.raises(DataError) as caught:
        Street().open(request)
    assert words in str(caught.value)


def test_any_non_negative_integer_is_a_world():
    for seed in (0, 2**63, int("7" * 80)):
        assert draw_layout(seed).moving


def test_the_oracle_through_a_moved_camera_is_the_oracle_of_that_camera(capture: Capture):
    camera = capture.views[0].camera
    shifted = moved_left(camera, 3.0)
    here, there = (capture.oracle.view("x", one).image for one in (camera, shifted))
    back = capture.oracle.view("y", moved_left(shifted, 0.0)).image
    assert not np.array_equal(here, there)
    assert np.array_equal(there, back)
    assert np.array_equal(here, capture.views[0].image)


def test_actors_move_with_the_frame_of_the_camera(capture: Capture, world):
    camera = capture.views[0].camera
    later = replace(camera, frame=12)
    changed = capture.oracle.view("x", later).image != capture.views[0].image
    moving = (world.actors(camera) >= 0) | (world.actors(later) >= 0)
    assert changed.any()
    # Shadows and anti-aliased borders reach a few pixels beyond the actors, not over the picture.
    assert changed.any(2).sum() < 12 * moving.sum() + 40


def test_a_second_reading_is_byte_equal_and_comes_from_the_cache(capture: Capture, monkeypatch):
    view = capture.views[3]
    image, depth = view.image, view.depth
    monkeypatch.setattr("recgen_bench.datasets.street.dataset._world", None)
    assert np.array_equal(view.image, image)
    assert np.array_equal(view.depth, depth)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: data[::-1]])
@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_damaged_cache_entries_are_rendered_again(capture: Capture, damage, suffix):
    view = capture.views[6]
    whole = view.image, view.depth
    path = store.entry(1004, view.camera, suffix)
    kept = path.read_bytes()
    path.write_bytes(damage(kept))
    assert np.array_equal(view.image, whole[0])
    assert np.array_equal(view.depth, whole[1])
    assert path.read_bytes() == kept


def test_the_cache_may_be_unwritable(capture: Capture, tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    whole = capture.views[9].image
    monkeypatch.setenv("RECGEN_CACHE", str(blocked))
    assert np.array_equal(capture.views[9].image, whole)


def test_points_are_the_same_cold_and_warm(capture: Capture):
    warm = Street().open(Request("1004", None, SMALL))
    assert np.array_equal(warm.points.xyz, capture.points.xyz)
    assert np.array_equal(warm.points.rgb, capture.points.rgb)
    assert 25_000 < len(warm.points) < 45_000


def test_another_process_with_other_threads_gives_the_same_bytes(capture: Capture, tmp_path):
    view = capture.views[0]
    code = (
        "import sys, hashlib; from recgen_bench.datasets.street.dataset import Street;"
        "from recgen_bench.harness.dataset import Request;"
        "from recgen_bench.harness.protocol import Resolution;"
        "c = Street().open(Request('1004', None, Resolution(width=60, height=40)));"
        "v = c.views[0]; data = v.image.tobytes() + v.depth.tobytes() + c.points.xyz.tobytes();"
        "sys.stdout.write(hashlib.sha256(data).hexdigest())"
    )
    expected = hashlib.sha256(view.image.tobytes() + view.depth.tobytes() + capture.points.xyz.tobytes())
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    environment = {**os.environ, **threads, "RECGEN_CACHE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == expected.hexdigest()
