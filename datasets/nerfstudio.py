"""Captures with a `transforms.json`: nerfstudio, instant-ngp and Blender-like exports."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.formats.paths import only_cameras, scene_folder, scene_names
from recgen_bench.datasets.formats.transforms_json import read_transforms
from recgen_bench.datasets.formats.transforms_photos import (
    transforms_images,
    transforms_photos,
    transforms_points,
)
from recgen_bench.datasets.formats.views import lens_notes, listing_notes, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.scene import Capture

LAYOUT = "transforms.json and the images that it lists"


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
        images = transforms_images(root, transforms, request.resolution)
        photos = transforms_photos(root, transforms, images)
        points, notes = transforms_points(root, transforms)
        listed = [frame.file for frame in transforms.frames]
        return Capture(
            "nerfstudio",
            root.resolve().name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            points,
            notes=(*listing_notes(images, listed), *lens_notes(photos), *notes),
        )


def _is_scene(folder: Path) -> bool:
    return (folder / "transforms.json").is_file()
