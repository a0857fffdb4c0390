"""What a protocol hides: masks, all but a moving window, points."""

from __future__ import annotations

import doctest
import pickle
from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness import shown
from recgen_bench.harness.errors import ProtocolError
from recgen_bench.harness.protocol import Protocol, Split, Window, load_protocols
from recgen_bench.harness.scene import Camera, Capture, Points, View
from recgen_bench.harness.shown import window_at
from recgen_bench.harness.split import divide

K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
GENFUSION = Window(480, 270, 2, 1, 5)


def pixels() -> np.ndarray:
    return np.full((24, 32, 3), 200, np.uint8)


def mask() -> np.ndarray:
    return np.arange(32)[None] + np.zeros((24, 1)) > 3


def depth() -> np.ndarray:
    return np.full((24, 32), 5, np.float32)


def capture(count: int = 4, **facts) -> Capture:
    made = []
    for frame in range(count):
        pose = np.eye(4)
        pose[0, 3] = frame
        made.append(View(f"v{frame}", Camera(K, pose, 32, 24, frame=frame), pixels, mask, depth))
    return Capture("toy", "room", tuple(made), **facts)


def protocol(**facts) -> Protocol:
    split = Split("train-every-nth", every=2)
    return Protocol("p", 1, ("toy",), split, {"toy_mae": 1}, open_scenes=True, **facts)


def camera(frame: int, width: int = 960, height: int = 540) -> Camera:
    return Camera(np.eye(3), np.eye(4), width, height, frame=frame)


def test_examples():
    assert doctest.testmod(shown, extraglobs={"np": np, "Window": Window, "Camera": Camera}).failed == 0


def test_genfusions_window_bounces():
    """5 pixels a frame on both axes, x from 2 to 477 and y from 1 to 266, at 960x540."""
    corners = np.array([[r.x, r.y] for r in (window_at(GENFUSION, camera(f)) for f in range(1000))])
    assert corners[0].tolist() == [2, 1]
    assert (corners.min(axis=0).tolist(), corners.max(axis=0).tolist()) == ([2, 1], [477, 266])
    steps = np.diff(corners, axis=0)
    assert set(np.abs(steps).ravel().tolist()) == {5}
    # It turns only where it cannot go on.
    for axis, (low, high) in enumerate(((2, 477), (1, 266))):
        turns = np.flatnonzero(np.diff(steps[:, axis])) + 1
        assert set(corners[turns, axis].tolist()) == {low, high}


def test_a_window_that_starts_in_the_middle_moves_on_from_there():
    assert [window_at(Window(4, 4, 5, 2, 2), camera(f, 12, 8)).x for f in range(5)] == [5, 7, 5, 3, 1]


def test_a_window_as_large_as_the_image_stays():
    assert [window_at(Window(12, 8, 0, 0, 5), camera(f, 12, 8)).x for f in range(3)] == [0, 0, 0]


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ProtocolError, match="does not fit") as caught:
        divide(capture(), protocol(window=Window(33, 10, 0, 0, 5)), None)
    assert "32x24" in str(caught.value)
    assert "room" in str(caught.value)


def test_training_views_are_black_and_masked_outside_the_window():
    scene, _ = divide(capture(), protocol(window=Window(10, 6, 1, 0, 5)), None)
    view = scene.train[1]  # Frame 2: x 1 + 10, y 0 + 10.
    inside = np.zeros((24, 32), bool)
    inside[10:16, 11:21] = True
    assert np.array_equal(view.image, np.where(inside[..., None], pixels(), 0))
    assert np.array_equal(view.mask, inside & mask())
    assert np.array_equal(view.depth, np.where(inside, depth(), 0))
    assert np.array_equal(scene.test[0].image, pixels())
    assert np.array_equal(scene.test[0].mask, mask())
    pickle.loads(pickle.dumps(view))  # Worker processes receive views.


def test_a_window_without_masks_is_the_mask():
    bare = capture()
    bare = replace(bare, views=tuple(replace(view, read_mask=None) for view in bare.views))
    scene, _ = divide(bare, protocol(window=Window(10, 6, 1, 0, 5)), None)
    assert scene.train[0].mask.sum() == 60
    assert scene.test[0].mask is None


@pytest.mark.parametrize(("policy", "train", "test"), [("all", 1, 1), ("test", 0, 1), ("none", 0, 0)])
def test_masks_count_where_the_protocol_says(policy, train, test):
    scene, _ = divide(capture(), protocol(masks=policy), None)
    assert [view.mask is not None for view in scene.train] == [bool(train)] * 2
    assert [view.mask is not None for view in scene.test] == [bool(test)] * 2


def cloud() -> Points:
    # Seen by frames 0 and 2; by frame 1 only; behind; by frame 0, far left; by nobody.
    xyz = np.array([[1.0, 0, 10], [-4.5, 0, 10], [0, 0, -10], [-5.3, -3, 10], [0, 40, 10]])
    return Points(xyz, np.arange(15, dtype=np.uint8).reshape(5, 3))


def test_points_in_training_views():
    everything = capture(points=cloud())
    for policy, kept in (("all", [0, 1, 2, 3, 4]), ("in-train-views", [0, 1, 3]), ("none", [])):
        scene, _ = divide(everything, protocol(points=policy), None)
        assert np.array_equal(scene.points.xyz, cloud().xyz[kept])
        assert np.array_equal(scene.points.rgb, cloud().rgb[kept])


def test_points_in_the_window():
    shown_to = protocol(points="in-train-views", window=Window(10, 12, 12, 6, 2))
    scene, _ = divide(capture(points=cloud()), shown_to, None)
    assert np.array_equal(scene.points.xyz, cloud().xyz[:1])


MINIMAL = """
name = "tiny"
version = 1
datasets = ["toy"]
split = { rule = "around-train", every = 6 }
[[scenes]]
id = "a"
train_views = ["one"]
[metrics]
toy_mae = 1
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('train_views = ["one"]', "", "must name the training views"),
        ('"around-train"', '"every-nth"', "must name the training views"),
        ("version = 1", "version = 1\nopen_scenes = true", "must name the training views"),
        ("every = 6", "every = 0", "tests no view around"),
        ("every = 6", "every = 6, margin = -1", "tests no view around"),
        ("version = 1", "version = 1\nwindow = { width = 0, height = 5, x = 0, y = 0, step = 5 }", "window"),
        ("version = 1", "version = 1\nwindow = { width = 5, height = 5, x = 0, y = 0, step = 0 }", "window"),
        ("version = 1", "version = 1\nwindow = { width = 5, height = 5, x = -1, y = 0, step = 5 }", "window"),
        ("version = 1", 'version = 1\nmasks = "train"', "not one of the choices"),
        ("version = 1", 'version = 1\npoints = "some"', "not one of the choices"),
    ],
)
def test_protocols_that_make_no_sense_are_refused(tmp_path, old, new, message):
    (tmp_path / "p.toml").write_text(MINIMAL)
    assert load_protocols(tmp_path / "p.toml")[0].scenes[0].train_views == ("one",)
    (tmp_path / "p.toml").write_text(MINIMAL.replace(old, new, 1))
    with pytest.raises(ProtocolError, match=message):
        load_protocols(tmp_path / "p.toml")


@pytest.mark.parametrize("rule", ["train-every-nth", "spread-views"])
def test_rules_that_leave_nothing_are_refused(tmp_path, rule):
    text = MINIMAL.replace('"around-train", every = 6', f'"{rule}", every = 1').replace(
        'train_views = ["one"]', ""
    )
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(ProtocolError, match=r"(tests|trains on) every view"):
        load_protocols(tmp_path / "p.toml")
