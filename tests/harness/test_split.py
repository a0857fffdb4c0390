"""Who is trained on and who is tested, as published."""

from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness import split as split_module
from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.protocol import Protocol, SceneEntry, Shift, Split
from recgen_bench.harness.scene import Camera, Capture, View
from recgen_bench.harness.split import divide, split_indices

K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])


def capture(count: int = 9, **facts) -> Capture:
    views = []
    for frame in range(count):
        ego = np.eye(4)
        ego[0, 3] = frame
        views.append(
            View(f"{frame:06d}", Camera(K, ego, 32, 24, frame=frame, ego=ego), source=f"{frame}.png")
        )
    return Capture("toy", "room", tuple(views), **facts)


def protocol(rule: Split, shift: Shift | None = None, scenes: tuple[SceneEntry, ...] = ()) -> Protocol:
    return Protocol("p", 1, ("toy",), rule, {"toy_mae": 1}, scenes=scenes, open_scenes=True, shift=shift)


def names(views) -> list[str]:
    return [view.name for view in views]


# RegNeRF's rule on captures of 20, 62 and 77 views: every 8th is tested, the rest is sampled evenly with
# round-half-to-even; 77 views at 9 meet exact halves.
FEW = {
    (20, 3): [1, 10, 19],
    (62, 3): [1, 30, 61],
    (77, 3): [1, 38, 76],
    (77, 6): [1, 15, 30, 46, 61, 76],
    (77, 9): [1, 10, 19, 29, 38, 47, 58, 67, 76],
}


@pytest.mark.parametrize(("count", "views"), FEW)
def test_few_views_are_picked_as_regnerf_does(count, views):
    train, test = split_indices(count, Split("few-views", every=8, views=views))
    assert test == list(range(0, count, 8))
    # The definition again, in exact arithmetic: position i of the pool is i * (n - 1) / (views - 1).
    pool = [i for i in range(count) if i % 8]
    quotients = [divmod(2 * i * (len(pool) - 1) + (views - 1), 2 * (views - 1)) for i in range(views)]
    exact = [whole - (rest == 0 and whole % 2) for whole, rest in quotients]
    assert train == [pool[i] for i in exact]
    assert train == FEW[count, views]


@given(st.integers(2, 200), st.integers(2, 12))
def test_every_nth_partitions_the_capture(count, every):
    train, test = split_indices(count, Split("every-nth", every=every))
    assert test == [i for i in range(count) if i % every == 0]
    assert sorted(train + test) == list(range(count))


@given(st.integers(1, 100), st.integers(2, 12), st.integers(1, 12))
def test_few_views_never_train_on_tested_views(count, every, views):
    rule = Split("few-views", every=every, views=views)
    pool = count - len(range(0, count, every))
    if views > pool:
        with pytest.raises(ProtocolError, match="too few views"):
            split_indices(count, rule)
    else:
        train, test = split_indices(count, rule)
        assert not set(train) & set(test)
        assert len(train) == views == len(set(train))


def test_all_train_and_ids():
    assert split_indices(3, Split("all-train")) == ([0, 1, 2], [0, 1, 2])
    assert split_indices(9, Split("ids", train=(5, 1), test=(3,))) == ([5, 1], [3])
    entry = SceneEntry("room", train=(2,), test=(4, 6))
    assert split_indices(9, Split("every-nth"), entry) == ([2], [4, 6])


def test_doctest():
    assert doctest.testmod(split_module).failed == 0


def test_divide_keeps_facts_and_uses_the_entry_of_the_scene():
    entry = SceneEntry("room", train=(2,), test=(4,))
    scene, notes = divide(capture(has_sky=True), protocol(Split("every-nth"), scenes=(entry,)), None)
    assert (names(scene.train), names(scene.test)) == (["000002"], ["000004"])
    assert (scene.dataset, scene.id, scene.has_sky, notes) == ("toy", "room", True, ())


