"""Map features of v1 files to lanes.

Only the first record of a segment has them, in files of release 1.4.2 or later; v2 has none at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from recgen_bench.datasets.waymo.rig import positions
from recgen_bench.harness.errors import located
from recgen_bench.harness.scene import Float, Lane

ROAD_LINES = (
    "unknown",
    "broken-white",
    "solid-white",
    "solid-double-white",
    "broken-yellow",
    "broken-double-yellow",
    "solid-yellow",
    "solid-double-yellow",
    "passing-double-yellow",
)
_AREAS = ("crosswalk", "speed_bump", "driveway")


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """The map of a segment.

    Attributes:
        lanes: Polylines of kind "lane_centre", "road_line/<colour>" (see `ROAD_LINES`), "road_edge", and the
            closed outlines "crosswalk", "speed_bump" and "driveway".
        stop_signs: (S, 3) positions.
    """

    lanes: tuple[Lane, ...]
    stop_signs: Float


def read_map(features: Iterable[Any], offset: Float, where: str) -> Map:
    """Return the map from `MapFeature` messages; features of kinds that newer releases add are left out.

    Args:
        features: Messages.
        offset: (3,) `map_pose_offset`: what a world position needs added to lie on the map, so what is taken
            off the map's points here.
        where: File and record, for messages.

    Raises:
        DataError: A point is not finite, or absurdly far.
    """
    lanes: list[Lane] = []
    signs: list[Float] = []
    for feature in features:
        kind, points = _shape(feature)
        polyline = np.array([(point.x, point.y, point.z) for point in points], np.float64).reshape(-1, 3)
        with located(where):
            positions(polyline, f"map feature {feature.id}")
        if kind == "stop_sign":
            signs.extend(polyline - offset)
        elif kind and len(polyline):
            closed = np.concatenate([polyline, polyline[:1]]) if kind in _AREAS else polyline
            lanes.append(Lane(closed - offset, kind))
    return Map(tuple(lanes), np.array(signs).reshape(-1, 3))


def _shape(feature: Any) -> tuple[str, Iterable[Any]]:
    if feature.HasField("lane"):
        return "lane_centre", feature.lane.polyline
    if feature.HasField("road_line"):
        number = feature.road_line.type
        name = ROAD_LINES[number] if 0 <= number < len(ROAD_LINES) else ROAD_LINES[0]
        return f"road_line/{name}", feature.road_line.polyline
    if feature.HasField("road_edge"):
        return "road_edge", feature.road_edge.polyline
    if feature.HasField("stop_sign"):
        return "stop_sign", [feature.stop_sign.position]
    for name in _AREAS:
        if feature.HasField(name):
            return name, getattr(feature, name).polygon
    return "", []
