"""Find the pictures of a scene: full size in `images/`, or shrunk beforehand in `images_4/` and the like."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recgen_bench.datasets.formats.images import list_images
from recgen_bench.datasets.formats.resize import check_resolution
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.protocol import Resolution


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Where the pictures of a model's frames are.

    Attributes:
        files: One per listed name, None where there is no such picture.
        divisor: What the pictures were shrunk by beforehand, 1 for the full size.
        unlisted: Pictures in the full-size folder that the model does not list.
        notes: What was assumed, in sentences.
    """

    files: tuple[Path | None, ...]
    divisor: int
    unlisted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_images(
    root: Path, folder: str, names: Sequence[str], resolution: Resolution, width: int
) -> ImageSet:
    """Choose the folder to read the listed frames from, and pair the names with its files.

    `folder_N` is used when the wanted factor is N; it may have other file names, which are paired in text
    order. It is also used, with a note, when the full-size folder is absent and N does not exceed the wanted
    factor.

    Args:
        root: The scene.
        folder: Of the full-size pictures, relative to the root.
        names: Of the frames, relative to the folder.
        resolution: What the protocol wants.
        width: Full width in pixels.

    Raises:
        DataError: A shrunk folder does not hold the same pictures, or there is none that can serve.
    """
    check_resolution(resolution)
    full = list_images(root / folder) if (root / folder).is_dir() else None
    factor = resolution.downscale or (width / resolution.width if resolution.width else 1.0)
    shrunk = shrunk_folders(root, folder)
    if resolution.downscale in shrunk:
        return _pair(root, folder, int(factor), names, full)
    if full is not None:
        files = tuple(path if (path := root / folder / name).is_file() else None for name in names)
        return ImageSet(files, 1, tuple(sorted(set(full) - set(names))))
    fitting = [n for n in shrunk if n <= factor]
    if not fitting:
        there = ", ".join(f"{folder}_{n}" for n in shrunk)
        hint = f"{there} can be used: ask for a downscale of {shrunk[0]} or more" if shrunk else None
        got = f"{len(names)} frames are listed in it, the first is {names[0]}"
        raise DataError("the folder of images does not exist", got=got, hint=hint, where=str(root / folder))
    found = _pair(root, folder, fitting[-1], names, None)
    note = f"{folder}/ is absent, so images were shrunk from {folder}_{fitting[-1]}/."
    return ImageSet(found.files, found.divisor, found.unlisted, (*found.notes, note))


def shrunk_folders(root: Path, folder: str) -> tuple[int, ...]:
    """Return the N > 1 for which folder_N exists, ascending."""
    parent, name = (root / folder).parent, PurePosixPath(folder).name
    if not name or not parent.is_dir():
        return ()
    matches = [re.fullmatch(re.escape(name) + r"_([1-9]\d{0,3})", child.name) for child in parent.iterdir()]
    factors = (int(match[1]) for match in matches if match and (parent / match[0]).is_dir())
    return tuple(sorted(factor for factor in factors if factor > 1))


def _pair(
    root: Path, folder: str, divisor: int, names: Sequence[str], full: tuple[str, ...] | None
) -> ImageSet:
    """Pair names with the files of folder_N, by name where all agree, else by position in text order."""
    small = root / f"{folder}_{divisor}"
    files = list_images(small)
    listed = full if full else tuple(sorted(names))
    by_stem = {_stem(file): file for file in files}
    stems = [_stem(name) for name in listed]
    complete = all(stem in by_stem for stem in stems)
    what = f"files in {folder}/" if full else "frames listed"
    if len(files) != len(listed) and (full or not complete):
        raise DataError(
            "the folder of shrunk images does not hold the same images",
            got=f"{len(files)} files in {small.name}/",
            expected=f"{len(listed)} {what}",
            hint=f"make {small.name}/ again, or move it away so that the full images are shrunk here",
            where=str(small),
        )
    if complete:
        partner = {name: by_stem[_stem(name)] for name in (*listed, *names) if _stem(name) in by_stem}
    elif any(stem in by_stem for stem in stems):
        odd = next(name for name, stem in zip(listed, stems, strict=True) if stem not in by_stem)
        raise DataError(
            "only some images have a shrunk partner of their name", got=f"none for {odd}", where=str(small)
        )
    else:
        partner = dict(zip(listed, files, strict=True))
    paths = tuple(small / partner[name] if name in partner else None for name in names)
    unlisted = tuple(sorted(set(full) - set(names))) if full else ()
    return ImageSet(paths, divisor, unlisted)


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))
