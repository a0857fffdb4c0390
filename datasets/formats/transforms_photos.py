"""From the frames of a transforms.json to photographs on disk and points in the frames' world."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from recgen_bench.datasets.formats.colmap import centres_agree, find_model, read_points, read_sparse
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.image_folders import ImageSet, find_images
from recgen_bench.datasets.formats.images import probe
from recgen_bench.datasets.formats.ply_points import read_ply
from recgen_bench.datasets.formats.transforms_json import Intrinsics, Transforms, lens
from recgen_bench.datasets.formats.views import Photo
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Points

MODELS = ("colmap/sparse/0", "colmap/colmap/sparse/0", "sparse/0")


def transforms_images(root: Path, transforms: Transforms, resolution: Resolution) -> ImageSet:
    """Find the images of the frames, whose names may lack the suffix as Blender's do.

    Args:
        root: Folder that the file names are relative to.
        transforms: The frames.
        resolution: What the protocol wants.

    Raises:
        DataError: More than half of the images are missing.
    """
    files = tuple(_with_suffix(root, frame.file) for frame in transforms.frames)
    tops = {file.split("/")[0] if "/" in file else "" for file in files}
    folder = tops.pop() if len(tops) == 1 else ""
    names = [file[len(folder) + 1 :] if folder else file for file in files]
    width = transforms.frames[0].intrinsics.width or 0
    images = find_images(root, folder, names, resolution, width)
    missing = [file for file, path in zip(files, images.files, strict=True) if path is None]
    if 2 * len(missing) > len(files):
        raise DataError(
            f"{len(missing)} of {len(files)} frames have no image",
            got=f"the first is {missing[0]}",
            hint=f"copy the images to {root}",
            where=str(transforms.path),
        )
    return images


def transforms_photos(root: Path, transforms: Transforms, images: ImageSet) -> list[Photo]:
    """Return the photographs of the frames that have an image.

    Raises:
        DataError: The intrinsics of a frame cannot be used; the message names it.
    """
    photos = []
    lenses: dict[tuple[Intrinsics, tuple[int, int]], Lens] = {}
    for frame, path in zip(transforms.frames, images.files, strict=True):
        if path is None:
            continue
        where = f"{transforms.path}, frame {frame.file}"
        with located(where):
            size = _declared(frame.intrinsics, path, images.divisor)
            if (frame.intrinsics, size) not in lenses:
                lenses[frame.intrinsics, size] = lens(frame.intrinsics, size)
        photos.append(
            Photo(
                frame.file,
                path,
                lenses[frame.intrinsics, size],
                frame.c2w,
                where,
                mask=None if frame.mask is None else root / frame.mask,
                depth=None if frame.depth is None else root / frame.depth,
                depth_unit=transforms.depth_unit,
                divisor=images.divisor,
            )
        )
    return photos


def transforms_points(root: Path, transforms: Transforms) -> tuple[Points, tuple[str, ...]]:
    """Return the listed point cloud, else COLMAP's points brought into the world of the poses, and notes.

    Raises:
        DataError: The listed file is missing or damaged.
    """
    if transforms.points is not None:
        path = root / transforms.points
        if not path.is_file():
            raise DataError(
                "the point cloud is missing", where=f'{path}, "ply_file_path" of {transforms.path}'
            )
        return read_ply(path), ()
    folder = find_model(root, MODELS)
    if folder is None:
        return Points(), ("There is no point cloud, so the scene has no points.",)
    name = folder.relative_to(root).as_posix()
    centres = {PurePosixPath(frame.file).name: frame.c2w[:3, 3] for frame in transforms.frames}
    if not centres_agree(read_sparse(folder), centres, transforms.applied):
        return Points(), (
            f"The cameras of {name}/ do not match {transforms.path.name}, so it gives no points.",
        )
    points = read_points(folder)
    if transforms.applied is not None:
        A = transforms.applied
        points = Points(points.xyz @ A[:3, :3].T + A[:3, 3], points.rgb)
    return points, (f"Points are those of {name}/.",)


def _declared(intrinsics: Intrinsics, path: Path, divisor: int) -> tuple[int, int]:
    """Return the size the intrinsics refer to: as declared, else that of the full image."""
    if intrinsics.width is not None and intrinsics.height is not None:
        return intrinsics.width, intrinsics.height
    if divisor != 1:
        hint = "without them, intrinsics cannot be scaled to shrunk images"
        raise DataError("the file gives no w and h", hint=hint)
    return probe(path)


def _with_suffix(root: Path, file: str) -> str:
    if PurePosixPath(file).suffix or (root / file).is_file():
        return file
    return next(
        (file + suffix for suffix in (".png", ".jpg", ".jpeg") if (root / (file + suffix)).is_file()), file
    )
