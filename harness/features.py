"""What was computed of an image before: features, detections and values, kept by content and never by name.

An entry is an .npy file named by what was computed and the hash of the image's pixels, with a checksum after
the array, so a damaged file is computed again. Nothing here can change a number; deleting it costs time.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recgen_bench.harness.cache import cache_folder
from recgen_bench.harness.errors import DataError, OutputError
from recgen_bench.harness.files import write_atomic

DIGEST = 32
"""Bytes of SHA-256 after the array; numpy ignores what follows the end of an .npy."""

LIMIT = 4 << 30
"""Bytes that the store may keep after `FeatureStore.trim`; `RECGEN_FEATURES_GB` names another size."""


@dataclass(frozen=True, slots=True)
class FeatureStore:
    """A folder of arrays, safe to share between processes and threads.

    Attributes:
        folder: Made when the first array is stored.
        limit: Bytes kept by `trim`.
    """

    folder: Path
    limit: int = LIMIT

    def stored(self, purpose: str, digest: str, compute: Callable[[], NDArray]) -> NDArray:
        """Return what was stored for an image, or else compute() after storing it.

        Args:
            purpose: What is computed, with everything it depends on besides the image: metric, version,
                weights' sha256.
            digest: `recgen_bench.harness.record.image_hash` of the image, or several of them.
            compute: Returns an array of plain numbers, of any shape.

        Raises:
            DataError: The array holds objects.
        """
        path = self.entry(purpose, digest)
        found = _read(path)
        if found is not None:
            return found
        array = np.asarray(compute())
        if array.dtype.hasobject:
            raise DataError("only numbers can be stored", got=str(array.dtype), where=purpose)
        buffer = io.BytesIO()
        np.save(buffer, array, allow_pickle=False)
        payload = buffer.getvalue()
        # A store that cannot be written costs time, not a result.
        with suppress(OutputError):
            write_atomic(path, payload + hashlib.sha256(payload).digest(), durable=False)
        return array

    def entry(self, purpose: str, digest: str) -> Path:
        """Return the file of an entry: a folder per purpose, readable, and a name without user text in it."""
        readable = re.sub(r"[^a-z0-9.+]+", "_", purpose.lower())[:40]
        key = hashlib.sha256(digest.encode()).hexdigest()
        folder = f"{readable}-{hashlib.sha256(purpose.encode()).hexdigest()[:16]}"
        return self.folder / folder / key[:2] / f"{key[2:42]}.npy"

    def trim(self) -> int:
        """Delete the entries unused for longest until the rest fits, and return how many bytes are left."""
        entries = []
        for path in self.folder.rglob("*.npy"):
            with suppress(OSError):  # Another process may delete at the same time.
                facts = path.stat()
                entries.append((facts.st_mtime_ns, facts.st_size, path))
        left = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if left <= self.limit:
                break
            with suppress(OSError):
                path.unlink(missing_ok=True)
            left -= size
        return left


def open_store() -> FeatureStore:
    """Return the store below `recgen_bench.harness.cache.cache_folder`.

    Raises:
        DataError: `RECGEN_FEATURES_GB` is not a size.
    """
    text = os.environ.get("RECGEN_FEATURES_GB")
    try:
        limit = LIMIT if not text else int(float(text) * 2**30)
    except (ValueError, OverflowError) as error:
        raise DataError("not a size", got=text, expected="gigabytes", where="RECGEN_FEATURES_GB") from error
    return FeatureStore(cache_folder() / "features", limit)


def compute_always(purpose: str, digest: str, compute: Callable[[], NDArray]) -> NDArray:
    """Stand in for `FeatureStore.stored` where nothing shall be kept."""
    return np.asarray(compute())


def _read(path: Path) -> NDArray | None:
    """Return an intact entry and mark it as used; None where there is none."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    payload = data[:-DIGEST]
    if len(data) <= DIGEST or hashlib.sha256(payload).digest() != data[-DIGEST:]:
        return None
    with suppress(OSError):
        os.utime(path)
    array: NDArray = np.load(io.BytesIO(payload), allow_pickle=False)
    return array
