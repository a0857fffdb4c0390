"""A protocol is data: which scenes, frames, sizes, splits, shifts and metrics make a number comparable.

Protocols are TOML files. Their canonical JSON is hashed, every record carries the hash, and tables refuse
to mix hashes.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from recgen_bench.harness.errors import ProtocolError, did_you_mean, located
from recgen_bench.harness.registration import check_name
from recgen_bench.harness.settings import from_table

Side = Literal["left", "right"]
Convention = Literal["ego-y", "first-frame-y", "camera-x", "path-normal"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """How large images are when they reach a method.

    Either `downscale`, or width and height; with neither, images keep their size.

    Attributes:
        downscale: Divide the full size by this; the result is floored to whole pixels.
        width: Pixels; the height is given too and the aspect ratio must agree within one pixel.
        height: Pixels.
        filter: "area" averages all source pixels under a target pixel (anti-aliased).
    """

    downscale: float | None = None
    width: int | None = None
    height: int | None = None
    filter: Literal["area"] = "area"


@dataclass(frozen=True, slots=True)
class SceneEntry:
    """One scene of a protocol; train and test override the split's index lists for this scene.

    Attributes:
        id: As the data set calls it.
        first: First time step.
        count: Number of time steps, None for all.
        train: Indices into the canonical order of views.
        test: Indices into the canonical order of views.
        train_views: For "around-train": names of the training views.
    """

    id: str
    first: int = 0
    count: int | None = None
    train: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    train_views: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Split:
    """Which views are trained on and which are tested.

    Attributes:
        rule: "all-train" (test views come from the shift, or are the training views), "every-nth" (indices
            divisible by `every` are tested, the rest trained), "few-views" (test as before; `views` training
            views spread evenly over the rest, as RegNeRF does), "ids" (explicit indices), "train-every-nth"
            (indices divisible by `every` are trained, the rest tested), "spread-views" (as "few-views", but
            spread by the distance between cameras, see `recgen_bench.harness.selection.spread`),
            "around-train" (the scene names its training views; every `every`-th frame from `margin` before
            the first to `margin` after the last is tested, training views left out).
        every: For all rules but "all-train" and "ids".
        views: For "few-views" and "spread-views".
        train: For "ids".
        test: For "ids".
        margin: For "around-train", in frames.
        disjoint: A view that is trained on is not tested, whatever the lists say.
    """

    rule: Literal[
        "all-train", "every-nth", "few-views", "ids", "train-every-nth", "spread-views", "around-train"
    ]
    every: int = 8
    views: int = 3
    train: tuple[int, ...] = ()
    test: tuple[int, ...] = ()
    margin: int = 10
    disjoint: bool = False


@dataclass(frozen=True, slots=True)
class Shift:
    """Where beside the recorded track the test views stand.

    Attributes:
        distances: Metres; 0 is the track itself.
        sides: Both sides of a distance are one cell; a side the road does not allow is left out and noted.
        convention: Axis of the shift, see `recgen_bench.harness.trajectory`.
        profile: "constant", or "ramp" from 0 at the first frame to the distance at the last.
        every: Test every n-th frame of the shifted track.
    """

    distances: tuple[float, ...]
    sides: tuple[Side, ...] = ("left", "right")
    convention: Convention = "ego-y"
    profile: Literal["constant", "ramp"] = "constant"
    every: int = 1


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a training view that is shown: a window that moves from frame to frame and turns back.

    It moves by `step` pixels a frame on both axes at once, and turns back where the next step would leave the
    image. Everything outside is black and masked.

    Attributes:
        width: Pixels, at the protocol's resolution.
        height: Pixels.
        x: Left edge at frame 0, pixels.
        y: Upper edge at frame 0, pixels.
        step: Pixels.
    """

    width: int
    height: int
    x: int
    y: int
    step: int


