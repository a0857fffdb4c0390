from dataclasses import replace

import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.gaussians import NAMES
from recgen_bench.methods.splats.initialise import initial_model
from recgen_bench.methods.splats.optimise import Trainer, freeze, train
from recgen_bench.methods.splats.recipe import Recipe
from recgen_bench.methods.splats.target import Target, shuffled, target

RECIPE = Recipe(
    iterations=40,
    least_points=10,
    sh_degree=1,
    sh_every=10,
    position_rate=5e-4,
    position_rate_end=1e-5,
    colour_rate=1e-2,
    sky_size=8,
    densify_from=5,
    densify_until=30,
    densify_every=6,
    densify_gradient=1e-4,
    reset_every=20,
    most_gaussians=200,
)


def decoded(scene, recipe):
    return [target(view, "cpu", with_depth=recipe.depth_weight > 0) for view in scene.train]


def trainer(scene, recipe=RECIPE, seed=0) -> Trainer:
    return Trainer(
        initial_model(scene, decoded(scene, recipe), recipe, seed=1), recipe, extent=2.0, seed=seed
    )


def visits(scene, recipe=RECIPE):
    return shuffled(decoded(scene, recipe), seed=5)


def same(first: dict, second: dict) -> bool:
    if first.keys() != second.keys():
        return False
    pairs = ((first[key], second[key]) for key in first)
    return all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("densify", ["default", "mcmc", "none"])
def test_training_lowers_the_loss_and_keeps_the_rows_together(toy_scene, densify):
    recipe = replace(RECIPE, densify=densify, reset_every=0)
    learner, visit = trainer(toy_scene, recipe), visits(toy_scene, recipe)
    losses = [learner.step(visit(i)).item() for i in range(40)]
    assert sum(losses[-8:]) < 0.7 * sum(losses[:8])
    count = len(learner.population)
    assert count == 120 if densify == "none" else 120 < count <= 200
    for part in (learner.population.gaussians, learner.population.first, learner.population.second):
        assert {len(tensor) for tensor in part} == {count}
    assert learner.population.born.max() <= 30
    assert len(learner.state()["gradient"]) == count


@pytest.mark.parametrize(("densify", "cut"), [("default", 1), ("default", 12), ("default", 20), ("mcmc", 12)])
def test_a_restored_trainer_continues_to_the_same_bytes(toy_scene, cut, densify):
    recipe = replace(RECIPE, densify=densify)
    visit = visits(toy_scene, recipe)
    whole = trainer(toy_scene, recipe)
    for i in range(40):
        whole.step(visit(i))
    first, second = trainer(toy_scene, recipe), trainer(toy_scene, recipe)
    for i in range(cut):
        first.step(visit(i))
    second.restore(first.state())
    for i in range(cut, 40):
        second.step(visit(i))
    assert same(whole.state(), second.state())
    assert not same(whole.state(), first.state())


@pytest.mark.parametrize("densify", ["default", "mcmc"])
def test_the_bytes_do_not_depend_on_the_threads(street_scene, densify):
    scene, _ = street_scene
    recipe = replace(RECIPE, densify=densify)
    states = []
    for threads in (1, 2, 3):
        with kernels_on(threads):
            learner, visit = trainer(scene, recipe), visits(scene, recipe)
            for i in range(35):
                learner.step(visit(i))
        states.append(learner.state())
    assert all(same(states[0], state) for state in states[1:])


def test_another_seed_densifies_differently(toy_scene):
    states = []
    for seed in (0, 1):
        learner, visit = trainer(toy_scene, seed=seed), visits(toy_scene)
        for i in range(20):
            learner.step(visit(i))
        states.append(learner.state())
    assert not same(*states)


class Killed(Exception):
    """Stands for a kill at any instant."""


def test_a_killed_run_resumes_from_its_snapshot(toy_scene, make_run):
    def run_until(killed_at, every_s):
        def report(step, total, values):
            if step >= killed_at:
                raise Killed

        run = make_run(toy_scene, RECIPE, every_s=every_s, report=report)
        return train(trainer(toy_scene), visits(toy_scene), run, until=40)

    whole = run_until(99, 1e9)
    with pytest.raises(Killed):
        run_until(1, 0.0)
    resumed = run_until(99, 1e9)
    for name in NAMES:
        assert torch.equal(getattr(whole.gaussians, name), getattr(resumed.gaussians, name))


