"""Files that carry their frame's number in their name, in the order of the numbers: 9 comes before 10."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recgen_bench.harness.errors import DataError


def numbered(folder: Path, pattern: str) -> Mapping[int, Path]:
    """Return the files of a folder whose whole name matches, by ascending number; none when it is missing.

    Args:
        folder: Of the files.
        pattern: Regular expression whose first group is the number.

    Raises:
        DataError: Two files have one number, as "1.png" and "001.png" do.
    """
    expression = re.compile(pattern)
    found: dict[int, Path] = {}
    try:
        for child in sorted(folder.iterdir() if folder.is_dir() else ()):
            match = expression.fullmatch(child.name)
            if match and len(match[1]) <= 9:
                if int(match[1]) in found:
                    twice = f"{found[int(match[1])].name} and {child.name}"
                    raise DataError("two files have the same number", got=twice, where=str(folder))
                found[int(match[1])] = child
    except OSError as error:
        raise DataError(f"the folder cannot be read: {error.strerror}", where=str(folder)) from error
    return dict(sorted(found.items()))


def without_gaps(files: Mapping[int, Path], first: int, what: str, folder: Path) -> tuple[Path, ...]:
    """Return the files if their numbers run from `first` without gaps, as protocols that list numbers need.

    Raises:
        DataError: There is no file, or a number is missing; it is named.
    """
    if not files:
        raise DataError(f"there are no {what}", where=str(folder))
    for number in range(first, first + len(files)):
        if number not in files:
            raise DataError(
                f"the {what} have a gap",
                got=f"{len(files)} files, but none with number {number}",
                expected=f"numbers {first} to {first + len(files) - 1}",
                hint="protocols count frames, so none may be left out; copy the missing files",
                where=str(folder),
            )
    return tuple(files.values())
