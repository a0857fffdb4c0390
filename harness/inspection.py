"""Is a local copy of a data set complete and sound? What is known before anything is trained.

A check looks at what users get wrong: scenes in another folder, images of another export, poses in another
convention, boxes in another world, splits that count views which are not there.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.dataset import Dataset, check_source, load_dataset, request_for
from recgen_bench.harness.errors import DataError, RecgenError, did_you_mean
from recgen_bench.harness.protocol import Protocol, canonical_json, format_metres
from recgen_bench.harness.registration import DatasetInfo
from recgen_bench.harness.scene import Camera, Capture, Float, View
from recgen_bench.harness.split import divide

if TYPE_CHECKING:
    from recgen_bench.harness.plugins import Registry

LIMIT = 8
"""Scenes that are opened when none is named and not all are asked for."""

POINTS, VIEWS = 20_000, 64
"""At most so many points are projected into so many views, taken evenly: enough for a share in percent."""

FEW_BOXES, FEW_POINTS = 0.02, 0.5
"""Shares seen below which coordinates probably disagree."""


class Level(StrEnum):
    """How bad a finding is; only a problem keeps the protocol from running."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check.

    Attributes:
        level: How bad it is.
        subject: What it is about, for example "images".
        text: What was found, in words for the user.
        scene: Name of the scene, empty for the whole copy.
    """

    level: Level
    subject: str
    text: str
    scene: str = ""


@dataclass(frozen=True, slots=True)
class Copy:
    """A data set as it lies on this machine, looked at through a protocol.

    Attributes:
        info: Its registration.
        dataset: Its adapter.
        protocol: Which scenes, cameras and sizes are meant.
        source: The user's folder, None for embedded worlds.
    """

    info: DatasetInfo
    dataset: Dataset
    protocol: Protocol
    source: Path | None

    def open(self, scene: str) -> Capture:
        """Return a scene as the protocol asks for it.

        Raises:
            DataError: It is not there, or its files are damaged or inconsistent.
            ProtocolError: The protocol does not list it.
        """
        return self.dataset.open(request_for(self.protocol, scene, self.source))

    def known(self, scene: str) -> str:
        """Return the name of a scene that may be opened: one that was found, or any integer of a world.

        Raises:
            DataError: There is no such scene.
        """
        if self.info.embedded and scene.isascii() and scene.isdecimal():
            return str(int(scene))
        found = self.dataset.scenes(self.source)
        if scene not in found:
            where = str(self.source) if self.source else self.info.name
            raise DataError("there is no such scene", got=scene, hint=did_you_mean(scene, found), where=where)
        return scene


def open_copy(registry: Registry, name: str, protocol: str | None, source: Path | None) -> Copy:
    """Return a data set with one of its protocols, its own when none is named.

    Raises:
        PluginError: A name is unknown, or the adapter cannot be loaded.
        ProtocolError: The protocol is not for this data set.
        DataError: The folder is missing, not given, or given for an embedded world.
    """
    info = registry.dataset(name)
    chosen = registry.protocol_for(info, protocol)
    check_source(info, source)
    return Copy(info, load_dataset(info), chosen, source)


def inspect_copy(
    copy: Copy, scenes: Sequence[str] = (), *, everything: bool = False, deep: bool = False
) -> Iterator[Finding]:
    """Yield what is found in a copy, the layout first, then scene by scene.

    Args:
        copy: The data set, its protocol and folder.
        scenes: Names of the scenes to open; none means those the protocol lists and the copy has, or all it
            has where the protocol lists none.
        everything: Open more than `LIMIT` scenes.
        deep: Decode every image, not only the first and the last.

    Raises:
        ProtocolError: A named scene is not one of the protocol's.
    """
    wanted = tuple(dict.fromkeys(copy.protocol.scene(name).id for name in scenes))
    try:
        found = copy.dataset.scenes(copy.source)
    except RecgenError as error:
        yield Finding(Level.PROBLEM, "layout", str(error))
        return
    if not found:
        yield Finding(Level.PROBLEM, "layout", f"no scene found; expected {copy.info.layout or 'scenes'}")
        return
    names = ", ".join(found[:3]) + ", ..." * (len(found) > 3)
    yield Finding(Level.OK, "layout", f"{_number(len(found), 'scene')} found: {names}")
    listed = tuple(entry.id for entry in copy.protocol.scenes)
    needed = wanted or listed
    present = tuple(name for name in needed or found if name in found or _generated(copy, name))
    missing = [name for name in needed if name not in present]
    if missing:
        text = f"{len(missing)} of {len(needed)} are missing: {', '.join(missing)}"
        yield Finding(Level.PROBLEM, "scenes", text)
    elif needed:
        yield Finding(Level.OK, "scenes", f"{len(needed)} of {len(needed)} that are needed")
    if not wanted and not everything and len(present) > LIMIT:
        text = f"{len(present) - LIMIT} of {len(present)} are not opened; --all opens them too"
        yield Finding(Level.NOTE, "scenes", text)
        present = present[:LIMIT]
    for name in present:
        yield from inspect_scene(copy, name, deep=deep)


def inspect_scene(copy: Copy, scene: str, *, deep: bool = False) -> Iterator[Finding]:
    """Yield what is found in one scene; a scene that does not open is one finding."""
    try:
        capture = copy.open(scene)
        for finding in inspect_capture(capture, copy.protocol, deep=deep):
            yield Finding(finding.level, finding.subject, finding.text, scene)
    except RecgenError as error:
        yield Finding(Level.PROBLEM, "opening", str(error), scene)
    except Exception as error:  # noqa: BLE001 # An adapter that fails in its own way must not hide the other scenes.
        yield Finding(Level.PROBLEM, "opening", f"{type(error).__name__}: {error}", scene)


def inspect_capture(capture: Capture, protocol: Protocol, *, deep: bool = False) -> Iterator[Finding]:
    """Yield what is found in an opened scene."""
    views = capture.views
    moving = sum(actor.moving for actor in capture.actors)
    counts = [
        _number(len(views), "view"),
        _number(len(capture.points), "point"),
        f"{_number(len(capture.actors), 'actor')} ({moving} moving)",
        _number(len(capture.lanes), "lane line"),
    ]
    yield Finding(Level.OK, "contents", ", ".join(counts))
    if not views:
        yield Finding(Level.PROBLEM, "views", "there are none")
        return
    yield Finding(Level.OK, "selection", f"sha256 {selection_hash(views)} of names and sizes, in order")
    yield from pose_findings(capture)
    yield from name_findings(views)
    yield from image_findings(views, deep=deep)
    yield from box_findings(capture)
    yield from point_findings(capture)
    yield from split_findings(capture, protocol)
    for note in capture.notes:
        yield Finding(Level.NOTE, "adapter", note)


def selection_hash(views: Sequence[View]) -> str:
    """Return the sha256 of the canonical JSON of [name, width, height] of all views in order.

    It identifies which images were selected and at what size, not their pixels or poses.
    """
    rows = [[view.name, view.camera.width, view.camera.height] for view in views]
    return hashlib.sha256(canonical_json(rows).encode()).hexdigest()


def pose_findings(capture: Capture) -> Iterator[Finding]:
    """Yield how far the cameras spread, and which stand in one place; each pose alone is valid already."""
    unit = "m" if capture.world.unit == "metre" else "units"
    centres = np.stack([view.camera.centre for view in capture.views])
    sides = np.ptp(centres, axis=0)
    extent = float(np.linalg.norm(sides))
    text = f"cameras spread over {sides[0]:.3g} x {sides[1]:.3g} x {sides[2]:.3g} {unit}"
    yield Finding(Level.OK, "poses", text)
    if len(centres) < 2:
        return
    if extent <= 1e-9:
        yield Finding(Level.WARNING, "poses", "all cameras stand in one place: no parallax, no depth")
        return
    places: dict[tuple[str, bytes], list[str]] = {}
    for view, centre in zip(capture.views, centres, strict=True):
        # Adding zero turns -0.0 into 0.0, whose bytes differ.
        rounded = np.round((centre - centres[0]) / (1e-6 * extent)) + 0.0
        places.setdefault((view.camera.sensor, rounded.tobytes()), []).append(view.name)
    again = [names for names in places.values() if len(names) > 1]
    if again:
        number = sum(len(names) - 1 for names in again)
        text = f"{_number(number, 'view')} in the place of another, for example {', '.join(again[0][:3])}"
        yield Finding(Level.WARNING, "poses", text)


def name_findings(views: Sequence[View]) -> Iterator[Finding]:
    """Yield names that occur twice, or that differ only in case, ending or leading zeros."""
    twice = [name for name, count in Counter(view.name for view in views).items() if count > 1]
    if twice:
        text = f"{_number(len(twice), 'name')} given more than once, for example {twice[0]}"
        yield Finding(Level.PROBLEM, "names", text)
    alike: dict[str, set[str]] = {}
    for view in views:
        alike.setdefault(_folded(view.name), set()).add(view.name)
    close = [sorted(names) for names in alike.values() if len(names) > 1]
    if close:
        text = f"easily confused: {', '.join(close[0])}" + (f" and {len(close) - 1} more" * (len(close) > 1))
        yield Finding(Level.WARNING, "names", text)


def image_findings(views: Sequence[View], *, deep: bool) -> Iterator[Finding]:
    """Yield whether images and masks decode to their cameras' sizes: the first and last, or all."""
    chosen = views if deep else list(dict.fromkeys((views[0], views[-1])))
    decoded = 0
    for view in chosen:
        if view.read_image is None:
            yield Finding(Level.PROBLEM, "images", f"{view.source or view.name}: there is no image")
            continue
        try:
            _ = view.image, view.mask
            decoded += 1
        except RecgenError as error:
            yield Finding(Level.PROBLEM, "images", str(error))
    sizes = Counter((view.camera.width, view.camera.height) for view in views)
    shown = ", ".join(f"{w}x{h}" + (f" ({n})" * (len(sizes) > 1)) for (w, h), n in sizes.most_common(4))
    rest = "" if deep else "; --deep decodes the others too"
    yield Finding(Level.OK, "images", f"{shown}; {decoded} of {len(views)} decoded{rest}")


