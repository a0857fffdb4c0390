from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import MethodFailed, NotRunnable, RecgenError
from recgen_bench.harness.method import PseudoView
from recgen_bench.methods.gaussian_splatting import GaussianSplatting
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.eig import EMPTY
from recgen_bench.methods.splats.progressive import (
    EMBEDDED,
    Mix,
    Progressive,
    as_target,
    depth_term,
    informed,
    pseudo_view,
    repaired,
    restorer,
)
from recgen_bench.methods.splats.target import Target

CONFIG = Progressive(prior="stub", iterations=100, first=40, every=20, last=100)


def test_the_embedded_training_is_that_of_3dgs():
    demo, own = GaussianSplatting.presets["demo"], Progressive(**EMBEDDED)
    names = type(demo).__dataclass_fields__
    assert [name for name in names if getattr(own, name) != getattr(demo, name)] == ["iterations"]


def test_events_and_their_ends():
    assert CONFIG.events == (40, 60, 80, 100)
    assert [CONFIG.end_of(event) for event in CONFIG.events] == [60, 80, 100, 100]
    assert replace(CONFIG, last=70).events == (40, 60)
    assert replace(CONFIG, last=70).end_of(60) == 100


@pytest.mark.parametrize(
    ("name", "value"),
    [("share", 1.5), ("first", 0), ("every", 0), ("pseudo_scale", -1.0), ("share", float("nan"))],
)
def test_settings_out_of_range(name, value):
    with pytest.raises(RecgenError, match=name):
        replace(CONFIG, **{name: value})


def blank(value: int, cameras) -> list[Target]:
    return [Target(camera, torch.full((24, 32, 3), value, dtype=torch.uint8)) for camera in cameras]


def test_the_mix_has_its_share_and_depends_on_nothing_but_the_seed(toy_scene):
    cameras = [view.camera for view in toy_scene.train]
    real, pseudo = blank(0, cameras), blank(1, cameras[:3])
    mix = Mix(real, pseudo, 0.3, seed=4)
    picked = [mix(i)[0] for i in range(4000)]
    chosen = [mix.is_pseudo(i) for i in range(4000)]
    assert chosen == [any(target is other for other in pseudo) for target in picked]
    assert np.mean(chosen) == pytest.approx(0.3, abs=0.02)
    counts = [sum(target is other for target in picked) for other in (*real, *pseudo)]
    assert min(counts[: len(real)]) > 0.8 * max(counts[: len(real)])
    assert min(counts[len(real) :]) > 0.8 * max(counts[len(real) :])
    again = Mix(real, pseudo, 0.3, seed=4)
    assert all(again(i)[0] is picked[i] for i in (3999, 17, 0))
    assert [Mix(real, pseudo, 0.3, seed=5).is_pseudo(i) for i in range(100)] != chosen[:100]
    assert not any(Mix(real, [], 0.3, seed=4).is_pseudo(i) for i in range(100))


def test_the_restorer_sees_renders_with_the_nearest_recorded_frame(street_scene, make_run, stub):
    scene, truth = street_scene
    painter = stub(paint=(0.25, 0.5, 1.0))
    run = replace(make_run(scene, replace(CONFIG, batch=4)), prior=lambda name: painter)
    cameras = [view.camera for view in scene.train]
    answers = list(repaired(truth, cameras, run, None))
    assert [len(images) for images, _, _ in painter.seen] == [1] * 6
    images = torch.cat([seen[0] for seen in painter.seen])
    references = torch.cat([seen[1] for seen in painter.seen])
    for index, (view, answer) in enumerate(zip(scene.train, answers, strict=True)):
        with torch.no_grad():
            shown = render(truth, view.camera)
        assert torch.equal(images[index], shown.rgb.clamp(0, 1).permute(2, 0, 1))
        assert torch.equal(references[index], torch.from_numpy(view.image).permute(2, 0, 1) / 255)
        assert torch.equal(answer.alpha, shown.alpha)
        assert answer.image.shape == (24, 32, 3)
        assert answer.image[5, 6].tolist() == [0.25, 0.5, 1.0]
        assert answer.eig is None
    frame = answers[0].rendering()
    assert frame.rgb.dtype == frame.depth.dtype == np.float32
    assert (frame.depth[answers[0].alpha.numpy() < 0.5] == 0).all()


def test_without_a_prior_renders_are_distilled_as_they_are(street_scene, make_run):
    scene, truth = street_scene
    run = make_run(scene, replace(CONFIG, prior="none"))
    (answer,) = repaired(truth, [scene.train[0].camera], run, None)
    with torch.no_grad():
        assert torch.equal(answer.image, render(truth, scene.train[0].camera).rgb.clamp(0, 1))


