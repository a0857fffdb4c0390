from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.datasets.room import store
from recgen_bench.datasets.room.dataset import Room
from recgen_bench.datasets.room.layout import draw_layout
from recgen_bench.harness import builtin_protocols
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution, load_protocols
from recgen_bench.harness.scene import Capture
from recgen_bench.harness.split import divide

SMALL = Resolution(width=60, height=40)


def test_sixty_views_of_one_camera_come_by_frame(capture: Capture):
    assert [view.name for view in capture.views] == [f"{frame:06d}" for frame in range(60)]
    assert [view.camera.frame for view in capture.views] == list(range(60))
    assert {view.camera.sensor for view in capture.views} == {"camera"}
    assert all(view.camera.ego is None for view in capture.views)


def test_the_capture_states_unit_and_a_closed_room(capture: Capture):
    assert capture.world.unit == "metre"
    assert np.array_equal(capture.world.to_source, np.eye(4))
    assert not capture.has_sky
    assert capture.drivable is None
    assert capture.actors == capture.lanes == ()


def test_the_default_is_240x160(cache):
    view = Room().open(Request("1004", None, first=58)).views[0]
    camera = view.camera
    assert (view.name, camera.width, camera.height) == ("000058", 240, 160)
    assert (camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]) == (150, 150, 120, 80)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"scene": "-1"}, "not a scene of the room"),
        ({"scene": None}, "room/0"),
        ({"scene": "01"}, "not a scene"),
        ({"scene": "kitchen"}, "not a scene"),
        ({"scene": "9" * 81}, "not a scene"),
        ({"cameras": ("camra",)}, "did you mean camera"),
        ({"cameras": ("camera", "camera")}, "asked for twice"),
        ({"resolution": Resolution(downscale=0)}, "positive"),
        ({"resolution": Resolution(downscale=300)}, "out of range"),
        ({"first": 60}, "time step"),
        ({"first": -1}, "time step"),
        ({"count": 61}, "time step"),
        ({"count": 0}, "time step"),
    ],
)
def test_bad_requests_are_named(change, words):
    request = replace(Request("1004", None, SMALL), **change)
    with pytest.raises(DataError) as caught:
        Room().open(request)
    assert words in str(caught.value)


def test_any_non_negative_integer_is_a_room():
    for seed in (0, 2**63, int("7" * 80)):
        assert draw_layout(seed).windows


def test_a_second_reading_is_byte_equal_and_comes_from_the_cache(capture: Capture, monkeypatch):
    view = capture.views[3]
    image, depth = view.image, view.depth
    monkeypatch.setattr("recgen_bench.datasets.room.dataset._world", None)
    assert np.array_equal(view.image, image)
    assert np.array_equal(view.depth, depth)


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_damaged_cache_entries_are_rendered_again(capture: Capture, suffix):
    view = capture.views[6]
    whole = view.image, view.depth
    path = store.entry(1004, view.camera, suffix)
    kept = path.read_bytes()
    path.write_bytes(kept[:-9])
    assert np.array_equal(view.image, whole[0])
    assert np.array_equal(view.depth, whole[1])
    assert path.read_bytes() == kept


def test_a_warm_opening_is_fast_and_the_same(capture: Capture, monkeypatch):
    monkeypatch.setattr("recgen_bench.datasets.room.dataset._world", None)
    draw_layout.cache_clear()
    start = time.perf_counter()
    warm = Room().open(Request("1004", None, SMALL))
    assert time.perf_counter() - start < 0.3
    assert np.array_equal(warm.points.xyz, capture.points.xyz)
    assert np.array_equal(warm.points.rgb, capture.points.rgb)
    assert 20_000 < len(warm.points) < 30_000


def test_another_process_with_other_threads_gives_the_same_bytes(capture: Capture, tmp_path):
    view = capture.views[0]
    code = (
        "import sys, hashlib; from recgen_bench.datasets.room.dataset import Room;"
        "from recgen_bench.harness.dataset import Request;"
        "from recgen_bench.harness.protocol import Resolution;"
        "c = Room().open(Request('1004', None, Resolution(width=60, height=40)));"
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


@pytest.mark.parametrize("views", [3, 6])
def test_the_protocols_train_on_few_views_and_test_every_eighth(capture: Capture, views):
    folder = Path(builtin_protocols.__file__).parent / "protocols"
    (protocol,) = load_protocols(folder / f"room-{views}view.toml")
    scene, _ = divide(capture, protocol, None)
    assert len(scene.train) == views
    assert [view.camera.frame for view in scene.test] == list(range(0, 60, 8))
    assert 1000 < len(scene.points) <= len(capture.points)
