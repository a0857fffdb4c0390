from __future__ import annotations

import numpy as np
import pytest

from recgen_bench.datasets.street.light import encode
from recgen_bench.datasets.street.pyramid import Pyramid
from recgen_bench.datasets.street.render import describe, rays
from recgen_bench.datasets.street.road import BEGIN, END, Stripe, coverage
from recgen_bench.datasets.street.shapes import box, stand
from recgen_bench.datasets.street.textures import noise, stream
from recgen_bench.datasets.street.tracing import STATIC, Tracer
from recgen_bench.harness.scene import Camera


def brute(stripe: Stripe, st: tuple[float, float], extent: tuple[float, float]) -> float:
    """Return the painted share of a footprint by counting a fine grid."""
    count = 400
    s = st[0] + (np.arange(count) + 0.5) / count * extent[0] - extent[0] / 2
    t = st[1] + (np.arange(count) + 0.5) / count * extent[1] - extent[1] / 2
    along = (s > stripe.begin) & (s < stripe.end)
    if stripe.period:
        along &= (s - stripe.begin) % stripe.period < stripe.dash
    across = np.abs(t - stripe.t) < stripe.width / 2
    return float(along.mean() * across.mean())


@pytest.mark.parametrize(
    "stripe", [Stripe(1.0, 0.2), Stripe(0.5, 0.15, -3.0, END, 6.0, 3.0), Stripe(0.0, 2.0, 4.0, 4.4)]
)
def test_coverage_is_the_painted_area(stripe):
    rng = np.random.default_rng(0)
    st = np.stack([rng.uniform(0, 12, 60), rng.uniform(-1, 2, 60)], -1)
    extent = np.stack([rng.uniform(0.01, 5, 60), rng.uniform(0.01, 1.5, 60)], -1)
    exact = np.array(
        [brute(stripe, tuple(place), tuple(size)) for place, size in zip(st, extent, strict=True)]
    )
    assert np.abs(coverage((stripe,), st, extent)[:, 0] - exact).max() < 0.01


def test_yellow_paint_has_its_own_share():
    share = coverage((Stripe(0.0, 1.0, yellow=True),), np.array([[BEGIN + 50, 0.0]]), np.full((1, 2), 1e-6))
    assert share.tolist() == [[0.0, 1.0]]


def test_textures_repeat_and_average_to_their_mean():
    picture = noise(stream(3, "t"), 1.0)[..., None] + 5
    pyramid = Pyramid([picture], np.array([[2.0, 2.0]]), 9)
    layer = np.zeros(4, np.int32)
    uv = np.array([[0.3, 0.7], [2.3, 0.7], [0.3, -1.3], [8.3, 4.7]], np.float32)
    sharp = pyramid.sample(layer, uv, np.full(4, 1e-3))
    assert np.allclose(sharp, sharp[0], atol=1e-3)
    assert np.allclose(pyramid.sample(layer, uv, np.full(4, 50.0)), picture.mean(), atol=1e-4)


def test_a_texel_centre_returns_its_texel():
    picture = np.arange(64, dtype=np.float32).reshape(8, 8, 1)
    pyramid = Pyramid([picture], np.array([[8.0, 8.0]]), 4)
    uv = np.array([[2.5, 8 - 3.5]], np.float32)
    assert pyramid.sample(np.zeros(1, np.int32), uv, np.ones(1))[0, 0] == picture[3, 2, 0]


def test_encoding_rises_and_keeps_black_and_white():
    ramp = encode(np.linspace(0, 4, 1000, dtype=np.float32)[:, None])[:, 0].astype(int)
    assert (np.diff(ramp) >= 0).all()
    assert (ramp[0], ramp[-1]) == (0, 255)
    assert abs(encode(np.full((1, 1), 0.2140, np.float32))[0, 0] - 127.5) <= 1


def test_rays_pass_through_pixel_centres():
    K = np.array([[50.0, 0, 16], [0, 40, 12], [0, 0, 1]])
    camera = Camera(K, np.eye(4), 32, 24)
    direction = rays(camera, np.array([16.0, 26.0]), np.array([12.0, 12.0]))
    assert np.allclose(direction[0], [0, 0, 1])
    assert np.allclose(direction[1] / direction[1, 2], [0.2, 0, 1])


def test_moving_actors_are_traced_where_they_are():
    tracer = Tracer(box((10, -5, -5), (11, 5, 5), 6), [box((-1, -1, -1), (1, 1, 1), 6)], np.full((1, 3), 2.0))
    ahead = np.array([[1, 0, 0]], np.float32)
    origin = np.zeros(3)
    for x, distance, owner in ((5.0, 4.0, 0), (20.0, 10.0, STATIC), (-5.0, 10.0, STATIC)):
        hits = tracer.first(origin, ahead, stand(x, 0)[None])
        assert hits.distance[0] == pytest.approx(distance, abs=1e-4)
        assert hits.owner[0] == owner
    below = np.array([[5, 0, -3]], np.float32)
    sun = np.array([0.0, 0.6, 0.8], np.float32)
    assert tracer.blocked(below, sun, stand(5.0, 1.5)[None])[0]
    assert not tracer.blocked(below, sun, stand(5.0, -3.0)[None])[0]


def test_the_check_of_the_ray_tracer_names_it():
    assert describe().startswith("embreex ")
