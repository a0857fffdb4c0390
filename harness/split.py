"""Dividing a capture into training and test views as its protocol says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recgen_bench.harness.errors import DataError, ProtocolError, located
from recgen_bench.harness.protocol import Protocol, SceneEntry, Shift, Split, format_metres
from recgen_bench.harness.scene import Capture, Scene, View
from recgen_bench.harness.selection import around, named, spread
from recgen_bench.harness.shown import kept_points, shown_views
from recgen_bench.harness.trajectory import shift_lane


def divide(capture: Capture, protocol: Protocol, shift: float | None) -> tuple[Scene, tuple[str, ...]]:
    """Return the scene of one cell, and notes on what the protocol asked for and the scene does not have.

    Args:
        capture: All views in canonical order.
        protocol: Its split, and its shift if it has one.
        shift: Requested distance in metres; None exactly when the protocol has no shift.

    Raises:
        ProtocolError: An index is outside the capture, or no side allows the shift.
        DataError: Two views share a name, or a part would be empty.
    """
    names = [view.name for view in capture.views]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError("two views have the same name", got=twice, where=capture.id)
    with located(capture.id):
        train_ids, test_ids = _chosen(capture.views, protocol.split, protocol.scene(capture.id))
    for index in (*train_ids, *test_ids):
        if not 0 <= index < len(names):
            expected = f"below {len(names)}, the number of views found"
            raise ProtocolError(
                "a view index of the split does not exist", got=index, expected=expected, where=capture.id
            )
    train = tuple(capture.views[i] for i in train_ids)
    test: tuple[View, ...] = tuple(capture.views[i] for i in test_ids)
    notes: tuple[str, ...] = ()
    if protocol.shift is not None and shift is not None:
        test, notes = shifted_views(capture, train, protocol.shift, shift)
    if not train or not test:
        got = f"{len(train)} training and {len(test)} test views of {len(names)}"
        raise DataError("the split leaves nothing to train or to test", got=got, where=capture.id)
    with located(capture.id):
        train, test = shown_views(train, test, protocol)
    scene = Scene(
        dataset=capture.dataset,
        id=capture.id,
        train=train,
        test=test,
        points=kept_points(capture.points, train, protocol),
        actors=capture.actors,
        lanes=capture.lanes,
        has_sky=capture.has_sky,
        world=capture.world,
        drivable=capture.drivable,
    )
    return scene, notes


def split_indices(count: int, split: Split, entry: SceneEntry | None = None) -> tuple[list[int], list[int]]:
    """Return the training and test indices of `count` views.

    >>> split_indices(9, Split("every-nth", every=8))
    ([1, 2, 3, 4, 5, 6, 7], [0, 8])
    >>> split_indices(77, Split("few-views", every=8, views=3))[0]
    [1, 38, 76]

    Raises:
        ProtocolError: More training views are asked for than there are.
    """
    everything = list(range(count))
    if entry is not None and (entry.train or entry.test):
        return list(entry.train), list(entry.test)
    if split.rule == "ids":
        return list(split.train), list(split.test)
    if split.rule == "all-train":
        return everything, everything
    if split.rule in ("spread-views", "around-train"):
        raise ProtocolError("this rule looks at the cameras, not at their number", got=split.rule)
    test = everything[:: split.every]
    pool = [index for index in everything if index % split.every]
    if split.rule == "train-every-nth":
        return test, pool
    if split.rule == "few-views":
        if split.views > len(pool):
            raise ProtocolError(
                "too few views to train on", got=len(pool), expected=f"at least {split.views}"
            )
        # Python and numpy both round half to even, as RegNeRF does.
        pool = [pool[round(position)] for position in np.linspace(0, len(pool) - 1, split.views)]
    return pool, test


def _chosen(views: Sequence[View], split: Split, entry: SceneEntry) -> tuple[Sequence[int], Sequence[int]]:
    """Return the training and test indices, for every rule."""
    if split.rule == "around-train":
        train = named(views, entry.train_views)
        return train, around(views, train, split.margin, split.every)
    if split.rule == "spread-views" and not (entry.train or entry.test):
        pool = [index for index in range(len(views)) if index % split.every]
        picked = spread([views[index].camera.centre for index in pool], split.views)
        return [pool[place] for place in picked], range(0, len(views), split.every)
    train, test = split_indices(len(views), split, entry)
    if split.disjoint:
        test = [index for index in test if index not in train]
    return train, test


def shifted_views(
    capture: Capture, track: Sequence[View], shift: Shift, metres: float
) -> tuple[tuple[View, ...], tuple[str, ...]]:
    """Return the test views at a lateral distance from the recorded track, both sides where the road allows.

    They have images only where the data set knows the truth at any pose.

    Raises:
        ProtocolError: The distance is not one of the protocol's, or no side allows it.
    """
    if metres not in shift.distances:
        known = ", ".join(format_metres(distance) for distance in shift.distances)
        raise ProtocolError(
            "not a distance of the protocol", got=format_metres(metres), expected=known, where="--shift"
        )
    if metres == 0:
        return tuple(track[:: shift.every]), ()
    views: list[View] = []
    notes: list[str] = []
    for side in shift.sides:
        limit = None if capture.drivable is None else capture.drivable[side == "left"]
        if limit is not None and metres > limit:
            notes.append(
                f"{format_metres(metres)} to the {side} leaves the road, which ends at {limit:.1f} m"
            )
            continue
        signed = metres if side == "left" else -metres
        cameras = shift_lane([view.camera for view in track], signed, shift.convention, shift.profile)
        for view, camera in list(zip(track, cameras, strict=True))[:: shift.every]:
            name = f"{view.name}_{side}{format_metres(metres)}"
            if capture.oracle is not None:
                views.append(replace(capture.oracle.view(name, camera), shift=signed))
            else:
                views.append(View(name, camera, source=view.source, shift=signed))
    if not views:
        raise ProtocolError(
            "the scene's road allows this shift on no side", got=format_metres(metres), hint="; ".join(notes)
        )
    return tuple(views), tuple(notes)
