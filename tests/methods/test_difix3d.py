from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import NotRunnable, RecgenError
from recgen_bench.harness.phases import Phases
from recgen_bench.methods.difix3d import Difix, Difix3D, Difix3DPlus, DifixCode

SMALL = replace(
    Difix3D.presets["demo"],
    iterations=60,
    first=20,
    every=10,
    last=50,
    least_points=20,
    densify_from=5,
    densify_until=30,
    densify_every=6,
    sky_size=16,
    prior="stub",
    share=0.4,
    view_stride=1,
    most_gaussians=400,
)


@pytest.fixture
def driving(street_scene):
    """The street with two test views a metre to the left of the track, and its truth."""
    scene, truth = street_scene
    test = []
    for view in (scene.train[1], scene.train[4]):
        pose = view.camera.c2w.copy()
        pose[1, 3] += 1.0
        test.append(replace(view.hidden(), name=f"{view.name}_left", camera=replace(view.camera, c2w=pose)))
    return replace(scene, test=tuple(test)), truth


@pytest.fixture
def make(make_run, stub):
    """(scene, config, stub) -> a run whose prior is the stub."""

    def run(scene, config=SMALL, prior=None, **more):
        chosen = prior or stub()
        return replace(make_run(scene, config, **more), prior=lambda name: chosen)

    return run


def trained(method, run, folder):
    from recgen_bench.harness.loop import train

    phases = Phases(run, "toy", lambda event: None, 1e9)
    model, _ = train(method, phases, folder)
    return model, phases.done


def test_the_published_schedules():
    code = DifixCode()
    assert code.events == tuple(range(30_000, 60_001, 2_000))
    assert len(code.events) == 16
    assert (code.share, code.real_scale, code.pseudo_scale, code.step) == (0.3, 1.5, 0.3, 0.5)
    assert (code.step_unit, code.padding, code.min_alpha) == ("world", "valid", 0.5)
    resumed = code.resumed
    assert [getattr(resumed, f"{name}_rate") for name in ("scale", "rotation", "opacity")] == pytest.approx(
        [1e-3, 2e-4, 1e-2]
    )
    rates = (resumed.position_rate, resumed.position_rate_end, resumed.colour_rate, resumed.harmonics_rate)
    assert rates == pytest.approx((1.6e-5, 1.6e-7, 5e-5, 2.5e-6))
    paper = Difix()
    assert (paper.events[:2], paper.every, paper.step_unit) == ((30_000, 31_500), 1_500, "spacing")
    assert paper.base.iterations == 30_000
    assert paper.uses_test_poses
    assert not replace(paper, targets="shifts").uses_test_poses


def test_rounds_walk_to_the_test_poses_and_stay(driving, make):
    scene, _ = driving
    turns = list(Difix3D().rounds(None, make(scene)))
    assert [turn.until for turn in turns] == [30, 40, 50, 60]
    for part, turn in zip((0.25, 0.5, 0.75, 1.0), turns, strict=True):
        assert [camera.frame for camera in turn.cameras] == [1, 4]
        for camera, index in zip(turn.cameras, (1, 4), strict=True):
            expected = scene.train[index].camera.centre + np.array([0, part, 0])
            assert camera.centre == pytest.approx(expected)
    assert turns[0].label == "0.25 from the track"


def test_steps_in_units_of_the_world_and_of_the_camera_spacing(driving, make):
    scene, _ = driving
    for unit, expected in (("world", 0.3), ("spacing", 0.3 * 0.4)):
        (first, *_) = Difix3D().rounds(None, make(scene, replace(SMALL, step=0.3, step_unit=unit)))
        moved = [
            np.linalg.norm(camera.centre - scene.train[i].camera.centre)
            for camera, i in zip(first.cameras, (1, 4), strict=True)
        ]
        assert moved == pytest.approx([expected] * 2, rel=1e-6)


def test_own_targets_never_use_test_poses(driving, make, toy_scene):
    scene, _ = driving
    own = replace(SMALL, targets="shifts", reach=1.5)
    (*_, last) = Difix3D().rounds(None, make(scene, own))
    assert {round(float(camera.centre[1] + 4), 6) for camera in last.cameras} == {1.5, -1.5}
    assert list(Difix3D().rounds(None, make(replace(scene, test=()), own)))[-1].label == last.label
    # Without a vehicle the poses lie between the recorded ones.
    (*_, last) = Difix3D().rounds(None, make(toy_scene, own))
    assert len(last.cameras) == 40
    recorded = [view.camera.centre for view in toy_scene.train]
    assert min(np.linalg.norm(c.centre - r) for c in last.cameras for r in recorded) > 1e-3
    narrow = replace(scene, drivable=(0.0, 0.0))
    with pytest.raises(NotRunnable, match="no room"):
        Difix3D().reconstruct(narrow, make(narrow, own))


