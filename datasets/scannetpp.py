"""ScanNet++: the DSLR photographs of a scene, undistorted beforehand or here as the official toolkit does.

Views are training and test frames pooled in text order of their file names; scene coordinates are metres in
the world of the laser scan and of COLMAP, to which the poses of transforms.json are turned back.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from recgen_bench.datasets.formats.colmap import centres_agree, find_model, read_points, read_sparse
from recgen_bench.datasets.formats.colmap_photos import sparse_images, sparse_photos
from recgen_bench.datasets.formats.distortion import MAX_ZOOM, Lens
from recgen_bench.datasets.formats.paths import only_cameras
from recgen_bench.datasets.formats.places import Place, children, find_place, find_places
from recgen_bench.datasets.formats.transforms_json import Transforms, read_transforms
from recgen_bench.datasets.formats.transforms_photos import transforms_images, transforms_photos
from recgen_bench.datasets.formats.views import Photo, lens_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Capture, Points, World

LAYOUT = (
    "[data/]<scene>/dslr/ with nerfstudio/ or colmap/, and resized_images/ or resized_undistorted_images/"
)

TO_SCAN = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])
"""From the world of transforms.json (older nerfstudio releases) to that of COLMAP; its own inverse."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one kind of photograph is: transforms file, and image and mask folders by their known names."""

    transforms: str
    images: tuple[str, ...]
    masks: tuple[str, ...]


UNDISTORTED = Source(
    "nerfstudio/transforms_undistorted.json",
    ("resized_undistorted_images", "undistorted_images"),
    ("resized_undistorted_masks", "undistorted_anon_masks"),
)
FISHEYE = Source("nerfstudio/transforms.json", ("resized_images",), ("resized_anon_masks",))


class Scannetpp:
    """ScanNet++ scenes; frames flagged as bad, or without an image, are left out with a note.

    The others keep their place in the whole list as `Camera.frame`. A mask's pixel counts where it is 255.
    """

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the scene ids found at or below the user's folder, in text order."""
        return tuple(place.name for place in find_places(source, _find, LAYOUT))

    def open(self, request: Request) -> Capture:
        """Return one scene, from undistorted photographs where there are some."""
        place = find_place(request, _find, LAYOUT)
        dslr = place.folder
        source, images = _source(dslr)
        if (dslr / source.transforms).is_file():
            photos, notes = _listed(dslr, source, images, request)
        else:
            photos, notes = _reconstructed(dslr, images, request)
        photos, mask_notes = _masked(photos, dslr, source)
        photos = [_official(photo) for photo in photos]
        points, point_notes = _points(dslr, photos)
        return Capture(
            "scannetpp",
            place.name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            points,
            world=World(unit="metre"),
            notes=(*notes, *lens_notes(photos), *mask_notes, *point_notes),
        )


@functools.lru_cache(maxsize=1024)
def undistorted(lens: Lens) -> Lens:
    """Return the pinhole camera of the official toolkit: fisheye balance 0, principal point in the centre.

    Raises:
        DataError: The coefficients fold the image.
    """
    import cv2

    K, k = lens.K, np.array(lens.coefficients, np.float64)
    size = (lens.width, lens.height)
    new = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(K, k, size, np.eye(3), balance=0.0)
    if not 1 / MAX_ZOOM**2 < new[0, 0] / lens.fx < MAX_ZOOM:
        got = f"{list(lens.coefficients)}, which would change the focal length to {new[0, 0]:g} pixels"
        raise DataError("the distortion coefficients fold the image", got=got)
    return Lens(*size, float(new[0, 0]), float(new[1, 1]), lens.width / 2, lens.height / 2)


def _find(source: Path) -> Iterator[Place]:
    if source.name == "dslr":
        source = source.parent
    for folder in (source, *children(source), *children(source / "data")):
        dslr = folder / "dslr"
        if any((dslr / file).is_file() for file in (UNDISTORTED.transforms, FISHEYE.transforms)) or (
            find_model(dslr, ("colmap",)) is not None
        ):
            yield Place(folder.resolve().name, dslr)


def _source(dslr: Path) -> tuple[Source, Path]:
    """Return the photographs to read and their folder; those that were undistorted beforehand win."""
    for source in (UNDISTORTED, FISHEYE):
        for name in source.images:
            if (dslr / name).is_dir() and (source is FISHEYE or (dslr / source.transforms).is_file()):
                return source, dslr / name
    expected = ", ".join(f"{name}/" for name in (*UNDISTORTED.images, *FISHEYE.images))
    raise DataError("there is no folder of images", expected=f"one of {expected}", where=str(dslr))


