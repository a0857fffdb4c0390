"""Final frames of a model, as the harness takes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from recgen_bench.harness.method import Rendering
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.eig import Information, model_eig
from recgen_bench.methods.splats.eig_weights import unit
from recgen_bench.methods.splats.model import SplatModel


def renderings(
    model: SplatModel, cameras: Sequence[Camera], run: Run, information: Information | None = None
) -> Iterator[Rendering]:
    """Yield one rendering for each camera; depth is 0 where less than half of the light was stopped.

    With information on the model, the expected information gain comes along, scaled to [0, 1] by
    `eig_weights.unit`, so that FaithFusion's tau of 0.4 divides it.
    """
    model = model.to(run.device)
    for camera in cameras:
        with torch.no_grad(), kernels_on(run.threads):
            rendered = render(model, camera)
            depth = torch.where(rendered.alpha >= 0.5, rendered.depth, 0.0)
        eig = None
        if information is not None:
            gain = model_eig(model, camera, information, threads=run.threads)
            eig = unit(gain, information).cpu().numpy()
        yield Rendering(rendered.rgb.clamp(0, 1).cpu().numpy(), depth.cpu().numpy(), eig)
