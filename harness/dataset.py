"""The contract between a data set adapter and the harness."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.scene import Capture


@dataclass(frozen=True, slots=True)
class Request:
    """What the protocol wants from a scene.

    Attributes:
        scene: Its name; None opens the folder itself.
        source: The user's `--data`; None for embedded worlds.
        resolution: Size of the decoded images.
        cameras: Sensor names; empty means the adapter's default.
        first: First time step; recorded driving data only.
        count: Number of time steps; None means all.
    """

    scene: str | None
    source: Path | None
    resolution: Resolution = field(default_factory=Resolution)
    cameras: tuple[str, ...] = ()
    first: int = 0
    count: int | None = None


class Dataset(Protocol):
    """One data set. `open` touches no pixel: images decode when a view is read."""

    def scenes(self, source: Path | None) -> tuple[str, ...]:
        """Return the names of the scenes found below the user's folder, in canonical order.

        Raises:
            DataError: The folder is missing or holds nothing this adapter knows.
        """
        ...

    def open(self, request: Request) -> Capture:
        """Return one scene.

        Raises:
            DataError: A file is missing, damaged or inconsistent; the message names it and the frame.
        """
        ...
