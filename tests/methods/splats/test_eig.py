"""EIG maps of the exact semantics against the definition: one backward per pixel and channel, in float64."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.actors import pose
from recgen_bench.methods.splats.eig import (
    EMPTY,
    MIN_ALPHA,
    Information,
    Prior,
    eig_map,
    model_eig,
    model_information,
    observe,
)
from recgen_bench.methods.splats.gaussians import Gaussians as Stored
from recgen_bench.methods.splats.model import BACKGROUND, SplatModel, Track, static
from recgen_bench.methods.splats.raster import Gaussians, Pinhole

from .oracle import Cloud, cloud
from .oracle import render as dense

SCENES = {
    "rgb": {"n": 30, "width": 12, "height": 9, "seed": 3},
    "degree 0": {"n": 30, "width": 12, "height": 9, "seed": 4, "sh_degree": 0},
    "degree 1": {"n": 30, "width": 12, "height": 9, "seed": 3, "sh_degree": 1},
    "degree 2": {"n": 30, "width": 12, "height": 9, "seed": 4, "sh_degree": 2},
    "degree 3": {"n": 30, "width": 12, "height": 9, "seed": 4, "sh_degree": 3},
}


def gaussians(c: Cloud) -> Gaussians:
    return Gaussians(*c.parameters, c.sh_degree)


def pinhole(c: Cloud) -> Pinhole:
    return Pinhole(c.w2c, c.K, c.width, c.height, c.background)


def aside(c: Cloud) -> Cloud:
    moved = replace(c, w2c=c.w2c.clone())
    moved.w2c[0, 3] += 0.3
    return moved


def squared_derivatives(c: Cloud) -> list[Tensor]:
    """Per group (H, W, *parameter): squared derivatives of each pixel, summed over its channels."""
    exact = c.to(torch.float64).requiring_grad()
    values = dense(exact).rgb.flatten()
    rows: list[list[Tensor]] = [[] for _ in exact.parameters]
    for each in torch.eye(len(values), dtype=torch.float64).split(64):
        batch = torch.autograd.grad(values, exact.parameters, each, retain_graph=True, is_grads_batched=True)
        for kept, gradients in zip(rows, batch, strict=True):
            kept.append(gradients.square())
    return [torch.cat(r).reshape(c.height, c.width, 3, *r[0].shape[1:]).sum(2) for r in rows]


def definition(c: Cloud, train: Cloud, prior: Prior) -> Tensor:
    known = [squares.sum((0, 1)) for squares in squared_derivatives(train)]
    parts = zip(squared_derivatives(c), known, prior.groups, strict=True)
    return 0.5 * sum((squares / (total + p)).flatten(2).sum(2) for squares, total, p in parts)


def compare(c: Cloud, prior: Prior, tolerance: float) -> None:
    train = aside(c)
    got = eig_map(gaussians(c), pinhole(c), observe(gaussians(c), [pinhole(train)]), regulariser=prior)
    expected = definition(c, train, prior)
    empty = dense(c.to(torch.float64)).alpha < MIN_ALPHA
    assert torch.equal(got == EMPTY, empty)
    assert (~empty).any()
    error = (got.double() - expected)[~empty]
    assert error.norm() / expected[~empty].norm() < tolerance
    assert (error.abs() / expected[~empty]).max() < 10 * tolerance


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_equals_one_backward_per_pixel_and_channel(scene):
    compare(cloud(**scene), Prior(), 1e-5)


def test_each_group_has_its_own_prior():
    compare(cloud(**SCENES["degree 1"]), Prior(1e-2, 3.0, 0.5, 1e-4, 20.0), 1e-5)


def test_clamped_alpha_early_stop_and_culled_gaussians():
    c = cloud(60, 12, 9, seed=5, sh_degree=1, size=2.0)
    c.opacities[:] = 0.97
    c.opacities[::7] = 1.0  # Clamped near the centre.
    c.means[3] *= -1  # Behind the camera.
    c.opacities[4] = 0.001  # Never blended.
    picture = dense(c.to(torch.float64))
    assert picture.alpha.max() > 0.999
    assert picture.contributors.max() < 60
    compare(c, Prior(), 1e-5)


def test_gaussians_that_are_not_finite_are_left_out():
    c = cloud(**SCENES["degree 1"])
    broken = replace(c, means=c.means.clone(), colors=c.colors.clone())
    broken.means[3, 1], broken.colors[7, 0, 0] = torch.nan, torch.inf
    without = replace(c, opacities=c.opacities.clone())
    without.opacities[[3, 7]] = 0
    train = pinhole(aside(c))
    got, expected = (
        eig_map(gaussians(x), pinhole(x), observe(gaussians(x), [train])) for x in (broken, without)
    )
    assert torch.equal(got, expected)


def test_an_eig_that_is_not_finite_is_an_error():
    c = cloud(**SCENES["rgb"])
    known = observe(gaussians(c), [pinhole(aside(c))])
    wild = replace(known.diagonal, colors=torch.full_like(known.diagonal.colors, torch.nan))
    with pytest.raises(MethodFailed, match="EIG is not finite"):
        eig_map(gaussians(c), pinhole(c), replace(known, diagonal=wild))
    loud = replace(c, colors=1e30 * c.colors)
    with pytest.raises(MethodFailed, match="not finite"):
        observe(gaussians(loud), [pinhole(aside(c))])


@pytest.mark.parametrize("isa", native.ISAS)
def test_every_instruction_set_agrees(isa, monkeypatch):
    if native.ISAS.index(isa) > native.library().recgen_machine():
        pytest.skip(f"this machine has no {isa}")
    monkeypatch.setattr(native, "instruction_set", lambda: isa)
    native.kernel.cache_clear()
    try:
        compare(cloud(**SCENES["degree 1"]), Prior(), 1e-5)
    finally:
        native.kernel.cache_clear()


@pytest.mark.parametrize("semantics", ["exact", "fisherrf"])
def test_any_number_of_threads_gives_the_same_bits(semantics):
    c = cloud(3000, 100, 70, seed=5, sh_degree=1)
    g, train = gaussians(c), pinhole(aside(c))
    before = torch.get_num_threads()
    try:
        maps = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            maps.append(eig_map(g, pinhole(c), observe(g, [train], semantics=semantics)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(maps[0], maps[1])
    assert torch.equal(maps[0], maps[2])


def test_the_sky_behind_counts():
    """A sky of one colour is the same as a background of that colour."""
    c = cloud(**SCENES["degree 1"])
    sky = c.background.expand(c.height, c.width, 3)
    train = aside(c)
    expected = eig_map(gaussians(c), pinhole(c), observe(gaussians(c), [pinhole(train)]))
    black = replace(pinhole(c), background=None)
    known = observe(gaussians(c), [replace(pinhole(train), background=None)], skies=[sky])
    got = eig_map(gaussians(c), black, known, sky=sky)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


def test_typical_is_the_mean_over_the_training_pixels():
    c = cloud(200, 40, 30, seed=6, sh_degree=1, size=2.0)
    known = observe(gaussians(c), [pinhole(c), pinhole(aside(c))])
    maps = torch.stack([eig_map(gaussians(c), pinhole(x), known) for x in (c, aside(c))])
    assert (maps == EMPTY).sum() < 20
    assert float(maps[maps != EMPTY].sum()) / maps.numel() == pytest.approx(known.typical(), rel=0.02)


def test_typical_gain_does_not_depend_on_the_scale_of_the_world():
    c = cloud(200, 40, 30, seed=6, sh_degree=1)
    large = replace(c, means=10 * c.means, scales=10 * c.scales, w2c=c.w2c.clone())
    large.w2c[:3, 3] *= 10
    prior = Prior(*(1e-12,) * 5)
    relative = []
    for x in (c, large):
        train = replace(x, w2c=x.w2c.clone())
        train.w2c[0, 3] += 0.1 * x.scales.mean() / c.scales.mean()
        known = observe(gaussians(x), [pinhole(train)])
        relative.append(eig_map(gaussians(x), pinhole(x), known, regulariser=prior) / known.typical(prior))
    # Parameters that the view does not determine at all depend on the prior, which has a unit.
    close = torch.isclose(relative[0], relative[1], rtol=1e-2)
    assert close.float().mean() > 0.9


@pytest.mark.parametrize("semantics", ["exact", "fisherrf"])
def test_more_views_leave_less_to_learn(semantics):
    c = cloud(200, 40, 30, seed=6, sh_degree=1)
    g, view = gaussians(c), pinhole(c)
    once = observe(g, [pinhole(aside(c))], semantics=semantics)
    twice = once + observe(g, [view], semantics=semantics)
    first, second = (eig_map(g, view, known) for known in (once, twice))
    seen = first != EMPTY
    assert (second[seen] <= first[seen] * (1 + 1e-5)).all()
    assert second[seen].mean() < 0.9 * first[seen].mean()


def test_wrong_arguments_are_named():
    c = cloud(5, 8, 8, seed=0)
    g, view = gaussians(c), pinhole(c)
    with pytest.raises(MethodFailed, match="did you mean exact"):
        observe(g, [view], semantics="exat")  # type: ignore[arg-type] # What the test is about.
    with pytest.raises(MethodFailed, match="needs its sky"):
        observe(g, [view], skies=[None, None])
    with pytest.raises(MethodFailed, match="background and a sky"):
        observe(g, [view], skies=[torch.zeros(8, 8, 3)])
    with pytest.raises(MethodFailed, match="wrong shape"):
        observe(g, [replace(view, background=None)], skies=[torch.zeros(8, 9, 3)])
    known = observe(g, [view])
    with pytest.raises(MethodFailed, match="other Gaussians"):
        eig_map(gaussians(cloud(6, 8, 8, seed=0)), view, known)
    with pytest.raises(MethodFailed, match="positive"):
        eig_map(g, view, known, regulariser=0.0)
    with pytest.raises(MethodFailed, match="two kinds"):
        known + observe(g, [view], semantics="fisherrf")
    with pytest.raises(MethodFailed, match="fisherrf has one prior"):
        eig_map(g, view, observe(g, [view], semantics="fisherrf"), regulariser=Prior())


def model(seed: int = 0, sky: bool = True) -> SplatModel:
    random = torch.Generator().manual_seed(seed)
    count = 60
    means = torch.randn(count, 3, generator=random) + torch.tensor([0.0, 0.0, 5.0])
    stored = Stored(
        means=means,
        quats=torch.randn(count, 4, generator=random),
        scales=torch.full((count, 3), -1.5),
        opacities=torch.randn(count, generator=random),
        sh0=torch.randn(count, 1, 3, generator=random),
        shN=0.3 * torch.randn(count, 3, 3, generator=random),
    )
    return static(stored, torch.rand(8, 8, 3, generator=random) if sky else None)


def camera(frame: int = 0, x: float = 0.0) -> Camera:
    c2w = np.eye(4)
    c2w[0, 3] = x
    return Camera(np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]]), c2w, 32, 24, frame=frame)


@pytest.mark.parametrize("semantics", ["exact", "fisherrf"])
def test_a_model_is_its_posed_gaussians_with_the_sky_behind(semantics):
    plain = model(sky=False)
    owner = torch.where(torch.arange(len(plain)) < 10, 0, BACKGROUND).int()
    poses = np.stack([np.eye(4)] * 2)
    poses[1, 0, 3] = 0.5
    moving = replace(plain, owner=owner, tracks=(Track("car", np.array([0, 1]), poses),))
    known = model_information(moving, [camera(0), camera(1, 0.3)], 2, semantics)
    parts: list[Information] = []
    for frame, x in ((0, 0.0), (1, 0.3)):
        posed = pose(moving, frame, 1).gaussians
        colors = torch.cat([posed.sh0, posed.shN], 1)
        parameters = (posed.means, posed.quats, posed.scales.exp(), torch.sigmoid(posed.opacities), colors)
        view = camera(frame, x)
        hole = Pinhole(torch.from_numpy(view.w2c), torch.from_numpy(view.K), view.width, view.height)
        parts.append(observe(Gaussians(*parameters, 1), [hole], semantics=semantics))
    expected = parts[0] + parts[1]
    for got, wanted in zip(known.diagonal.groups, expected.diagonal.groups, strict=True):
        torch.testing.assert_close(got, wanted)
    assert known.pixels == 2 * 32 * 24


def test_the_sky_of_a_model_changes_its_exact_eig_only():
    with_sky, without = model(), model(sky=False)
    views = [camera(), camera(x=0.3)]
    for semantics, same in (("exact", False), ("fisherrf", True)):
        maps = [
            model_eig(m, camera(x=1.0), model_information(m, views, 1, semantics), threads=1)  # type: ignore[arg-type] # A literal in a tuple.
            for m in (with_sky, without)
        ]
        assert torch.equal(*maps) == same
        assert torch.isfinite(maps[0]).all()


def test_rows_of_an_absent_actor_learn_nothing():
    plain = model()
    owner = torch.where(torch.arange(len(plain)) < 10, 0, BACKGROUND).int()
    absent = replace(plain, owner=owner, tracks=(Track("car", np.array([7]), np.eye(4)[None]),))
    known = model_information(absent, [camera(0)], 1)
    assert not known.diagonal.means[:10].any()
    assert known.diagonal.means[10:].any()


def test_no_views_is_an_error():
    with pytest.raises(MethodFailed, match="at least one view"):
        model_information(model(), [], 1)
    with pytest.raises(MethodFailed, match="needs its mask"):
        model_information(model(), [camera()], 1, masks=[])


def test_the_example_of_the_documentation():
    page = Path(__file__).resolve().parents[3] / "docs" / "eig.md"
    (code,) = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    names: dict[str, Tensor] = {}
    exec(code, names)
    assert names["eig"].shape == names["scaled"].shape == (32, 48)
    assert 0 < (names["eig"] == EMPTY).float().mean() < 1
    assert 0 <= names["scaled"].min() <= names["scaled"].max() == 1
