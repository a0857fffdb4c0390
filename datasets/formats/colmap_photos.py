"""From the images of a COLMAP model to photographs on disk."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.formats.colmap_model import Sparse
from recgen_bench.datasets.formats.image_folders import ImageSet, find_images
from recgen_bench.datasets.formats.paths import relative
from recgen_bench.datasets.formats.views import Photo
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution


def sparse_images(root: Path, model: Sparse, resolution: Resolution, folder: str = "images") -> ImageSet:
    """Find the images of a model; all of them must be there.

    Args:
        root: The scene.
        model: Its sparse model.
        resolution: What the protocol wants.
        folder: Of the full-size images, relative to the root.

    Raises:
        DataError: An image is missing, or its name leaves the folder; the message names it.
    """
    names = [relative(image.name, f"{model.folder}, image {image.id}") for image in model.images]
    images = find_images(root, folder, names, resolution, model.cameras[0].width)
    for name, path in zip(names, images.files, strict=True):
        if path is None:
            hint = "copy all images of the model, or remove the image from it"
            raise DataError(
                "an image of the model is missing", got=name, hint=hint, where=f"{model.folder}, image {name}"
            )
    return images


def sparse_photos(model: Sparse, images: ImageSet) -> list[Photo]:
    """Return the photographs of a model; with several cameras the sensors are called "camera<id>".

    Raises:
        DataError: A camera cannot be undistorted.
    """
    lenses = {used: model.lens(used) for used in sorted({image.camera_id for image in model.images})}
    return [
        Photo(
            image.name,
            path,
            lenses[image.camera_id],
            image.c2w,
            f"{model.folder}, image {image.name}",
            sensor="camera" if len(lenses) == 1 else f"camera{image.camera_id}",
            divisor=images.divisor,
        )
        for image, path in zip(model.images, images.files, strict=True)
        if path is not None
    ]
