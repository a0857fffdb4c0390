from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed, RecgenError
from recgen_bench.methods.splats import native
from recgen_bench.methods.splats.raster import Rendered, rasterize

from .oracle import Cloud, cloud
from .oracle import render as dense

SCENES = {
    "rgb": {"n": 300, "width": 50, "height": 37, "seed": 300},
    "degree 3": {"n": 1500, "width": 64, "height": 48, "seed": 1500, "sh_degree": 3},
    "degree 2, large": {"n": 400, "width": 60, "height": 44, "seed": 400, "size": 1.0, "sh_degree": 2},
}
GROUPS = ("means", "quats", "scales", "opacities", "colors")


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def render(c: Cloud, **changes) -> Rendered:
    return rasterize(*c.parameters, **(c.options() | changes))


def loss_of(planes: list[Tensor]) -> Tensor:
    """A loss with a random derivative by every pixel of every plane, the same for both renderers."""
    random = torch.Generator().manual_seed(1)
    weights = [torch.randn(plane.shape, generator=random, dtype=torch.float64) for plane in planes]
    return sum((plane.double() * weight).sum() for plane, weight in zip(planes, weights, strict=True))


def relative(got: Tensor, expected: Tensor) -> float:
    return float((got.double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_images_and_gradients_match_the_dense_definition(scene):
    c = cloud(**scene).requiring_grad()
    exact = c.to(torch.float64).requiring_grad()
    got, expected = render(c), dense(exact)
    for plane in ("rgb", "alpha", "depth"):
        torch.testing.assert_close(
            getattr(got, plane).double(), getattr(expected, plane), atol=5e-6, rtol=1e-6, msg=plane
        )
    assert torch.equal(got.contributors.long(), expected.contributors)
    loss_of([got.rgb, got.alpha, got.depth]).backward()
    loss_of([expected.rgb, expected.alpha, expected.depth]).backward()
    for name in GROUPS:
        assert relative(getattr(c, name).grad, getattr(exact, name).grad) < 1e-5, name
    assert relative(got.screen.grad, expected.screen.grad) < 1e-5


@pytest.mark.parametrize("plane", ["rgb", "alpha", "depth"])
def test_each_plane_alone_has_exact_gradients(plane):
    # Two large layers of 200: the transmittance gets close to where pixels stop.
    c = cloud(200, 70, 40, seed=200, size=2.0, sh_degree=1).requiring_grad()
    exact = c.to(torch.float64).requiring_grad()
    loss_of([getattr(render(c), plane)]).backward()
    loss_of([getattr(dense(exact), plane)]).backward()
    for name in GROUPS[: 5 if plane == "rgb" else 4]:
        assert relative(getattr(c, name).grad, getattr(exact, name).grad) < 1e-5, name
    if plane != "rgb":
        assert not c.colors.grad.any()


def everything(c: Cloud, threads: int) -> list[Tensor]:
    torch.set_num_threads(threads)
    c = c.to(torch.float32).requiring_grad()
    out = render(c)
    # The upstream gradients are constants, because sums of torch depend on its threads.
    planes = [out.rgb, out.alpha, out.depth]
    random = torch.Generator().manual_seed(2)
    torch.autograd.backward(planes, [torch.randn(plane.shape, generator=random) for plane in planes])
    planes += [out.contributors, out.radii, out.screen.grad]
    return [plane.detach() for plane in planes] + [p.grad for p in c.parameters]


def test_any_number_of_threads_gives_the_same_bits():
    c = cloud(4000, 150, 110, seed=5, sh_degree=2)
    one = everything(c, 1)
    for threads in (1, 2, 3, 5):
        for a, b in zip(one, everything(c, threads), strict=True):
            assert torch.equal(a, b)


def test_backward_follows_its_own_forward_and_can_be_repeated():
    first, second = (cloud(100, 40, 30, seed=seed).requiring_grad() for seed in (1, 2))
    out = render(first)
    render(second).rgb.sum().backward()
    out.rgb.sum().backward(retain_graph=True)
    once = first.means.grad.clone()
    alone = cloud(100, 40, 30, seed=1).requiring_grad()
    render(alone).rgb.sum().backward()
    assert torch.equal(once, alone.means.grad)
    out.rgb.sum().backward()
    assert torch.equal(first.means.grad, 2 * once)


def empty(c: Cloud) -> Cloud:
    return replace(c, **{name: getattr(c, name)[:0] for name in GROUPS})


def behind(c: Cloud) -> Cloud:
    return replace(c, means=-c.means)


def below_the_threshold(c: Cloud) -> Cloud:
    return replace(c, opacities=torch.full_like(c.opacities, 1 / 256))


def outside(c: Cloud) -> Cloud:
    return replace(c, means=c.means + torch.tensor([1000.0, 0, 0]))


@pytest.mark.parametrize("change", [empty, behind, below_the_threshold, outside])
def test_nothing_visible_shows_the_background_and_has_zero_gradients(change):
    c = change(cloud(50, 33, 17, seed=1, sh_degree=1)).requiring_grad()
    out = render(c)
    assert torch.equal(out.rgb, c.background.expand(17, 33, 3))
    assert not out.alpha.any()
    assert not out.depth.any()
    assert not out.contributors.any()
    assert not out.radii.any()
    (out.rgb.sum() + out.alpha.sum() + out.depth.sum()).backward()
    for p in c.parameters:
        assert p.grad.shape == p.shape
        assert not p.grad.any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, torch.nan) for name in GROUPS),
        *((name, torch.inf) for name in ("means", "scales", "opacities")),
        ("quats", 0.0),
        ("colors", -torch.inf),
        ("means", 3e38),
        ("scales", 1e30),
    ],
)
@pytest.mark.parametrize("degree", [None, 2])
def test_a_broken_gaussian_is_left_out(name, value, degree):
    c = cloud(60, 40, 30, seed=3, sh_degree=degree)
    keep = torch.arange(60) != 17
    without = replace(c, **{group: getattr(c, group)[keep] for group in GROUPS}).requiring_grad()
    getattr(c, name)[17] = value
    c = c.requiring_grad()
    got, expected = render(c), render(without)
    for plane in ("rgb", "alpha", "depth", "contributors"):
        assert torch.equal(getattr(got, plane), getattr(expected, plane)), plane
    assert got.radii[17] == 0
    got.rgb.square().sum().backward()
    expected.rgb.square().sum().backward()
    for group in GROUPS:
        gradient = getattr(c, group).grad
        assert not gradient[17].any(), group
        assert torch.equal(gradient[keep], getattr(without, group).grad), group


