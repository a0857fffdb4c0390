"""What stands where in one world: everything but triangles and pixels, so that it costs milliseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recgen_bench.datasets.street.buildings import Plot
from recgen_bench.datasets.street.facades import SHOPS, STYLES
from recgen_bench.datasets.street.plants import KINDS
from recgen_bench.datasets.street.road import Centreline, Road, draw_centreline, draw_road
from recgen_bench.datasets.street.textures import stream
from recgen_bench.datasets.street.traffic import Drive, Track, draw_drive, draw_parked, draw_traffic

FIRST_PLOT, LAST_PLOT = -45.0, 225.0
"""Buildings stand between these s."""


FURNITURE = ("sign", "bin", "bench", "cabinet", "bollard", "shelter")


@dataclass(frozen=True, slots=True)
class Prop:
    """A piece of furniture or a plant at street coordinates; `turn` is its heading against the road's."""

    kind: str
    s: float
    t: float
    turn: float
    seed: int
    size: float = 1.0


@dataclass(frozen=True, slots=True)
class Verge:
    """One side of the street beyond the kerb.

    Attributes:
        side: 1 for the left, -1 for the right.
        kerb: |t| of the kerb line.
        walk: Metres of pavement from the kerb line.
        gaps: (begin, end) s of the side streets.
    """

    side: int
    kerb: float
    walk: float
    gaps: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One world before it is built.

    Attributes:
        seed: Its number.
        bend: The centre line.
        road: Cross-section and paint.
        verges: Right side, left side.
        plots: Buildings.
        props: Furniture and plants.
        drive: The ego's motion.
        parked: Cars that stand.
        moving: Everybody who moves.
    """

    seed: int
    bend: Centreline
    road: Road
    verges: tuple[Verge, Verge]
    plots: tuple[Plot, ...]
    props: tuple[Prop, ...]
    drive: Drive
    parked: tuple[Track, ...]
    moving: tuple[Track, ...]

    @property
    def drivable(self) -> tuple[float, float]:
        """Return the largest shifts (right, left) in metres that keep the car on clear road, at most 7."""
        room = 0.8 + self.drive.sway
        right, left = -self.road.clear[0] - room, self.road.clear[1] - room
        return float(min(np.floor(right * 10) / 10, 7.0)), float(min(np.floor(left * 10) / 10, 7.0))


def draw_layout(seed: int) -> Layout:
    """Return the layout of one world."""
    road = draw_road(seed)
    bend = draw_centreline(seed)
    rng = stream(seed, "plan")
    town = ("centre", "terrace", "suburb", "mixed")[rng.choice(4, p=[0.3, 0.27, 0.2, 0.23])]
    verges = (_draw_verge(rng, -1, -road.right, town), _draw_verge(rng, 1, road.left, town))
    plots: list[Plot] = []
    props: list[Prop] = []
    for verge in verges:
        own = _draw_plots(rng, verge, town)
        plots += own
        props += _along_kerb(rng, verge, road) + _in_gardens(rng, verge, own)
    props += _on_median(rng, road)
    drive = draw_drive(seed)
    gaps = {verge.side: verge.gaps for verge in verges}
    parked = draw_parked(seed, road, gaps)
    walks = {verge.side: (verge.kerb, verge.walk) for verge in verges}
    moving = draw_traffic(seed, road, drive, walks)
    return Layout(seed, bend, road, verges, tuple(plots), tuple(props), drive, parked, moving)


def _draw_verge(rng: np.random.Generator, side: int, kerb: float, town: str) -> Verge:
    walk = float(rng.uniform(2.6, 4.6) if town != "suburb" else rng.uniform(2.0, 3.0))
    gaps = []
    s = float(rng.uniform(8, 70))
    while s < LAST_PLOT - 20:
        if rng.random() < 0.8:
            gaps.append((s, s + float(rng.uniform(7.5, 11.0))))
        s += float(rng.uniform(50, 95))
    return Verge(side, kerb, walk, tuple(gaps))


def _draw_plots(rng: np.random.Generator, verge: Verge, town: str) -> list[Plot]:
    plots = []
    s = FIRST_PLOT + float(rng.uniform(-8, 0))
    stops = [begin - 0.5 for begin, _ in verge.gaps] + [LAST_PLOT + 10]
    starts = [end + 0.5 for _, end in verge.gaps] + [LAST_PLOT + 10]
    block = 0
    while s < LAST_PLOT:
        room = stops[block] - s
        kind = town if town != "mixed" else ("centre", "terrace", "suburb")[rng.integers(3)]
        length = float(
            {"centre": rng.uniform(11, 22), "terrace": rng.uniform(6.5, 13)}.get(kind, rng.uniform(9, 14))
        )
        if room < 6.0:
            s, block = starts[block], block + 1
            continue
        length = room if room < length + 6.0 else length
        plots.append(_plot(rng, (s, min(length, 26.0)), verge, kind))
        gap = {"centre": [0, 0, 0, 0, 4], "terrace": [0, 0, 0, 3], "suburb": [3, 4, 6]}[kind]
        s += plots[-1].length + float(rng.choice(gap))
    return plots


def _plot(rng: np.random.Generator, span: tuple[float, float], verge: Verge, kind: str) -> Plot:
    floors = {"centre": rng.integers(2, 7), "terrace": rng.integers(1, 4), "suburb": rng.integers(0, 3)}[kind]
    roofs = {"centre": ("flat", "flat", "mansard", "hip"), "terrace": ("gable", "gable", "mansard", "flat"),
             "suburb": ("gable", "hip", "hip")}[kind]  # fmt: skip
    garden = {
        "centre": 0.0,
        "terrace": float(rng.choice([0.0, 0.0, 2.0])),
        "suburb": float(rng.uniform(3.5, 6.5)),
    }[kind]
    shop = int(rng.integers(SHOPS)) if kind == "centre" and rng.random() < 0.75 and not garden else -1
    shop = int(rng.integers(SHOPS)) if kind == "terrace" and rng.random() < 0.25 and not garden else shop
    front = verge.walk + garden + float(rng.choice([0.0, 0.0, 0.3]))
    depth = float(rng.uniform(8, 12))
    style, roof = int(rng.integers(STYLES)), roofs[rng.integers(len(roofs))]
    return Plot(*span, front, depth, verge.side, int(floors), style, shop, roof, int(rng.integers(1 << 31)))


class _Kerb:
    """The strip between kerb and walkers, where things stand without overlapping."""

    def __init__(self, rng: np.random.Generator, verge: Verge, crossing: float | None) -> None:
        self.props: list[Prop] = []
        self._rng = rng
        self._verge = verge
        self._taken = [(begin - 1.5, end + 1.5) for begin, end in verge.gaps]
        if crossing is not None:
            self._taken.append((crossing - 1.5, crossing + 4.7))

    def put(self, kind: str, s: float, turn: float, size: float = 1.0) -> None:
        """Place something unless its room is taken; its distance from the kerb goes by its kind."""
        name = kind.partition("/")[0]
        off = {"tree": 0.95, "shelter": 1.5, "bollard": 0.35}.get(name, 0.55)
        room = {"tree": 0.9, "shelter": 2.4, "bench": 1.1, "bollard": 0.3}.get(name, 0.6)
        if all(s + room < low or s - room > high for low, high in self._taken):
            self._taken.append((s - room, s + room))
            t = self._verge.side * (self._verge.kerb + off)
            self.props.append(Prop(kind, s, t, turn, int(self._rng.integers(1 << 31)), size))


def _along_kerb(rng: np.random.Generator, verge: Verge, road: Road) -> list[Prop]:
    """Return signals, lamps, trees and the rest of the furniture at one kerb."""
    kerb = _Kerb(rng, verge, road.crossing)
    left = verge.side > 0
    to_road, to_traffic = (np.pi, np.pi) if left else (0.0, 0.0)
    for s in np.arange(-30 + rng.uniform(0, 20), LAST_PLOT, rng.uniform(24, 34)):
        kerb.put("lamp", float(s), to_road)
    if rng.random() < 0.75:
        # Broad-leaved trees are the usual ones along streets.
        kinds = rng.permutation([0, 0, 1, 2, 3, 3])[: rng.integers(1, 3)]
        for s in np.arange(-30 + rng.uniform(0, 8), LAST_PLOT, rng.uniform(8, 15)):
            if rng.random() < 0.85:
                kind, at = KINDS[rng.choice(kinds)], float(s + rng.uniform(-1, 1))
                kerb.put(f"tree/{kind}", at, float(rng.uniform(0, 6)), float(rng.uniform(0.9, 1.2)))
    for s in np.sort(rng.uniform(-10, 150, 26)):
        kind = FURNITURE[rng.choice(len(FURNITURE), p=[0.3, 0.26, 0.12, 0.08, 0.19, 0.05])]
        if kind == "bollard":
            for step in range(5):
                kerb.put(kind, float(s) + 1.5 * step, 0.0)
        elif kind != "shelter" or verge.walk > 3.2:
            kerb.put(kind, float(s), to_traffic if kind == "sign" else to_road + np.pi)
    if road.crossing is not None and rng.random() < 0.7:
        s, t = road.crossing + (3.6 if left else -0.4), verge.side * (verge.kerb + 0.5)
        kerb.props.append(Prop("signal", s, t, to_traffic, int(rng.integers(9))))
    return kerb.props


def _in_gardens(rng: np.random.Generator, verge: Verge, plots: list[Plot]) -> list[Prop]:
    """Return hedges and plants before and between buildings."""
    props = []
    for plot in plots:
        depth = plot.front - verge.walk
        if depth > 1.5:
            if rng.random() < 0.7:
                at, seed = verge.side * (verge.kerb + verge.walk + 0.15), int(rng.integers(1 << 31))
                size = (plot.length - 2.0) * rng.uniform(0.6, 1.0)
                props.append(Prop("hedge", plot.begin + 0.5, at, 0.0, seed, float(size)))
            for _ in range(rng.integers(0, 3)):
                kind = KINDS[rng.integers(len(KINDS))] if depth > 3 else "shrub"
                s = plot.begin + rng.uniform(1, plot.length - 1)
                t = verge.side * (verge.kerb + verge.walk + rng.uniform(1.2, depth - 0.4))
                size = rng.uniform(0.6, 0.85) if kind != "shrub" else 1.0
                props.append(
                    Prop(f"tree/{kind}", float(s), float(t), 0.0, int(rng.integers(1 << 31)), float(size))
                )
    for begin, end in verge.gaps:
        for depth in rng.uniform(14, 42, 3):
            t = verge.side * (verge.kerb + depth)
            s = rng.choice([begin - 0.3, end + 0.3])
            props.append(
                Prop(f"tree/{KINDS[rng.integers(4)]}", float(s), float(t), 0.0, int(rng.integers(1 << 31)))
            )
    return props


def _on_median(rng: np.random.Generator, road: Road) -> list[Prop]:
    props = []
    for band in road.bands:
        if band.use == "median":
            kind = KINDS[rng.integers(len(KINDS))]
            for s in np.arange(-25, 200, rng.uniform(7, 14)):
                clear = road.crossing is None or abs(s - road.crossing - 1.6) > 4
                if clear:
                    props.append(
                        Prop(f"tree/{kind}", float(s), band.middle, 0.0, int(rng.integers(1 << 31)), 0.85)
                    )
    return props
