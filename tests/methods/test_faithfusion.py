from dataclasses import replace

import numpy as np
import pytest
import torch

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.errors import NotRunnable, RecgenError
from recgen_bench.harness.phases import Phases
from recgen_bench.harness.scene import Points
from recgen_bench.methods.faithfusion import FaithFusion, Fusion, FusionCode, _unweighed, _weighed
from recgen_bench.methods.splats.model import BACKGROUND

SMALL = replace(
    FaithFusion.presets["demo"],
    iterations=70,
    first=20,
    every=10,
    last=65,
    refresh_every=20,
    step=0.5,
    reach=1.5,
    least_points=20,
    densify_from=5,
    densify_until=30,
    densify_every=6,
    sky_size=16,
    prior="stub-eig",
    share=0.4,
    view_stride=1,
    eig_stride=1,
    spread=False,
    plain_prior="stub",
    weights="continuous",
    structure_by_eig=True,
    most_gaussians=400,
)


@pytest.fixture
def priors(stub):
    return {"stub": stub(), "stub-eig": stub(uses_eig=True)}


@pytest.fixture
def make(make_run, priors):
    def run(scene, config=SMALL, **more):
        return replace(make_run(scene, config, **more), prior=priors.__getitem__)

    return run


def trained(run, folder, stop_after=None):
    from recgen_bench.harness.loop import train

    phases = Phases(run, "toy", lambda event: None, 1e9)
    model, _ = train(FaithFusion(), phases, folder)
    return model, phases.done


def test_the_published_schedule():
    paper = Fusion()
    growing = [(3000, 1.0), (5000, 2.0), (7000, 3.0), (9000, 4.0), (11000, 5.0), (13000, 6.0)]
    assert paper.schedule == (*growing, (15000, 6.0), (21000, 6.0), (27000, 6.0))
    assert [paper.end_of(event) for event in paper.events][-4:] == [15000, 21000, 27000, 30000]
    assert (paper.share, paper.weights, paper.structure_by_eig, paper.eig) == (
        0.4,
        "continuous",
        True,
        "exact",
    )
    code = FusionCode()
    assert code.schedule == paper.schedule
    assert (code.weights, code.structure_by_eig, code.weights_until) == ("steps", False, 20_000)
    assert (code.pseudo_scale, code.sides, code.eig) == (0.7, "left", "fisherrf")
    assert (code.depth_weight, code.pseudo_depth_weight) == (0.001, 0.0001)


def test_a_schedule_that_does_not_fit_is_cut():
    assert Fusion(iterations=8000).schedule == ((3000, 1.0), (5000, 2.0), (7000, 3.0))
    assert [metres for _, metres in Fusion(reach=2.5).schedule][:4] == [1.0, 2.5, 2.5, 2.5]
    assert Fusion(iterations=2000).schedule == ()


def test_rounds_move_out_on_both_sides_as_far_as_the_road_goes(street_scene, make):
    scene, _ = street_scene
    scene = replace(scene, drivable=(0.8, 4.0))
    turns = list(FaithFusion().rounds(None, make(scene)))
    sides = [sorted({round(float(camera.centre[1]) + 4, 6) for camera in turn.cameras}) for turn in turns]
    assert sides == [[-0.5, 0.5], [-0.8, 1.0], [-0.8, 1.5], [-0.8, 1.5]]
    assert [turn.until for turn in turns] == [30, 40, 60, 70]
    assert turns[0].label == "shift 0.5 m"
    # What the round before has distilled counts as seen.
    assert turns[0].observed == ()
    assert [c.centre[1] for c in turns[2].observed] == [c.centre[1] for c in turns[1].cameras]
    left = list(FaithFusion().rounds(None, make(scene, replace(SMALL, sides="left"))))
    assert all(camera.centre[1] > -4 for turn in left for camera in turn.cameras)


def test_refreshes_may_stand_at_every_distance(street_scene, make):
    scene, _ = street_scene
    turns = list(FaithFusion().rounds(None, make(scene, replace(SMALL, spread=True))))
    sides = [sorted({round(float(camera.centre[1]) + 4, 6) for camera in turn.cameras}) for turn in turns]
    assert sides[:3] == [[-0.5, 0.5], [-1.0, 1.0], [-1.5, 1.5]]
    assert sides[3] == [-1.5, -1.0, -0.5, 0.5, 1.0, 1.5]
    assert len(turns[3].cameras) == len(turns[0].cameras)
    assert turns[3].label == "shifts up to 1.5 m"


