"""The UNet that is told where it may invent: conditioned on expected information gain (EIG).

FaithFusion's per-frame fixer. Beside the 4 latent channels z each view has one channel e, its EIG in [0, 1];
the UNet reads the 9 channels [z, e, z e] and predicts 5. In attention, tokens are scaled by 1 + 0.3 e.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor

from recgen_bench.methods.priors.mixing import MixingProcessor

STRENGTH = 0.3
"""How much a token of EIG 1 is raised; the release's constant."""

FIRST_BLOCK = re.compile(
    r"(down_blocks\.\d+|mid_block|up_blocks\.\d+)\.attentions\.0\.transformer_blocks\.0\.attn[12]\.processor"
)
"""The attentions that see the map. The paper says all; the release's code hands it to the first only."""


class EigProcessor(MixingProcessor):
    """Attention whose normalised input tokens are scaled by 1 + 0.3 e before queries, keys and values."""

    def __init__(self, modulates: bool) -> None:
        super().__init__()
        self._modulates = modulates

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        views: int = 1,
        eig: Tensor | None = None,
    ) -> Tensor:
        """Return attended tokens; as `MixingProcessor`, with `eig` (B * views, 1, h, w) at latent size."""
        if self._modulates and eig is not None:
            hidden_states = hidden_states * (1 + STRENGTH * on_tokens(eig, hidden_states.shape[1]))
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, views)


def install_eig(unet: Any) -> None:
    """Give a diffusers UNet mixing attention, modulated in the first block of each cross-attention block."""
    unet.set_attn_processor(
        {name: EigProcessor(bool(FIRST_BLOCK.fullmatch(name))) for name in unet.attn_processors}
    )


def on_tokens(eig: Tensor, tokens: int) -> Tensor:
    """Return the map at the token grid of a deeper level, as (B, tokens, 1).

    Args:
        eig: (B, 1, h, w) at latent size.
        tokens: Of one view; the grid is (h, w) times the nearest power of two that explains their number.
    """
    height, width = eig.shape[-2:]
    scale = 2.0 ** round(math.log2(math.sqrt(tokens / (height * width))))
    grid = (int(height * scale), int(width * scale))
    if grid != (height, width):
        eig = F.interpolate(eig, size=grid, mode="bilinear", align_corners=False)
    return eig.flatten(1).unsqueeze(-1)


def to_latent_size(eig: Tensor, size: tuple[int, int]) -> Tensor:
    """Return pixel maps (B, 1, H, W) at latent size (B, 1, h, w): bilinear, corners aligned, as released."""
    return F.interpolate(eig, size=size, mode="bilinear", align_corners=True)


def conv_in_channels(latents: Tensor, eig: Tensor) -> Tensor:
    """Return [z, e, z e] from (B, C, h, w) and (B, 1, h, w): (B, 2 C + 1, h, w)."""
    return torch.cat([latents, eig, latents * eig], dim=1)


def widened(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of a plain UNet as those of a conditioned one that gives the same latents at e = 0.

    The added input and output channels start at zero, as in the release, so training starts at the plain one;
    the attention modulation is there from the start.
    """
    wide = dict(state)
    first, last, bias = (state[name] for name in ("conv_in.weight", "conv_out.weight", "conv_out.bias"))
    added = first.shape[1] + 1
    wide["conv_in.weight"] = torch.cat([first, first.new_zeros(first.shape[0], added, 3, 3)], dim=1)
    wide["conv_out.weight"] = torch.cat([last, last.new_zeros(1, *last.shape[1:])])
    wide["conv_out.bias"] = torch.cat([bias, bias.new_zeros(1)])
    return wide
