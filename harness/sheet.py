"""A picture of results: truth, rendering and error side by side, one row per view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.scene import Image

GAP = 4
CAPTION = 14


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """One view: its caption, the truth (H, W, 3) uint8 and what was rendered (H, W, 3) uint8."""

    caption: str
    truth: Image
    prediction: Image


def comparison_sheet(rows: Sequence[SheetRow]) -> Image:
    """Return one (H', W', 3) uint8 picture with the columns truth, rendering and error.

    The error is the largest absolute channel difference, black at 0 and white at 64 grey levels or more.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw

    height = sum(CAPTION + row.truth.shape[0] + GAP for row in rows)
    width = max(3 * row.truth.shape[1] + 2 * GAP for row in rows)
    sheet = Pillow.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(sheet)
    top = 0
    for row in rows:
        columns = (row.truth, row.prediction, error_map(row.truth, row.prediction))
        captions = (f"{row.caption}: truth", "rendering", "error (white: 64/255)")
        for index, (pixels, caption) in enumerate(zip(columns, captions, strict=True)):
            left = index * (row.truth.shape[1] + GAP)
            pen.text((left + 1, top + 1), caption, fill="black")
            sheet.paste(Pillow.fromarray(pixels), (left, top + CAPTION))
        top += CAPTION + row.truth.shape[0] + GAP
    return np.asarray(sheet)


def error_map(truth: Image, prediction: Image) -> Image:
    """Return the largest absolute channel difference as (H, W, 3) grey, white at 64 levels or more."""
    difference = np.abs(truth.astype(np.int16) - prediction.astype(np.int16)).max(-1)
    grey = np.minimum(difference * 4, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
