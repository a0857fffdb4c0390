"""Who moves: the ego's own drive, cars that stand in bays, and everybody else on the road."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recgen_bench.datasets.street.road import Band, Centreline, Road
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.vehicles import CARS, COLOURS, size_of

FRAMES = 40
RATE = 10.0
"""Frames per second."""
CLEARANCE = 7.0
"""Metres between the ego's front camera and whoever shares the breadth that shifted cameras use."""


@dataclass(frozen=True, slots=True)
class Drive:
    """The ego's motion: steady speed in m/s and a slow sway of the given metres across its lane."""

    speed: float
    sway: float
    period: float
    phase: float

    def place(self, frame: int) -> tuple[float, float, float]:
        """Return s, t and the heading against the road's in radians."""
        s = self.speed * frame / RATE
        angle = 2 * np.pi * s / self.period + self.phase
        slope = self.sway * 2 * np.pi / self.period * np.cos(angle)
        return s, float(self.sway * np.sin(angle)), float(np.arctan(slope))


@dataclass(frozen=True, slots=True)
class Track:
    """An actor with a steady speed along the road.

    Attributes:
        name: Unique in the world.
        category: "vehicle", "pedestrian" or "cyclist".
        kind: Which mesh, see `recgen_bench.datasets.street.vehicles.build`.
        colour: Index of its paint.
        seed: Of its small differences.
        s: At frame 0, metres.
        t: Metres.
        speed: m/s along s, negative towards the ego, 0 when parked.
        turn: Heading against the road's, radians.
        ground: Height of what it stands on, metres.
    """

    name: str
    category: str
    kind: str
    colour: int
    seed: int
    s: float
    t: float
    speed: float
    turn: float
    ground: float = 0.0

    @property
    def size(self) -> NDArray[np.float64]:
        """(3,) length, width, height in metres."""
        return np.array(size_of(self.kind))

    def pose(self, bend: Centreline, frame: int) -> NDArray[np.float64]:
        """Return the (4, 4) box-to-world pose at a time step, any integer."""
        s = self.s + self.speed * frame / RATE
        return bend.pose(s, self.t, self.ground + self.size[2] / 2, self.turn)


def draw_drive(seed: int) -> Drive:
    """Return the ego's motion of one world."""
    rng = stream(seed, "drive")
    speed, sway = rng.uniform(7.4, 8.6), rng.uniform(0.0, 0.18)
    return Drive(float(speed), float(sway), float(rng.uniform(35, 70)), float(rng.uniform(0, 6.28)))


def draw_parked(
    seed: int, road: Road, gaps: Mapping[int, tuple[tuple[float, float], ...]]
) -> tuple[Track, ...]:
    """Return the cars in the bays, clear of the crossing and of the side streets in `gaps` (by side)."""
    rng = stream(seed, "parked")
    tracks: list[Track] = []
    for band in road.bands:
        if band.use != "bay":
            continue
        side = 1 if band.middle > 0 else -1
        busy = rng.uniform(0.4, 0.9)
        for s in np.arange(-30, 135, 6.0):
            kind = CARS[rng.choice(len(CARS), p=[0.24, 0.26, 0.15, 0.18, 0.1, 0.07])]
            at = float(s + rng.uniform(-0.4, 0.4))
            free = all(at + 3.5 < low or at - 3.5 > high for low, high in gaps[side])
            free &= road.crossing is None or not road.crossing - 5 < at < road.crossing + 8
            turn = (0.0 if band.way > 0 else np.pi) + rng.normal() * 0.012
            t = band.middle + side * rng.uniform(0.0, 0.1)
            if rng.random() < busy and free:
                name, seed_ = f"parked{len(tracks):02d}", int(rng.integers(1 << 31))
                tracks.append(
                    Track(name, "vehicle", kind, _paint(rng), seed_, at, float(t), 0.0, float(turn))
                )
    return tuple(tracks)


