"""Captures as COLMAP sparse models: `images/` beside `sparse/0/` or `sparse/`."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.formats.colmap import find_model, read_points, read_sparse
from recgen_bench.datasets.formats.colmap_photos import sparse_images, sparse_photos
from recgen_bench.datasets.formats.paths import only_cameras, scene_folder, scene_names
from recgen_bench.datasets.formats.views import lens_notes, listing_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Capture

LAYOUT = "images/ and sparse/0/ or sparse/ with cameras, images and points3D as .bin or .txt"


class Colmap:
    """COLMAP models; scene coordinates are the model's, and every image must be there."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the names of the scenes found below the user's folder, in text order."""
        return scene_names(source, _is_scene, LAYOUT)

    def open(self, request: Request) -> Capture:
        """Return one scene; several cameras are named "camera<id>" in `Request.cameras`."""
        root = scene_folder(request, _is_scene, LAYOUT)
        folder = find_model(root)
        if folder is None:
            raise DataError("the sparse model is gone", expected=LAYOUT, where=str(root))
        model = read_sparse(folder)
        images = sparse_images(root, model, request.resolution)
        photos = sparse_photos(model, images)
        return Capture(
            "colmap",
            root.resolve().name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            read_points(folder),
            notes=listing_notes(images, [photo.name for photo in photos]) + lens_notes(photos),
        )


def _is_scene(folder: Path) -> bool:
    return find_model(folder) is not None
