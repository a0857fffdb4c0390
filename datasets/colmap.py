"""Captures as COLMAP sparse models: `images/` beside `sparse/0/` or `sparse/`."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.formats.colmap import find_model, read_points, read_sparse
from recgen_bench.datasets.formats.image_folders import find_images
from recgen_bench.datasets.formats.paths import only_cameras, relative, scene_folder, scene_names
from recgen_bench.datasets.formats.views import Photo, lens_notes, listing_notes, make_views
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
        names = [relative(image.name, f"{folder}, image {image.id}") for image in model.images]
        images = find_images(root, "images", names, request.resolution, model.cameras[0].width)
        lenses = {camera.id: model.lens(camera.id) for camera in model.cameras}
        photos = []
        for image, name, path in zip(model.images, names, images.files, strict=True):
            where = f"{folder}, image {image.name}"
            if path is None:
                hint = "copy all images of the model, or remove the image from it"
                raise DataError("an image of the model is missing", got=name, hint=hint, where=where)
            sensor = "camera" if len(lenses) == 1 else f"camera{image.camera_id}"
            lens = lenses[image.camera_id]
            photos.append(Photo(name, path, lens, image.c2w, where, sensor=sensor, divisor=images.divisor))
        return Capture(
            "colmap",
            root.resolve().name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            read_points(folder),
            notes=listing_notes(images, names) + lens_notes(photos),
        )


def _is_scene(folder: Path) -> bool:
    return find_model(folder) is not None
