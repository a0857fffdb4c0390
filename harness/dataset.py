"""The contract between a data set adapter and the harness, and how the harness asks one for a scene."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Protocol as ProtocolData
from recgen_bench.harness.protocol import Resolution
from recgen_bench.harness.registration import DatasetInfo, resolve
from recgen_bench.harness.scene import Capture


@dataclass(frozen=True, slots=True)
class Request:
    """What the protocol wants from a scene.

    Attributes:
        scene: Its name; None opens the folder itself.
        source: The user's `--data`; None for embedded worlds.
        resolution: Size of the decoded images.
        cameras: Sensor names; empty means the adapter's default.
        world: "source", or "regnerf" (LLFF captures only, `Protocol` sees to that).
        first: First time step; recorded driving data only.
        count: Number of time steps; None means all.
    """

    scene: str | None
    source: Path | None
    resolution: Resolution = field(default_factory=Resolution)
    cameras: tuple[str, ...] = ()
    world: str = "source"
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


def load_dataset(info: DatasetInfo) -> Dataset:
    """Import a data set's adapter.

    Raises:
        PluginError: It cannot be loaded.
    """
    adapter = resolve(info.target, f"data set {info.name}")
    loaded: Dataset = adapter() if isinstance(adapter, type) else adapter
    return loaded


def check_source(info: DatasetInfo, source: Path | None) -> None:
    """Compare the user's `--data` with what a data set needs.

    Raises:
        DataError: It is missing, not a folder, or given for an embedded world.
    """
    if info.embedded and source is not None:
        raise DataError(f"{info.name} is generated and takes no --data", got=source, hint="leave --data out")
    if not info.embedded and source is None:
        raise DataError(f"{info.name} needs --data PATH", expected=info.layout, hint=info.obtain)
    if source is not None and not source.is_dir():
        what = "is a file, not a folder" if source.exists() else "no such folder"
        raise DataError(what, expected=info.layout, where=f"--data {source}")


def request_for(protocol: ProtocolData, scene: str, source: Path | None) -> Request:
    """Return what a protocol wants from a scene.

    Raises:
        ProtocolError: The protocol does not list the scene.
    """
    entry = protocol.scene(scene)
    # A folder that is named after the scene is the scene itself.
    itself = source is not None and source.resolve().name == scene
    return Request(
        scene=None if itself else scene,
        source=source,
        resolution=protocol.resolution,
        cameras=protocol.cameras,
        world=protocol.world,
        first=entry.first,
        count=entry.count,
    )
