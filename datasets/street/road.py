"""The road: a gently bent centre line, what its cross-section holds, and the paint on it.

Street coordinates are s metres along the road and t metres to its left; s = t = 0 is the middle of the
ego lane below the vehicle's first position.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recgen_bench.datasets.street.shapes import stand
from recgen_bench.datasets.street.textures import stream

BEGIN, END = -60.0, 260.0
"""The road exists between these s."""
STEP = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Centreline:
    """A smooth bend of the street, tabulated every `STEP` metres.

    Attributes:
        places: (P, 2) world x, y.
        headings: (P,) radians.
    """

    places: NDArray[np.float64]
    headings: NDArray[np.float64]

    def at(self, s: ArrayLike, t: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
        """Return world x, y and the heading at street coordinates."""
        s, t = np.asarray(s, np.float64), np.asarray(t, np.float64)
        knots = BEGIN + STEP * np.arange(len(self.headings))
        heading = np.asarray(np.interp(s, knots, self.headings))
        x = np.interp(s, knots, self.places[:, 0]) - np.sin(heading) * t
        y = np.interp(s, knots, self.places[:, 1]) + np.cos(heading) * t
        return np.asarray(x), np.asarray(y), heading

    def bend(self, corners: NDArray) -> NDArray[np.float32]:
        """Return (..., 3) street positions (s, t, z) in the world."""
        x, y, _ = self.at(corners[..., 0], corners[..., 1])
        return np.stack([x, y, np.broadcast_to(corners[..., 2], x.shape)], -1).astype(np.float32)

    def pose(self, s: float, t: float, z: float = 0.0, turn: float = 0.0) -> NDArray[np.float64]:
        """Return the (4, 4) pose of something upright at a place, turned against the road's direction."""
        x, y, heading = self.at(s, t)
        return stand(float(x), float(y), z, float(heading) + turn)


@dataclass(frozen=True, slots=True)
class Stripe:
    """Paint within `width` metres around t and between two s; period and dash repeat it along s.

    Attributes:
        t: Middle, metres.
        width: Metres.
        begin: Lowest s.
        end: Highest s.
        period: Metres from dash to dash, 0 for an unbroken stripe.
        dash: Metres of paint in each period.
        kind: Name of the lane line, empty for other marks.
        taper: Half-width shrinks linearly to zero at `end`: the head of an arrow.
        yellow: Yellow instead of white paint.
    """

    t: float
    width: float
    begin: float = BEGIN
    end: float = END
    period: float = 0.0
    dash: float = 0.0
    kind: str = ""
    taper: bool = False
    yellow: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A strip of the cross-section from t `low` to `high`, and the way its traffic goes (1 is the ego's)."""

    low: float
    high: float
    use: str
    way: int = 1

    @property
    def middle(self) -> float:
        """Return the t of its middle."""
        return (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class Road:
    """The cross-section and its paint.

    Attributes:
        bands: Strips from right to left, without gaps; uses are lane, cycle, bay, hatch, median.
        stripes: All paint.
        clear: t of the right and left end of what a car may drive on: no bays, no median.
        crossing: s of a pedestrian crossing, None without one.
    """

    bands: tuple[Band, ...]
    stripes: tuple[Stripe, ...]
    clear: tuple[float, float]
    crossing: float | None

    @property
    def right(self) -> float:
        """Return the t of the right kerb."""
        return self.bands[0].low

    @property
    def left(self) -> float:
        """Return the t of the left kerb."""
        return self.bands[-1].high


def draw_centreline(seed: int) -> Centreline:
    """Return the bend of one world: straight ahead at s = 0, of radius above 350 m everywhere."""
    rng = stream(seed, "bend")
    knots = np.arange(BEGIN, END + STEP, STEP)
    strength = rng.choice([0.0, 0.4, 1.0], p=[0.25, 0.35, 0.4]) * rng.choice([-1, 1])
    base, sway = rng.uniform(0.4, 1.0) / 500, rng.uniform(0.2, 0.8) / 700
    curvature = strength * (base + sway * np.sin(knots / rng.uniform(40, 70) + rng.uniform(0, 2 * np.pi)))
    headings = np.concatenate([[0.0], np.cumsum((curvature[1:] + curvature[:-1]) / 2 * STEP)])
    headings -= np.interp(0.0, knots, headings)
    middle = (headings[1:] + headings[:-1]) / 2
    steps = np.stack([np.cos(middle), np.sin(middle)], -1) * STEP
    places = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, 0)])
    places -= places[round(-BEGIN / STEP)]
    return Centreline(places, headings)