def test_pseudo_views_are_learnt(driving, make, stub, tmp_path):
    """A restorer that paints everything red makes the poses at the targets redder, the track hardly."""
    scene, _ = driving
    red = stub(paint=(1.0, 0.0, 0.0))
    config = replace(SMALL, real_scale=1.0, pseudo_scale=1.0, share=0.5)
    model, phases = trained(Difix3D(), make(scene, config, red), tmp_path / "red")
    plain, _ = trained(Difix3D(), make(scene, config), tmp_path / "plain")
    assert [(p.name, p.generator_calls) for p in phases if p.name.startswith("refine")] == [
        (f"refine {n}", 2) for n in (1, 2, 3, 4)
    ]
    assert model.iteration == plain.iteration == 60

    def redness(training):
        run = make(scene, config)
        return np.mean([f.rgb[..., 0] - f.rgb[..., 2] for f in Difix3D().render(training, cameras, run)])

    cameras = [view.camera for view in scene.test]
    assert redness(model) > redness(plain) + 0.2


def test_no_share_is_plain_training(driving, make, stub, tmp_path):
    scene, _ = driving
    config = replace(SMALL, share=0.0)
    a, _ = trained(Difix3D(), make(scene, config, stub(paint=(1.0, 0, 0))), tmp_path / "a")
    b, _ = trained(Difix3D(), make(scene, config), tmp_path / "b")
    assert all(torch.equal(x, y) for x, y in zip(a.model.gaussians, b.model.gaussians, strict=True))


def test_plus_repairs_every_output_frame(driving, make, stub, tmp_path):
    scene, _ = driving
    painter = stub(paint=(0.5, 0.25, 0.75))
    run = make(scene, replace(SMALL, share=0.0), painter)
    model = Difix3D().reconstruct(scene, run)
    cameras = [view.camera for view in scene.test]
    plain = list(Difix3D().render(model, cameras, run))
    painter.seen.clear()
    frames = list(Difix3DPlus().render(model, cameras, run))
    assert sum(len(images) for images, _, _ in painter.seen) == len(frames) == 2
    for before, after in zip(plain, frames, strict=True):
        assert (after.rgb == np.array([0.5, 0.25, 0.75], np.float32)).all()
        assert np.array_equal(before.depth, after.depth)


@pytest.mark.parametrize("weights", ["steps", "continuous"])
def test_information_gain_plugs_in(driving, make, stub, weights):
    scene, _ = driving
    run = make(scene, replace(SMALL, eig="exact", weights=weights))
    model = Difix3D().reconstruct(scene, run)
    turn = list(Difix3D().rounds(model, run))[-1]
    views = Difix3D().refine(model, turn, run).views
    assert all(0 <= view.weight.min() < view.weight.max() <= 1 for view in views)


def test_the_model_is_the_same_for_any_threads(driving, make, stub, tmp_path):
    scene, _ = driving
    config = replace(SMALL, eig="exact", iterations=40)
    models = [
        trained(Difix3D(), make(scene, config, threads=threads), tmp_path / str(threads))[0]
        for threads in (1, 2)
    ]
    for a, b in zip(models[0].model.gaussians, models[1].model.gaussians, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(("name", "value"), [("step", 0.0), ("reach", -1.0), ("colour_divisor", 0.0)])
def test_settings_out_of_range(name, value):
    with pytest.raises(RecgenError, match=name):
        replace(SMALL, **{name: value})


def test_ply(driving, make, tmp_path):
    scene, _ = driving
    model = Difix3D().reconstruct(scene, make(scene, replace(SMALL, iterations=2)))
    Difix3D().write_ply(model, tmp_path / "a.ply", None)
    assert (tmp_path / "a.ply").stat().st_size > 1000


def test_the_model_tells_what_it_does_not_know(driving, make, tmp_path):
    scene, _ = driving
    model, _ = trained(Difix3D(), make(scene, SMALL), tmp_path)
    known = [view.camera for view in scene.train]
    (gain,) = Difix3D().eig(model, known, [scene.test[0].camera], "exact")
    assert gain.eig.shape == (scene.test[0].camera.height, scene.test[0].camera.width)
    assert np.isfinite(gain.eig).all()
    assert gain.eig.min() >= 0
