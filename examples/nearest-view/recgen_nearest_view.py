"""A whole method plugin: show the training photograph taken nearest to the asked-for camera."""

from dataclasses import dataclass

import numpy as np

from recgen_bench.harness import Method, MethodInfo, Rendering, hookimpl


@dataclass(frozen=True)
class Config:
    turn_weight: float = 1.0  # Metres that one radian of turning counts as.


@dataclass(frozen=True)
class Photographs:
    images: np.ndarray  # (N, H, W, 3) uint8
    poses: np.ndarray  # (N, 4, 4) camera-to-world


class NearestView(Method):
    presets = {"default": Config()}
    model = Photographs

    def reconstruct(self, scene, run):
        images = np.stack([view.image for view in scene.train])
        return Photographs(images, np.stack([view.camera.c2w for view in scene.train]))

    def render(self, model, cameras, run):
        for camera in cameras:
            distance = np.linalg.norm(model.poses[:, :3, 3] - camera.centre, axis=1)
            cosine = np.einsum("nij,ij->n", model.poses[:, :3, :3], camera.c2w[:3, :3]) / 2 - 0.5
            turn = np.arccos(np.clip(cosine, -1, 1))
            nearest = int(np.argmin(distance + run.config.turn_weight * turn))
            yield Rendering(model.images[nearest].astype(np.float32) / 255)


@hookimpl
def register_methods(register):
    register(MethodInfo("nearest-view", "The nearest training photograph.", NearestView, per_shift=False))