@pytest.mark.parametrize("index", [9, -1])
def test_indices_outside_the_capture(index):
    with pytest.raises(ProtocolError, match="room: a view index of the split does not exist") as caught:
        divide(capture(), protocol(Split("ids", train=(0,), test=(index,))), None)
    assert caught.value.got == index
    assert "below 9" in str(caught.value)


def test_empty_parts_and_doubled_names():
    with pytest.raises(DataError, match="0 training and 1 test views of 1"):
        divide(capture(1), protocol(Split("every-nth")), None)
    with pytest.raises(ProtocolError, match="room: too few views to train on"):
        divide(capture(3), protocol(Split("few-views", views=3)), None)
    twice = capture()
    twice = replace(twice, views=(*twice.views, twice.views[0]))
    with pytest.raises(DataError, match="two views have the same name") as caught:
        divide(twice, protocol(Split("every-nth")), None)
    assert caught.value.got == "000000"


SHIFT = Shift((0.0, 1.0, 3.0))


def test_both_sides_are_tested_against_the_truth(toy):
    scene, notes = divide(toy.ToyWorld().open(request(toy)), protocol(Split("all-train"), SHIFT), 1.0)
    assert len(scene.train) == 8
    assert names(scene.test)[0] == "000000_left1m"
    assert names(scene.test)[8] == "000000_right1m"
    assert [view.shift for view in scene.test] == [1.0] * 8 + [-1.0] * 8
    assert not notes
    for view, recorded in zip(scene.test, scene.train * 2, strict=True):
        np.testing.assert_allclose(view.camera.centre, recorded.camera.centre + np.array([0, view.shift, 0]))
        truth, depth = toy.cast(view.camera, 0.0)
        assert np.array_equal(view.image, truth)
        assert np.array_equal(view.depth, depth)


def request(toy):
    from recgen_bench.harness import Request

    return Request("0", None)


def test_a_side_off_the_road_is_left_out_and_noted(toy):
    scene, notes = divide(toy.ToyWorld().open(request(toy)), protocol(Split("all-train"), SHIFT), 3.0)
    assert {view.shift for view in scene.test} == {3.0}
    assert notes == ("3m to the right leaves the road, which ends at 2.5 m",)


def test_no_side_on_the_road():
    narrow = capture(drivable=(2.0, 2.99))
    with pytest.raises(ProtocolError, match="allows this shift on no side") as caught:
        divide(narrow, protocol(Split("all-train"), SHIFT), 3.0)
    assert "left" in str(caught.value)
    assert "right" in str(caught.value)


def test_a_shift_of_exactly_the_limit_is_allowed():
    scene, notes = divide(capture(drivable=(3.0, 2.0)), protocol(Split("all-train"), SHIFT), 3.0)
    assert {view.shift for view in scene.test} == {-3.0}
    assert len(notes) == 1


def test_zero_shift_tests_the_recorded_views():
    scene, _ = divide(capture(), protocol(Split("all-train"), SHIFT), 0.0)
    assert scene.test == scene.train


def test_unknown_distance():
    with pytest.raises(ProtocolError, match="not a distance of the protocol") as caught:
        divide(capture(), protocol(Split("all-train"), SHIFT), 2.0)
    assert caught.value.expected == "0m, 1m, 3m"


def test_shifted_views_of_recorded_data_have_no_image():
    scene, _ = divide(capture(), protocol(Split("all-train"), SHIFT), 1.0)
    assert len(scene.test) == 18
    assert all(view.read_image is None for view in scene.test)
    assert scene.test[3].source == "3.png"


def test_every_nth_shifted_frame_of_a_ramp_keeps_the_whole_ramp():
    shift = Shift((2.0,), sides=("right",), profile="ramp", every=4)
    scene, _ = divide(capture(), protocol(Split("all-train"), shift), 2.0)
    assert names(scene.test) == ["000000_right2m", "000004_right2m", "000008_right2m"]
    np.testing.assert_allclose([view.camera.centre[1] for view in scene.test], [0, -1, -2], atol=1e-12)
