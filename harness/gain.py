"""Maps of expected information gain (EIG): what a method hands out for them, and how they become files.

A method offers them through two optional members: `eig(model, known, cameras, threads, semantics)`, which
yields one `GainView` per camera in order, and `read_ply(path)`, which makes a model from a file.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.images import write_png
from recgen_bench.harness.scene import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Page

SPAN = 100.0
"""Multiple of the reference that gets the last colour."""

TICKS = (0.0, 1.0, 5.0, 20.0, 100.0)
"""Multiples of the reference that the legend names."""

STRENGTH = 0.75
"""Part of a pixel's colour that the heat map takes; the rest is the grey rendering."""

EMPTY_COLOUR = (96, 112, 160)
LEGEND = 26
LEAST_WIDTH = 200


@dataclass(frozen=True, slots=True, eq=False)
class GainView:
    """The EIG of one view.

    Attributes:
        rgb: (H, W, 3) float rendering in [0, 1].
        eig: (H, W) float32, at least 0.
        empty: (H, W) bool, True where the method modelled nothing and `eig` is only a mark.
        reference: The gain of a typical well-known pixel: where the colours of a heat map begin.
    """

    rgb: NDArray[np.floating]
    eig: NDArray[np.float32]
    empty: NDArray[np.bool_]
    reference: float


def write_gain(folder: Path, name: str, view: GainView) -> tuple[Path, Path]:
    """Write `<name>.eig.npz` (float32 under "eig") and `<name>.eig.png`, and return their paths.

    Raises:
        MethodFailed: The maps have different sizes, or hold negative values, NaN or infinity.
        OutputError: A file cannot be written.
    """
    eig = np.asarray(view.eig, np.float32)
    if eig.ndim != 2 or view.rgb.shape != (*eig.shape, 3) or view.empty.shape != eig.shape:
        got = f"rgb {view.rgb.shape}, eig {eig.shape}, empty {view.empty.shape}"
        raise MethodFailed("the maps of a view have different sizes", got=got, where=name)
    if not (np.isfinite(eig).all() and eig.min() >= 0 and np.isfinite(view.rgb).all()):
        raise MethodFailed("an information gain that is negative or not finite", where=name)
    if not 0 < view.reference < math.inf:
        what = "the reference of the heat map must be positive"
        raise MethodFailed(what, got=view.reference, where=name)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, eig=eig)
    values, picture = folder / f"{name}.eig.npz", folder / f"{name}.eig.png"
    write_atomic(values, buffer.getvalue())
    write_png(picture, overlay(view))
    return values, picture


def overlay(view: GainView) -> Image:
    """Return (H', W', 3) uint8: the heat map over the grey rendering, and its scale below."""
    import cv2
    from PIL import Image as Pillow

    grey = np.clip(view.rgb, 0, 1).mean(-1, keepdims=True) * 255
    heat = np.where(view.empty[..., None], EMPTY_COLOUR, _colours(position(view.eig, view.reference)))
    mixed = np.rint(STRENGTH * heat + (1 - STRENGTH) * grey).astype(np.uint8)
    # Small pictures are enlarged by whole pixels, so that the scale below stays readable.
    times = max(1, math.ceil(LEAST_WIDTH / mixed.shape[1]))
    size = (mixed.shape[1] * times, mixed.shape[0] * times)
    mixed = cv2.resize(mixed, size, interpolation=cv2.INTER_NEAREST)
    page = Pillow.new("RGB", (mixed.shape[1], mixed.shape[0] + LEGEND), "white")
    page.paste(Pillow.fromarray(mixed), (0, 0))
    _draw_legend(page, mixed.shape[0], view.reference)
    return np.asarray(page)


def position(eig: NDArray[np.floating], reference: float) -> NDArray[np.float64]:
    """Return where values lie on the scale, in [0, 1]: log(1 + EIG/reference) / log(1 + SPAN)."""
    return np.minimum(np.log1p(np.asarray(eig, np.float64) / reference) / math.log1p(SPAN), 1)


def _colours(positions: NDArray[np.float64]) -> Image:
    """Return the colours (..., 3) of positions (...) on the scale."""
    import cv2

    levels = np.rint(255 * positions).astype(np.uint8)
    bgr = cv2.applyColorMap(levels.reshape(1, -1), cv2.COLORMAP_INFERNO)
    return np.asarray(bgr[0, :, ::-1], np.uint8).reshape(*levels.shape, 3)


def _draw_legend(page: Page, top: int, reference: float) -> None:
    from PIL import Image as Pillow
    from PIL import ImageDraw

    pen = ImageDraw.Draw(page)
    swatch, left = 42, 4
    bar = page.width - swatch - 4 * left
    scale = _colours(np.linspace(0, 1, bar))[None].repeat(9, 0)
    page.paste(Pillow.fromarray(scale), (left, top + 3))
    for tick in TICKS:
        at = left + round((bar - 1) * float(position(np.array(tick * reference), reference)))
        pen.line([(at, top + 3), (at, top + 13)], fill="black")
        label = f"{tick * reference:.2g}"
        width = pen.textlength(label)
        pen.text((min(max(at - width / 2, 0), left + bar - width), top + 13), label, fill="black")
    right = page.width - swatch
    pen.rectangle([(right, top + 3), (right + 10, top + 11)], fill=EMPTY_COLOUR)
    pen.text((right - 2, top + 13), "empty", fill="black")
