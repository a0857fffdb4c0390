"""A recorded frame as the road shows it from another pose, for small restorers to compare pixel by pixel.

Above the horizon a frame is taken as it is, as if everything there were far away; below, each pixel is looked
up where its point of the road plane was recorded. Whatever stands on the road is smeared, but paint lies
where it belongs. (The plane-induced homography, Hartley and Zisserman 2004, section 13.1.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recgen_bench.harness.scene import Camera, Float, Image, Mask, View

BACK = (4, 8, 12, 18, 26)
"""Time steps before the base's from which the road is taken where the base does not show it.

Earlier frames saw, from further behind, what now lies beside or below the frame's edge.
"""

FAR = 150.0
"""Distance along a ray, in metres, from which the road counts as horizon."""


def on_road(base: View, recorded: Sequence[View], camera: Camera) -> Image:
    """Return (H, W, 3) uint8: the recorded road as a camera sees it, below what `base` shows.

    Args:
        base: The recorded view that serves as reference; without a vehicle pose for the camera, or at another
            size than the camera's, it is returned as it is.
        recorded: All recorded views; earlier ones of the base's sensor show what the base does not. The one
            of the camera's own time step serves as base only, so that no held-out frame gives itself away.
        camera: With the pose of its vehicle, whose plane z = 0 is the road.
    """
    picture = base.image
    if camera.ego is None or (camera.height, camera.width) != picture.shape[:2]:
        return picture
    points, missing = _road(camera)
    picture = picture.copy()
    for view in (base, *_earlier(base, recorded, camera.frame)):
        if not missing.any():
            break
        missing = missing & ~_looked_up(picture, points, missing, view)
    return picture


def _earlier(base: View, recorded: Sequence[View], hidden: int) -> Iterator[View]:
    """Yield the base's predecessors from `BACK`, without the frame of the hidden time step."""
    frames = {view.camera.frame: view for view in recorded if view.camera.sensor == base.camera.sensor}
    for back in BACK:
        frame = base.camera.frame - back
        if frame in frames and frame != hidden:
            yield frames[frame]


def _road(camera: Camera) -> tuple[Float, Mask]:
    """Return where each pixel's ray meets the road, (H, W, 3), and where it does within `FAR`."""
    assert camera.ego is not None
    x = (np.arange(camera.width) + 0.5 - camera.K[0, 2]) / camera.K[0, 0]
    y = (np.arange(camera.height) + 0.5 - camera.K[1, 2]) / camera.K[1, 1]
    rays = np.stack([*np.meshgrid(x, y), np.ones((camera.height, camera.width))], axis=-1)
    rays = rays @ camera.c2w[:3, :3].T
    up, origin = camera.ego[:3, 2], camera.ego[:3, 3]
    descent = rays @ up
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = ((origin - camera.centre) @ up) / descent
    below = (descent < 0) & (distance > 0) & (distance < FAR)
    return camera.centre + np.where(below, distance, 0.0)[..., None] * rays, below


def _looked_up(picture: Image, points: Float, wanted: Mask, view: View) -> Mask:
    """Fill the wanted pixels of a picture that a view recorded, in place, and return which these were."""
    import cv2

    camera = view.camera
    local = points @ camera.w2c[:3, :3].T + camera.w2c[:3, 3]
    z = np.maximum(local[..., 2], 1e-6)
    u = (local[..., 0] / z * camera.K[0, 0] + camera.K[0, 2] - 0.5).astype(np.float32)
    v = (local[..., 1] / z * camera.K[1, 1] + camera.K[1, 2] - 0.5).astype(np.float32)
    inside = (u >= 0) & (u <= camera.width - 1) & (v >= 0) & (v <= camera.height - 1)
    seen = wanted & inside & (local[..., 2] > 0)
    if seen.any():
        found = cv2.remap(view.image, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        picture[seen] = found[seen]
    return seen
