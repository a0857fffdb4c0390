"""A folder of curated pairs: one archive per scene and strategy, and an index that says what is in it."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.errors import DataError, ProtocolError
from recgen_bench.harness.files import write_atomic
from recgen_bench.harness.scene import Image
from recgen_bench.harness.settings import from_table
from recgen_bench.methods.priors.curation.pair import Pair, Provenance

VERSION = 1
"""Of the archives and the index; raised whenever the same order gives other pairs."""

IMAGES = ("render", "target", "reference")


@dataclass(frozen=True, slots=True)
class Entry:
    """One archive.

    Attributes:
        file: Its name in the folder.
        order: Hash of everything that decides its content; an entry with this order is not made again.
        sha256: Of the file.
        code: Version and commit of the code that made it.
        with_eig: Its pairs carry expected information gain.
        pairs: Where each of them comes from, in the archive's order.
    """

    file: str
    order: str
    sha256: str
    code: str
    with_eig: bool
    pairs: tuple[Provenance, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """The pairs of one entry: images (N, H, W, 3) uint8, eig (N, H, W) float16 or None."""

    render: Image
    target: Image
    reference: Image
    eig: NDArray[np.float16] | None

    def __len__(self) -> int:
        return len(self.render)


def write_archive(folder: Path, file: str, pairs: Sequence[Pair]) -> str:
    """Write pairs of one size to `folder / file` atomically, the same bytes each time; return the sha256.

    Raises:
        OutputError: The file cannot be written.
    """
    arrays: dict[str, Any] = {name: np.stack([getattr(pair, name) for pair in pairs]) for name in IMAGES}
    maps = [pair.eig for pair in pairs if pair.eig is not None]
    if maps:
        arrays["eig"] = np.stack(maps).astype(np.float16)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(folder / file, buffer.getvalue())
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def read_archive(folder: Path, entry: Entry) -> Archive:
    """Read the pairs of an entry.

    Raises:
        DataError: The file is missing, damaged, or not the one that the index names.
    """
    path, hint = folder / entry.file, "delete it and repeat the `prior curate` command"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise DataError("is not the archive that the index names", hint=hint, where=str(path))
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            images = (arrays["render"], arrays["target"], arrays["reference"])
            eig = arrays["eig"] if "eig" in arrays.files else None
    except (OSError, KeyError, ValueError, BadZipFile, zlib.error) as error:
        raise DataError(f"is not a readable archive: {error}", hint=hint, where=str(path)) from error
    shapes = {image.shape for image in images}
    if len(shapes) > 1 or any(image.dtype != np.uint8 or image.ndim != 4 for image in images):
        raise DataError("holds images of different shapes", got=sorted(shapes), hint=hint, where=str(path))
    return Archive(*images, eig=eig)


def write_index(folder: Path, entries: Sequence[Entry]) -> None:
    """Write `index.json` atomically."""
    table = {"version": VERSION, "entries": [dataclasses.asdict(entry) for entry in entries]}
    write_atomic(folder / "index.json", (json.dumps(table, indent=1) + "\n").encode())


def read_index(folder: Path) -> tuple[Entry, ...]:
    """Return the entries of a folder.

    Raises:
        DataError: There is no index, it is damaged, or another version wrote it.
    """
    path, hint = folder / "index.json", "make one with recgen-bench prior curate"
    try:
        table = json.loads(path.read_text("utf-8"))
        version, rows = table["version"], table["entries"]
        if version != VERSION:
            raise DataError("another version wrote this", got=version, expected=VERSION, where=str(path))
        return tuple(from_table(Entry, row, str(path)) for row in rows)
    except FileNotFoundError as error:
        raise DataError("holds no curated pairs", hint=hint, where=str(folder)) from error
    except (OSError, ValueError, KeyError, TypeError, ProtocolError) as error:
        raise DataError(f"is not a readable index: {error}", hint=hint, where=str(path)) from error
