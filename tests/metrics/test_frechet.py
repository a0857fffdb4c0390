"""The Fréchet distance against the packages that publish it, scipy's matrix root, and its own laws."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_fid.fid_score import calculate_frechet_distance
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid

from recgen_bench.metrics.frechet import frechet

GOLDEN = Path(__file__).parents[1] / "golden/metrics"


def sets(seed: int, n: int, m: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets with unlike means and covariances, features above zero like those of Inception."""
    rng = np.random.default_rng(seed)
    mix = rng.normal(0, 1, (2, d, d)) / np.sqrt(d)
    return tuple(np.abs(rng.normal(0, 1, (k, d)) @ mix[i]) + 0.1 * i for i, k in enumerate((n, m)))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0), np.cov(x, rowvar=False)


def by_root(x: np.ndarray, y: np.ndarray) -> float:
    (mx, sx), (my, sy) = moments(x), moments(y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = sqrtm(sx @ sy)
    return float(np.sum((mx - my) ** 2) + np.trace(sx) + np.trace(sy) - 2 * np.trace(root).real)


@pytest.mark.parametrize(("name", "tolerance"), [("fid_n_gt_d", 1e-9), ("fid_n_lt_d", 1e-4)])
def test_equals_the_goldens(name, tolerance):
    facts = json.loads((GOLDEN / "fid.json").read_text())[name]
    arrays = np.load(GOLDEN / f"{name}.npz")
    value = frechet(arrays["features_a"], arrays["features_b"]).distance
    assert value == pytest.approx(facts["fid"], rel=tolerance)
    assert value == pytest.approx(facts["fid_eigenvalue_form"], rel=1e-7)
    assert frechet(arrays["features_a"], arrays["features_a"]).distance == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("n", "m", "d"), [(300, 250, 24), (60, 40, 20), (41, 300, 40)])
def test_equals_the_packages_and_the_root(n, m, d):
    x, y = sets(n, n, m, d)
    value = frechet(x, y).distance
    (mx, sx), (my, sy) = moments(x), moments(y)
    with warnings.catch_warnings():
        # scipy is about to drop an argument that pytorch-fid passes.
        warnings.simplefilter("ignore")
        assert value == pytest.approx(calculate_frechet_distance(mx, sx, my, sy), rel=1e-7)
    assert value == pytest.approx(by_root(x, y), rel=1e-7)
    tensors = (torch.from_numpy(moment) for moment in (mx, sx, my, sy))
    assert value == pytest.approx(_compute_fid(*tensors).item(), rel=1e-7)


def test_fewer_images_than_features():
    x, y = sets(5, 20, 30, 64)
    assert frechet(x, y).distance == pytest.approx(by_root(x, y), rel=1e-4)
    # Exact where the root is not: with zeros appended to lift N above d, both routes must agree.
    assert frechet(x, y).distance == pytest.approx(
        frechet(x @ np.eye(64, 90), y @ np.eye(64, 90)).distance, rel=1e-12
    )


def test_a_known_value():
    # Covariances diag(4, 0) and diag(1, 0), means 3 apart: 9 + (2 - 1)^2.
    x = np.array([[2, 0], [-2, 0]]) / np.sqrt(2)
    y = np.array([[1, 3], [-1, 3]]) / np.sqrt([[2, 1]])
    found = frechet(x, y)
    assert (found.means, found.covariances) == pytest.approx((9, 1))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(1, 30))
def test_laws(seed, n, m, d):
    x, y = sets(seed, n, m, d)
    value = frechet(x, y)
    assert frechet(x, x).distance == pytest.approx(0, abs=1e-6)
    assert value.distance == pytest.approx(frechet(y, x).distance, rel=1e-9)
    assert value.covariances >= 0
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(0, 1, (d, d)))
    assert frechet(x @ rotation + 1, y @ rotation + 1).distance == pytest.approx(
        value.distance, rel=1e-7, abs=1e-9
    )
    assert frechet(3 * x, 3 * y).distance == pytest.approx(9 * value.distance, rel=1e-9)
    assert frechet(x[::-1], y).distance == pytest.approx(value.distance, rel=1e-9)
    shifted = frechet(x, x + 2)
    assert shifted.distance == pytest.approx(4 * d, rel=1e-6)


def test_grows_with_noise():
    x, _ = sets(1, 200, 2, 16)
    noise = np.random.default_rng(2).normal(0, 1, x.shape)
    values = [frechet(x + sigma * noise, x).distance for sigma in (0.0, 0.1, 0.3, 1.0)]
    assert values == sorted(values)
    assert values[0] < 1e-6 < values[1]