@dataclass(frozen=True, slots=True)
class Protocol:
    """One published way to compute numbers.

    Attributes:
        name: Unique; a variant is "name/variant".
        version: Raised whenever the same name means other numbers.
        summary: One sentence for people.
        source: Where it was published.
        unknown: What the source leaves open and we had to choose.
        datasets: The data sets it is for; the first one is meant when none is named.
        revision: Of the data.
        scenes: The published list, in order.
        open_scenes: Scenes outside the list may be run too; they are not part of the published average.
        cameras: Sensors used.
        resolution: Size of the images.
        split: Train and test views.
        shift: Lane shift, None for protocols without one.
        metrics: Name -> version.
        seeds: Run when no seed is named.
        masks: Where the data set's masks count: in "all" views, in "test" views only, or in "none".
        points: Which of the data set's points a method gets: "all", those "in-train-views" (inside what is
            shown of at least one training view, whether hidden there or not), or "none".
        window: What is shown of a training view; None for all of it.
        world: Scene coordinates: as the files have them, or as RegNeRF recentres and scales LLFF captures.
    """

    name: str
    version: int
    datasets: tuple[str, ...]
    split: Split
    metrics: dict[str, int]
    summary: str = ""
    source: str = ""
    unknown: tuple[str, ...] = ()
    revision: str = ""
    scenes: tuple[SceneEntry, ...] = ()
    open_scenes: bool = False
    cameras: tuple[str, ...] = ()
    resolution: Resolution = field(default_factory=Resolution)
    shift: Shift | None = None
    seeds: tuple[int, ...] = (0,)
    masks: Literal["all", "test", "none"] = "all"
    points: Literal["all", "in-train-views", "none"] = "all"
    window: Window | None = None
    world: Literal["source", "regnerf"] = "source"

    @property
    def hash(self) -> str:
        """Sha256 of the canonical JSON of everything that decides a number: all but the prose."""
        return canonical_hash(self.canonical())

    def canonical(self) -> dict[str, Any]:
        """Return what the hash covers, as JSON types: all but the prose, without what is at its default.

        So a field added later changes no published hash, and a default, once published, never changes.
        """
        prose = {"summary", "source", "unknown"}
        facts = {key: value for key, value in _stated(self).items() if key not in prose}
        # Once through JSON, so that a record equals itself after it was read back: tuples become lists.
        canonical: dict[str, Any] = json.loads(json.dumps(facts))
        return canonical

    def scene(self, name: str) -> SceneEntry:
        """Return the entry of a scene.

        Raises:
            ProtocolError: The protocol does not list it and is closed.
        """
        for entry in self.scenes:
            if entry.id == name:
                return entry
        if self.open_scenes:
            return SceneEntry(name)
        hint = did_you_mean(name, (entry.id for entry in self.scenes))
        raise ProtocolError("the protocol does not list this scene", got=name, hint=hint, where=self.name)


