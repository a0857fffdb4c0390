"""What masked metrics do outside the mask: leave it out, or paint it.

The policy stands in a metric's name, because it changes the number: leaving pixels out scores the object,
painting both images alike outside of it adds as many perfect pixels as the mask hides.
"""

from __future__ import annotations

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.scene import Image, Mask


def selection(pair: Pair) -> Mask:
    """Return the (H, W) mask of a pair.

    Raises:
        DataError: There is none, it selects no pixel, or it has another size than the images.
    """
    if pair.mask is None or not pair.mask.any():
        raise DataError("a masked metric needs a mask that selects some pixel")
    if pair.mask.shape != pair.reference.shape[:2]:
        expected = pair.reference.shape[:2]
        raise DataError("the mask has another size than the images", got=pair.mask.shape, expected=expected)
    return pair.mask


def painted(pair: Pair, level: int) -> Pair:
    """Return the pair without its mask, both images set to one grey level (0 to 255) outside of it.

    Raises:
        DataError: See `selection`.
    """
    mask = selection(pair)[..., None]
    paint = np.uint8(level)
    return Pair(_paint(pair.prediction, mask, paint), _paint(pair.reference, mask, paint))


def _paint(image: Image, mask: Mask, level: np.uint8) -> Image:
    return np.where(mask, image, level)
