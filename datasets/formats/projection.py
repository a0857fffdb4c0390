"""Camera matrices K [R | t] taken apart, as calibration toolboxes and IDR's world_mat store them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.resize import Size
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float

MAX_SKEW = 1e-2
"""Largest skew, in units of the focal length, that is still taken for rounding and dropped."""


@dataclass(frozen=True, slots=True, eq=False)
class Pinhole:
    """A posed pinhole without its image size.

    Attributes:
        K: (3, 3) intrinsics in pixels, K[2, 2] = 1.
        c2w: (4, 4) rigid camera-to-world, OpenCV axes, units of the file.
    """

    K: Float
    c2w: Float

    def lens(self, image: Size, other_sizes: Sequence[Size] = ()) -> Lens:
        """Return the lens at the size that K refers to, which the files do not state.

        It is the image's own size or one of the others of its shape, whichever has its centre nearest to the
        principal point.

        Args:
            image: Size of the image on disk.
            other_sizes: Sizes that K may refer to besides.

        Raises:
            DataError: The principal point is not near the centre of any of them.
        """
        fx, fy, cx, cy = self.K[0, 0], self.K[1, 1], self.K[0, 2], self.K[1, 2]

        def off_centre(size: Size) -> float:
            return max(abs(cx / size[0] - 0.5), abs(cy / size[1] - 0.5))

        best = min((image, *other_sizes), key=off_centre)
        if off_centre(best) > 0.2:
            tried = ", ".join(f"{width}x{height}" for width, height in (image, *other_sizes))
            got = f"principal point {cx:.1f}, {cy:.1f}"
            raise DataError("the camera does not belong to images of this size", got=got, expected=tried)
        return Lens(best[0], best[1], float(fx), float(fy), float(cx), float(cy))


def decompose(matrix: Float) -> Pinhole:
    """Split a (3, 4) matrix by its RQ decomposition; its overall factor, even a negative one, is free.

    Raises:
        DataError: Not finite, singular, or with a skew that no lens here can carry.
    """
    P = np.asarray(matrix, np.float64)
    if P.shape != (3, 4) or not np.isfinite(P).all():
        raise DataError("the projection is not a finite 3x4 matrix", got=P.tolist())
    length = math.hypot(*P[2, :3])
    if not 0 < np.abs(P).max() < 1e100 or length < 1e-100 or np.linalg.cond(P[:, :3]) > 1e12:
        raise DataError("the projection matrix is singular", got=P.tolist())
    P = P / (length if np.linalg.det(P[:, :3] / length) > 0 else -length)
    # RQ by QR of the matrix turned upside down.
    q, r = np.linalg.qr(P[::-1, :3].T)
    K, R = r.T[::-1, ::-1], q.T[::-1]
    signs = np.sign(np.diag(K))
    K, R = K * signs, signs[:, None] * R
    K = K / K[2, 2]
    if abs(K[0, 1]) > MAX_SKEW * K[0, 0]:
        raise DataError("the pixels of the camera are skewed", got=f"{K[0, 1]:g} pixels", expected="0")
    c2w = np.eye(4)
    c2w[:3, :3] = R.T
    c2w[:3, 3] = -np.linalg.solve(P[:, :3], P[:, 3])
    return Pinhole(K, c2w)
