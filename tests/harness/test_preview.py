"""The picture shows what is there, where it is, in the colour of its role."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.preview import (
    KERB,
    LINE,
    MOVING,
    PARKED,
    TEST,
    TRAIN,
    UNUSED,
    Shown,
    contact_sheet,
    divided,
    top_view,
)
from recgen_bench.harness.protocol import Split
from recgen_bench.harness.scene import Actor, Capture, Lane, Points, View
from recgen_bench.harness.topview import lay_ground


@pytest.fixture
def capture(toy) -> Capture:
    return toy.ToyWorld().open(Request("1", None))


def drawn(plan, ground, xyz, colour, within: int = 2) -> bool:
    """Return whether a colour is within a few pixels of a place in the world."""
    x, y = (ground.place(np.asarray(xyz, float)[None])[0] / 2).round().astype(int)
    part = plan[max(0, y - within) : y + within + 1, max(0, x - within) : x + within + 1]
    return bool((np.abs(part.astype(int) - colour).max(-1) <= 30).any())


def page(shown: Shown):
    return lay_ground(shown.capture, shown.beside, 1176 * 2)


def test_views_are_trained_on_tested_or_neither(capture, toy_registry):
    protocol = replace(
        toy_registry.protocol("toy-shift"), shift=None, split=Split("ids", train=(0, 1), test=(5,))
    )
    shown, complaint = divided(capture, protocol)
    assert complaint == ""
    assert [shown.role(view)[0] for view in capture.views[:6]] == ["train"] * 2 + ["unused"] * 3 + ["test"]
    plan, ground = top_view(shown), page(shown)
    for index, colour in ((0, TRAIN), (1, TRAIN), (3, UNUSED), (5, TEST)):
        assert drawn(plan, ground, capture.views[index].camera.centre, colour)
    assert not drawn(plan, ground, capture.views[5].camera.centre, TRAIN, within=1)


def test_the_largest_shift_that_the_road_allows_is_drawn_beside_the_track(capture, toy_registry):
    shown, _ = divided(capture, toy_registry.protocol("toy-shift"))
    assert shown.protocol == "toy-shift at 3m"
    # 3 m to the left only: the road ends 2.5 m to the right.
    assert {view.shift for view in shown.beside} == {3.0}
    plan, ground = top_view(shown), page(shown)
    centre = capture.views[-1].camera.centre
    assert drawn(plan, ground, centre + np.array([0, 3, 0]), TEST)
    assert not drawn(plan, ground, centre - np.array([0, 1.4, 0]), TEST)


def test_a_protocol_that_does_not_fit_is_said_and_colours_nothing(capture, toy_registry):
    protocol = replace(
        toy_registry.protocol("toy-shift"), shift=None, split=Split("ids", train=(0,), test=(99,))
    )
    shown, complaint = divided(capture, protocol)
    assert "a view index of the split does not exist" in complaint
    assert {shown.role(view)[0] for view in capture.views} == {"unused"}
    assert drawn(top_view(shown), page(shown), capture.views[0].camera.centre, UNUSED)


def test_boxes_lanes_and_points_are_where_they_are(capture):
    at = np.tile(np.eye(4), (8, 1, 1))
    at[:, :3, 3] = [3, 4, 0.8]
    moving = at.copy()
    moving[:, 0, 3] = np.linspace(0, 7, 8)
    moving[:, 1, 3] = -4
    size, frames = np.array([4.0, 1.8, 1.5]), np.arange(8)
    shown = Shown(
        replace(
            capture,
            actors=(
                Actor("a", "vehicle", size, frames, at, False),
                Actor("b", "vehicle", size, frames, moving, True),
            ),
            lanes=(
                Lane(np.array([[0.0, 1.5, 0], [9, 1.5, 0]]), "dashed"),
                Lane(np.array([[0.0, 6, 0], [9, 6, 0]]), "kerb"),
            ),
            points=Points(
                np.array([[2.0, -2, 0], [2, -2, 1], [6, -2, 0], [0, -7, 0], [9, 7, 0]]),
                np.array([[0, 0, 200], [200, 0, 0], [0, 200, 0], [9, 9, 9], [9, 9, 9]], np.uint8),
            ),
        ),
        "none",
    )
    plan, ground = top_view(shown), page(shown)
    assert drawn(plan, ground, [1.5, 4.9, 0], PARKED)
    assert drawn(plan, ground, [5, 4, 0], PARKED)
    assert not drawn(plan, ground, [2.5, 4, 0], PARKED)
    # The box of time step 4, the middle of 8, and the whole path.
    assert drawn(plan, ground, [6, -4, 0], MOVING)
    assert drawn(plan, ground, [3, -4.9, 0], MOVING)
    assert drawn(plan, ground, [0.5, -4, 0], MOVING)
    assert drawn(plan, ground, [7, 1.5, 0], LINE)
    assert drawn(plan, ground, [7, 6, 0], KERB)
    # The higher of two points at one place is on top.
    assert drawn(plan, ground, [2, -2, 0], (170, 0, 0))
    assert not drawn(plan, ground, [2, -2, 0], (0, 0, 170))
    assert drawn(plan, ground, [6, -2, 0], (0, 170, 0))


def test_the_sheet_reads_at_most_twelve_views_and_is_the_same_again(capture):
    read: list[str] = []

    def counted(view: View) -> View:
        def pixels():
            read.append(view.name)
            return view.image

        return replace(view, read_image=pixels)

    many = [replace(view, name=f"{lap}/{view.name}") for lap in range(3) for view in capture.views]
    shown = Shown(replace(capture, views=tuple(map(counted, many))), "none")
    sheet = contact_sheet(shown)
    assert sheet.shape[1:] == (1200, 3)
    assert len(read) == 12
    assert (read[0], read[-1]) == (many[0].name, many[-1].name)
    np.testing.assert_array_equal(sheet, contact_sheet(shown))


def test_images_are_shown_as_they_are(capture):
    red = np.zeros((24, 32, 3), np.uint8)
    red[...] = (255, 0, 0)
    one = replace(capture, views=(replace(capture.views[0], read_image=lambda: red),))
    sheet = contact_sheet(Shown(one, "none"))
    rows, columns = np.nonzero((sheet == (255, 0, 0)).all(-1))
    assert (np.ptp(columns) + 1) / (np.ptp(rows) + 1) == pytest.approx(32 / 24, rel=0.02)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_odd_captures_are_drawn_too(capture, count):
    views = tuple(
        View(f"line\nbreak \u2028 {'long ' * 40}{i}", capture.views[i].camera) for i in range(count)
    )
    assert contact_sheet(Shown(replace(capture, id="a\0b", views=views), "none")).shape[1] == 1200


def test_no_view_is_an_error(capture):
    with pytest.raises(DataError, match="no view to draw"):
        contact_sheet(Shown(replace(capture, views=()), "none"))