@pytest.mark.parametrize("semantics", ["exact", "fisherrf"])
def test_information_gain_guides_and_weighs(street_scene, make_run, semantics, stub):
    scene, truth = street_scene
    guided = stub(uses_eig=True)
    run = replace(make_run(scene, replace(CONFIG, eig=semantics)), prior=lambda name: guided)
    information = informed(truth, run)
    aside = np.eye(4)
    aside[0, 3] = 3.0
    camera = replace(scene.train[5].camera, c2w=aside @ scene.train[5].camera.c2w)
    here, there = repaired(truth, [scene.train[2].camera, camera], run, information)
    guides = torch.cat([seen[2] for seen in guided.seen])
    assert guides.shape == (2, 24, 32)
    assert 0 <= guides.min() <= guides.max() <= 1
    assert (guides[0][here.eig == EMPTY] == 1).all()
    for weights in ("steps", "continuous", "uniform"):
        config = replace(run.config, weights=weights)
        known = pseudo_view(here, replace(run, config=config), information).weight
        unknown = pseudo_view(there, replace(run, config=config), information).weight
        assert known.dtype == np.float32
        assert known.shape == (24, 32)
        if weights == "uniform":
            assert (known == 1).all()
        else:
            assert known[here.eig.numpy() == EMPTY].min() == 1
            assert known.mean() < unknown.mean()


def test_pixels_without_gaussians_can_be_left_out(street_scene, make_run, stub):
    scene, truth = street_scene
    run = replace(make_run(scene, replace(CONFIG, min_alpha=0.5)), prior=lambda name: stub())
    (answer,) = repaired(truth, [scene.train[0].camera], run, None)
    weight = pseudo_view(answer, run, None).weight
    covered = answer.alpha.numpy() > 0.5
    assert covered.any()
    assert not covered.all()
    assert np.array_equal(weight == 1, covered)
    assert np.array_equal(weight == 0, ~covered)


def test_a_guided_restorer_without_information_is_not_runnable(toy_scene, make_run, stub):
    run = replace(make_run(toy_scene, CONFIG), prior=lambda name: stub(uses_eig=True))
    with pytest.raises(NotRunnable, match="--set eig=exact"):
        restorer(run)


def test_information_that_is_not_finite_is_an_error(street_scene, make_run):
    scene, truth = street_scene
    run = make_run(scene, replace(CONFIG, eig="exact"))
    broken = replace(truth, sky=torch.full_like(truth.sky, torch.nan))
    with pytest.raises(MethodFailed, match="not finite"):
        informed(broken, run)


def test_no_training_views_are_an_error(street_scene, make_run):
    scene, truth = street_scene
    run = make_run(replace(scene, train=()), replace(CONFIG, eig="exact"))
    with pytest.raises(MethodFailed, match="at least one view"):
        informed(truth, run)


def test_targets_carry_weight_and_scale(toy_scene):
    camera = toy_scene.train[0].camera
    weight = np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32)
    view = PseudoView(camera, np.full((24, 32, 3), 7, np.uint8), weight)
    target = as_target(view, 0.3, "cpu")
    assert target.scale == 0.3
    assert torch.equal(target.weight, torch.from_numpy(weight))
    assert torch.equal(target.structure_weight, target.weight)
    assert as_target(replace(view, weight=None), 1.0, "cpu").weight is None


def test_the_depth_term_is_an_l1_on_known_depths(toy_scene):
    depth = torch.zeros(24, 32)
    depth[3, 4], depth[5, 6] = 2.0, 4.0
    rendered = type("Rendered", (), {"depth": torch.full((24, 32), 3.5)})
    assert depth_term(depth, 0.1)(rendered).item() == pytest.approx(0.1 * (1.5 + 0.5) / 2)
    assert depth_term(depth, 0.0) is None
    assert depth_term(None, 0.1) is None


def test_rounds_take_turns_with_the_poses(toy_scene):
    cameras = [view.camera for view in toy_scene.train]
    thinned = replace(CONFIG, view_stride=3)
    assert thinned.some_of(cameras, 0) == (cameras[0], cameras[3], cameras[6])
    assert thinned.some_of(cameras, 4) == (cameras[1], cameras[4], cameras[7])
    assert thinned.some_of(cameras[:2], 2) == (cameras[0],)
    assert CONFIG.some_of(cameras, 5) == tuple(cameras)