def draw_traffic(
    seed: int, road: Road, drive: Drive, walks: Mapping[int, tuple[float, float]]
) -> tuple[Track, ...]:
    """Return two to five moving actors, at least two of them vehicles, none of which meets a shifted camera.

    Args:
        seed: Of the world.
        road: Its road.
        drive: The ego's motion.
        walks: By side, |t| of the kerb and the width of the pavement.
    """
    rng = stream(seed, "traffic")
    tracks: list[Track] = []
    lanes = [band for band in road.bands if band.use == "lane"]
    wanted = int(rng.integers(2, 5))
    for attempt in range(400):
        if len(tracks) == wanted:
            break
        lane = lanes[rng.integers(len(lanes))]
        if attempt == 0 and rng.random() < 0.8:
            lane = next(band for band in lanes if band.low < 0 < band.high)
        track = _vehicle(rng, lane, drive, f"vehicle{len(tracks)}")
        if _fits(track, tracks, road, drive):
            tracks.append(track)
    for band in [band for band in road.bands if band.use == "cycle"]:
        for _ in range(6):
            rider = _cyclist(rng, band)
            if len(tracks) < 5 and rng.random() < 0.5 and _fits(rider, tracks, road, drive):
                tracks.append(replace(rider, name=f"cyclist{len(tracks)}"))
                break
    while len(tracks) < 5 and rng.random() < 0.55:
        tracks.append(_walker(rng, walks, len(tracks)))
    return tuple(tracks)


def _paint(rng: np.random.Generator) -> int:
    return int(
        rng.choice(len(COLOURS), p=[0.17, 0.15, 0.13, 0.13, 0.1, 0.08, 0.07, 0.04, 0.04, 0.04, 0.03, 0.02])
    )


def _vehicle(rng: np.random.Generator, lane: Band, drive: Drive, name: str) -> Track:
    kind = (*CARS, "bus", "truck")[rng.choice(8, p=[0.22, 0.24, 0.12, 0.16, 0.08, 0.06, 0.05, 0.07])]
    colour, seed = _paint(rng), int(rng.integers(1 << 31))
    t = lane.middle + float(rng.uniform(-0.15, 0.15))
    if lane.way > 0:
        speed, s = drive.speed * float(rng.uniform(0.9, 1.3)), float(rng.uniform(13, 45))
        return Track(name, "vehicle", kind, colour, seed, s, t, speed, 0.0)
    speed, s = float(rng.uniform(6.5, 10.0)), float(rng.uniform(25, 105))
    return Track(name, "vehicle", kind, colour, seed, s, t, -speed, float(np.pi))


def _cyclist(rng: np.random.Generator, lane: Band) -> Track:
    colour, seed = int(rng.integers(len(COLOURS))), int(rng.integers(1 << 31))
    speed = float(rng.uniform(4.5, 6.0))
    s = float(rng.uniform(22, 45) if lane.way > 0 else rng.uniform(68, 95))
    turn = 0.0 if lane.way > 0 else float(np.pi)
    return Track("", "cyclist", "cyclist", colour, seed, s, lane.middle, lane.way * speed, turn)


def _walker(rng: np.random.Generator, walks: Mapping[int, tuple[float, float]], index: int) -> Track:
    """Return somebody who walks beyond the furniture of one pavement."""
    side, way = int(rng.choice([-1, 1])), int(rng.choice([-1, 1]))
    kerb, walk = walks[side]
    t = side * (kerb + walk * float(rng.uniform(0.58, 0.78)))
    s, speed = float(rng.uniform(8, 45)), float(rng.uniform(1.15, 1.7))
    colour, seed = int(rng.integers(len(COLOURS))), int(rng.integers(1 << 31))
    turn, raised = 0.0 if way > 0 else float(np.pi), 0.13
    name, kind = f"pedestrian{index}", "pedestrian"
    return Track(name, kind, kind, colour, seed, s, float(t), way * speed, turn, raised)


def _fits(track: Track, others: list[Track], road: Road, drive: Drive) -> bool:
    """Return whether an actor stays clear of all shifted cameras and of the others throughout."""
    length, width, _ = track.size
    low, high = road.clear[0] - width / 2 - 0.3, road.clear[1] + width / 2 + 0.3
    shared = low < track.t < high
    for frame in range(FRAMES):
        s = track.s + track.speed * frame / RATE
        if shared and s - length / 2 - drive.place(frame)[0] < CLEARANCE:
            return False
        for other in others:
            apart = abs(s - other.s - other.speed * frame / RATE) - (length + other.size[0]) / 2
            if apart < 4.0 and abs(track.t - other.t) < 1.9:
                return False
    return True