def box_findings(capture: Capture) -> Iterator[Finding]:
    """Yield the share of box centres that project into an image of their time step."""
    if not capture.actors:
        return
    frames: dict[int, list[Camera]] = {}
    for view in capture.views:
        frames.setdefault(view.camera.frame, []).append(view.camera)
    total, inside, seen = 0, 0, set()
    for frame, cameras in frames.items():
        for actor in capture.actors:
            pose = actor.pose_at(frame)
            if pose is None:
                continue
            total += 1
            if any(projects(camera, pose[None, :3, 3])[0] for camera in cameras):
                inside += 1
                seen.add(actor.track)
    share = inside / total if total else 0.0
    text = (
        f"{inside} of {total} box centres ({share:.0%}) lie inside an image of their time step, "
        f"{len(seen)} of {_number(len(capture.actors), 'actor')} at some time"
    )
    if share < FEW_BOXES:
        yield Finding(Level.WARNING, "boxes", f"{text}; are boxes and cameras in the same world?")
    else:
        yield Finding(Level.OK, "boxes", text)


def point_findings(capture: Capture) -> Iterator[Finding]:
    """Yield the shares of points in front of and inside the image of at least one view."""
    if not len(capture.points):
        yield Finding(Level.NOTE, "points", "there are none; methods start from random ones")
        return
    xyz = evenly(capture.points.xyz, POINTS)
    front, inside = np.zeros(len(xyz), np.bool_), np.zeros(len(xyz), np.bool_)
    for index in evenly(np.arange(len(capture.views)), VIEWS):
        camera = capture.views[index].camera
        front |= (xyz - camera.centre) @ camera.c2w[:3, 2] > 0
        inside |= projects(camera, xyz)
    text = f"{front.mean():.0%} in front of a camera, {inside.mean():.0%} inside an image"
    if inside.mean() < FEW_POINTS:
        yield Finding(Level.WARNING, "points", f"{text}; do points and cameras share one world?")
    else:
        yield Finding(Level.OK, "points", text)


