"""`waymo` as a data set, in whichever of its forms the user has it."""

from __future__ import annotations

from pathlib import Path

from recgen_bench.datasets.waymo.capture import Poses, make_capture
from recgen_bench.datasets.waymo.drivestudio import open_drivestudio
from recgen_bench.datasets.waymo.layouts import Found, find_scene, find_scenes
from recgen_bench.datasets.waymo.rig import chosen
from recgen_bench.datasets.waymo.segment import Segment, Window
from recgen_bench.datasets.waymo.street_gaussians import open_street_gaussians
from recgen_bench.datasets.waymo.v1 import open_v1
from recgen_bench.datasets.waymo.v2 import open_v2
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.scene import Capture


class Waymo:
    """The Waymo Open Dataset, perception part: release 1, release 2, and two preprocessed layouts.

    The default camera is FRONT; views are ordered by time step, then in Waymo's order of cameras.

    Args:
        poses: Where cameras stand, see `capture.Poses`; the default is that of the lane-shift papers.
    """

    def __init__(self, poses: Poses = "frame") -> None:
        self._poses: Poses = poses

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the names of the scenes found in the user's folder, in text order."""
        return tuple(found.name for found in find_scenes(source))

    def open(self, request: Request) -> Capture:
        """Return one scene; `Request.first` and `count` choose its time steps.

        Raises:
            DataError: A file is missing, damaged or inconsistent; the message names it and the frame.
            PluginError: A package that this form needs is not installed.
        """
        found = find_scene(request.source, request.scene)
        cameras = chosen(request.cameras)
        segment = _open(found, Window(request.first, request.count), cameras)
        return make_capture(segment, request.scene or found.name, cameras, request.resolution, self._poses)


def _open(found: Found, window: Window, cameras: tuple[str, ...]) -> Segment:
    if found.form == "v1":
        return open_v1(found.path, window, cameras)
    if found.form == "v2":
        return open_v2(found.path, found.name, window, cameras)
    if found.form == "drivestudio":
        return open_drivestudio(found.path, window, cameras)
    return open_street_gaussians(found.path, window, cameras)
