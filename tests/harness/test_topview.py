"""The page laid on the ground: its axes, what is on it, and its scale."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness import topview
from recgen_bench.harness.scene import Camera, Capture, Points, View
from recgen_bench.harness.topview import axes, lay_ground, scale_length
from recgen_bench.harness.trajectory import rotation

K = np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]])
DRIVING = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Camera axes of a front camera in a world with z up, looking along x."""


def view(name: str, centre, turn=DRIVING, ego: bool = True) -> View:
    c2w = np.eye(4)
    c2w[:3, :3] = turn
    c2w[:3, 3] = centre
    return View(name, Camera(K, c2w, 32, 24, ego=np.eye(4) if ego else None))


def drive(step, ego: bool = True) -> tuple[View, ...]:
    return tuple(view(str(i), i * np.asarray(step, float), ego=ego) for i in range(5))


def test_a_drive_goes_to_the_right_and_its_left_is_up():
    right, upward, up = axes(drive([1, 0, 0]))
    np.testing.assert_allclose((right, upward, up), np.eye(3), atol=1e-12)


def test_looking_backwards_turns_the_page():
    right, upward, up = axes(
        tuple(view(str(i), [i, 0, 0], rotation(np.array([0, 0, 1.0]), np.pi) @ DRIVING) for i in range(5))
    )
    np.testing.assert_allclose((right, upward, up), np.diag([-1.0, -1, 1]), atol=1e-12)


def test_a_forward_facing_capture_looks_up_the_page():
    # Spread sideways along world y, looking along x, without vehicle poses.
    views = tuple(view(str(i), [0, i, 0], ego=False) for i in range(5))
    _, upward, up = axes(views)
    np.testing.assert_allclose(upward, [1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(up, [0, 0, 1], atol=1e-12)


vectors = st.tuples(*[st.floats(-1, 1)] * 3).map(np.array).filter(lambda v: np.linalg.norm(v) > 0.1)


@given(vectors, st.floats(0, 6), st.booleans(), vectors)
def test_axes_are_orthonormal_and_right_handed_whatever_the_cameras_do(axis, angle, ego, step):
    turn = rotation(axis / np.linalg.norm(axis), angle)
    for count in (1, 2, 4):
        frame = np.stack(axes(tuple(view(str(i), i * step, turn, ego) for i in range(count))))
        np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(frame) == pytest.approx(1)


@pytest.mark.parametrize("step", [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1000, 500, 0], [1e-5, 0, 0]])
@pytest.mark.parametrize("far", [0.0, 10.0, 1e5])
def test_all_cameras_are_on_the_page_and_large_enough(step, far):
    views = drive(step)
    xyz = np.random.default_rng(0).normal(0, 1 + far, (500, 3))
    capture = Capture("toy", "0", views, Points(xyz, np.zeros((500, 3), np.uint8)))
    ground = lay_ground(capture, (), 400)
    places = ground.place(np.stack([v.camera.centre for v in views]))
    assert (places >= 0).all()
    assert (places < [ground.width, ground.height]).all()
    assert ground.height % 2 == 0
    assert 0.29 * ground.width < ground.height < 0.81 * ground.width
    if step[2] == 0 and any(step):
        # The cameras take a fair part of the page, however far the points are.
        assert np.ptp(places, axis=0).max() > 0.13 * 400


def test_a_world_unit_has_its_length_in_pixels():
    ground = lay_ground(Capture("toy", "0", drive([1, 0, 0])), (), 400)
    a, b, c = ground.place(np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 5]]))
    np.testing.assert_allclose(b - a, [1 / ground.units_per_pixel, 0], atol=1e-9)
    np.testing.assert_allclose(c - a, [0, -1 / ground.units_per_pixel], atol=1e-9)


@given(st.floats(1e-6, 1e6))
def test_the_scale_bar_is_a_round_number_of_fitting_length(longest):
    length = scale_length(longest)
    assert length <= longest * (1 + 1e-6)
    assert length > 0.39 * longest
    assert f"{length:.0e}"[0] in "125"


def test_examples():
    assert doctest.testmod(topview).failed == 0