def draw_road(seed: int) -> Road:
    """Return the cross-section of one world: four kinds, each with room for shifts to both sides."""
    rng = stream(seed, "road")
    w = float(rng.uniform(3.1, 3.5))
    half, narrow, shoulder = w / 2, float(rng.uniform(2.4, 2.7)), float(rng.uniform(2.5, 2.8))
    kind = ["four", "cycle", "oneway", "divided"][rng.choice(4, p=[0.34, 0.28, 0.18, 0.2])]
    ego = ("lane", w, 1)
    if kind == "four":
        right, left = [("lane", w, 1)], [("lane", w, -1), ("lane", w, -1)]
    elif kind == "cycle":
        hatch = [("hatch", float(rng.uniform(1.6, 2.4)), 0)] if rng.random() < 0.5 else []
        right, left = [("cycle", narrow, 1)], [*hatch, ("lane", w, -1), ("cycle", narrow, -1)]
    elif kind == "oneway":
        right, left = [("lane", w, 1)], [("lane", w, 1), ("lane", w, 1)]
    else:
        right = [("hard", shoulder, 1)] if rng.random() < 0.5 else [("lane", w, 1)]
        median = ("median", float(rng.uniform(2.0, 4.5)), 0)
        left = [("lane", w, 1), ("lane", w, 1), median, ("lane", w, -1), ("lane", w, -1)]
    right += [("bay", float(rng.uniform(2.2, 2.5)), 1)] if rng.random() < 0.75 else []
    left += [("bay", float(rng.uniform(2.2, 2.5)), -1)] if rng.random() < 0.75 else []
    low = -half - sum(width for _, width, _ in right)
    bands = []
    for use, width, way in [*reversed(right), ego, *left]:
        bands.append(Band(low, low + width, use, way))
        low += width
    blocked = [band for band in bands if band.use in ("bay", "median")]
    clear = (
        max([band.high for band in blocked if band.high < 0], default=bands[0].low),
        min([band.low for band in blocked if band.low > 0], default=bands[-1].high),
    )
    crossing = float(rng.uniform(13, 60)) if rng.random() < 0.55 else None
    return Road(tuple(bands), tuple(_paint(rng, bands, crossing)), clear, crossing)


def _paint(rng: np.random.Generator, bands: list[Band], crossing: float | None) -> list[Stripe]:
    """Return all paint: lines between the strips, the crossing with its stop lines, and arrows."""
    dash, gap = [(3.0, 3.0), (3.0, 6.0), (4.0, 4.0), (2.0, 4.0)][rng.integers(4)]
    width, yellow = float(rng.uniform(0.13, 0.2)), bool(rng.random() < 0.4)
    edge = float(rng.uniform(0.2, 0.4))
    marks = [Stripe(bands[0].low + edge, width, kind="solid white")] if bands[0].use != "bay" else []
    marks += [Stripe(bands[-1].high - edge, width, kind="solid white")] if bands[-1].use != "bay" else []
    phase = float(rng.uniform(0, dash + gap))
    for right, left in pairwise(bands):
        t, uses = right.high, {right.use, left.use}
        if "median" in uses:
            marks.append(Stripe(t + (edge if left.use != "median" else -edge), width, kind="solid white"))
        elif uses == {"lane"} and right.way == left.way:
            dashed = Stripe(t, width, BEGIN + phase, END, dash + gap, dash, "dashed white")
            marks.append(dashed)
        elif uses == {"lane"}:
            marks += _centre(t, width, yellow, (BEGIN + phase, dash, gap))
        elif uses == {"lane", "hatch"}:
            marks.append(Stripe(t, width, kind="solid yellow" if yellow else "solid white", yellow=yellow))
        else:
            marks.append(Stripe(t, width, kind="solid white"))
    for band in bands:
        if band.use == "hatch":
            wide = band.high - band.low - 0.3
            marks.append(Stripe(band.middle, wide, BEGIN, END, 4.0, 0.45, yellow=yellow))
        if band.use == "bay":
            marks.append(Stripe(band.middle, band.high - band.low, BEGIN + phase, END, 6.0, 0.1))
    return marks + _marks(rng, bands, crossing)


