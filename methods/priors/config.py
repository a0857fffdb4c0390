"""Sizes of a one-step restorer as data: the published one and the embedded one are the same classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from recgen_bench.harness.errors import DataError
from recgen_bench.methods.priors.schedule import TIMESTEP
from recgen_bench.methods.priors.vae import VaeConfig


@dataclass(frozen=True, slots=True)
class UnetConfig:
    """Sizes of the UNet (diffusers' `UNet2DConditionModel`).

    Attributes:
        channels: Per level, finest first; every level but the last halves the size.
        heads: Attention heads per level.
        attends: Which levels have transformer blocks, and so see the reference; the middle always does.
        layers: Residual (and transformer) layers per level; the way up has one more.
        groups: Of the group norms; divides all channels.
    """

    channels: tuple[int, ...]
    heads: tuple[int, ...]
    attends: tuple[bool, ...]
    layers: int
    groups: int


@dataclass(frozen=True, slots=True)
class RestorerConfig:
    """Everything that fixes the architecture, and so the names and shapes of the weights.

    Attributes:
        unet: Sizes of the UNet.
        vae: Sizes of the autoencoder.
        context: (tokens, width) of the text; the published network holds CLIP's states of "remove
            degradation", an embedded one learns its few tokens.
        uses_reference: A recorded frame is the second view.
        reference: "frame": as it was recorded, as published. "road": looked up on the road where there is a
            vehicle, see `splats.ground`; a small network does not find by attention what belongs together.
        uses_eig: Conditioned on expected information gain.
        timestep: At which the UNet is called.
        residual: The decoder's output is added to the image instead of being it. Off as published; on for
            small networks, which have no pretrained autoencoder to start from and so begin as identity.
    """

    unet: UnetConfig
    vae: VaeConfig
    context: tuple[int, int]
    uses_reference: bool = True
    reference: Literal["frame", "road"] = "frame"
    uses_eig: bool = False
    timestep: int = TIMESTEP
    residual: bool = False

    def __post_init__(self) -> None:
        """Check that the parts fit; raises DataError naming the field that does not."""
        unet, vae = self.unet, self.vae
        if not len(unet.channels) == len(unet.heads) == len(unet.attends):
            got = f"{len(unet.channels)} channels, {len(unet.heads)} heads, {len(unet.attends)} attends"
            raise DataError("a restorer's UNet needs the same number of entries per level", got=got)
        for part in (unet, vae):
            if not part.channels or any(width % part.groups for width in part.channels):
                got = f"{part.channels} channels in {part.groups} groups"
                raise DataError("a restorer's channels must be multiples of its norm groups", got=got)
        if not 1 <= vae.skip_views <= 1 + self.uses_reference:
            expected = "1, or 2 with a reference"
            raise DataError("a restorer's skips show too many views", got=vae.skip_views, expected=expected)
        if not 0 <= self.timestep < 1000:
            raise DataError("a restorer's timestep is out of range", got=self.timestep, expected="0 to 999")

    @property
    def multiple(self) -> int:
        """Image sides must be multiples of this many pixels."""
        return self.vae.factor << (len(self.unet.channels) - 1)

    def with_eig(self) -> RestorerConfig:
        """Return the same network conditioned on expected information gain."""
        return replace(self, uses_eig=True)


DIFIX_REF = RestorerConfig(
    unet=UnetConfig(
        channels=(320, 640, 1280, 1280),
        heads=(5, 10, 20, 20),
        attends=(True, True, True, False),
        layers=2,
        groups=32,
    ),
    vae=VaeConfig(channels=(128, 256, 512, 512), layers=2, groups=32, rank=4),
    context=(77, 1024),
)
"""nvidia/difix_ref: SD-Turbo's networks (866 M + 85 M parameters)."""

DIFIX = replace(DIFIX_REF, uses_reference=False)
"""nvidia/difix: the same without a second view."""

EMBEDDED = RestorerConfig(
    unet=UnetConfig(channels=(64, 96), heads=(4, 6), attends=(False, True), layers=1, groups=8),
    vae=VaeConfig(
        channels=(32, 48, 64),
        layers=1,
        groups=8,
        attention=False,
        latents=32,
        scale=1.0,
        patch=2,
        skip_views=2,
    ),
    context=(4, 32),
    reference="road",
    residual=True,
)
"""The size this project trains for 240x160 renders on two CPU cores.

All of it is trained end to end, the encoder too, since no pretrained autoencoder exists at this size; so the
latents need no scale of Stable Diffusion's, and the decoder is trained directly instead of through adapters.
"""
