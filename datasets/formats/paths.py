"""Names from files become paths only here, and the user's folder becomes a scene."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable
from pathlib import Path

from recgen_bench.harness.dataset import Request
from recgen_bench.harness.errors import DataError, did_you_mean
from recgen_bench.harness.scene import View

IsScene = Callable[[Path], bool]
"""Whether a folder holds one scene of a format."""


def relative(name: object, where: str) -> str:
    """Return a name from a file as a clean relative POSIX path ("./images/a.jpg" becomes "images/a.jpg").

    The check is on the text alone, so that a scene's own symbolic links to another disk keep working.

    Raises:
        DataError: Not text, empty, absolute, or it leaves the folder through "..".
    """
    if not isinstance(name, str):
        raise DataError("a file name is not text", got=repr(name)[:80], where=where)
    clean = posixpath.normpath(name) if name else "."
    escapes = name.startswith(("/", "\\")) or clean.split("/")[0] == ".." or name[1:3] in (":\\", ":/")
    if clean == "." or escapes:
        raise DataError(
            "a file name must stay inside the scene's folder",
            got=ascii(name)[:200],
            expected="a relative path such as images/0001.jpg",
            hint="move the file below the scene, or link it there",
            where=where,
        )
    try:
        encoded = os.fsencode(clean)
    except UnicodeEncodeError as error:
        raise DataError("a file name holds broken characters", got=ascii(name)[:200], where=where) from error
    if b"\0" in encoded or max(map(len, encoded.split(b"/"))) > 255:
        raise DataError("not a usable file name", got=ascii(name)[:80], where=where)
    return clean


def inside(root: Path, name: object, where: str) -> Path:
    """Join a name from a file below `root`, see `relative`."""
    return root / relative(name, where)


def scene_names(source: Path | None, is_scene: IsScene, layout: str) -> tuple[str, ...]:
    """Return the scenes below the user's folder in text order, or the folder's own name if it is a scene.

    Args:
        source: The user's folder.
        is_scene: Whether a folder is a scene.
        layout: What a scene's folder holds, for the message.

    Raises:
        DataError: The folder is missing, or neither it nor its sub-folders hold a scene.
    """
    folder = existing(source, layout)
    if _holds(folder, is_scene):
        return (folder.resolve().name,)
    names = _children(folder, is_scene)
    if not names:
        raise _not_a_scene(folder, is_scene, layout)
    return names


def scene_folder(request: Request, is_scene: IsScene, layout: str) -> Path:
    """Return the folder of the requested scene: source/scene, or the source itself when no scene is named.

    Raises:
        DataError: It is missing or is not a scene; the message says where the scene may be instead.
    """
    source = existing(request.source, layout)
    no_time_steps(request)
    if request.scene is None:
        if not _holds(source, is_scene):
            raise _not_a_scene(source, is_scene, layout)
        return source
    folder = inside(source, request.scene, "the requested scene")
    if _holds(folder, is_scene):
        return folder
    if request.scene == source.resolve().name and _holds(source, is_scene):
        return source
    if folder.is_dir():
        raise _not_a_scene(folder, is_scene, layout)
    names = (source.resolve().name,) if _holds(source, is_scene) else _children(source, is_scene)
    hint = did_you_mean(request.scene, names) if names else None
    raise DataError("there is no such scene", got=request.scene, hint=hint, where=str(source))


def only_cameras(views: tuple[View, ...], wanted: tuple[str, ...]) -> tuple[View, ...]:
    """Return the views of the named sensors, all of them when none is named.

    Raises:
        DataError: No view comes from one of them.
    """
    known = {view.camera.sensor for view in views}
    for name in wanted:
        if name not in known:
            raise DataError("there is no such camera in the scene", got=name, hint=did_you_mean(name, known))
    return tuple(view for view in views if not wanted or view.camera.sensor in wanted)


def no_time_steps(request: Request) -> None:
    """Refuse a range of time steps, which only recorded driving data have.

    Raises:
        DataError: The request names one.
    """
    if request.first != 0 or request.count is not None:
        got = f"first {request.first}, count {request.count}"
        raise DataError("this format has no time steps to choose from", got=got, where=str(request.source))


def existing(source: Path | None, layout: str) -> Path:
    """Return the user's folder.

    Raises:
        DataError: None was given, or it is missing or a file.
    """
    if source is None:
        raise DataError(
            "this data set is read from a folder and none was given",
            expected=layout,
            hint="add --data FOLDER",
        )
    if not source.is_dir():
        what = "this is a file, a folder is expected" if source.is_file() else "the folder does not exist"
        raise DataError(what, expected=layout, where=str(source))
    return source


def _holds(folder: Path, is_scene: IsScene) -> bool:
    try:
        return is_scene(folder)
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error


def _children(folder: Path, is_scene: IsScene) -> tuple[str, ...]:
    try:
        return tuple(sorted(child.name for child in folder.iterdir() if child.is_dir() and is_scene(child)))
    except OSError as error:
        where = str(error.filename or folder)
        raise DataError(f"the folder cannot be listed: {error.strerror}", where=where) from error


def _not_a_scene(folder: Path, is_scene: IsScene, layout: str) -> DataError:
    hint = None
    below = _children(folder, is_scene)
    above = [parent for parent in folder.resolve().parents[:2] if _holds(parent, is_scene)]
    if below:
        shown = ", ".join(below[:5]) + (", ..." if len(below) > 5 else "")
        hint = f"scenes are one level below: name one of {shown}"
    elif above:
        hint = f"the scene is the folder above: {above[0]}"
    entries = sorted(child.name for child in folder.iterdir())[:6]
    got = "an empty folder" if not entries else "a folder with " + ", ".join(entries)
    return DataError(
        "the folder is not a scene of this format", got=got, expected=layout, hint=hint, where=str(folder)
    )
