"""Numbers in small text files, one matrix or one pose per file or line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.scene import Float

MAX_BYTES = 64 * 2**20


def read_text(path: Path) -> str:
    """Return the text of a small file.

    Raises:
        DataError: It is missing, larger than 64 MiB, or not UTF-8.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            expected = f"at most {MAX_BYTES}"
            raise DataError("the file is too large", got=f"{size} bytes", expected=expected, where=str(path))
        return path.read_text("utf-8")
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError("the file is not text", where=str(path)) from error


def numbers(text: str, where: str) -> Float:
    """Return the finite numbers of a text, separated by blanks.

    Raises:
        DataError: A word is not a finite number; it is shown.
    """
    values = []
    for word in text.split():
        try:
            value = float(word)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise DataError("not a finite number", got=ascii(word)[:80], where=where)
        values.append(value)
    return np.array(values, np.float64)
