"""The one exception tree: every message says what, got, expected, and what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class RecgenError(Exception):
    """A failure the user can act on; the command line prints it without a traceback.

    Args:
        what: What went wrong, one clause without a final period.
        got: The offending value.
        expected: What would have been accepted.
        hint: What to do next.
        where: The file, frame or option at fault; `located` fills it in when it is not known here.
    """

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        expected: object = None,
        hint: str | None = None,
        where: str | None = None,
    ) -> None:
        super().__init__(what)
        self.what = what
        self.got = got
        self.expected = expected
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        lines = [f"{self.where}: {self.what}" if self.where else self.what]
        for label, value in (("got", self.got), ("expected", self.expected), ("next", self.hint)):
            if value is not None:
                lines.append(f"  {label + ':':<10}{value}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, which worker processes rely on.
        return (_rebuild, (type(self), self.what, self.got, self.expected, self.hint, self.where))


class ProtocolError(RecgenError):
    """A protocol file, a shift or a split that cannot be used as published."""


class PluginError(RecgenError):
    """An unknown, clashing or broken plugin, method, data set, metric or preset."""


class DataError(RecgenError):
    """Input on disk that is missing, damaged or inconsistent."""


class NotRunnable(RecgenError):
    """What a cell needs and nobody has: its record says so, and no sibling is the worse for it."""


class WeightsMissing(NotRunnable):
    """Pretrained weights that are not on this machine; the hint is the command that fetches them."""


class MethodFailed(RecgenError):
    """A method raised, ran out of memory, or returned something that is not a rendering."""


class OutputError(RecgenError):
    """A result that could not be written: no permission, no space, or not a folder."""


def _rebuild(
    kind: type[RecgenError], what: str, got: object, expected: object, hint: str | None, where: str | None
) -> RecgenError:
    return kind(what, got=got, expected=expected, hint=hint, where=where)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the hint for an unknown name: the closest known ones, or all of them.

    >>> did_you_mean("3dsg", ["3dgs", "2dgs"])
    'did you mean 3dgs?'
    >>> did_you_mean("nerf", ["3dgs", "2dgs"])
    'choose one of: 2dgs, 3dgs'
    """
    names = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), folded, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(folded[match] for match in close) + "?"
    return "choose one of: " + ", ".join(names) if names else "none is registered"


@contextmanager
def located(where: str) -> Iterator[None]:
    """Name the file or frame in any `RecgenError` raised inside that does not name one yet."""
    try:
        yield
    except RecgenError as error:
        if error.where is None:
            error.where = where
        raise
