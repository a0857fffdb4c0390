"""What a loop asks of a one-step restorer, whichever network and weights are behind it."""

from __future__ import annotations

from typing import Literal, Protocol

from torch import Tensor


class Restorer(Protocol):
    """Repairs rendered frames in one network evaluation each.

    Attributes:
        name: Of the prior, for records.
        uses_reference: It looks at a recorded frame of the same place.
        reference: How it wants to see that: "frame" as recorded, "road" as `splats.ground.on_road` shows it.
        uses_eig: It is conditioned on expected information gain.
    """

    name: str
    uses_reference: bool
    reference: Literal["frame", "road"]
    uses_eig: bool

    def restore(self, images: Tensor, references: Tensor | None = None, eig: Tensor | None = None) -> Tensor:
        """Return repaired frames at the size of the input.

        Args:
            images: (B, 3, H, W) float32 renders in [0, 1]; any H and W.
            references: (B, 3, H, W) float32 recorded frames in [0, 1]; needed when `uses_reference`.
            eig: (B, H, W) float32 raw expected information gain (not scaled; 100 marks empty pixels and
                sky); needed when `uses_eig`. The restorer scales it: clamp(eig, max=1), 100 -> 1.

        Returns:
            (B, 3, H, W) float32 in [0, 1].
        """
        ...
