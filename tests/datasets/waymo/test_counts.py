"""Lidar points per labelled box."""

from __future__ import annotations

import numpy as np
import pytest

from recgen_bench.datasets.waymo.boxes import make_actors, make_box
from recgen_bench.datasets.waymo.messages import parse
from recgen_bench.datasets.waymo.segment import Frame


def frame(step, *points):
    numbers = np.array([10.0, 0, 1, 4, 2, 1.5, 0])
    boxes = [make_box(f"t{i}", "vehicle", numbers, np.eye(4), 0.0, each) for i, each in enumerate(points)]
    return Frame(step, step / 10, np.eye(4), (), tuple(boxes), None, f"step {step}")


def test_actors_carry_the_points_of_their_boxes():
    actors, _ = make_actors([frame(0, 12, 3), frame(1, 9, None)], np.eye(4))
    assert actors[0].counts.tolist() == [12, 9]
    # One box without a number: nobody knows for the track as a whole.
    assert actors[1].counts is None


@pytest.mark.parametrize(("has", "expected"), [(True, 7), (False, None)])
def test_records_of_v1_say_how_many_points(has, expected):
    from recgen_bench.datasets.waymo.v1 import _box

    message = parse("Label", b"", "nowhere")
    message.id = b"a"
    message.type = 1
    for name, value in (("length", 4), ("width", 2), ("height", 1.5), ("center_x", 10)):
        setattr(message.box, name, value)
    if has:
        message.num_top_lidar_points_in_box = 7
    assert _box(message, np.eye(4), "nowhere").points == expected