def test_a_round_knows_what_a_pseudo_view_needs(street_scene, make, priors):
    scene, _ = street_scene
    run = make(scene)
    model = FaithFusion().reconstruct(scene, run)
    turn = next(iter(FaithFusion().rounds(model, run)))
    answer = FaithFusion().refine(model, turn, run)
    assert (len(answer.views), answer.generator_calls, answer.until) == (12, 12, 30)
    assert [view.camera for view in answer.views] == list(turn.cameras)
    for view in answer.views:
        assert view.image.dtype == np.uint8
        assert 0 <= view.weight.min() < view.weight.max() <= 1
        assert view.depth.max() > 0
        assert view.sky.dtype == np.bool_
    references = torch.cat([seen[1] for seen in priors["stub-eig"].seen])
    expected = [torch.from_numpy(view.image).permute(2, 0, 1) / 255 for view in scene.train] * 2
    assert torch.equal(references, torch.stack(expected))  # The recorded frame of the same time.


def test_actors_stand_where_they_were_in_shifted_views(street_scene, make, stub):
    """The red block of each time step, seen from aside, is where the truth has it."""
    from recgen_bench.methods.splats.compose import render

    scene, truth = street_scene
    run = make(scene, replace(SMALL, iterations=150, first=149, last=149))
    model = FaithFusion().reconstruct(scene, run)
    turn = next(iter(FaithFusion().rounds(model, run)))
    views = FaithFusion().refine(model, turn, run).views
    for view in (views[0], views[4]):
        with torch.no_grad():
            expected = render(truth, view.camera).rgb
        red = expected[..., 0] - expected[..., 2] > 0.4
        shown = torch.from_numpy(view.image).float() / 255
        assert red.sum() > 5
        assert (shown[..., 0] - shown[..., 2])[red].mean() > 0.25
        assert (shown[..., 0] - shown[..., 2])[~red].mean() < 0.1


def test_pseudo_views_do_not_move_the_original_background(street_scene, make):
    """With nothing but pseudo-views and no momentum, original background rows stay, and the rest does not."""
    from recgen_bench.methods.splats.training import Training

    scene, _ = street_scene
    run = make(scene, replace(SMALL, share=1.0, densify="none"))
    base = FaithFusion().reconstruct(scene, run)
    state = dict(base.state)
    for name in state:
        if name.startswith(("first.", "second.")):
            state[name] = torch.zeros_like(state[name])
    state["born"] = state["born"].clone()
    state["born"][::3] = 7  # Born by densification.
    base = Training(state, base.tracks)
    turn = next(iter(FaithFusion().rounds(base, run)))
    answer = FaithFusion().refine(base, turn, run)
    after = FaithFusion().distill(base, answer, run).model
    before = base.model
    frozen = (before.born == 0) & (before.owner == BACKGROUND)
    assert 0 < frozen.sum() < len(before)
    for name in ("means", "quats"):
        a, b = getattr(before.gaussians, name), getattr(after.gaussians, name)
        assert torch.equal(a[frozen], b[frozen])
        assert not torch.equal(
            a[~frozen & (before.owner == BACKGROUND)], b[~frozen & (before.owner == BACKGROUND)]
        )
        assert not torch.equal(a[before.owner == 0], b[before.owner == 0])
    for name in ("scales", "opacities", "sh0"):
        assert not torch.equal(
            getattr(before.gaussians, name)[frozen], getattr(after.gaussians, name)[frozen]
        )
    loose = replace(run, config=replace(run.config, freeze=False))
    moved = FaithFusion().distill(base, answer, loose).model
    assert not torch.equal(before.gaussians.means[frozen], moved.gaussians.means[frozen])


def test_weights_of_paper_and_code(street_scene, make):
    scene, _ = street_scene
    run = make(scene)
    model = FaithFusion().reconstruct(scene, run)
    turn = next(iter(FaithFusion().rounds(model, run)))
    view = FaithFusion().refine(model, turn, run).views[0]
    weight = torch.from_numpy(view.weight)
    paper = _weighed(view, run)
    assert torch.equal(paper.weight, weight)
    assert torch.equal(paper.structure_weight, weight)
    code = _weighed(view, replace(run, config=replace(SMALL, structure_by_eig=False)))
    assert code.structure_weight is None
    assert torch.allclose(code.weight * code.scale, weight)
    for config in (replace(SMALL, weights="uniform"), replace(SMALL, eig="none")):
        plain = _weighed(view, replace(run, config=config))
        assert (plain.weight, plain.structure_weight, plain.scale) == (None, None, 0.7)
    assert _unweighed(view, run).weight is None
    assert torch.equal(_unweighed(view, run).sky, torch.from_numpy(view.sky))


