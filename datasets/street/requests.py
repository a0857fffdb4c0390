"""What a request may ask of an embedded world, checked with a message that names the slip."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from recgen_bench.harness.errors import DataError, did_you_mean
from recgen_bench.harness.protocol import Resolution

SEED = re.compile(r"0|[1-9][0-9]{0,79}")
LARGEST = 8192
"""Pixels along either side of an image; more is a slip of the keyboard."""


@dataclass(frozen=True, slots=True)
class Kind:
    """An embedded world.

    Attributes:
        name: Of its data set.
        sensors: Its cameras in canonical order.
        default: Those given when none is named.
        size: Width and height of the default image in pixels.
        frames: Time steps of a capture.
    """

    name: str
    sensors: tuple[str, ...]
    default: tuple[str, ...]
    size: tuple[int, int]
    frames: int


def wanted_seed(kind: Kind, scene: str | None) -> int:
    """Return the seed that a scene's name stands for.

    Raises:
        DataError: It is no non-negative integer.
    """
    if scene is None or not SEED.fullmatch(scene):
        hint = f"write {kind.name}/0, or any other integer; seeds from 1000 to 1999 train the priors"
        expected = "a non-negative integer of at most 80 digits, without leading zeros"
        raise DataError(
            f"not a scene of the {kind.name} worlds", got=repr(scene), expected=expected, hint=hint
        )
    return int(scene)


def wanted_sensors(kind: Kind, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested sensors in canonical order, the default when none is named.

    Raises:
        DataError: There is no such camera, or one is named twice.
    """
    for name in names:
        if name not in kind.sensors:
            hint = did_you_mean(name, kind.sensors)
            raise DataError(f"the {kind.name} has no such camera", got=repr(name), hint=hint)
    if len(set(names)) < len(names):
        raise DataError("a camera is asked for twice", got=", ".join(names), expected="each name once")
    return tuple(name for name in kind.sensors if name in names) or kind.default


def wanted_size(kind: Kind, resolution: Resolution) -> tuple[int, int]:
    """Return width and height in pixels; any aspect ratio can be rendered.

    Raises:
        DataError: The size is not clear, not positive or too large, or a filter is named.
    """
    width, height, downscale = resolution.width, resolution.height, resolution.downscale
    if resolution.filter != "area":
        hint = "worlds are rendered at the requested size, each pixel averaged over its area"
        got = repr(resolution.filter)
        raise DataError(f"the {kind.name} has one filter", got=got, expected="area", hint=hint)
    if (width is None) != (height is None) or (width is not None and downscale is not None):
        got = f"downscale {downscale}, width {width}, height {height}"
        raise DataError("the size is not clear", got=got, expected="downscale alone, or width and height")
    if width is None or height is None:
        factor = 1.0 if downscale is None else downscale
        if not (np.isfinite(factor) and factor > 0):
            raise DataError("the downscale must be a positive number", got=downscale)
        width, height = (int(min(full / factor, 2.0 * LARGEST)) for full in kind.size)
    if min(width, height) < 1 or max(width, height) > LARGEST:
        expected = f"1 to {LARGEST} pixels along either side"
        raise DataError("the image size is out of range", got=f"{width}x{height}", expected=expected)
    return width, height


def wanted_frames(kind: Kind, first: int, count: int | None) -> range:
    """Return the requested time steps.

    Raises:
        DataError: One of them does not exist, or there are none.
    """
    last = kind.frames if count is None else first + count
    if first < 0 or last > kind.frames or last <= first:
        got = f"first {first}, count {count}"
        expected = f"at least one time step between 0 and {kind.frames - 1}"
        raise DataError("a time step does not exist", got=got, expected=expected)
    return range(first, last)
