"""Writing files so that a kill or a full disk leaves either the old file or the new one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recgen_bench.harness.errors import OutputError

PARTIAL = ".partial-"
"""Begins the names of files being written; a kill can leave one behind, and `sweep` removes it."""


def write_atomic(path: Path, data: bytes, durable: bool = True) -> None:
    """Write a file in one step: temporary file in the same folder, flushed to disk, then renamed.

    Args:
        path: Where to.
        data: What.
        durable: Wait until the disk has it; caches, which check what they read, need not.

    Raises:
        OutputError: No permission, no space, or the folder cannot be made; nothing is left behind.
    """
    with replacing(path, durable) as partial:
        partial.write_bytes(data)


@contextmanager
def replacing(path: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what the body wrote there becomes `path` when it ends well.

    Raises:
        OutputError: The file cannot be written; the temporary file is removed.
    """
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.parent / f"{PARTIAL}{secrets.token_hex(8)}{path.suffix}"
        # Not `tempfile`, which makes files that only their owner can read, whatever the umask says.
        fresh.touch(exist_ok=False)
        partial = fresh
        yield partial
        if durable:
            with partial.open("rb") as written:
                os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it, and return it.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    return folder


def sweep(folder: Path) -> None:
    """Remove what killed writers left below a folder that `phases.exclusive` holds."""
    for stale in folder.rglob(f"{PARTIAL}*"):
        stale.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> OutputError:
    """Return the error for a failed write, with what to do about it."""
    hints = {
        errno.ENOSPC: "free some space and repeat the command; finished phases are kept",
        errno.EDQUOT: "free some of your quota and repeat the command; finished phases are kept",
        errno.EACCES: "choose another folder with --out, or change its permissions",
        errno.EROFS: "choose a folder on a writable disk with --out",
    }
    what = f"cannot be written: {error.strerror or error}"
    return OutputError(what, hint=hints.get(error.errno or 0, "choose another folder"), where=str(path))


def check_writable(folder: Path) -> None:
    """Fail early when results could not be stored in a folder.

    Raises:
        OutputError: It is a file, cannot be made, or cannot be written to.
    """
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        raise OutputError("is a file, not a folder", hint="choose another folder", where=str(existing))
    if not os.access(existing, os.W_OK | os.X_OK):
        raise unwritable(folder, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
