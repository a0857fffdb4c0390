from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Camera, Points, View
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.gaussians import SH_BAND_0
from recgen_bench.methods.splats.initialise import (
    depth_bounds,
    extent,
    from_points,
    initial_model,
    neighbour_distance,
    thinned,
)
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import target

RECIPE = Recipe(random_points=500, sh_degree=1, sky_size=8)


def decoded(scene):
    return [target(view, "cpu") for view in scene.train]


def at(centre, axis=(0, 0, 1.0)) -> Camera:
    """A camera that looks along an axis, at any roll."""
    forward = np.asarray(axis) / np.linalg.norm(axis)
    right = np.cross(forward, [0.3, 0.9, 0.1])
    right /= np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
    c2w[:3, 3] = centre
    return Camera(np.array([[20.0, 0, 16], [0, 20, 12], [0, 0, 1]]), c2w, 32, 24)


@pytest.mark.parametrize("threads", [1, 2])
def test_neighbour_distances_agree_with_brute_force(threads):
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(700, 3, generator=generator) * torch.tensor([30.0, 5, 0.1])
    points[100:120] = points[0]  # Duplicates have distance 0.
    distances = torch.cdist(points.double(), points.double()).fill_diagonal_(torch.inf)
    expected = distances.sort(dim=1).values[:, :3].mean(1)
    with kernels_on(threads):
        assert torch.allclose(neighbour_distance(points).double(), expected, rtol=1e-5, atol=1e-6)


def test_points_become_coloured_gaussians_as_large_as_their_gaps():
    grid = np.stack(np.meshgrid(*[np.arange(5.0)] * 3), axis=-1).reshape(-1, 3) * 0.2
    points = Points(grid, np.full((125, 3), 51, np.uint8))
    gaussians = from_points(points, RECIPE, largest=10.0)
    assert torch.allclose(gaussians.scales.exp(), torch.tensor(0.2), rtol=1e-4)
    assert torch.allclose(gaussians.sh0 * SH_BAND_0 + 0.5, torch.tensor(0.2))
    assert torch.allclose(torch.sigmoid(gaussians.opacities), torch.tensor(0.1))
    assert gaussians.degree == 1
    few = from_points(Points(grid[:2], points.rgb[:2]), RECIPE, largest=0.5)
    assert torch.allclose(few.scales.exp(), torch.tensor(0.5))


def test_cameras_around_an_object_bound_its_depth():
    angles = np.linspace(0, 5, 20)
    centres = np.stack([5 * np.cos(angles), 5 * np.sin(angles), np.full(20, 1.0)], axis=-1)
    near, far = depth_bounds([at(centre + 7, -centre) for centre in centres])
    distance = np.sqrt(26)
    assert near == pytest.approx(0.4 * distance)
    assert far == pytest.approx(2.5 * distance)


def test_parallel_and_diverging_cameras_are_bounded_by_their_baselines():
    offsets = np.linspace(-1, 1, 9)
    for axes in ([(0, 0, 1.0)] * 9, [(0.2 * o, 0, 1.0) for o in offsets]):
        near, far = depth_bounds([at((o, 0, 0), axis) for o, axis in zip(offsets, axes, strict=True)])
        assert near == pytest.approx(2 * 0.5)
        assert far == pytest.approx(60 * 0.5)


def test_one_camera_has_some_depth():
    near, far = depth_bounds([at((1, 2, 3))] * 3)
    assert 0 < near < far


def test_the_extent_is_the_cameras_radius_or_what_a_vehicle_sees(toy_scene):
    assert extent(toy_scene) == pytest.approx(1.1 * 4.0, rel=0.05)
    views = tuple(
        View(str(i), replace(at((i, 0, 0)), ego=np.eye(4)), read_image=toy_scene.train[0].read_image)
        for i in range(101)
    )
    beside = np.stack([np.linspace(0, 100, 300), np.full(300, 7.0), np.zeros(300)], axis=-1)
    drive = replace(toy_scene, train=views, points=Points(beside, np.zeros((300, 3), np.uint8)))
    assert extent(drive) == pytest.approx(7.0, rel=0.01)


def test_thinning_is_random_but_repeatable():
    points = Points(np.arange(300.0).reshape(100, 3), np.zeros((100, 3), np.uint8))
    first, again, other = (thinned(points, 10, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert np.array_equal(first.xyz, again.xyz)
    assert not np.array_equal(first.xyz, other.xyz)
    assert len(first) == 10
    assert (np.diff(first.xyz[:, 0]) > 0).all()
    assert thinned(points, 100, torch.Generator()) is points


def test_without_points_random_pixels_are_seen_with_their_colours(toy_scene):
    scene = replace(toy_scene, points=Points())
    model = initial_model(scene, decoded(scene), RECIPE, seed=3)
    assert len(model) == 500
    means = model.gaussians.means.double().numpy()
    colours = (model.gaussians.sh0[:, 0] * SH_BAND_0 + 0.5).numpy()
    matched = np.zeros(500, bool)
    for view in scene.train:
        local = means @ view.camera.w2c[:3, :3].T + view.camera.w2c[:3, 3]
        pixel = local @ view.camera.K.T
        x, y = (np.floor(pixel[:, :2] / pixel[:, 2:] + 1e-3).astype(int)).T
        inside = (local[:, 2] > 0) & (x >= 0) & (x < 32) & (y >= 0) & (y < 24)
        colour = view.image[y.clip(0, 23), x.clip(0, 31)] / 255
        matched |= inside & (np.abs(colour - colours).max(-1) < 1e-5)
    assert matched.mean() > 0.98


def test_actors_and_sky_have_their_own_parts(street_scene):
    scene, _ = street_scene
    model = initial_model(scene, decoded(scene), RECIPE, seed=0)
    assert model.tracks[0].name == "car"
    assert len(model.actor("car")) == 40
    assert np.allclose(model.actor("car").means, scene.actors[0].points.xyz, atol=1e-6)
    assert model.sky.shape == (8, 8, 3)
    assert initial_model(scene, decoded(scene), replace(RECIPE, sky_size=0), seed=0).sky is None
    assert initial_model(replace(scene, has_sky=False), decoded(scene), RECIPE, seed=0).sky is None


def test_a_scene_without_training_views_is_refused(toy_scene):
    with pytest.raises(DataError, match="no training views"):
        initial_model(replace(toy_scene, train=()), [], RECIPE, seed=0)
