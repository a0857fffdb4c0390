"""DL3DV: the benchmark's `nerfstudio/` and `gaussian_splat/` folders, or the 10K release's `colmap/`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.colmap import find_model, read_points, read_sparse
from recgen_bench.datasets.formats.colmap_photos import sparse_images, sparse_photos
from recgen_bench.datasets.formats.paths import only_cameras
from recgen_bench.datasets.formats.places import Place, children, find_place, find_places
from recgen_bench.datasets.formats.transforms_json import read_transforms
from recgen_bench.datasets.formats.transforms_photos import (
    transforms_images,
    transforms_photos,
    transforms_points,
)
from recgen_bench.datasets.formats.views import lens_notes, listing_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Capture

LAYOUT = "<hash>/ with nerfstudio/, colmap/ or itself holding transforms.json, or with gaussian_splat/"

APPLIED = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
"""From COLMAP's world to that of the poses, as older nerfstudio releases did (DL3DV-10K/Dataset, issue 4)."""

_TRANSFORMS = ("nerfstudio", "colmap", "")
_MODELS = ("colmap/sparse/0", "sparse/0", "sparse")


class Dl3dv:
    """DL3DV scenes, named by their hash; images must be complete, as splits count them.

    `transforms.json` is preferred to `gaussian_splat/`, whose images were undistorted by COLMAP and have
    other sizes. Scene coordinates are those of the file that was read; transforms.json is turned against
    COLMAP.
    """

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the hashes found below the user's folder, in text order."""
        return tuple(place.name for place in find_places(source, _find, LAYOUT))

    def open(self, request: Request) -> Capture:
        """Return one scene."""
        place = find_place(request, _find, LAYOUT)
        root = _transforms_root(place.folder)
        return _splat(place, request) if root is None else _nerfstudio(place, root, request)


def _find(source: Path) -> Iterator[Place]:
    if source.name in (*_TRANSFORMS, "gaussian_splat") and _is_scene(source.parent):
        source = source.parent
    for folder in (source, *children(source)):
        if _is_scene(folder):
            yield Place(folder.resolve().name, folder)
        elif folder == source or re.fullmatch(r"\d+K", folder.name):
            # The 10K release sorts scenes into 1K/ to 11K/.
            yield from (Place(below.name, below) for below in children(folder) if _is_scene(below))


def _is_scene(folder: Path) -> bool:
    # These are parts of a scene, though one with a transforms.json looks like a scene itself.
    if folder.name in (*_TRANSFORMS, "gaussian_splat"):
        return False
    return _transforms_root(folder) is not None or find_model(folder / "gaussian_splat", _MODELS) is not None


def _transforms_root(folder: Path) -> Path | None:
    return next(
        (folder / name for name in _TRANSFORMS if (folder / name / "transforms.json").is_file()), None
    )


def _nerfstudio(place: Place, root: Path, request: Request) -> Capture:
    transforms = read_transforms(root / "transforms.json")
    if transforms.applied is None:
        transforms = replace(transforms, applied=APPLIED)
    images = transforms_images(root, transforms, request.resolution)
    for frame, path in zip(transforms.frames, images.files, strict=True):
        if path is None:
            hint = "splits count frames, so none may be left out; download the scene again"
            raise DataError("an image is missing", got=frame.file, hint=hint, where=str(transforms.path))
    photos = transforms_photos(root, transforms, images)
    points, notes = transforms_points(root, transforms)
    listed = [frame.file for frame in transforms.frames]
    return Capture(
        "dl3dv",
        place.name,
        only_cameras(make_views(photos, request.resolution), request.cameras),
        points,
        notes=(*listing_notes(images, listed), *lens_notes(photos), *notes),
    )


def _splat(place: Place, request: Request) -> Capture:
    root = place.folder / "gaussian_splat"
    folder = find_model(root, _MODELS)
    if folder is None:
        raise DataError("the sparse model is gone", expected=LAYOUT, where=str(root))
    model = read_sparse(folder)
    images = sparse_images(root, model, request.resolution)
    photos = sparse_photos(model, images)
    note = "Read from gaussian_splat/: images undistorted by COLMAP, in the world of its model."
    return Capture(
        "dl3dv",
        place.name,
        only_cameras(make_views(photos, request.resolution), request.cameras),
        read_points(folder),
        notes=(*listing_notes(images, [photo.name for photo in photos]), *lens_notes(photos), note),
    )
