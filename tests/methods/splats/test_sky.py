import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.sky import behind, behind_reference, directions, look_up, painted, unfold

vectors = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda v: np.linalg.norm(v) > 0.1)


def fold(position):
    """The inverse of `unfold`, for the test."""
    x, y = position
    z = 1 - abs(x) - abs(y)
    if z < 0:
        x, y = (1 - abs(y)) * (1 if x >= 0 else -1), (1 - abs(x)) * (1 if y >= 0 else -1)
    return np.array([x, y, z])


@given(vectors)
def test_unfolding_keeps_every_direction(vector):
    position = unfold(torch.tensor(vector, dtype=torch.float64))
    assert position.abs().max() <= 1 + 1e-12
    back = fold(position.tolist())
    unit = np.array(vector) / np.linalg.norm(vector)
    assert back @ unit / np.linalg.norm(back) == pytest.approx(1, abs=1e-9)


def test_the_middle_pixel_looks_along_the_axis():
    c2w = np.eye(4)
    c2w[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]  # Forward is +x, up is +z.
    camera = Camera(np.array([[10.0, 0, 2.5], [0, 10, 1.5], [0, 0, 1]]), c2w, 5, 3)
    seen = directions(camera)
    assert seen.shape == (3, 5, 3)
    assert torch.allclose(seen[1, 2], torch.tensor([1.0, 0, 0]))
    assert seen[0, 2, 2] > 0  # The upper row looks up,
    assert seen[1, 0, 1] > 0  # and the left column to the left.


def camera_towards(turn):
    c, s = np.cos(turn), np.sin(turn)
    c2w = np.eye(4)
    c2w[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    return Camera(np.array([[40.0, 0, 30], [0, 40, 20], [0, 0, 1]]), c2w, 60, 40)


def test_a_painted_sky_shows_the_images_again():
    def image(camera):
        d = directions(camera)
        unit = (d / d.norm(dim=-1, keepdim=True)).numpy()
        return torch.from_numpy(np.round((unit * 0.4 + 0.5) * 255).astype(np.uint8))

    cameras = [camera_towards(turn) for turn in (0.0, 0.5, 2.0)]
    sky = painted([(camera, image(camera)) for camera in cameras], 48)
    for camera in (*cameras, camera_towards(0.25)):
        again = look_up(sky, unfold(directions(camera)))
        # Texels at the border of what was seen blend with unseen ones: leave out the border.
        inside = np.s_[4:20, 4:-4]
        assert np.abs(again.numpy()[inside] - image(camera).numpy()[inside] / 255).max() < 0.05


def test_directions_that_nobody_saw_get_the_mean():
    camera = camera_towards(0.0)
    grey = torch.full((40, 60, 3), 51, dtype=torch.uint8)
    assert torch.allclose(painted([(camera, grey)], 16), torch.tensor(0.2))


def test_the_sky_learns_only_where_it_is_seen():
    sky = torch.zeros(16, 16, 3, requires_grad=True)
    look_up(sky, unfold(directions(camera_towards(0.0)))).sum().backward()
    assert sky.grad.sum().item() == pytest.approx(60 * 40 * 3, rel=1e-4)
    behind = ((unfold(torch.tensor([-1.0, 0.0, 0.3])) + 1) * 8).long()
    assert not sky.grad[behind[1], behind[0]].any()


def test_the_kernel_agrees_with_plain_torch():
    generator = torch.Generator().manual_seed(0)
    c2w = np.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64).numpy())[0]
    c2w *= np.sign(np.linalg.det(c2w))
    pose = np.eye(4)
    pose[:3, :3] = c2w
    camera = Camera(np.array([[9.0, 0, 20], [0, 11, 14], [0, 0, 1]]), pose, 41, 29)  # Wide: all octants.
    inputs = [torch.rand(shape, generator=generator) for shape in ((29, 41, 3), (29, 41), (12, 12, 3))]
    upstream = torch.randn(29, 41, 3, generator=generator)
    results = []
    for compute in (behind, behind_reference):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        image = compute(*leaves, camera)
        image.backward(upstream)
        results.append([image.detach(), *(leaf.grad for leaf in leaves)])
    for ours, reference in zip(*results, strict=True):
        assert torch.allclose(ours, reference, atol=2e-5)
