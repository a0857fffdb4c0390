import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.checkpoint import load, save
from recgen_bench.methods.gaussian_splatting import GaussianSplatting
from recgen_bench.methods.splats.model import SplatModel

SMALL = replace(
    GaussianSplatting.presets["demo"],
    iterations=150,
    least_points=20,
    densify_from=20,
    densify_until=100,
    densify_every=20,
    sky_size=16,
)


def psnr(method, model, views, run) -> float:
    cameras = [view.camera for view in views]
    errors = [
        np.mean((frame.rgb - view.image / 255) ** 2)
        for frame, view in zip(method.render(model, cameras, run), views, strict=True)
    ]
    return -10 * math.log10(np.mean(errors))


def test_a_toy_scene_is_reconstructed_from_its_points(toy_scene, make_run):
    method, run = GaussianSplatting(), make_run(toy_scene, replace(SMALL, iterations=300))
    model = method.reconstruct(toy_scene.without_answers(), run)
    assert psnr(method, model, toy_scene.train, run) > 27
    assert psnr(method, model, toy_scene.test, run) > 22


def test_a_moving_actor_is_reconstructed_and_can_be_seen_from_aside(street_scene, make_run):
    scene, truth = street_scene
    method, run = GaussianSplatting(), make_run(scene, SMALL, threads=2)
    model = method.reconstruct(scene, run)
    assert psnr(method, model, scene.train, run) > 26
    aside = np.eye(4)
    aside[0, 3] = 0.4
    cameras = [replace(view.camera, c2w=aside @ view.camera.c2w) for view in scene.train]
    expected = list(method.render(truth, cameras, run))
    frames = list(method.render(model, cameras, run))
    errors = [np.mean((a.rgb - b.rgb) ** 2) for a, b in zip(frames, expected, strict=True)]
    assert -10 * math.log10(np.mean(errors)) > 18
    static = replace(scene, actors=(replace(scene.actors[0], moving=False),))
    blurred = method.reconstruct(static, run)
    assert not blurred.tracks
    assert psnr(method, model, scene.train, run) > psnr(method, blurred, scene.train, run)


def test_a_stored_model_renders_the_same_frames(street_scene, make_run, tmp_path):
    scene, _ = street_scene
    method, run = GaussianSplatting(), make_run(scene, replace(SMALL, iterations=3))
    model = method.reconstruct(scene, run)
    save(tmp_path / "model.safetensors", model)
    stored = load(tmp_path / "model.safetensors", SplatModel)
    cameras = [view.camera for view in scene.train[:2]]
    pairs = zip(method.render(model, cameras, run), method.render(stored, cameras, run), strict=True)
    for a, b in pairs:
        assert np.array_equal(a.rgb, b.rgb)
        assert np.array_equal(a.depth, b.depth)
        assert a.rgb.dtype == a.depth.dtype == np.float32
        assert a.rgb.shape == (24, 32, 3)
        assert 0 <= a.rgb.min() <= a.rgb.max() <= 1


def test_depth_is_that_of_the_wall(street_scene, make_run):
    scene, truth = street_scene
    frame = next(iter(GaussianSplatting().render(truth, [scene.train[0].camera], make_run(scene, SMALL))))
    seen = frame.depth > 0
    assert seen.any()
    assert not seen.all()
    assert 2.5 < np.median(frame.depth[seen]) < 7.5


@pytest.mark.parametrize("densify", ["default", "mcmc", "none"])
def test_the_model_is_the_same_for_any_threads(street_scene, make_run, densify):
    scene, _ = street_scene
    recipe = replace(SMALL, iterations=40, densify=densify)
    models = [GaussianSplatting().reconstruct(scene, make_run(scene, recipe, threads=t)) for t in (1, 2)]
    for a, b in zip(models[0].gaussians, models[1].gaussians, strict=True):
        assert torch.equal(a, b)
    assert torch.equal(models[0].sky, models[1].sky)


def test_there_are_no_rounds(toy_scene, make_run):
    assert tuple(GaussianSplatting().rounds(None, make_run(toy_scene, SMALL))) == ()
