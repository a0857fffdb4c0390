"""Reference mixing: self-attention over the tokens of all views of a sample, as an attention processor.

Wu et al., Difix3D+ (arXiv 2503.01774), section 4: the frame to repair and a reference are two samples of one
batch in the order (b v), frame first. Only self-attention sees the other view; it adds no parameter. The
release replaces the forward of whole transformer blocks and normalises the joint tokens; as that norm is per
token, handing the processor the joint tokens gives the same numbers.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor


class MixingProcessor:
    """Attention that joins the views of a sample in self-attention and leaves cross-attention alone.

    The number of views comes with each call, as `cross_attention_kwargs={"views": v}` of the UNet.
    """

    def __init__(self) -> None:
        self._attend = AttnProcessor2_0()  # type: ignore[no-untyped-call] # diffusers is typed in part only.

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        views: int = 1,
    ) -> Tensor:
        """Return attended tokens.

        Args:
            attn: Whose projections are used.
            hidden_states: (B * views, N, D) normalised tokens.
            encoder_hidden_states: (B * views, M, C) text tokens; None for self-attention.
            attention_mask: As diffusers passes it; never set by a restorer.
            views: How many neighbouring batch entries belong to one sample.

        Returns:
            (B * views, N, D).
        """
        if encoder_hidden_states is not None or views == 1:
            return self._attend(attn, hidden_states, encoder_hidden_states, attention_mask)
        batch, tokens, width = hidden_states.shape
        joint = hidden_states.reshape(batch // views, views * tokens, width)
        return self._attend(attn, joint, None, attention_mask).reshape(batch, tokens, width)


def install_mixing(unet: Any) -> None:
    """Make every attention of a diffusers `UNet2DConditionModel` a mixing one."""
    unet.set_attn_processor(MixingProcessor())
