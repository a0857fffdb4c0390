"""Published numbers and tiny networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from recgen_bench.methods.priors.config import RestorerConfig, UnetConfig
from recgen_bench.methods.priors.onestep import OneStepNetwork, build
from recgen_bench.methods.priors.vae import VaeConfig

GOLDEN = Path(__file__).resolve().parents[2] / "golden"

Arrays = dict[str, torch.Tensor]


@pytest.fixture(scope="session")
def golden() -> Path:
    """Return the folder of numbers made by the published implementations."""
    return GOLDEN


@pytest.fixture(scope="session")
def numbers() -> Callable[[str], Arrays]:
    """Return a function that reads an archive of the goldens as tensors."""

    def read(name: str) -> Arrays:
        with np.load(GOLDEN / name) as arrays:
            return {key: torch.from_numpy(arrays[key]) for key in arrays.files}

    return read


@pytest.fixture(scope="session")
def published() -> RestorerConfig:
    """Return the sizes of the goldens' networks."""
    return RestorerConfig(
        unet=UnetConfig(channels=(16, 32), heads=(2, 4), attends=(True, False), layers=2, groups=8),
        vae=VaeConfig(channels=(8, 16, 16, 24), layers=1, groups=4, rank=4),
        context=(7, 24),
    )


@pytest.fixture(scope="session")
def tiny() -> RestorerConfig:
    """Return a network that a test can train."""
    return RestorerConfig(
        unet=UnetConfig(channels=(8, 16), heads=(1, 2), attends=(False, True), layers=1, groups=4),
        vae=VaeConfig(channels=(8, 16), layers=1, groups=4, attention=False, latents=4, scale=1.0),
        context=(2, 8),
        residual=True,
    )


@pytest.fixture
def network(tiny: RestorerConfig) -> OneStepNetwork:
    """Return a fresh network of `tiny`, the same every time."""
    torch.manual_seed(3)
    return build(tiny)
