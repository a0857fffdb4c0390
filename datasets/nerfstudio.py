"""Captures with a `transforms.json`: nerfstudio, instant-ngp and Blender-like exports."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from recgen_bench.datasets.formats.colmap import centres_agree, find_model, read_points, read_sparse
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.image_folders import ImageSet, find_images
from recgen_bench.datasets.formats.images import probe
from recgen_bench.datasets.formats.paths import only_cameras, scene_folder, scene_names
from recgen_bench.datasets.formats.ply_points import read_ply
from recgen_bench.datasets.formats.transforms_json import Frame, Intrinsics, Transforms, lens, read_transforms
from recgen_bench.datasets.formats.views import Photo, lens_notes, listing_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Capture, Points

LAYOUT = "transforms.json and the images that it lists"
MODELS = ("colmap/sparse/0", "colmap/colmap/sparse/0", "sparse/0")


class Nerfstudio:
    """transforms.json captures; frames without an image are left out with a note while they are a minority.

    Scene coordinates are those of the file: what nerfstudio applied to the poses stays applied.
    """

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the names of the scenes found below the user's folder, in text order."""
        return scene_names(source, _is_scene, LAYOUT)

    def open(self, request: Request) -> Capture:
        """Return one scene."""
        root = scene_folder(request, _is_scene, LAYOUT)
        transforms = read_transforms(root / "transforms.json")
        files, images = frame_images(root, transforms.frames, request)
        photos = frame_photos(root, transforms, images)
        points, notes = _points(root, transforms)
        return Capture(
            "nerfstudio",
            root.resolve().name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            points,
            notes=(*listing_notes(images, files), *lens_notes(photos), *notes),
        )


def frame_images(root: Path, frames: tuple[Frame, ...], request: Request) -> tuple[tuple[str, ...], ImageSet]:
    """Return the frames' file names, with the suffix that Blender leaves out, and where their images are.

    Raises:
        DataError: More than half of the images are missing.
    """
    files = tuple(_with_suffix(root, frame.file) for frame in frames)
    tops = {file.split("/")[0] if "/" in file else "" for file in files}
    folder = tops.pop() if len(tops) == 1 else ""
    names = [file[len(folder) + 1 :] if folder else file for file in files]
    width = frames[0].intrinsics.width or 0
    images = find_images(root, folder, names, request.resolution, width)
    missing = [file for file, path in zip(files, images.files, strict=True) if path is None]
    if 2 * len(missing) > len(files):
        raise DataError(
            f"{len(missing)} of {len(files)} frames have no image",
            got=f"the first is {missing[0]}",
            hint="copy the images beside transforms.json",
            where=str(root / "transforms.json"),
        )
    return files, images


def frame_photos(root: Path, transforms: Transforms, images: ImageSet) -> list[Photo]:
    """Return the photographs of the frames that have an image.

    Raises:
        DataError: A mask is missing, or the intrinsics cannot be used.
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


def _points(root: Path, transforms: Transforms) -> tuple[Points, tuple[str, ...]]:
    """Return the listed point cloud, else COLMAP's points brought into the world of the poses."""
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
            f"The cameras of {name}/ do not match transforms.json, so its points are left out.",
        )
    points = read_points(folder)
    if transforms.applied is not None:
        A = transforms.applied
        points = Points(points.xyz @ A[:3, :3].T + A[:3, 3], points.rgb)
    return points, (f"Points are those of {name}/.",)


def _is_scene(folder: Path) -> bool:
    return (folder / "transforms.json").is_file()
