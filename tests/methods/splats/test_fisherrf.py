"""The released code's information and EIG against goldens made by running that code's definition."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats import fisherrf
from recgen_bench.methods.splats.eig import EMPTY, eig_map, observe
from recgen_bench.methods.splats.eig_weights import steps
from recgen_bench.methods.splats.fisher import FisherDiagonal
from recgen_bench.methods.splats.raster import Gaussians, Pinhole

from .oracle import cloud

NAMES = {
    "means": "means",
    "quats": "rotations",
    "scales": "scales",
    "opacities": "opacities",
    "colors": "shs",
}
TOLERANCE = 1e-6
"""Relative to the largest value of an array; measured are 1e-14 and below."""


class Case:
    """A golden file."""

    def __init__(self, path: Path) -> None:
        self.arrays = np.load(path)
        shapes = ("gs_means", "gs_quats", "gs_scales", "gs_opacities", "gs_shs")
        self.gaussians = Gaussians(*map(self.tensor, shapes), sh_degree=1)

    def tensor(self, name: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[name]))

    def views(self, kind: str) -> list[str]:
        return [f"{kind}{i}_" for i in range(9) if f"{kind}{i}_W" in self.arrays]

    def camera(self, view: str) -> Pinhole:
        K = torch.eye(3, dtype=torch.float64)
        for at, name in (((0, 0), "fx"), ((1, 1), "fy"), ((0, 2), "cx"), ((1, 2), "cy")):
            K[at] = float(self.arrays[view + name])
        width, height = int(self.arrays[view + "W"]), int(self.arrays[view + "H"])
        return Pinhole(self.tensor(view + "w2c"), K, width, height)

    def check(self, got: Tensor, name: str, tolerance: float = TOLERANCE) -> None:
        expected = self.tensor(name).double()
        error = (got.double().reshape(expected.shape) - expected).abs().max()
        assert error <= tolerance * expected.abs().max(), name


@pytest.fixture(params=["a", "b"])
def case(shared: Path, request: pytest.FixtureRequest) -> Case:
    return Case(shared / "golden" / "faithfusion" / f"eig_case_{request.param}.npz")


def test_the_rasteriser(case):
    for view in (*case.views("train"), *case.views("novel")):
        planes = fisherrf.render(case.gaussians, case.camera(view))
        assert torch.equal(planes.last.long(), case.tensor(view + "n"))
        case.check(planes.rgb, view + "rgb")
        case.check(planes.through, view + "T_final")
        if view in case.views("novel"):
            case.check(planes.depth, view + "depth")


@pytest.mark.parametrize("slip", [False, True], ids=["intended", "kernel"])
def test_information_of_the_training_views(case, slip):
    kind = "kernel" if slip else "intended"
    total = None
    for view in case.views("train"):
        squares = fisherrf.squares(
            case.gaussians, case.camera(view), case.tensor(view + "upstream"), slip=slip
        )
        for name, theirs in NAMES.items():
            if (
                slip or theirs == "means"
            ):  # The kernel's slip changes the means only; the others are stored once.
                case.check(getattr(squares, name), f"{view}sq_{kind}_{theirs}")
        total = squares if total is None else total + squares
    for name, theirs in NAMES.items():
        summed = getattr(total, name).reshape(len(total.means), -1).sum(1)
        case.check(summed, f"H_train_{kind}_{theirs}")
    case.check(fisherrf.per_gaussian(total), f"H_train_{kind}")
    case.check(1 / (fisherrf.per_gaussian(total) + 1e-6), f"I_{kind}")


@pytest.mark.parametrize("slip", [False, True], ids=["intended", "kernel"])
def test_every_step_of_a_new_view(case, slip):
    kind = "kernel" if slip else "intended"
    for view in case.views("novel"):
        camera = case.camera(view)
        ones = torch.ones(camera.height, camera.width)
        squares = fisherrf.squares(case.gaussians, camera, ones, slip=slip)
        for name, theirs in NAMES.items() if slip else ():
            case.check(getattr(squares, name), f"{view}sq_kernel_{theirs}")
        seen = fisherrf.per_gaussian(squares)
        case.check(seen, f"{view}H_view_{kind}")
        ratio = seen * case.tensor(f"I_{kind}")
        case.check(ratio, f"{view}r_{kind}")
        planes = fisherrf.render(case.gaussians, camera, ratio)
        case.check(planes.blended, f"{view}R_blend_{kind}")
        assert torch.equal(planes.depth > fisherrf.SEEN_DEPTH, case.tensor(view + "depth_keep"))


def test_from_training_views_to_the_map(case):
    views = case.views("train")
    masks = [(case.tensor(view + "sky_mask") < 0.9).double() for view in views]
    known = observe(case.gaussians, map(case.camera, views), semantics="fisherrf", masks=masks)
    case.check(fisherrf.per_gaussian(known.diagonal), "H_train_intended")
    for view in case.views("novel"):
        values, alpha = fisherrf.eig(case.gaussians, case.camera(view), known.diagonal, 1e-6)
        case.check(values, view + "eig_intended")
        case.check(alpha, view + "alpha")
        got = eig_map(case.gaussians, case.camera(view), known)
        case.check(got, view + "eig_sentinel_intended")
        assert torch.equal(got == EMPTY, case.tensor(view + "eig_sentinel_intended") == EMPTY)
        case.check(steps(got), view + "l1_weight_intended")


def scene(degree: int | None = 1, n: int = 40) -> tuple[Gaussians, Pinhole]:
    c = cloud(n, 40, 30, seed=2, sh_degree=degree)
    return Gaussians(*c.parameters, c.sh_degree), Pinhole(c.w2c, c.K, c.width, c.height)


@pytest.mark.parametrize("degree", [None, 0, 1, 3])
def test_any_colours(degree):
    gaussians, camera = scene(degree)
    known = observe(gaussians, [camera], semantics="fisherrf")
    assert known.diagonal.colors.shape == gaussians.colors.shape
    got = eig_map(gaussians, camera, known)
    assert (got[got != EMPTY] > 0).all()
    if degree == 3:
        assert not known.diagonal.colors[:, 4:].any()  # The released code uses degree 1 for information.


def test_quaternions_of_any_norm_describe_the_same_gaussians():
    gaussians, camera = scene()
    unit = gaussians.quats / gaussians.quats.norm(dim=1, keepdim=True)
    first, second = (
        observe(replace(gaussians, quats=quats), [camera], semantics="fisherrf").diagonal
        for quats in (unit.double(), 3 * unit.double())
    )
    for a, b in zip(first.groups, second.groups, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=0)


def test_rows_that_are_not_finite_are_left_out():
    gaussians, camera = scene()
    broken = replace(gaussians, means=gaussians.means.clone(), quats=gaussians.quats.clone())
    broken.means[1], broken.quats[2] = torch.inf, 0
    squares: FisherDiagonal = fisherrf.observe(broken, [camera])
    for group in squares.groups:
        assert torch.isfinite(group).all()
        assert not group[1:3].any()
    assert torch.isfinite(fisherrf.render(broken, camera).rgb).all()


def test_masks_must_fit():
    gaussians, camera = scene()
    with pytest.raises(MethodFailed, match="needs its mask"):
        fisherrf.observe(gaussians, [camera], [])
    with pytest.raises(MethodFailed, match="wrong shape"):
        fisherrf.observe(gaussians, [camera], [torch.ones(3, 3)])
    nothing = fisherrf.observe(gaussians, [camera], [torch.zeros(30, 40)])
    assert not any(group.any() for group in nothing.groups)
