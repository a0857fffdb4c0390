"""Captures in the LLFF layout: `images/` or `images_N/`, and `poses_bounds.npy` with one row per image."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.colmap import centres_agree, find_model, read_points, read_sparse
from recgen_bench.datasets.formats.image_folders import find_images, shrunk_folders
from recgen_bench.datasets.formats.images import list_images
from recgen_bench.datasets.formats.paths import only_cameras, scene_folder, scene_names
from recgen_bench.datasets.formats.poses_bounds import PosedRow, read_poses_bounds
from recgen_bench.datasets.formats.regnerf_world import moved_points, moved_poses, regnerf_to_source
from recgen_bench.datasets.formats.views import Photo, lens_notes, listing_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Capture, Points, World

LAYOUT = "poses_bounds.npy and images/ or images_N/; sparse/0/ for points"


class Llff:
    """LLFF captures: row i belongs to the i-th image in text order, so counts must agree exactly.

    Scene coordinates are those of `poses_bounds.npy`, which are COLMAP's, or RegNeRF's where a protocol asks.
    """

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the names of the scenes found below the user's folder, in text order."""
        return scene_names(source, _is_scene, LAYOUT)

    def open(self, request: Request) -> Capture:
        """Return one scene."""
        root = scene_folder(request, _is_scene, LAYOUT)
        file = root / "poses_bounds.npy"
        rows = read_poses_bounds(file)
        names = _names(root, len(rows))
        images = find_images(root, "images", names, request.resolution, rows[0].lens.width)
        near, far = min(row.near for row in rows), max(row.far for row in rows)
        poses = np.stack([row.c2w for row in rows])
        to_source = np.eye(4)
        if request.world == "regnerf":
            with located(str(file)):
                to_source = regnerf_to_source(poses, near)
            poses = moved_poses(poses, to_source)
        photos = []
        for index, (row, name, path) in enumerate(zip(rows, names, images.files, strict=True)):
            where = f"{file}, row {index} ({name})"
            if path is None:
                raise DataError("an image is missing", got=name, where=where)
            photos.append(Photo(name, path, row.lens, poses[index], where, divisor=images.divisor))
        points, notes = _points(root, rows, names)
        use = "the nearest sets the scale" if request.world == "regnerf" else "they are not used"
        bounds = f"poses_bounds.npy gives depths from {near:.4f} to {far:.4f}; {use}."
        return Capture(
            "llff",
            root.resolve().name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            Points(moved_points(points.xyz, to_source), points.rgb),
            world=World(to_source),
            notes=(*listing_notes(images, names), *lens_notes(photos), *notes, bounds),
        )


def _names(root: Path, rows: int) -> tuple[str, ...]:
    """Return the images that the rows belong to: those of images/, or of the largest shrunk folder."""
    folders = [root / "images", *(root / f"images_{n}" for n in shrunk_folders(root, "images"))]
    for folder in folders:
        names = list_images(folder)
        if len(names) == rows:
            return names
        if names:
            raise DataError(
                "the number of images is not the number of poses",
                got=f"{len(names)} images in {folder.name}/",
                expected=f"{rows}, one per row of poses_bounds.npy",
                hint="rows and images pair up by text order, so neither may be left out",
                where=str(folder),
            )
    raise DataError("there are no images", expected=LAYOUT, where=str(root))


def _points(root: Path, rows: tuple[PosedRow, ...], names: tuple[str, ...]) -> tuple[Points, tuple[str, ...]]:
    """Return the points of the sparse model if its cameras stand where the rows say, and a note otherwise."""
    folder = find_model(root)
    if folder is None:
        return Points(), ("There is no sparse/0/, so the scene has no points.",)
    centres = {name: row.c2w[:3, 3] for name, row in zip(names, rows, strict=True)}
    if not centres_agree(read_sparse(folder), centres):
        return Points(), (
            "sparse/0/ has other camera positions than poses_bounds.npy, so its points are left out.",
        )
    return read_points(folder), ()


def _is_scene(folder: Path) -> bool:
    return (folder / "poses_bounds.npy").is_file()
