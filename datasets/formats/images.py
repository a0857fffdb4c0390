"""Decode photographs, masks and depth maps; damaged files are errors, never half-grey pictures.

Pillow decodes because it refuses truncated files, where OpenCV pads them in silence; it releases the GIL
while it works. EXIF orientation is ignored, as COLMAP does.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.images import DAMAGE
from recgen_bench.harness.scene import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MAX_SIDE = 32766
"""Pixels; the largest side that OpenCV's remapping can address."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP")
_BOMB = (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning)


def list_images(folder: Path) -> tuple[str, ...]:
    """Return the image files below a folder, relative, in text order ("1.jpg", "10.jpg", "2.jpg").

    Hidden files are left out and linked folders below it are not entered, so a loop of links ends.
    """
    names = []
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        prefix = Path(parent).relative_to(folder).as_posix()
        for name in files:
            suffix = name[name.rfind(".") :].lower()
            if not name.startswith(".") and suffix in SUFFIXES:
                names.append(name if prefix == "." else f"{prefix}/{name}")
    return tuple(sorted(names))


def probe(path: Path) -> tuple[int, int]:
    """Return width and height from the header, without decoding.

    Raises:
        DataError: Missing, not an image, or too large.
    """
    with _opened(path) as image:
        return image.size


def decode(path: Path, content: bytes | None = None) -> Image:
    """Return (H, W, 3) uint8 sRGB; grey becomes three channels and 16 bits keep their upper byte.

    Args:
        path: The file; it only names the image in messages when its content is given.
        content: The bytes of an image that lies inside another file.

    Raises:
        DataError: Missing, damaged, too large, CMYK or another odd colour space, or truly transparent.
    """
    with _opened(path, content) as image:
        if image.mode == "P" or image.mode in ("RGBA", "LA", "PA", "La", "RGBa"):
            image = image.convert("RGBA")
            if image.getchannel("A").getextrema() != (255, 255):
                raise DataError(
                    "the image is partly transparent",
                    expected="an opaque image",
                    hint="composite it on the background you want, and save it without alpha",
                    where=str(path),
                )
        if image.mode.startswith("I;16"):
            grey = (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)
            return np.repeat(grey[..., None], 3, axis=2)
        if image.mode not in ("RGB", "RGBA", "L", "1"):
            raise DataError(
                "the image's colour space is not supported",
                got=image.mode,
                expected="RGB or grey, 8 or 16 bits",
                hint="save it as 8-bit RGB",
                where=str(path),
            )
        return np.asarray(image.convert("RGB"))


def decode_mask(path: Path, white: bool = False) -> Image:
    """Return (H, W) uint8, 255 where the mask is not black (nerfstudio's rule) and 0 elsewhere.

    Args:
        path: The file.
        white: 255 only where all channels hold the largest value (the rule of DTU and ScanNet++).

    Raises:
        DataError: Missing or damaged.
    """
    with _opened(path) as image:
        if image.mode == "P":
            image = image.convert("RGB")
        plane = np.asarray(image)
        if image.mode in ("RGBA", "LA"):
            plane = plane[..., :-1]
    channels = plane.reshape(*plane.shape[:2], -1)
    largest = {np.dtype(np.bool_): 1, np.dtype(np.uint8): 255}.get(plane.dtype, 65535)
    lit = (channels >= largest).all(axis=2) if white else channels.any(axis=2)
    return np.where(lit, np.uint8(255), np.uint8(0))


def decode_depth(path: Path) -> NDArray[np.float32]:
    """Return (H, W) float32 stored values of a one-channel 16-bit PNG, 0 where unknown.

    Raises:
        DataError: Missing, damaged, or not such a file.
    """
    with _opened(path) as image:
        if not image.mode.startswith("I"):
            raise DataError(
                "not a depth image", got=f"mode {image.mode}", expected="16-bit grey PNG", where=str(path)
            )
        return np.asarray(image).astype(np.float32)


@contextmanager
def _opened(path: Path, content: bytes | None = None) -> Iterator[Pillow.Image]:
    # Pillow raises many kinds of errors on damaged files; all of them mean the same to a user.
    try:
        with Pillow.open(path if content is None else io.BytesIO(content), formats=_FORMATS) as image:
            if max(image.size) > MAX_SIDE:
                size = f"{image.width}x{image.height}"
                raise DataError(
                    "the image is too large", got=size, expected=f"at most {MAX_SIDE} pixels a side"
                )
            yield image
    except DataError as error:
        error.where = error.where or str(path)
        raise
    except FileNotFoundError as error:
        raise DataError("the image does not exist", where=str(path)) from error
    except UnidentifiedImageError as error:
        raise DataError("not an image", expected="JPEG, PNG, WebP or BMP", where=str(path)) from error
    except _BOMB as error:
        raise DataError(
            "the image is too large to be decoded safely", got=str(error), where=str(path)
        ) from error
    except DAMAGE as error:
        raise DataError(f"the image is damaged: {error}", where=str(path)) from error
