"""What a COLMAP sparse model says: cameras and posed images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recgen_bench.datasets.formats.camera_models import lens_of
from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.scene import Float, invert_rigid


@dataclass(frozen=True, slots=True)
class SparseCamera:
    """One row of cameras.{bin,txt}: parameters in COLMAP's order for the model."""

    id: int
    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SparseImage:
    """One registered image; `rotation` is a quaternion w x y z, world-to-camera like `translation`."""

    id: int
    name: str
    camera_id: int
    rotation: tuple[float, float, float, float]
    translation: tuple[float, float, float]

    @property
    def c2w(self) -> Float:
        """(4, 4) rigid camera-to-world, OpenCV axes."""
        w2c = np.eye(4)
        w2c[:3, :3] = rotation_matrix(self.rotation)
        w2c[:3, 3] = self.translation
        return invert_rigid(w2c)


@dataclass(frozen=True, slots=True)
class Sparse:
    """A sparse model without its points.

    Attributes:
        folder: It was read from here.
        cameras: By ascending id.
        images: In text order of their names.
    """

    folder: Path
    cameras: tuple[SparseCamera, ...]
    images: tuple[SparseImage, ...]

    def lens(self, camera_id: int) -> Lens:
        """Return the lens of a camera.

        Raises:
            DataError: The camera model is not supported or its parameters are not usable.
        """
        camera = next(camera for camera in self.cameras if camera.id == camera_id)
        with located(f"{self.folder}, camera {camera_id}"):
            return lens_of(camera.model, camera.width, camera.height, camera.params)


def rotation_matrix(quaternion: tuple[float, float, float, float]) -> Float:
    """Return the (3, 3) rotation of a unit quaternion w x y z; rounding of its length is removed.

    Raises:
        DataError: Not finite, or its length is not 1 within a hundredth.
    """
    q = np.array(quaternion)
    with np.errstate(over="ignore"):
        length = float(np.sqrt(q @ q))
    if not abs(length - 1) < 1e-2:
        raise DataError("the rotation is not a unit quaternion", got=f"{list(quaternion)}, length {length:g}")
    w, x, y, z = q / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
