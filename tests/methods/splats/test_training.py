from dataclasses import replace

import torch

from recgen_bench.harness.checkpoint import load, save
from recgen_bench.methods.gaussian_splatting import GaussianSplatting
from recgen_bench.methods.splats.target import shuffled, target
from recgen_bench.methods.splats.training import Training, begin, go_on

RECIPE = replace(
    GaussianSplatting.presets["demo"],
    iterations=30,
    least_points=20,
    densify_from=5,
    densify_until=25,
    densify_every=6,
    sky_size=16,
)


def same(a: Training, b: Training) -> bool:
    if a.state.keys() != b.state.keys():
        return False
    pairs = ((a.state[key], b.state[key]) for key in a.state)
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)


def test_two_phases_are_one_training(street_scene, make_run, tmp_path):
    """Stopping at 13, storing, and going on ends with the same bytes as 30 steps at once."""
    scene, _ = street_scene
    run = make_run(scene, RECIPE)
    views = [target(view, "cpu") for view in scene.train]
    visit = shuffled(views, 5)
    whole = begin(views, visit, run, until=30)
    half = begin(views, visit, run, until=13)
    assert (half.iteration, half.tracks[0].name) == (13, "car")
    save(tmp_path / "half.safetensors", half)
    resumed = go_on(load(tmp_path / "half.safetensors", Training), RECIPE, visit, run, until=30)
    assert resumed.iteration == 30
    assert len(resumed.model) > len(half.model)
    assert same(whole, resumed)


def test_the_model_of_a_training_is_what_the_trainer_had(street_scene, make_run):
    scene, _ = street_scene
    run = make_run(scene, RECIPE)
    views = [target(view, "cpu") for view in scene.train]
    training = begin(views, shuffled(views, 5), run, until=3)
    plain = GaussianSplatting().reconstruct(scene, make_run(scene, replace(RECIPE, iterations=3)))
    assert len(training.model) == len(plain)
    assert torch.equal(training.model.owner, plain.owner)
    assert training.model.sky.shape == plain.sky.shape
    assert not any(tensor.requires_grad for tensor in training.model.gaussians)