def _centre(t: float, width: float, yellow: bool, rhythm: tuple[float, float, float]) -> list[Stripe]:
    """Return the line between opposing lanes: double and unbroken, or dashed."""
    colour = "yellow" if yellow else "white"
    begin, dash, gap = rhythm
    if yellow or dash > 3.5:
        pair = (t - 0.13, t + 0.13)
        return [Stripe(at, 0.12, kind=f"solid {colour}", yellow=yellow) for at in pair]
    return [Stripe(t, width, begin, END, dash + gap, dash, f"dashed {colour}")]


def _marks(rng: np.random.Generator, bands: list[Band], crossing: float | None) -> list[Stripe]:
    """Return the zebra, the stop lines before it and the arrows in the lanes."""
    marks = []
    if crossing is not None:
        low, high, wide = bands[0].low + 0.4, bands[-1].high - 0.4, 3.2
        count = int((high - low) / 1.0)
        for t in low + (np.arange(count) + 0.5) * (high - low) / count:
            if not any(band.use == "median" and band.low < t < band.high for band in bands):
                marks.append(Stripe(float(t), 0.5, crossing, crossing + wide))
        for band in bands:
            if band.use == "lane":
                s = crossing - 1.6 if band.way > 0 else crossing + wide + 1.2
                marks.append(Stripe(band.middle, band.high - band.low - 0.25, s, s + 0.4))
    if rng.random() < 0.6:
        for place in rng.uniform(8, 90, 3):
            for band in bands:
                if band.use == "lane" and band.way > 0 and rng.random() < 0.7:
                    s = float(place)
                    marks.append(Stripe(band.middle, 0.16, s, s + 2.0))
                    marks.append(Stripe(band.middle, 0.75, s + 2.0, s + 3.2, taper=True))
    return marks


def coverage(stripes: tuple[Stripe, ...], st: NDArray, extent: NDArray) -> NDArray[np.float32]:
    """Return the share of white and of yellow paint under rectangular footprints.

    Args:
        stripes: The paint.
        st: (N, 2) street coordinates.
        extent: (N, 2) size of each footprint along s and t in metres; 0.01 asks for the bare point.

    Returns:
        (N, 2) shares in 0..1.
    """
    share = np.zeros((len(st), 2), np.float32)
    s, t = st[:, 0], st[:, 1]
    for stripe in stripes:
        reach = extent / 2
        near = np.abs(t - stripe.t) < stripe.width / 2 + reach[:, 1]
        near &= (s > stripe.begin - reach[:, 0]) & (s < stripe.end + reach[:, 0])
        rows = np.flatnonzero(near)
        if not len(rows):
            continue
        along, across = s[rows], t[rows] - stripe.t
        long, wide = extent[rows, 0], extent[rows, 1]
        half: NDArray | float = stripe.width / 2
        if stripe.taper:
            half = half * np.clip((stripe.end - along) / (stripe.end - stripe.begin), 0, 1)
        painted = _overlap(across, wide, -half, half) * _overlap(along, long, stripe.begin, stripe.end)
        if stripe.period:
            paint = [_painted(along + side * long / 2 - stripe.begin, stripe) for side in (1, -1)]
            painted *= np.clip((paint[0] - paint[1]) / long, 0, 1)
        share[rows, int(stripe.yellow)] += painted
    return np.minimum(share, 1)


def _overlap(at: NDArray, extent: NDArray, low: NDArray | float, high: NDArray | float) -> NDArray:
    """Return the share of each interval of this extent around `at` that lies between low and high."""
    covered = np.minimum(at + extent / 2, high) - np.maximum(at - extent / 2, low)
    return np.clip(covered / extent, 0, 1)


def _painted(s: NDArray, stripe: Stripe) -> NDArray:
    """Return the metres of paint between the beginning of a dashed stripe and s."""
    periods = np.floor(s / stripe.period)
    return periods * stripe.dash + np.minimum(s - periods * stripe.period, stripe.dash)
