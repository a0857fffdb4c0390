"""Where the pictures, depths, points and light of rooms are kept."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.street.store import camera_key, world_folder
from recgen_bench.harness.scene import Camera

VERSION = 2
"""Raised whenever the same seed gives another room or another pixel; part of every cached file's name."""


def entry(seed: int, camera: Camera, suffix: str) -> Path:
    """Return where the picture (".png") or depth (".npy") through a camera is kept."""
    return world_folder("room", seed) / f"{camera_key(VERSION, seed, camera)}{suffix}"


def points_path(seed: int) -> Path:
    """Return where the points of a room are kept."""
    return world_folder("room", seed) / f"points-{VERSION}.npz"


def light_path(seed: int) -> Path:
    """Return where the baked light of a room is kept."""
    return world_folder("room", seed) / f"light-{VERSION}.npy"
