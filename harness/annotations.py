"""Boxes and lanes that users bring as files, checked before anything is scored.

Boxes are JSON in pixels of the predicted image:
`{"<view>": [{"box": [x1, y1, x2, y2], "category": "vehicle", "confidence": 0.9}, ...], ...}`.
Lanes and masks are folders of 8-bit grey PNGs named like the views; what is not 0 counts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from recgen_bench.harness.errors import DataError, did_you_mean
from recgen_bench.harness.images import DAMAGE
from recgen_bench.harness.scene import Mask
from recgen_bench.harness.track import Box

_BOX_KEYS = {"box", "category", "confidence"}
_EXAMPLE = '{"box": [x1, y1, x2, y2], "category": "vehicle", "confidence": 0.9}'


@dataclass(frozen=True, slots=True, eq=False)
class Annotation:
    """What files say of one view; None where there is no file. See `recgen_bench.harness.track.Frame`."""

    boxes: tuple[Box, ...] | None = None
    detections: tuple[Box, ...] | None = None
    read_lanes: Callable[[], Mask] | None = None
    read_lane_prediction: Callable[[], Mask] | None = None


def read_boxes(path: Path, sizes: Mapping[str, tuple[int, int]]) -> dict[str, tuple[Box, ...]]:
    """Return the boxes of every view; views that the file does not name have none.

    Args:
        path: JSON.
        sizes: View -> width and height of its image in pixels.

    Raises:
        DataError: Not JSON of this form, an unknown view, or a box that is empty, not finite or outside.
    """
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=lambda pairs: _unique(pairs, path))
    except OSError as error:
        raise DataError(f"the boxes cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"the boxes are not JSON: {error}", where=str(path)) from error
    if not isinstance(content, dict):
        got = type(content).__name__
        raise DataError(
            "not boxes", got=got, expected="an object: view name -> list of boxes", where=str(path)
        )
    for view in content:
        if view not in sizes:
            raise DataError(
                "boxes for a view that does not exist",
                got=view,
                hint=did_you_mean(view, list(sizes)[:200]),
                where=str(path),
            )
        if not isinstance(content[view], list):
            got = type(content[view]).__name__
            raise DataError("not a list of boxes", got=got, where=f"{path}: {view}")
    return {
        view: tuple(_box(item, size, f"{path}: {view}[{i}]") for i, item in enumerate(content.get(view, [])))
        for view, size in sizes.items()
    }


def read_masks(folder: Path, sizes: Mapping[str, tuple[int, int]], complete: bool = True) -> dict[str, Path]:
    """Return the mask file of every view, after looking at the header of each.

    Raises:
        DataError: The folder is missing, a view has no mask (when `complete`), a mask belongs to no view or
            has another size.
    """
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(what, expected="a folder of PNG masks named like the views", where=str(folder))
    found = {path.stem: path for path in sorted(folder.glob("*.png")) if not path.name.startswith(".")}
    missing, extra = sorted(sizes.keys() - found.keys()), sorted(found.keys() - sizes.keys())
    if extra or (complete and missing):
        name, what = (extra[0], "belongs to no view") if extra else (missing[0], "is missing")
        got = f"{len(found)} masks for {len(sizes)} views"
        raise DataError(f"the mask {name}.png {what}", got=got, where=str(folder))
    for view, path in found.items():
        width, height = sizes[view]
        with _opened(path) as image:
            if image.size != (width, height):
                got = f"{image.size[0]}x{image.size[1]}"
                raise DataError(
                    "the mask has the wrong size", got=got, expected=f"{width}x{height}", where=str(path)
                )
    return found


def read_mask(path: Path) -> Mask:
    """Return (H, W) bool, True where an 8-bit grey PNG is not 0.

    Raises:
        DataError: The file is missing, damaged or of another kind.
    """
    with _opened(path) as image:
        try:
            return np.array(image) != 0
        except DAMAGE as error:
            raise DataError(
                f"the mask is damaged: {error}", hint="write it again", where=str(path)
            ) from error


def _opened(path: Path) -> Pillow.Image:
    try:
        image = Pillow.open(path, formats=("PNG",))
    except UnidentifiedImageError as error:
        raise DataError("not an image", expected="an 8-bit grey PNG", where=str(path)) from error
    except DAMAGE as error:
        raise DataError(f"the mask cannot be read: {error}", where=str(path)) from error
    if image.mode not in ("L", "1"):
        got = image.mode
        image.close()
        raise DataError("not a mask", got=got, expected="an 8-bit grey PNG (L)", where=str(path))
    return image


def _box(item: Any, size: tuple[int, int], where: str) -> Box:
    """Return one box after checking it; detectors may reach over the border, but not lie outside."""
    if not isinstance(item, dict) or not {"box", "category"} <= item.keys() <= _BOX_KEYS:
        got = ", ".join(map(str, item)) if isinstance(item, dict) else type(item).__name__
        raise DataError("not a box", got=got, expected=_EXAMPLE, where=where)
    corners, category, confidence = item["box"], item["category"], item.get("confidence", 1.0)
    if not (isinstance(corners, list) and len(corners) == 4 and all(map(_finite, corners))):
        raise DataError("not four finite numbers", got=corners, expected="[x1, y1, x2, y2]", where=where)
    if not (_finite(confidence) and 0 <= confidence <= 1):
        raise DataError("not a confidence", got=confidence, expected="0 to 1", where=where)
    if not (isinstance(category, str) and category):
        raise DataError("not a category", got=category, expected='such as "vehicle"', where=where)
    x1, y1, x2, y2 = corners
    width, height = size
    if x2 <= x1 or y2 <= y1:
        raise DataError("an empty box", got=corners, expected="x1 < x2 and y1 < y2, in pixels", where=where)
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        raise DataError("a box outside of its image", got=corners, expected=f"{width}x{height}", where=where)
    return Box(np.array(corners, np.float64), category, float(confidence))


def _finite(number: Any) -> bool:
    return isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)


def _unique(pairs: Collection[tuple[str, Any]], path: Path) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("a name stands there twice", got=twice, where=str(path))
    return content
