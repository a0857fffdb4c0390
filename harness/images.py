"""Reading and writing the images that numbers are computed from: 8-bit RGB and nothing else.

Decoding a capture is the data sets' business and more lenient. Here a hidden conversion would change a score,
so alpha, 16 bits, grey and palettes are errors that name the file.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.scene import Image

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
"""Lower-case suffixes of the formats that `read_rgb8` reads."""

DAMAGE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    OverflowError,
    TypeError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for damaged files, format by format."""

_EXPECTED = "8-bit RGB without alpha"
_HINT = "save it as 8-bit RGB with the pixels that shall be scored"


def read_rgb8(path: Path) -> Image:
    """Return (H, W, 3) uint8 sRGB exactly as stored; EXIF orientation and colour profiles are ignored.

    Raises:
        DataError: Missing, truncated, not a PNG or JPEG, or not 8-bit RGB.
    """
    try:
        # Pillow refuses truncated files, where OpenCV fills the rest with grey in silence.
        with Pillow.open(path, formats=("PNG", "JPEG")) as image:
            found = _layout(image, path)
            if found != "RGB":
                raise DataError(
                    "not an 8-bit RGB image", got=found, expected=_EXPECTED, hint=_HINT, where=str(path)
                )
            return np.array(image)
    except DataError:
        raise
    except FileNotFoundError as error:
        raise DataError("the image does not exist", where=str(path)) from error
    except PermissionError as error:
        raise DataError(
            "the image may not be read", hint="change its permissions", where=str(path)
        ) from error
    except UnidentifiedImageError as error:
        raise DataError("not an image", expected="PNG or JPEG", where=str(path)) from error
    except Pillow.DecompressionBombError as error:
        raise DataError(f"the image is too large to be decoded safely: {error}", where=str(path)) from error
    except DAMAGE as error:
        # Decoders raise many kinds of errors on damaged files; to a user all of them mean the same.
        raise DataError(f"the image is damaged: {error}", hint="write it again", where=str(path)) from error


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height from the header of a PNG or JPEG; `read_rgb8` checks the rest.

    Raises:
        DataError: Missing, or not a PNG or JPEG.
    """
    try:
        with Pillow.open(path, formats=("PNG", "JPEG")) as image:
            return image.size
    except UnidentifiedImageError as error:
        raise DataError("not an image", expected="PNG or JPEG", where=str(path)) from error
    except Pillow.DecompressionBombError as error:
        raise DataError(f"the image is too large to be decoded safely: {error}", where=str(path)) from error
    except DAMAGE as error:
        raise DataError(f"the image is damaged: {error}", hint="write it again", where=str(path)) from error


def write_png(path: Path, pixels: Image) -> None:
    """Write (H, W, 3) uint8 sRGB as a PNG in one step; equal pixels give equal bytes.

    Raises:
        DataError: The array has another type or shape.
        OutputError: The file cannot be written.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        got = f"{pixels.dtype} {pixels.shape}"
        raise DataError("not the pixels of an image", got=got, expected="uint8 (H, W, 3)", where=str(path))
    buffer = io.BytesIO()
    # A fresh image carries no metadata, and the level is fixed, so nothing but the pixels decides the bytes.
    Pillow.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=3)
    write_atomic(path, buffer.getvalue())


def _layout(image: Pillow.Image, path: Path) -> str:
    """Return "RGB" for an opaque 8-bit colour image, else what the file holds instead."""
    if image.format == "PNG":
        # Pillow opens 16-bit colour as 8-bit without a word; the header's depth byte tells.
        with path.open("rb") as file:
            depth = file.read(25)[24]
        if depth > 8:
            return f"{depth} bits per channel ({image.mode})"
    if "transparency" in image.info or image.mode in ("RGBA", "LA", "PA"):
        return f"an alpha channel ({image.mode})"
    names = {"L": "grey (L)", "1": "black and white (1)", "P": "a palette (P)"}
    return names.get(image.mode, image.mode)