@pytest.mark.parametrize(
    "change",
    [
        {"scales": torch.full((30, 3), 300.0)},
        {"scales": torch.zeros(30, 3)},
        {"scales": torch.tensor([[3.0, 1e-6, 1e-6]]).repeat(30, 1)},
        {"opacities": torch.ones(30)},
        {"width": 1, "height": 1},
        {"width": 32, "height": 32},
        {"width": 33, "height": 65},
    ],
    ids=["huge", "points", "needles", "opaque", "one pixel", "one tile", "tile and a bit"],
)
def test_extremes_match_the_dense_definition(change):
    c = replace(cloud(30, 40, 30, seed=9), **change).requiring_grad()
    exact = c.to(torch.float64).requiring_grad()
    got, expected = render(c), dense(exact)
    torch.testing.assert_close(got.rgb.double(), expected.rgb, atol=5e-5, rtol=1e-5)
    loss_of([got.rgb]).backward()
    loss_of([expected.rgb]).backward()
    for name in GROUPS:
        error = (getattr(c, name).grad - getattr(exact, name).grad).norm()
        # Needles of 3 units by 1e-6 turn a rounding of the quaternion into a visible motion of their ends.
        assert error <= 3e-4 * getattr(exact, name).grad.norm() + 1e-6, name


def test_wide_and_tall_images_index_correctly():
    c = cloud(200, 70, 3, seed=4)
    K = c.K.clone()
    wide = replace(c, width=4100, height=3, K=K)
    wide.K[0] *= 4100 / 70
    got = render(wide)
    expected = dense(wide.to(torch.float64))
    torch.testing.assert_close(got.rgb.double(), expected.rgb, atol=2e-4, rtol=0)
    assert got.rgb[:, 2100:].std() > 0.01
    turned = render(
        replace(c, width=3, height=4100, K=torch.tensor([[90.0, 0, 1], [0, 3700, 2050], [0, 0, 1]]))
    )
    assert turned.alpha.shape == (4100, 3)
    assert turned.alpha[2500:].max() > 0


def test_inputs_are_converted_and_gradients_come_back_in_their_types():
    c = cloud(50, 40, 30, seed=2)
    plain = render(c)
    strided = replace(c, means=torch.stack([c.means, c.means], 2)[..., 0], colors=c.colors.T.contiguous().T)
    assert not strided.means.is_contiguous()
    assert torch.equal(render(strided).rgb, plain.rgb)
    double = c.to(torch.float64).requiring_grad()
    out = render(double, w2c=c.w2c, K=c.K.half().double())
    assert out.rgb.dtype == torch.float32
    assert torch.equal(out.rgb, render(c, K=c.K.half()).rgb)
    out.rgb.sum().backward()
    assert double.means.grad.dtype == torch.float64


def test_without_gradients_nothing_is_recorded():
    c = cloud(50, 40, 30, seed=2)
    assert not render(c).rgb.requires_grad
    with torch.no_grad():
        out = render(c.requiring_grad())
    assert not out.rgb.requires_grad
    assert not out.screen.requires_grad


def test_some_groups_can_be_constant():
    c = cloud(50, 40, 30, seed=2)
    c.opacities.requires_grad_()
    out = render(c)
    out.alpha.sum().backward()
    assert c.opacities.grad.min() >= 0
    assert c.means.grad is None
    assert out.screen.grad.shape == (50, 2)