def _listed(
    dslr: Path, source: Source, images: Path, request: Request
) -> tuple[list[Photo], tuple[str, ...]]:
    """Return the photographs of transforms.json, in the world of the scan, and notes."""
    path = dslr / source.transforms
    transforms, notes = _pooled(path)
    found = transforms_images(images, transforms, request.resolution)
    places = {frame.file: place for place, frame in enumerate(transforms.frames)}
    bad = {frame.file for frame in transforms.frames if frame.bad}
    missing = [f.file for f, file in zip(transforms.frames, found.files, strict=True) if file is None]
    for what, files in (
        ("are flagged as bad and left out", sorted(bad)),
        ("have no image and are left out", missing),
    ):
        if files:
            shown = ", ".join(files[:3]) + (" and others" if len(files) > 3 else "")
            notes = (*notes, f"{len(files)} of {len(transforms.frames)} frames {what}: {shown}.")
    photos = [
        replace(photo, c2w=TO_SCAN @ photo.c2w, frame=places[photo.name])
        for photo in transforms_photos(images, transforms, found)
        if photo.name not in bad
    ]
    if not photos:
        raise DataError("no frame is left", got="all are flagged as bad", where=str(path))
    return photos, notes


def _pooled(path: Path) -> tuple[Transforms, tuple[str, ...]]:
    """Return training and test frames as one list in text order, and a note when there are no test frames."""
    train = read_transforms(path)
    test = read_transforms(path, "test_frames", required=False)
    files = {frame.file for frame in train.frames}
    for frame in test.frames:
        if frame.file in files:
            raise DataError(
                "a frame is listed twice", got=frame.file, expected="frames or test_frames", where=str(path)
            )
    frames = sorted((*train.frames, *test.frames), key=lambda frame: frame.file)
    note = f'{path.name} has no "test_frames", so only its training frames are there.'
    return replace(train, frames=tuple(frames)), () if test.frames else (note,)


def _reconstructed(dslr: Path, images: Path, request: Request) -> tuple[list[Photo], tuple[str, ...]]:
    """Return the photographs of the COLMAP model, which is in the world of the scan."""
    model = read_sparse(dslr / "colmap")
    found = sparse_images(dslr, model, request.resolution, images.name)
    note = "There is no transforms.json; cameras are those of colmap/, without flags for bad frames."
    return sparse_photos(model, found), (note,)


def _official(photo: Photo) -> Photo:
    if photo.lens.model != "fisheye" or not any(photo.lens.coefficients):
        return photo
    with located(photo.where):
        return replace(photo, pinhole=undistorted(photo.lens))


def _masked(photos: Sequence[Photo], dslr: Path, source: Source) -> tuple[list[Photo], tuple[str, ...]]:
    """Return the photographs with their masks, whose names in transforms.json lack the folder."""
    folder = next((dslr / name for name in source.masks if (dslr / name).is_dir()), None)
    if folder is None:
        expected = " or ".join(f"{name}/" for name in source.masks)
        return [replace(photo, mask=None) for photo in photos], (
            f"There are no masks: no {expected}; all pixels count.",
        )
    masked = []
    for photo in photos:
        listed = PurePosixPath(photo.mask.name if photo.mask else photo.name)
        mask = folder / listed.with_suffix(".png").name
        if not mask.is_file():
            raise DataError("the mask does not exist", where=f"{mask}, frame {photo.name}")
        masked.append(replace(photo, mask=mask, mask_rule="white"))
    return masked, ()


def _points(dslr: Path, photos: Sequence[Photo]) -> tuple[Points, tuple[str, ...]]:
    """Return COLMAP's points if its cameras stand where the photographs say."""
    folder = find_model(dslr, ("colmap",))
    if folder is None:
        return Points(), ("There is no colmap/, so the scene has no points.",)
    centres: Mapping[str, np.ndarray] = {photo.name: photo.c2w[:3, 3] for photo in photos}
    if not centres_agree(read_sparse(folder), centres):
        return Points(), ("The cameras of colmap/ do not match the photographs, so it gives no points.",)
    return read_points(folder), ()
