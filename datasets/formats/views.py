"""From posed photographs on disk to the views that methods see: undistorted, shrunk, decoded when read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.image_folders import ImageSet
from recgen_bench.datasets.formats.images import decode, decode_depth, decode_mask, probe
from recgen_bench.datasets.formats.resize import Size, check_resolution, same_shape, target_size
from recgen_bench.datasets.formats.undistort import pick, undistort
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Camera, Depth, Float, Image, Mask, View

MaskRule = Literal["not-black", "white", "white-nearest"]


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A posed photograph as a model file lists it.

    Attributes:
        name: File name in the model, for example "images/0001.jpg"; views are in text order of it.
        path: File to decode; it may be a shrunk copy.
        lens: At the size the model declares.
        c2w: (4, 4) rigid camera-to-world, OpenCV axes.
        where: Model file and frame, for error messages.
        mask: File that says which pixels count.
        mask_rule: "not-black": stored values above 0 count; "white": only 255 does. A target pixel counts
            when all the stored pixels under it do, or, for "white-nearest", when the one at its centre does.
        depth: 16-bit PNG of z-depth.
        depth_unit: World units per stored depth value.
        sensor: Name of the physical camera.
        pinhole: The undistorted camera, where a protocol fixes one; None derives it from the lens.
        divisor: What the file at `path` was shrunk by beforehand; 1 when it is the full size.
        frame: Time step; None for the place among the photographs. A data set that leaves frames out counts
            them here, so that the others keep their numbers.
    """

    name: str
    path: Path
    lens: Lens
    c2w: Float
    where: str
    mask: Path | None = None
    mask_rule: MaskRule = "not-black"
    depth: Path | None = None
    depth_unit: float = 1.0
    sensor: str = "camera"
    pinhole: Lens | None = None
    divisor: int = 1
    frame: int | None = None


def make_views(photos: Sequence[Photo], resolution: Resolution) -> tuple[View, ...]:
    """Return one view per photograph in text order of their names; only image headers are read now.

    The full size is that of the full images, or the declared one when only shrunk copies are read. Intrinsics
    scale with the decoded size, per axis.

    Raises:
        DataError: A photograph is missing, has another shape than declared, or cannot be undistorted.
    """
    check_resolution(resolution)
    ordered = sorted(photos, key=lambda photo: photo.name)
    names = view_names([photo.name for photo in ordered])
    return tuple(
        _view(photo, name, place if photo.frame is None else photo.frame, resolution)
        for place, (photo, name) in enumerate(zip(ordered, names, strict=True))
    )


def view_names(names: Sequence[str]) -> tuple[str, ...]:
    """Return unique names that can be file names: the stem, or the whole path with "_" where stems repeat.

    >>> view_names(["images/1.jpg", "images/2.jpg"])
    ('1', '2')
    >>> view_names(["left/1.jpg", "right/1.jpg"])
    ('left_1', 'right_1')
    """
    paths = [PurePosixPath(name) for name in names]
    for choice in (
        [path.stem for path in paths],
        ["_".join(path.with_suffix("").parts) for path in paths],
        ["_".join(path.parts) for path in paths],
    ):
        if len(set(choice)) == len(choice):
            return tuple(choice)
    twice = Counter("_".join(path.parts) for path in paths).most_common(1)[0][0]
    raise DataError("two images would get the same view name", got=twice)


def listing_notes(images: ImageSet, names: Sequence[str]) -> tuple[str, ...]:
    """Return the sentences for the user about listed frames without image and images without a frame."""
    notes = list(images.notes)
    missing = [name for name, file in zip(names, images.files, strict=True) if file is None]
    if missing:
        notes.append(f"{len(missing)} of {len(names)} frames have no image: {_some(missing)}.")
    if images.unlisted:
        verb = "image is" if len(images.unlisted) == 1 else "images are"
        notes.append(
            f"{len(images.unlisted)} {verb} not in the model and left out: {_some(images.unlisted)}."
        )
    return tuple(notes)


