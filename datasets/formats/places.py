"""Where the scenes of a data set are, for layouts that spread them over more than one level of folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from recgen_bench.datasets.formats.paths import existing, no_time_steps
from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, did_you_mean


@dataclass(frozen=True, slots=True)
class Place:
    """A scene: its name as protocols write it, and its folder."""

    name: str
    folder: Path


Find = Callable[[Path], Iterator[Place]]
"""All scenes at or below the user's folder; of two with one name the first counts."""


def find_places(source: Path | None, find: Find, layout: str) -> tuple[Place, ...]:
    """Return the scenes in text order of their names.

    Args:
        source: The user's folder.
        find: The data set's search.
        layout: What is looked for, for the message.

    Raises:
        DataError: The folder is missing, unreadable, or holds no scene.
    """
    folder = existing(source, layout)
    try:
        found: dict[str, Place] = {}
        for place in find(folder):
            found.setdefault(place.name, place)
        entries = sorted(child.name for child in folder.iterdir())[:6]
    except OSError as error:
        where = str(error.filename or folder)
        raise DataError(f"the folder cannot be read: {error.strerror}", where=where) from error
    if not found:
        got = "an empty folder" if not entries else "a folder with " + ", ".join(entries)
        raise DataError(
            "the folder holds no scene of this data set", got=got, expected=layout, where=str(folder)
        )
    return tuple(found[name] for name in sorted(found))


def find_place(request: Request, find: Find, layout: str) -> Place:
    """Return the requested scene, or the only one when none is named.

    Raises:
        DataError: There is no such scene, or several and none is named.
    """
    no_time_steps(request)
    places = find_places(request.source, find, layout)
    names = [place.name for place in places]
    if request.scene is None:
        if len(places) > 1:
            shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
            raise DataError(
                "the folder holds several scenes", hint=f"name one of {shown}", where=str(request.source)
            )
        return places[0]
    if request.scene not in names:
        close = did_you_mean(request.scene, names)
        hint = close if close.startswith("did") or len(names) <= 12 else f"{len(names)} scenes are there"
        raise DataError("there is no such scene", got=request.scene, hint=hint, where=str(request.source))
    return places[names.index(request.scene)]


def children(folder: Path) -> tuple[Path, ...]:
    """Return the folders in a folder in text order, none when it is missing; hidden ones are left out."""
    if not folder.is_dir():
        return ()
    return tuple(
        sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    )
