import numpy as np
import torch

from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.gaussians import Gaussians
from recgen_bench.methods.splats.horizon import open_directions, sky_mask
from recgen_bench.methods.splats.model import static

K = np.array([[16.0, 0, 16], [0, 16, 12], [0, 0, 1]])
WIDTH, HEIGHT = 32, 24


def looking_north(x=0.0) -> Camera:
    """A camera whose image's upper half looks above the horizon (world z up, looking along y)."""
    c2w = np.eye(4)
    c2w[:3, :3] = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T
    c2w[:3, 0], c2w[:3, 1], c2w[:3, 2] = (1, 0, 0), (0, 0, -1), (0, 1, 0)
    c2w[0, 3] = x
    return Camera(K, c2w, WIDTH, HEIGHT)


def ground() -> Gaussians:
    """An opaque wall of Gaussians below the horizon."""
    x, z = np.meshgrid(np.linspace(-14, 14, 57), np.linspace(-9.2, -0.8, 18))
    means = torch.tensor(np.stack([x.ravel(), np.full(x.size, 8.0), z.ravel()], -1), dtype=torch.float32)
    count = len(means)
    return Gaussians(
        means,
        torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
        torch.full((count, 3), -1.0),
        torch.full((count,), 6.0),
        torch.zeros(count, 1, 3),
        torch.zeros(count, 0, 3),
    )


def test_the_sky_is_what_was_seen_through_and_a_hole_is_not():
    model, here = static(ground()), looking_north()
    known = open_directions(model, [here], threads=1)
    holes = ground()
    keep = ~((holes.means[:, 0].abs() < 2) & (holes.means[:, 2] < -3))
    from recgen_bench.methods.splats.compose import render

    alpha = render(static(holes.select(keep)), looking_north(0.3)).alpha
    assert (alpha[14:, 16] < 0.1).any()  # There is a hole.
    mask = sky_mask(alpha, looking_north(0.3), known)
    assert mask.dtype == torch.bool
    assert mask.shape == (HEIGHT, WIDTH)
    assert mask[:9].all()
    assert not mask[15:].any()


def test_directions_that_nobody_saw_are_not_sky():
    known = open_directions(static(ground()), [looking_north()], threads=1)
    backwards = looking_north()
    turned = backwards.c2w.copy()
    turned[:3, 0] *= -1
    turned[:3, 2] *= -1
    camera = Camera(K, turned, WIDTH, HEIGHT)
    assert not sky_mask(torch.zeros(HEIGHT, WIDTH), camera, known).any()


def test_what_the_gaussians_cover_is_no_sky():
    known = open_directions(static(ground()), [looking_north()], threads=1)
    assert not sky_mask(torch.full((HEIGHT, WIDTH), 0.6), looking_north(), known).any()