def test_progress_says_how_many_and_how_well(toy_scene, make_run):
    reports = []
    recipe = replace(RECIPE, reset_every=0)
    run = make_run(toy_scene, recipe, report=lambda *report: reports.append(report))
    model = train(trainer(toy_scene, recipe), visits(toy_scene), run, until=40)
    assert reports[0][:2] == (1, 40)
    assert reports[-1][:2] == (40, 40)
    assert reports[-1][2]["gaussians"] == len(model)
    assert 0 < reports[-1][2]["loss"] < reports[0][2]["loss"]


def test_the_returned_model_does_not_change_any_more(toy_scene, make_run):
    learner, visit = trainer(toy_scene), visits(toy_scene)
    model = train(learner, visit, make_run(toy_scene, RECIPE), until=4)
    before = model.gaussians.means.clone()
    learner.step(visit(4))
    assert torch.equal(model.gaussians.means, before)
    assert not model.gaussians.means.requires_grad


def test_several_targets_add_up(toy_scene):
    recipe = replace(RECIPE, densify="none")
    views = [target(view, "cpu") for view in toy_scene.train[:2]]
    gradients = []

    def keep(model, iteration):
        gradients.append(model.gaussians.sh0.grad.clone())

    for targets in (views[:1], views[1:], views, [replace(views[0], scale=0.5)]):
        trainer(toy_scene, recipe).step(targets, keep)
    assert torch.allclose(gradients[2], gradients[0] + gradients[1], atol=1e-7)
    assert torch.allclose(gradients[3], 0.5 * gradients[0], atol=1e-8)


def test_frozen_rows_keep_their_geometry(toy_scene):
    recipe = replace(RECIPE, densify="none")
    learner, visit = trainer(toy_scene, recipe), visits(toy_scene, recipe)
    before = learner.model().gaussians.map(lambda tensor: tensor.detach().clone())
    rows = torch.arange(120) < 60
    for i in range(5):
        learner.step(visit(i), lambda model, _: freeze(model, rows, ("means", "quats")))
    after = learner.model().gaussians
    for name in ("means", "quats"):
        assert torch.equal(getattr(after, name)[rows], getattr(before, name)[rows])
        assert not torch.equal(getattr(after, name)[~rows], getattr(before, name)[~rows])
    assert not torch.equal(after.opacities[rows], before.opacities[rows])


def test_a_prior_and_masks_of_depth_and_sky_take_part(street_scene):
    scene, _ = street_scene
    recipe = replace(RECIPE, densify="none", depth_weight=1.0, sky_weight=1.0)
    camera = scene.train[0].camera
    flat = torch.full((24, 32), 3.0)
    everywhere = torch.ones(24, 32, dtype=torch.bool)

    def loss(**terms):
        return trainer(scene, recipe).step([Target(camera, **terms)]).item()

    assert loss(depth=flat) > 0
    assert loss(sky=everywhere) > loss(sky=~everywhere) * 0.01 > 0
    assert loss(
        prior=lambda rendered: 7.0 * rendered.alpha.mean() / rendered.alpha.mean().detach()
    ) == pytest.approx(7.0)


def test_the_sky_is_learnt(street_scene):
    scene, _truth = street_scene
    start = replace(initial_model(scene, decoded(scene, RECIPE), RECIPE, seed=0), sky=torch.zeros(8, 8, 3))
    learner, visit = Trainer(start, RECIPE, extent=2.0, seed=0), visits(scene)
    for i in range(40):
        learner.step(visit(i))
    learnt = learner.model().sky.detach()
    seen = learnt.abs().sum(-1) > 0
    assert 0 < seen.sum() < 64
    assert (learnt[seen][:, 2] > learnt[seen][:, 0]).float().mean() > 0.8


def test_divergence_and_extinction_are_reported(toy_scene, make_run):
    bad = Target(toy_scene.train[0].camera, prior=lambda rendered: rendered.rgb.sum() * float("nan"))
    with pytest.raises(MethodFailed, match="not finite"):
        train(trainer(toy_scene), lambda _: [bad], make_run(toy_scene, RECIPE), until=3)
    recipe = replace(
        RECIPE, prune_opacity=0.4, opacity_rate=1e-6, densify_from=1, densify_every=2, densify_gradient=9.0
    )
    learner = trainer(toy_scene, recipe)
    visit = visits(toy_scene)
    learner.step(visit(0))
    with pytest.raises(MethodFailed, match="every Gaussian was pruned"):
        learner.step(visit(1))