def split_findings(capture: Capture, protocol: Protocol) -> Iterator[Finding]:
    """Yield how the protocol divides the scene, at each of its shifts, or why it cannot."""
    for shift in protocol.shift.distances if protocol.shift else (None,):
        subject = f"shift {format_metres(shift)}" if shift is not None else "split"
        try:
            scene, notes = divide(capture, protocol, shift)
        except RecgenError as error:
            yield Finding(Level.PROBLEM, subject, str(error))
            continue
        yield Finding(Level.OK, subject, f"{len(scene.train)} training and {len(scene.test)} test views")
        for note in notes:
            yield Finding(Level.NOTE, subject, note)


def projects(camera: Camera, xyz: Float) -> NDArray[np.bool_]:
    """Return (N,) whether points (N, 3) lie in front of the camera and project into its image."""
    w2c = camera.w2c
    local = xyz @ w2c[:3, :3].T + w2c[:3, 3]
    front = local[:, 2] > 1e-9
    pixels = local @ camera.K.T
    x, y = (pixels[:, :2] / np.where(front, local[:, 2], 1.0)[:, None]).T
    return front & (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)


def evenly(rows: NDArray, most: int) -> NDArray:
    """Return at most `most` rows, spread evenly over all, the first and last among them."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).round().astype(np.int64)]


def _generated(copy: Copy, name: str) -> bool:
    return copy.info.embedded and name.isascii() and name.isdecimal()


def _folded(name: str) -> str:
    """Return what two names share that a reader takes for one."""
    stem = re.sub(r"\.(png|jpe?g)$", "", name.casefold())
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", stem)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
