"""How well a restorer does on scenes it never saw, by distance from the track."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recgen_bench.harness.scene import Image
from recgen_bench.methods.priors.onestep import OneStepNetwork
from recgen_bench.methods.priors.padding import padded
from recgen_bench.methods.priors.training.examples import Source, load_archive

BANDS = ((0.0, 0.25), (0.25, 1.5), (1.5, 2.5), (2.5, 3.5), (3.5, 5.0), (5.0, 100.0))
"""Metres from the track, from and below."""


@dataclass(frozen=True, slots=True)
class Band:
    """Mean PSNR in dB of the frames between two distances.

    Attributes:
        begin: Metres.
        end: Metres.
        frames: How many.
        render: Of the renders.
        restored: Of the restored frames.
    """

    begin: float
    end: float
    frames: int
    render: float
    restored: float

    @property
    def label(self) -> str:
        """For people: "2.5 to 3.5 m"."""
        if self.begin == 0:
            return "on track"
        return f"from {self.begin:g} m" if self.end >= 100 else f"{self.begin:g} to {self.end:g} m"


@dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Bands, and a picture with rows of render, restored and truth."""

    bands: tuple[Band, ...]
    picture: Image

    def line(self) -> str:
        """Return the gains on one line."""
        parts = (f"{band.label} {band.render:.2f} {band.restored - band.render:+.2f}" for band in self.bands)
        return ", ".join(parts)


@torch.inference_mode()
def validate(network: OneStepNetwork, sources: Sequence[Source], every: int = 1, rows: int = 8) -> Validation:
    """Restore every n-th frame of some archives, one at a time."""
    distances, before, after, shown = [], [], [], []
    for source in sources:
        archive = load_archive(source, network.config.uses_eig)
        for place in range(0, len(archive), every):
            render, target, reference = (
                _image(getattr(archive, name)[place]) for name in ("render", "target", "reference")
            )
            eig = None
            if network.config.uses_eig and archive.eig is not None:
                eig = torch.from_numpy(archive.eig[place]).float().clamp(0, 1)[None]
            made = _restored(network, render, reference, eig)
            distances.append(abs(source.entry.pairs[place].shift))
            before.append(_psnr(render, target))
            after.append(_psnr(made, target))
            shown.append(torch.cat([render, made, target], dim=-1)[0])
    return Validation(_bands(distances, before, after), _picture(shown, rows))


def _restored(network: OneStepNetwork, render: Tensor, reference: Tensor, eig: Tensor | None) -> Tensor:
    height, width = render.shape[-2:]
    fit: Callable[[Tensor], Tensor] = lambda image: padded(image, network.config.multiple)  # noqa: E731 # Two uses below.
    second = fit(reference) if network.config.uses_reference else None
    made = network(fit(render), second, None if eig is None else fit(eig))
    # As a frame is stored: 8 bits.
    return (made[..., :height, :width].clamp(0, 1) * 255).round() / 255


def _bands(distances: list[float], before: list[float], after: list[float]) -> tuple[Band, ...]:
    where, first, second = (np.asarray(values) for values in (distances, before, after))
    bands = []
    for begin, end in BANDS:
        inside = (where >= begin) & (where < end)
        if inside.any():
            means = float(first[inside].mean()), float(second[inside].mean())
            bands.append(Band(begin, end, int(inside.sum()), *means))
    return tuple(bands)


def _picture(shown: list[Tensor], rows: int) -> Image:
    picked = np.linspace(0, len(shown) - 1, min(rows, len(shown))).round().astype(int)
    size = shown[0].shape
    same = [shown[place] for place in picked if shown[place].shape == size]
    pixels = torch.cat(same, dim=-2).permute(1, 2, 0)
    return (pixels * 255).round().to(torch.uint8).numpy()


def _image(pixels: Image) -> Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255


def _psnr(image: Tensor, target: Tensor) -> float:
    return float(-10 * torch.log10((image - target).square().mean().clamp_min(1e-10)))
