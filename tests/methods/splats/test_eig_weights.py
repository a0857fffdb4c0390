from __future__ import annotations

import numpy as np
import pytest
import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.methods.splats.eig import EMPTY, Information, observe
from recgen_bench.methods.splats.eig_weights import (
    TAU,
    generator_input,
    normalised,
    pixel_weights,
    relative,
    steps,
    under_constrained,
    unit,
)
from recgen_bench.methods.splats.raster import Gaussians, Pinhole

from .oracle import cloud


def information(semantics: str) -> Information:
    c = cloud(60, 40, 30, seed=2)
    view = Pinhole(c.w2c, c.K, c.width, c.height)
    return observe(Gaussians(*c.parameters, c.sh_degree), [view], semantics=semantics)  # type: ignore[arg-type] # A literal as a parameter.


EXACT, RELEASED = information("exact"), information("fisherrf")


def test_the_released_code(shared):
    golden = np.load(shared / "golden" / "faithfusion" / "eig_mapping.npz")
    eig, gt, pred = (torch.from_numpy(golden[name]) for name in ("eig", "gt", "pred"))
    assert np.array_equal(steps(eig).numpy(), golden["l1_weight"])
    for threshold, name in ((1.0, "th1"), (0.1, "th0p1")):
        got = generator_input(eig, threshold).numpy()
        np.testing.assert_allclose(got, golden[f"generator_input_{name}"], rtol=0, atol=1e-7)
    loss = ((gt - pred).abs() * steps(eig)[..., None]).mean()
    assert float(loss) == pytest.approx(float(golden["weighted_l1"]), abs=1e-7)


def test_steps_compare_in_float32():
    assert steps(torch.tensor([0.05], dtype=torch.float32)).item() == pytest.approx(0.3)
    assert steps(torch.tensor([0.0, 0.19, 0.2, 0.99, 1.0, EMPTY])).tolist() == pytest.approx(
        [0.1, 0.3, 0.7, 0.7, 1.0, 1.0]
    )


def test_unit_is_measured_in_typical_training_pixels():
    typical = EXACT.typical()
    gains = torch.tensor([0.0, 1.0, 5.0, 100.0, 1e6]) * typical
    assert unit(gains, EXACT).tolist() == pytest.approx([0, 0.1502, 0.3882, 1, 1], abs=1e-4)
    assert unit(torch.tensor([EMPTY]), EXACT).item() == 1
    assert relative(torch.tensor([EMPTY]), EXACT).item() == float("inf")
    assert unit(torch.tensor([0.3, 2.0, EMPTY]), RELEASED).tolist() == pytest.approx([0.3, 1, 1])


def test_the_exact_region_split_is_at_about_five_typical_pixels():
    gains = torch.tensor([[4.5, 6.0]]) * EXACT.typical()
    assert under_constrained(gains, EXACT).tolist() == [[False, True]]
    assert under_constrained(torch.tensor([[TAU, 0.41, EMPTY]]), RELEASED).tolist() == [[False, True, True]]


def test_normalised_spans_a_map():
    assert normalised(torch.tensor([1.0, 2.0, 3.0, EMPTY])).tolist() == [0, 0.5, 1, 1]
    assert normalised(torch.tensor([2.0, 2.0])).tolist() == [0, 0]
    assert normalised(torch.tensor([EMPTY])).tolist() == [1]


@pytest.mark.parametrize("known", [EXACT, RELEASED], ids=["exact", "fisherrf"])
@pytest.mark.parametrize("kind", ["steps", "continuous"])
def test_pixel_weights_rise_with_the_gain(known, kind):
    eig = torch.tensor([[0.0, 1e-3, 0.04, 0.3, 2.0, 50.0, EMPTY]])
    weights = pixel_weights(eig, known, kind)
    assert weights.shape == eig.shape
    assert (weights.diff() >= 0).all()
    assert weights.min() >= 0
    assert weights.max() == 1
    assert weights[0, -1] == 1


def test_wrong_arguments_are_named():
    eig = torch.ones(2, 2)
    with pytest.raises(MethodFailed, match="unknown kind"):
        pixel_weights(eig, EXACT, "linear")  # type: ignore[arg-type] # What the test is about.
    with pytest.raises(MethodFailed, match="only exact"):
        relative(eig, RELEASED)
    with pytest.raises(MethodFailed, match="positive"):
        generator_input(eig, 0.0)
    nothing = Information("exact", type(EXACT.diagonal)(*(0 * g for g in EXACT.diagonal.groups)), 100)
    with pytest.raises(MethodFailed, match="no view tells anything"):
        unit(eig, nothing)
