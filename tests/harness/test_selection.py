"""Views chosen by name and by where their cameras stand."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recgen_bench.harness import selection
from recgen_bench.harness.errors import ProtocolError
from recgen_bench.harness.protocol import Protocol, SceneEntry, Split
from recgen_bench.harness.scene import Camera, Capture, View
from recgen_bench.harness.selection import around, named, spread
from recgen_bench.harness.split import divide, split_indices

K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])


def views(positions, frames=None) -> list[View]:
    made = []
    for index, position in enumerate(positions):
        pose = np.eye(4)
        pose[:3, 3] = position
        frame = index if frames is None else frames[index]
        made.append(View(f"v{frame}", Camera(K, pose, 32, 24, frame=frame)))
    return made


def line(count: int) -> list[View]:
    return views([(index, 0, 0) for index in range(count)])


def capture(made: list[View]) -> Capture:
    return Capture("toy", "room", tuple(made))


def protocol(split: Split, *train_views: str) -> Protocol:
    entry = SceneEntry("room", train_views=train_views)
    return Protocol("p", 1, ("toy",), split, {"toy_mae": 1}, scenes=(entry,))


def test_examples():
    assert doctest.testmod(selection).failed == 0


def test_names_keep_their_order():
    assert named(line(5), ["v3", "v0"]) == [3, 0]


def test_a_name_that_is_not_there_is_refused():
    with pytest.raises(ProtocolError, match="lacks a view") as caught:
        named(line(5), ["v3", "v9"])
    assert "v9" in str(caught.value)


def test_around_counts_frames_and_not_views():
    frames = [0, 1, 4, 5, 6, 7, 8, 9, 12]
    made = views([(frame, 0, 0) for frame in frames], frames)
    # From 5 - 3 = 2 every 2nd frame to 7 + 3 = 10: 2 and 10 are not there.
    assert [frames[index] for index in around(made, [3, 5], 3, 2)] == [4, 6, 8]
    # The first frame is never below 0.
    assert [frames[index] for index in around(made, [1], 3, 2)] == [0, 4]


def test_around_through_divide():
    scene, _ = divide(capture(line(40)), protocol(Split("around-train", every=6), "v20", "v12"), None)
    assert [view.name for view in scene.train] == ["v20", "v12"]
    assert [view.name for view in scene.test] == ["v2", "v8", "v14", "v26"]


def test_spread_is_farthest_point_selection():
    """Against the definition, written with loops and exact comparisons."""
    rng = np.random.default_rng(3)
    points = rng.standard_normal((60, 3)) * [30, 2, 5]

    def distance(one, other):
        return float(np.sqrt(((points[one] - other) ** 2).sum()))

    middle = points.mean(axis=0)
    chosen = [min(range(60), key=lambda index: distance(index, middle))]
    while len(chosen) < 9:
        rest = [index for index in range(60) if index not in chosen]
        chosen.append(max(rest, key=lambda index: min(distance(index, points[c]) for c in chosen)))
    for count in range(1, 10):
        assert spread(list(points), count) == sorted(chosen[:count])


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n))),
    st.integers(0, 1000),
    st.floats(1e-3, 1e3),
)
def test_spread_ignores_unit_and_origin(sizes, seed, scale):
    count, wanted = sizes
    points = np.random.default_rng(seed).integers(-5, 6, (count, 3)).astype(float)
    chosen = spread(list(points), wanted)
    assert chosen == sorted(set(chosen))
    assert len(chosen) == wanted
    assert spread(list(points * scale + [7, -3, 2]), wanted) == chosen


def test_spread_survives_cameras_in_one_place():
    assert spread([np.zeros(3)] * 4, 3) == [0, 1, 2]


def test_spread_needs_enough_positions():
    with pytest.raises(ProtocolError, match="too few views"):
        spread([np.zeros(3)], 2)


def test_spread_views_never_train_on_what_is_tested():
    scene, _ = divide(capture(line(33)), protocol(Split("spread-views", every=8, views=3)), None)
    assert [view.name for view in scene.test] == ["v0", "v8", "v16", "v24", "v32"]
    # The pool's mean is 16; 15 and 17 are equally near, and the lower wins. Then the far ends.
    assert [view.name for view in scene.train] == ["v1", "v15", "v31"]


def test_train_every_nth_is_the_other_way_round():
    train, test = split_indices(7, Split("train-every-nth", every=2))
    assert (train, test) == ([0, 2, 4, 6], [1, 3, 5])


def test_disjoint_leaves_trained_views_out_of_the_test():
    lists = Split("ids", train=(1, 4), test=(0, 1, 2, 4))
    both, _ = divide(capture(line(5)), protocol(lists), None)
    assert [view.name for view in both.test] == ["v0", "v1", "v2", "v4"]
    clean, _ = divide(
        capture(line(5)), protocol(Split("ids", train=(1, 4), test=(0, 1, 2, 4), disjoint=True)), None
    )
    assert [view.name for view in clean.train] == ["v1", "v4"]
    assert [view.name for view in clean.test] == ["v0", "v2"]


@pytest.mark.parametrize("rule", ["spread-views", "around-train"])
def test_rules_on_cameras_refuse_bare_counts(rule):
    with pytest.raises(ProtocolError, match="looks at the cameras"):
        split_indices(5, Split(rule))
