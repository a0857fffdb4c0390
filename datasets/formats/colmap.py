"""COLMAP sparse models: cameras, posed images and coloured points, binary or text.

The layouts are those of COLMAP's documentation (format.rst). Poses are turned from world-to-camera into
camera-to-world; COLMAP's pixel (0, 0) is the upper left corner, which is the convention used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats import colmap_bin, colmap_txt
from recgen_bench.datasets.formats.colmap_model import Sparse, rotation_matrix
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, Points


def find_model(root: Path, folders: tuple[str, ...] = ("sparse/0", "sparse")) -> Path | None:
    """Return the first of the folders below `root` that holds cameras and images of a model, else None."""
    for folder in folders:
        if any((root / folder / f"cameras.{kind}").is_file() for kind in ("bin", "txt")):
            return root / folder
    return None


def read_sparse(folder: Path) -> Sparse:
    """Read cameras and images; .bin is preferred to .txt.

    Raises:
        DataError: A file is missing, damaged, or contradicts another; the message names it and the byte or
            line.
    """
    kind, cameras_file = _part(folder, "cameras")
    cameras = colmap_bin.cameras(cameras_file) if kind == "bin" else colmap_txt.cameras(cameras_file)
    kind, images_file = _part(folder, "images")
    images = colmap_bin.images(images_file) if kind == "bin" else colmap_txt.images(images_file)
    _unique([camera.id for camera in cameras], "camera id", cameras_file)
    _unique([image.name for image in images], "image name", images_file)
    known = {camera.id for camera in cameras}
    if not images:
        raise DataError("the model holds no image", where=str(images_file))
    for image in images:
        with located(f"{images_file}, image {image.name}"):
            if image.camera_id not in known:
                raise DataError(
                    "an image refers to a camera that is not there", got=f"camera {image.camera_id}"
                )
            rotation_matrix(image.rotation)
            if not np.isfinite(image.translation).all():
                raise DataError("the camera pose holds NaN or infinity", got=image.translation)
    by_id = sorted(cameras, key=lambda camera: camera.id)
    return Sparse(folder, tuple(by_id), tuple(sorted(images, key=lambda image: image.name)))


def read_points(folder: Path) -> Points:
    """Read points3D; .bin is preferred to .txt, and a model without either has no points.

    Raises:
        DataError: The file is damaged; the message names it and the byte or line.
    """
    for kind, read in (("bin", colmap_bin.points), ("txt", colmap_txt.points)):
        path = folder / f"points3D.{kind}"
        if path.is_file():
            xyz, rgb = read(path)
            bad = ~np.isfinite(xyz).all(axis=1)
            if bad.any():
                index = int(np.argmax(bad))
                raise DataError(
                    "a point is not finite", got=xyz[index].tolist(), where=f"{path}, point {index}"
                )
            return Points(xyz, rgb)
    return Points()


def centres_agree(sparse: Sparse, centres: Mapping[str, Float], transform: Float | None = None) -> bool:
    """Whether a model's camera centres are those of another source for the same image names.

    Args:
        sparse: The model.
        centres: (3,) camera centres by image name.
        transform: (4, 4) from the model's world to the other's; None when they are the same.

    Returns:
        True when at least three names are shared and their centres agree to a thousandth of the cameras'
        extent.
    """
    pairs = [(image.c2w[:3, 3], centres[image.name]) for image in sparse.images if image.name in centres]
    if len(pairs) < min(3, len(centres)) or not pairs:
        return False
    ours, theirs = (np.array(side) for side in zip(*pairs, strict=True))
    if transform is not None:
        ours = ours @ transform[:3, :3].T + transform[:3, 3]
    extent = float(np.ptp(theirs, axis=0).max()) or 1.0
    return float(np.abs(ours - theirs).max()) <= 1e-3 * extent


def _part(folder: Path, part: str) -> tuple[str, Path]:
    for kind in ("bin", "txt"):
        path = folder / f"{part}.{kind}"
        if path.is_file():
            return kind, path
    raise DataError(
        "a file of the sparse model is missing", expected=f"{part}.bin or {part}.txt", where=str(folder)
    )


def _unique(values: list, what: str, path: Path) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise DataError(f"a {what} is listed twice", got=value, where=str(path))
        seen.add(value)
