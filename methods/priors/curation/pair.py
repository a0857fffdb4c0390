"""What a restorer learns from: a broken frame, the true one, a frame to look at, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.scene import Image


@dataclass(frozen=True, slots=True)
class Provenance:
    """How one pair came about.

    Attributes:
        dataset: Name of the data set.
        scene: Name of the scene; for embedded worlds the seed.
        strategy: What broke the frame, see `strategies.py`.
        view: Name of the view that was rendered.
        reference: Name of the recorded view that serves as reference.
        shift: Lateral distance from the recorded track in metres, left positive.
        iterations: Optimiser steps that the rendered model had had.
    """

    dataset: str
    scene: str
    strategy: str
    view: str
    reference: str
    shift: float
    iterations: int


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One example.

    Attributes:
        render: (H, W, 3) uint8, what a model shows.
        target: (H, W, 3) uint8, what it should show.
        reference: (H, W, 3) uint8, a recorded frame of the same place.
        eig: (H, W) float32 expected information gain of the render in [0, 1], see `eig_weights.unit`; None
            when it was not asked for.
        provenance: How it came about.
    """

    render: Image
    target: Image
    reference: Image
    eig: NDArray[np.float32] | None
    provenance: Provenance