def test_weights_end_when_the_code_ends_them(street_scene, make, tmp_path):
    scene, _ = street_scene
    always, _ = trained(make(scene), tmp_path / "a")
    never, _ = trained(make(scene, replace(SMALL, weights_until=0)), tmp_path / "b")
    uniform, _ = trained(make(scene, replace(SMALL, weights="uniform")), tmp_path / "c")
    means = [each.model.gaussians.sh0 for each in (always, never, uniform)]
    assert torch.equal(means[1], means[2])
    assert not torch.equal(means[0], means[1])


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({}, "stub-eig"),
        ({"condition": False}, "stub"),
        ({"eig": "none"}, "stub"),
        ({"weights": "uniform"}, "stub-eig"),
    ],
)
def test_the_four_ablations(street_scene, make, priors, changes, used):
    scene, _ = street_scene
    config = replace(SMALL, **changes)
    assert config.chosen_prior == used
    run = make(scene, config)
    model = FaithFusion().reconstruct(scene, run)
    views = FaithFusion().refine(model, next(iter(FaithFusion().rounds(model, run))), run).views
    assert [name for name, prior in priors.items() if prior.seen] == [used]
    flat = all((view.weight == 1).all() for view in views)
    assert flat == (config.eig == "none" or config.weights == "uniform")


def test_frames_carry_their_information_gain(street_scene, make):
    scene, _ = street_scene
    run = make(scene)
    model = FaithFusion().reconstruct(scene, run)
    far = np.eye(4)
    far[0, 3] = 3.0
    cameras = [scene.train[2].camera, replace(scene.train[5].camera, c2w=far @ scene.train[5].camera.c2w)]
    near, away = FaithFusion().render(model, cameras, run)
    assert near.eig.dtype == np.float32
    assert near.eig.shape == (24, 32)
    assert 0 <= near.eig.min() <= near.eig.max() <= 1
    assert (near.eig > 0.4).mean() < (away.eig > 0.4).mean()
    blind = replace(run, config=replace(SMALL, eig="none"))
    assert next(iter(FaithFusion().render(model, cameras, blind))).eig is None


def test_kill_and_resume_give_the_same_bytes(street_scene, make, tmp_path):
    """Killed inside a distillation, after its snapshot, and started again."""
    scene, _ = street_scene
    whole, _ = trained(make(scene), tmp_path / "whole")
    killed = replace(make(scene), report=lambda *_: None)
    from recgen_bench.methods.splats import optimise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Snapshots, "save_if_due", _always)
        step = optimise.Trainer.step

        def dying(self, *arguments):
            if self.iteration == 44:
                raise KeyboardInterrupt
            return step(self, *arguments)

        patch.setattr(optimise.Trainer, "step", dying)
        with pytest.raises(KeyboardInterrupt):
            trained(killed, tmp_path / "killed")
    assert (tmp_path / "killed" / "distill-3.snapshot.safetensors").exists()
    resumed, phases = trained(make(scene), tmp_path / "killed")
    assert [phase.name for phase in phases][-1] == "distill 4"
    for name in ("distill-3.safetensors", "distill-4.safetensors", "refine-4.safetensors"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert torch.equal(resumed.model.gaussians.means, whole.model.gaussians.means)


def _always(self, step, make_state):
    from recgen_bench.harness.accounting import Cost
    from recgen_bench.harness.checkpoint import save

    save(self.path, {"step": step, "state": make_state(), "spent": self.spent()}, Cost)
    return True


def test_the_video_model_is_not_faked(street_scene, make):
    scene, _ = street_scene
    with pytest.raises(NotRunnable, match="no public weights"):
        FaithFusion().reconstruct(scene, make(scene, replace(SMALL, video=True)))


def test_scenes_that_cannot_be_shifted_are_not_runnable(street_scene, toy_scene, make):
    with pytest.raises(NotRunnable, match="no vehicle poses"):
        FaithFusion().reconstruct(toy_scene, make(toy_scene))
    scene = replace(street_scene[0], drivable=(0.0, 0.01))
    with pytest.raises(NotRunnable, match="no room beside"):
        FaithFusion().reconstruct(scene, make(scene))


def test_a_scene_without_points_actors_and_sky_still_runs(street_scene, make, tmp_path):
    scene, _ = street_scene
    bare = replace(scene, points=Points(), actors=(), has_sky=False)
    model, _ = trained(make(bare, replace(SMALL, random_points=150, iterations=30)), tmp_path)
    assert model.iteration == 30
    assert model.tracks == ()


@pytest.mark.parametrize(("name", "value"), [("step", 0.0), ("reach", 0.0), ("refresh_every", 0)])
def test_settings_out_of_range(name, value):
    with pytest.raises(RecgenError, match=name):
        replace(SMALL, **{name: value})


def test_the_demo_goes_as_far_as_it_is_asked_to():
    demo = FaithFusion.presets["demo"]
    assert [metres for _, metres in demo.towards(3.0).schedule] == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0]
    assert demo.towards(None) is demo.towards(0.0) is demo
    assert demo.towards(8.0).reach == Fusion().towards(3.0).reach == 6.0


def test_the_demo_is_the_paper_in_small():
    demo, paper = FaithFusion.presets["demo"], Fusion()
    scaled = [(iteration * 30_000 // demo.iterations, metres) for iteration, metres in demo.schedule]
    assert scaled == list(paper.schedule)