def lens_notes(photos: Sequence[Photo]) -> tuple[str, ...]:
    """Return the sentences for the user about what happened to the intrinsics."""
    notes = []
    bent = [photo for photo in photos if not photo.lens.straight]
    if bent:
        zoom = max((photo.pinhole or photo.lens.pinhole()).fx / photo.lens.fx for photo in bent)
        longer = f"; focal lengths grew by up to {100 * (zoom - 1):.2f} % so that every pixel was seen"
        notes.append(f"{len(bent)} of {len(photos)} images are undistorted{longer if zoom > 1 else ''}.")
    for photo in photos[:1]:
        size, declared = probe(photo.path), (photo.lens.width, photo.lens.height)
        if photo.divisor == 1 and size != declared:
            sizes = f"{declared[0]}x{declared[1]} but the images are {size[0]}x{size[1]}"
            notes.append(f"The model declares {sizes}; the intrinsics were scaled.")
    return tuple(notes)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "")


def _view(photo: Photo, name: str, frame: int, resolution: Resolution) -> View:
    with located(photo.where):
        loaded = probe(photo.path)
        size = _size(photo, loaded, resolution)
        pinhole = photo.pinhole or photo.lens.pinhole()
        camera = Camera(pinhole.resized(*size).K, photo.c2w, *size, frame=frame, sensor=photo.sensor)
        for extra, kind in ((photo.mask, "mask"), (photo.depth, "depth image")):
            if extra is not None and not same_shape(probe(extra), loaded):
                raise _wrong_shape(kind, probe(extra), loaded, extra)
    warp = _Warp(photo.lens, pinhole, size)
    return View(
        name,
        camera,
        partial(_read_image, photo.path, loaded, warp),
        None if photo.mask is None else partial(_read_mask, photo.mask, photo.mask_rule, warp),
        None if photo.depth is None else partial(_read_depth, photo.depth, photo.depth_unit, warp),
        source=str(photo.path),
    )


def _size(photo: Photo, loaded: Size, resolution: Resolution) -> Size:
    declared = (photo.lens.width, photo.lens.height)
    if not same_shape(loaded, declared):
        raise _wrong_shape("image", loaded, declared, photo.path)
    if photo.divisor == 1:
        return target_size(loaded, resolution)
    for side, full in zip(loaded, declared, strict=True):
        if abs(side - full / photo.divisor) >= 1:
            expected = f"{declared[0]}x{declared[1]} / {photo.divisor}"
            raise DataError(
                "a shrunk image has the wrong size",
                got=f"{loaded[0]}x{loaded[1]}",
                expected=expected,
                where=str(photo.path),
            )
    return loaded if photo.divisor == resolution.downscale else target_size(declared, resolution)


def _wrong_shape(kind: str, got: Size, expected: Size, path: Path) -> DataError:
    turned = same_shape(got[::-1], expected)
    hint = "it looks turned by 90 degrees; EXIF orientation is not applied, as in COLMAP" if turned else None
    return DataError(
        f"the {kind} has another aspect ratio than expected",
        got=f"{got[0]}x{got[1]}",
        expected=f"{expected[0]}x{expected[1]} or a multiple of it",
        hint=hint,
        where=str(path),
    )


@dataclass(frozen=True, slots=True)
class _Warp:
    lens: Lens
    pinhole: Lens
    size: Size


def _read_image(path: Path, size: Size, warp: _Warp) -> Image:
    pixels = decode(path)
    if pixels.shape[1::-1] != size:
        raise DataError("the image changed since the scene was opened", got=pixels.shape, where=str(path))
    return undistort(pixels, warp.lens, warp.pinhole, warp.size)


def _read_mask(path: Path, rule: MaskRule, warp: _Warp) -> Mask:
    pixels = decode_mask(path, white=rule != "not-black")
    width, height = warp.size
    if rule == "white-nearest" or pixels.shape[0] < height or pixels.shape[1] < width:
        pixels = pick(pixels.astype(np.float32), warp.lens, warp.pinhole, warp.size).astype(np.uint8)
        return np.asarray(pixels == 255)
    # A target pixel counts only when all the pixels it is made of do.
    return np.asarray(undistort(pixels, warp.lens, warp.pinhole, warp.size) == 255)


def _read_depth(path: Path, unit: float, warp: _Warp) -> Depth:
    return np.asarray(pick(decode_depth(path), warp.lens, warp.pinhole, warp.size) * unit, np.float32)
