"""Replica as rendered for NICE-SLAM ("room0") or for Semantic-NeRF ("room_0-Sequence_1").

The two renderings show other frames, so a protocol is for one of them. Both store OpenCV camera-to-world in
metres with z up, and principal points for pixel centres at whole numbers; half a pixel is added here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from recgen_bench.datasets.formats.distortion import Lens
from recgen_bench.datasets.formats.images import probe
from recgen_bench.datasets.formats.numbered import numbered, without_gaps
from recgen_bench.datasets.formats.paths import only_cameras
from recgen_bench.datasets.formats.places import Place, children, find_place, find_places
from recgen_bench.datasets.formats.trajectory_txt import read_trajectory
from recgen_bench.datasets.formats.views import Photo, make_views
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Capture, World

LAYOUT = (
    "room0/ with traj.txt and results/frame000000.jpg (NICE-SLAM),"
    " or room_0/Sequence_1/ with traj_w_c.txt and rgb/rgb_0.png (Semantic-NeRF)"
)

_HFOV = math.radians(90)


class Replica:
    """Replica renderings with depth; view i is row i of the trajectory and is named "000012"."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the sequences found at or below the user's folder, in text order."""
        return tuple(place.name for place in find_places(source, _find, LAYOUT))

    def open(self, request: Request) -> Capture:
        """Return one sequence; frames must be complete, as splits count them."""
        place = find_place(request, _find, LAYOUT)
        nice = _is_nice(place.folder)
        photos = _nice_slam(place.folder) if nice else _semantic_nerf(place.folder)
        notes = ["Replica has no points, so the scene has none."]
        if photos[0].depth is None:
            notes.append("There are no depth images.")
        return Capture(
            "replica",
            place.name,
            only_cameras(make_views(photos, request.resolution), request.cameras),
            world=World(unit="metre"),
            notes=tuple(notes),
        )


def _find(source: Path) -> Iterator[Place]:
    for folder in (source, *children(source)):
        if _is_nice(folder):
            yield Place(folder.resolve().name, folder)
        for sequence in (folder, *children(folder)):
            if (sequence / "traj_w_c.txt").is_file():
                whole = sequence.resolve()
                yield Place(f"{whole.parent.name}-{whole.name}", sequence)


def _is_nice(folder: Path) -> bool:
    return (folder / "traj.txt").is_file() and (folder / "results").is_dir()


def _nice_slam(folder: Path) -> list[Photo]:
    """1200x680, focal length 600, depth in 1/6553.5 m (NICE-SLAM's configs/Replica/replica.yaml)."""
    results = folder / "results"
    images = without_gaps(numbered(results, r"frame(\d+)\.(?:jpg|png)"), 0, "frames", results)
    depths = numbered(results, r"depth(\d+)\.png")
    lens = Lens(1200, 680, 600.0, 600.0, 599.5 + 0.5, 339.5 + 0.5)
    return _photos(folder / "traj.txt", images, depths, lens, 1 / 6553.5)


def _semantic_nerf(folder: Path) -> list[Photo]:
    """Horizontal field of view 90 degrees, depth in mm; files are numbered without leading zeros."""
    images = without_gaps(numbered(folder / "rgb", r"rgb_(\d+)\.png"), 0, "images", folder / "rgb")
    depths = numbered(folder / "depth", r"depth_(\d+)\.png")
    width, height = probe(images[0])
    focal = width / 2 / math.tan(_HFOV / 2)
    lens = Lens(width, height, focal, focal, (width - 1) / 2 + 0.5, (height - 1) / 2 + 0.5)
    return _photos(folder / "traj_w_c.txt", images, depths, lens, 1e-3)


def _photos(
    trajectory: Path, images: tuple[Path, ...], depths: Mapping[int, Path], lens: Lens, unit: float
) -> list[Photo]:
    poses = read_trajectory(trajectory)
    if len(poses) != len(images):
        got = f"{len(poses)} poses, {len(images)} images"
        raise DataError("poses and images do not belong together", got=got, where=str(trajectory))
    for index in range(len(images)):
        if depths and index not in depths:
            folder = next(iter(depths.values())).parent
            raise DataError("a depth image is missing", got=f"none with number {index}", where=str(folder))
    return [
        Photo(
            f"{index:06d}.png",
            image,
            lens,
            pose,
            f"{trajectory}, frame {index}",
            depth=depths.get(index),
            depth_unit=unit,
        )
        for index, (image, pose) in enumerate(zip(images, poses, strict=True))
    ]