def test_lower_degrees_use_the_first_coefficients():
    c = cloud(50, 40, 30, seed=2, sh_degree=3)
    c.colors.requires_grad_()
    low = render(c, sh_degree=1)
    assert torch.equal(low.rgb, render(replace(c, colors=c.colors[:, :4]), sh_degree=1).rgb)
    low.rgb.sum().backward()
    assert not c.colors.grad[:, 4:].any()
    assert c.colors.grad[:, :4].any()


def test_equal_depths_keep_the_order_of_the_gaussians():
    c = cloud(2, 20, 20, seed=0)
    c = replace(
        c,
        means=torch.tensor([[0.0, 0, 3], [0.0, 0, 3]]),
        scales=torch.full((2, 3), 0.3),
        opacities=torch.full((2,), 0.9),
        colors=torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]),
        w2c=torch.eye(4),
    )
    pixel = render(c).rgb[8, 11]
    assert pixel[0] > 0.7 > 0.3 > pixel[1]


def test_radii_are_whole_pixels_that_hold_the_ellipse():
    c = cloud(1, 64, 64, seed=0)
    c = replace(c, means=torch.tensor([[0.0, 0, 4]]), scales=torch.full((1, 3), 0.2), w2c=torch.eye(4))
    c = replace(c, quats=torch.tensor([[1.0, 0, 0, 0]]), opacities=torch.tensor([0.8]))
    out = render(c)
    rows, columns = torch.nonzero(out.contributors, as_tuple=True)
    reach = max(columns.max() + 0.5 - 33, rows.max() + 0.5 - 30).item()
    assert reach <= out.radii[0] < reach + 2
    assert out.radii[0] == out.radii[0].ceil()


WRONG = {
    "means": torch.zeros(5, 2),
    "quats": torch.zeros(5, 3),
    "scales": torch.zeros(4, 3),
    "opacities": torch.zeros(5, 1),
    "colors": torch.zeros(5, 4, 3),
    "w2c": torch.eye(3),
    "K": torch.eye(4),
    "background": torch.zeros(1, 3),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_shape_is_named(name):
    c = cloud(5, 8, 8, seed=0)
    with pytest.raises(RecgenError) as error:
        render(replace(c, **{name: WRONG[name]}))
    assert name in error.value.what
    assert error.value.got == tuple(WRONG[name].shape)
    assert "(" in str(error.value.expected)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sh_degree": 4}, "degree"),
        ({"sh_degree": 3}, "colors"),
        ({"width": 0}, "size"),
        ({"height": 40000}, "size"),
        ({"kind": "2dgs"}, "2D Gaussians"),
        ({"kind": "3dsg"}, "kind"),
        ({"w2c": torch.full((4, 4), torch.nan)}, "NaN"),
        ({"K": torch.zeros(3, 3)}, "focal"),
    ],
)
def test_what_cannot_be_rendered_is_refused(changes, words):
    with pytest.raises(MethodFailed, match=words):
        render(cloud(5, 8, 8, seed=0), **changes)


def test_a_device_without_a_rasteriser_is_refused():
    c = cloud(5, 8, 8, seed=0)
    meta = replace(c, **{name: getattr(c, name).to("meta") for name in GROUPS})
    with pytest.raises(MethodFailed, match="device"):
        render(meta)
    with pytest.raises(MethodFailed, match="several devices"):
        render(replace(c, means=c.means.to("meta")))


CHILD = """
import sys, torch
sys.path.insert(0, sys.argv[1])
import oracle
from recgen_bench.methods.splats.raster import rasterize
c = oracle.cloud(500, 60, 40, seed=8, sh_degree=3).requiring_grad()
out = rasterize(*c.parameters, **c.options())
out.rgb.square().sum().backward()
torch.save([out.rgb.detach(), *(p.grad for p in c.parameters)], sys.argv[2])
"""


def test_every_instruction_set_agrees(tmp_path):
    results = []
    for isa in native.ISAS[: native.library().recgen_machine() + 1]:
        file = tmp_path / f"{isa}.pt"
        command = [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(file)]
        subprocess.run(command, check=True, env=os.environ | {"RECGEN_RASTER_ISA": isa})
        results.append(torch.load(file, weights_only=True))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b, atol=1e-5 * float(b.abs().max()), rtol=0)


MEMORY = """
import resource, sys, torch
sys.path.insert(0, sys.argv[1])
import oracle
from recgen_bench.methods.splats.raster import rasterize
small = oracle.cloud(1000, 64, 64, seed=0).requiring_grad()
rasterize(*small.parameters, **small.options()).rgb.sum().backward()
c = oracle.cloud(100_000, 480, 320, seed=0).requiring_grad()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
out = rasterize(*c.parameters, **c.options())
out.rgb.sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_large_scene_takes_little_memory():
    command = [sys.executable, "-c", MEMORY, str(Path(__file__).parent)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert float(done.stdout) < 60  # MiB, image and gradients included.
