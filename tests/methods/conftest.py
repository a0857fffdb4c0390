"""A toy scene that trains in seconds, and the surroundings of a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.run import Run
from recgen_bench.harness.scene import Actor, Camera, Points, Scene, View
from recgen_bench.methods.splats.compose import render
from recgen_bench.methods.splats.gaussians import SH_BAND_0, Gaussians, concatenate
from recgen_bench.methods.splats.model import SplatModel, Track, static

WIDTH, HEIGHT, FOCAL = 32, 24, 30.0


def look_at(centre, focus=(0.0, 0.0, 0.0), frame=0, ego=None) -> Camera:
    """A camera at `centre` that looks at `focus`; the world's z axis points up in its image."""
    forward = np.asarray(focus, float) - np.asarray(centre, float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1.0])
    right /= np.linalg.norm(right)
    c2w = np.eye(4)
    c2w[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=-1)
    c2w[:3, 3] = centre
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Camera(K, c2w, WIDTH, HEIGHT, frame=frame, ego=ego)


def blobs(count: int, seed: int, *, spread=1.0, size=0.15, degree=0) -> Gaussians:
    """Opaque coloured Gaussians around the origin."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.rand(count, 1, 3, generator=generator)
    return Gaussians(
        means=(torch.rand(count, 3, generator=generator) * 2 - 1) * spread,
        quats=torch.randn(count, 4, generator=generator),
        scales=torch.rand(count, 3, generator=generator) * 0.5 + np.log(size),
        opacities=torch.rand(count, generator=generator) * 2 + 1,
        sh0=(colours - 0.5) / SH_BAND_0,
        shN=torch.randn(count, (degree + 1) ** 2 - 1, 3, generator=generator) * 0.2,
    )


def ring(count: int, radius=4.0) -> list[Camera]:
    angles = np.arange(count) * 2 * np.pi / count
    return [look_at((radius * np.cos(a), radius * np.sin(a), 1.0), frame=i) for i, a in enumerate(angles)]


def photograph(model: SplatModel, cameras) -> tuple[View, ...]:
    """Views of a model, as a data set would hand them out."""
    views = []
    for index, camera in enumerate(cameras):
        with torch.no_grad():
            rgb = render(model, camera).rgb.clamp(0, 1)
        image = (rgb * 255).round().byte().numpy()
        views.append(View(f"{index:03d}", camera, read_image=lambda image=image: image))
    return tuple(views)


def points_on(gaussians: Gaussians, seed=0, jitter=0.05) -> Points:
    noise = np.random.default_rng(seed).normal(0, jitter, gaussians.means.shape)
    rgb = (gaussians.sh0[:, 0].numpy() * SH_BAND_0 + 0.5).clip(0, 1)
    return Points(gaussians.means.double().numpy() + noise, (rgb * 255).round().astype(np.uint8))


@pytest.fixture
def toy_scene() -> Scene:
    """120 blobs seen by ten cameras on a ring, two of them for testing."""
    truth = blobs(120, seed=1)
    views = photograph(static(truth), ring(10))
    return Scene("toy", "blobs", views[:4] + views[5:9], (views[4], views[9]), points=points_on(truth))


@pytest.fixture
def street_scene() -> tuple[Scene, SplatModel]:
    """A wall of blobs, a red block of blobs that moves along x in front of it, and a sky; and its truth."""
    wall = blobs(150, seed=2, spread=2.5, size=0.3)
    wall.means[:, 1] = wall.means[:, 1] * 0.1 + 3.0
    block = blobs(40, seed=3, spread=0.35, size=0.12)
    block = replace(block, sh0=torch.tensor([0.45, -0.4, -0.4]).expand(40, 1, 3) / SH_BAND_0)
    poses = np.stack([np.eye(4)] * 6)
    poses[:, 0, 3] = np.linspace(-1.2, 1.3, 6)
    frames = np.arange(6)
    sky = torch.tensor([0.4, 0.6, 0.9]).expand(16, 16, 3).contiguous()
    owner = torch.cat([torch.full((150,), -1), torch.zeros(40)]).int()
    truth = SplatModel(
        concatenate([wall, block]), owner, torch.zeros_like(owner), (Track("car", frames, poses),), sky
    )
    cameras = [look_at((0.4 * i - 1, -4.0, 0.5), (0, 3, 0), frame=i, ego=np.eye(4)) for i in range(6)]
    actor = Actor("car", "vehicle", np.array([1.0, 1.0, 1.0]), frames, poses, True, points_on(block))
    views = photograph(truth, cameras)
    scene = Scene("toy", "street", views, (), points=points_on(wall), actors=(actor,), has_sky=True)
    return scene, truth


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """(scene, config, ...) -> a run whose snapshots lie in the test's folder."""

    def make(scene: Scene, config: Any, *, threads=1, seed=0, every_s=1e9, report=None) -> Run:
        return Run(
            scene=scene,
            config=config,
            seed=seed,
            device="cpu",
            threads=threads,
            shift=None,
            scratch=tmp_path,
            snapshots=Snapshots(tmp_path / "snapshot.safetensors", every_s),
            report=report or (lambda *_: None),
            weights=lambda name: tmp_path / name,
            phase="reconstruct",
        )

    return make


@dataclass
class Stub:
    """A restorer that returns the render, or `paint` in every pixel; remembers what it was shown."""

    name: str = "stub"
    uses_reference: bool = True
    reference: str = "frame"
    uses_eig: bool = False
    paint: tuple[float, float, float] | None = None
    seen: list[tuple[Tensor, Tensor | None, Tensor | None]] = field(default_factory=list)

    def restore(self, images: Tensor, references: Tensor | None = None, eig: Tensor | None = None) -> Tensor:
        self.seen.append((images, references, eig))
        if self.paint is None:
            return images
        return torch.tensor(self.paint)[None, :, None, None].expand_as(images)


@pytest.fixture
def stub() -> type[Stub]:
    """The class of a restorer without a network."""
    return Stub
