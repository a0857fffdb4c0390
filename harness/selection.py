"""Rules that choose views by their names or by where their cameras stand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recgen_bench.harness.errors import ProtocolError, did_you_mean
from recgen_bench.harness.scene import Float, View


def named(views: Sequence[View], names: Sequence[str]) -> list[int]:
    """Return the indices of the named views, in the order of the names.

    Raises:
        ProtocolError: The capture does not have one of them.
    """
    known = {view.name: index for index, view in enumerate(views)}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) if len(known) <= 12 else None
            raise ProtocolError("the capture lacks a view that the protocol names", got=name, hint=hint)
    return [known[name] for name in names]


def around(views: Sequence[View], train: Sequence[int], margin: int, every: int) -> list[int]:
    """Return every n-th view from `margin` frames before the first training view to `margin` after the last.

    Frames are counted by `Camera.frame`, so that one that the data set left out does not move the others;
    training views are left out.

    Args:
        views: All views.
        train: Indices of the training views, at least one.
        margin: Frames.
        every: Of the frames counted from the first one, which is at least 0.
    """
    frames = [view.camera.frame for view in views]
    trained = {frames[index] for index in train}
    wanted = set(range(max(0, min(trained) - margin), max(trained) + margin + 1, every)) - trained
    return [index for index, frame in enumerate(frames) if frame in wanted]


def spread(centres: Sequence[Float], count: int) -> list[int]:
    """Return `count` of the positions, ascending: those of a farthest-point selection.

    The first is the one nearest to the mean of all; each next one is the one whose distance to the nearest
    chosen one is largest. Distances are rounded to a millionth of the largest side of the positions' bounding
    box and ties go to the lower index, so that rounding errors cannot change the result. Nothing is random.

    >>> spread([np.array([x, 0.0, 0.0]) for x in (0, 1, 2, 3, 7)], 3)
    [0, 3, 4]

    Args:
        centres: (3,) each, any unit.
        count: How many.

    Raises:
        ProtocolError: There are fewer positions.
    """
    if count > len(centres):
        raise ProtocolError("too few views to train on", got=len(centres), expected=f"at least {count}")
    positions = np.array(centres)
    positions = (positions - positions.mean(axis=0)) / (np.ptp(positions, axis=0).max() or 1.0)
    chosen = [int(np.argmin(_distance(positions, np.zeros(3))))]
    nearest = _distance(positions, positions[chosen[0]])
    while len(chosen) < count:
        nearest[chosen] = -1  # Positions that coincide with a chosen one have distance 0 and come last.
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, _distance(positions, positions[chosen[-1]]))
    return sorted(chosen)


def _distance(positions: Float, origin: Float) -> Float:
    return np.round(np.linalg.norm(positions - origin, axis=1), 6)
