"""EIG maps of a model as the harness exports them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import torch

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.gain import SPAN, GainView
from recgen_bench.harness.scene import Camera
from recgen_bench.methods.splats.calling import kernels_on
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.eig import EMPTY, Semantics, model_eig, model_information
from recgen_bench.methods.splats.model import SplatModel

RELEASED_SPAN = 1.0
"""EIG of the released semantics from which its code gives full weight."""


def gain_views(
    model: SplatModel, known: Sequence[Camera], cameras: Sequence[Camera], semantics: Semantics
) -> Iterator[GainView]:
    """Yield the rendering and EIG of each camera when the views of `known` were seen, on all processors.

    Raises:
        MethodFailed: There are no known views, they tell nothing of the Gaussians, or an EIG is not finite.
    """
    threads = os.cpu_count() or 1
    information = model_information(model, known, threads, semantics)
    if not any(group.any() for group in information.diagonal.groups):
        hint = "are the cameras and the Gaussians in the same coordinates?"
        raise MethodFailed("the known views show none of the Gaussians", got=f"{len(known)} views", hint=hint)
    reference = information.typical() if semantics == "exact" else RELEASED_SPAN / SPAN
    for camera in cameras:
        eig = model_eig(model, camera, information, threads=threads).cpu()
        with torch.no_grad(), kernels_on(threads):
            rgb = render(model, camera).rgb.clamp(0, 1).cpu()
        yield GainView(rgb.numpy(), eig.numpy(), (eig == EMPTY).numpy(), reference)
