"""The autoencoder of the one-step restorer: Stable Diffusion's, with skips from encoder to decoder.

The latents are an eighth of the image's size (at full size), too coarse to carry thin structures; 1x1
convolutions therefore add the encoder's activations to the decoder's at each level (img2img-turbo's design).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from recgen_bench.methods.priors.lora import adapt

GAMMA = 1.0
"""Weight of the skips in Difix's decoder."""

ADAPTED = (
    "conv1",
    "conv2",
    "conv_in",
    "conv_shortcut",
    "conv",
    "conv_out",
    "to_q",
    "to_k",
    "to_v",
    "to_out.0",
)
"""Layers of the decoder that have adapters, beside the skip convolutions."""


@dataclass(frozen=True, slots=True)
class VaeConfig:
    """Sizes of an autoencoder.

    Attributes:
        channels: Per level, finest first; every level but the last halves the size.
        layers: Residual layers per level of the encoder; the decoder has one more.
        groups: Of the group norms; divides all channels.
        attention: One self-attention over all positions at the coarsest level, in encoder and decoder.
        latents: Channels of the latents.
        scale: Latents are multiplied by this on their way into the UNet.
        skips: The decoder has skips.
        rank: Of the decoder's adapters; 0 for none.
        patch: The image is read and written in squares of this many pixels, whose colours are the channels of
            the finest level; 1 as published. Small networks spend most of their time on the finest level.
        skip_views: How many views of a sample the skips carry, the frame first; 1 as published. With 2 the
            decoder also sees the reference at every level, which helps where that lies pixel on pixel.
    """

    channels: tuple[int, ...]
    layers: int
    groups: int
    attention: bool = True
    latents: int = 4
    scale: float = 0.18215
    skips: bool = True
    rank: int = 0
    patch: int = 1
    skip_views: int = 1

    @property
    def factor(self) -> int:
        """How many pixels are one latent, along each side."""
        return self.patch << (len(self.channels) - 1)


@dataclass(frozen=True, slots=True)
class Encoded:
    """What the encoder hands on.

    Attributes:
        mean: (B, C, h, w) of the posterior, not scaled.
        deviation: (B, C, h, w) its standard deviation.
        skips: Inputs of the encoder's levels, finest first.
    """

    mean: Tensor
    deviation: Tensor
    skips: tuple[Tensor, ...]


class SkipVae(nn.Module):
    """Encoder and decoder from diffusers, with keys like `AutoencoderKL` plus `decoder.skip_conv_1..n`."""

    def __init__(self, config: VaeConfig) -> None:
        super().__init__()
        self.config = config
        levels = len(config.channels)
        colours = 3 * config.patch**2
        parts: Any = AutoencoderKL(  # type: ignore[no-untyped-call] # diffusers is typed in part only.
            in_channels=colours,
            out_channels=colours,
            down_block_types=("DownEncoderBlock2D",) * levels,
            up_block_types=("UpDecoderBlock2D",) * levels,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            norm_num_groups=config.groups,
            latent_channels=config.latents,
            mid_block_add_attention=config.attention,
        )
        self.encoder, self.decoder = parts.encoder, parts.decoder
        self.quant_conv, self.post_quant_conv = parts.quant_conv, parts.post_quant_conv
        names = tuple(f"skip_conv_{number}" for number in range(1, levels + 1)) if config.skips else ()
        for name, (come, go) in zip(names, _skip_channels(config.channels), strict=False):
            skip = nn.Conv2d(come * config.skip_views, go, 1, bias=False)
            nn.init.constant_(skip.weight, 1e-5)
            self.decoder.add_module(name, skip)
        self._names = names
        if config.rank:
            adapt(self.decoder, (*ADAPTED, *names), config.rank)

    def encode(self, images: Tensor) -> Encoded:
        """Return the posterior and the skips of images (B, 3, H, W) in [-1, 1]."""
        states = self.encoder.conv_in(F.pixel_unshuffle(images, self.config.patch))
        skips = []
        for level in self.encoder.down_blocks:
            skips.append(states)
            states = level(states)
        states = self.encoder.mid_block(states)
        states = self.encoder.conv_out(self.encoder.conv_act(self.encoder.conv_norm_out(states)))
        mean, log_variance = self.quant_conv(states).chunk(2, dim=1)
        return Encoded(mean, torch.exp(0.5 * log_variance.clamp(-30, 20)), tuple(skips))

    def decode(self, latents: Tensor, skips: tuple[Tensor, ...] = ()) -> Tensor:
        """Return images (B, 3, H, W), nominally in [-1, 1] and not clamped.

        Args:
            latents: (B, C, h, w), not scaled.
            skips: From `encode`, finest first; none to leave them out.
        """
        states = self.decoder.mid_block(self.decoder.conv_in(self.post_quant_conv(latents)))
        convolutions = [self.decoder.get_submodule(name) for name in self._names] if skips else []
        for number, level in enumerate(self.decoder.up_blocks):
            if convolutions:
                states = states + GAMMA * convolutions[number](skips[-1 - number])
            states = level(states)
        states = self.decoder.conv_out(self.decoder.conv_act(self.decoder.conv_norm_out(states)))
        return F.pixel_shuffle(states, self.config.patch)


def _skip_channels(channels: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return (from, to) of each skip, coarsest first: input of an encoder level, input of a decoder level."""
    into_encoder = (channels[0], *channels[:-1])
    into_decoder = (channels[-1], *channels[:0:-1])
    return list(zip(into_encoder[::-1], into_decoder, strict=True))