def _stated(value: Any) -> Any:
    """Return a dataclass as a dictionary of the fields that differ from their defaults, at every depth."""
    if isinstance(value, tuple):
        return [_stated(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    stated = {}
    for each in dataclasses.fields(value):
        content = getattr(value, each.name)
        default = each.default if each.default_factory is dataclasses.MISSING else each.default_factory()
        if content != default:
            stated[each.name] = _stated(content)
    return stated


def canonical_hash(canonical: dict[str, Any]) -> str:
    """Return the sha256 of a canonical form; for a published protocol it is `Protocol.hash`."""
    return hashlib.sha256(canonical_json(canonical).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, no blanks and no NaN: equal values give equal text everywhere."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


def load_protocols(path: Path) -> tuple[Protocol, ...]:
    """Read one TOML file: the protocol and its variants.

    A table `[variants.NAME]` holds keys that replace the protocol's own (tables are merged); the result is
    the protocol "name/NAME".

    Raises:
        ProtocolError: The file is missing, is not TOML, or holds unknown keys or values.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ProtocolError(f"the protocol file cannot be read: {reason}", where=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(f"the protocol file is not TOML: {error}", where=str(path)) from error
    variants = table.pop("variants", {})
    if not (isinstance(variants, dict) and all(isinstance(changes, dict) for changes in variants.values())):
        raise ProtocolError("the variants are not tables", expected="[variants.NAME]", where=str(path))
    protocols = []
    if not table.pop("abstract", False):
        protocols.append(_protocol(table, str(path)))
    for name, changes in variants.items():
        merged = _merged(table, changes)
        merged["name"] = f"{table.get('name')}/{name}"
        protocols.append(_protocol(merged, f"{path}: variants.{name}"))
    if not protocols:
        raise ProtocolError("the file holds no protocol", got="abstract, without variants", where=str(path))
    return tuple(protocols)


def _protocol(table: dict[str, Any], where: str) -> Protocol:
    scenes = table.get("scenes", [])
    if isinstance(scenes, list):
        scenes = [{"id": entry} if isinstance(entry, str) else entry for entry in scenes]
    protocol = from_table(Protocol, {**table, "scenes": scenes}, where)
    with located(where):
        check_name(protocol.name, "protocol")
        for complaint in _complaints(protocol):
            raise ProtocolError(f"the protocol {complaint}", where=where)
    return protocol


def _complaints(protocol: Protocol) -> Iterator[str]:
    """Yield what no field's type can say."""
    split, shift = protocol.split, protocol.shift
    if not protocol.datasets:
        yield "names no data set"
    if not protocol.metrics:
        yield "names no metric"
    if not protocol.seeds or min(protocol.seeds) < 0:
        yield "names no seed, or a negative one"
    if protocol.world == "regnerf" and set(protocol.datasets) != {"llff"}:
        yield "has RegNeRF's world, which only llff can be put into"
    ids = [entry.id for entry in protocol.scenes]
    if not ids and not protocol.open_scenes:
        yield "lists no scene and is not open"
    if len(set(ids)) < len(ids):
        yield "lists a scene twice"
    if split.every < 2 and split.rule in ("every-nth", "few-views", "spread-views"):
        yield "tests every view"
    if split.every < 2 and split.rule == "train-every-nth":
        yield "trains on every view"
    if split.views < 1 and split.rule in ("few-views", "spread-views"):
        yield "trains on no view"
    around = split.rule == "around-train"
    if around and (split.every < 1 or split.margin < 0):
        yield "tests no view around its training views"
    if any(bool(entry.train_views) != around for entry in protocol.scenes) or (
        around and protocol.open_scenes
    ):
        yield 'must name the training views of every scene for "around-train", and only for it'
    window = protocol.window
    if window is not None and (
        min(window.width, window.height, window.step) < 1 or min(window.x, window.y) < 0
    ):
        yield "has a window without size, or one that does not move"
    if shift is not None and not shift.distances:
        yield "has a shift without distances"
    if shift is not None and min(shift.distances, default=0) < 0:
        yield "has a negative distance"
    if shift is not None and (shift.every < 1 or not shift.sides):
        yield "has a shift that tests no view"
    numbers = (protocol.resolution.downscale or 1.0, *(shift.distances if shift else ()))
    if not all(map(math.isfinite, numbers)):
        yield "holds NaN or infinity"


def _merged(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def parse_metres(text: str) -> float:
    """Read a lane shift such as "3m", "3 m" or "1.5".

    >>> parse_metres("3m")
    3.0

    Raises:
        ProtocolError: It has another unit, is negative or is not a number.
    """
    match = re.fullmatch(r"\s*([+-]?\d*\.?\d+)\s*([a-zA-Z]*)\s*", text, re.ASCII)
    if not match:
        raise ProtocolError(
            "not a distance", got=repr(text), expected="metres, for example 3m", where="--shift"
        )
    number, unit = float(match[1]), match[2].lower()
    if unit not in ("", "m"):
        hint = (
            f"did you mean {number:g}m?" if unit in ("meter", "metre", "meters", "metres") else "give metres"
        )
        raise ProtocolError(
            "unknown unit of distance", got=repr(text), expected="m", hint=hint, where="--shift"
        )
    if number < 0 or text.strip().startswith("-") or not math.isfinite(number):
        hint = "the protocol says which sides are tested; give the distance alone"
        raise ProtocolError(
            "a shift is a distance", got=repr(text), expected="0 or more", hint=hint, where="--shift"
        )
    return number


def format_metres(metres: float | None) -> str:
    """Return a shift as commands and tables write it: "3m", or nothing where there is no shift."""
    return "" if metres is None else f"{metres:g}m"
