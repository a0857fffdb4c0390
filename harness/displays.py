"""Showing events: a live line on a terminal, plain lines everywhere else. Both are plugins."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from recgen_bench.harness.events import (
    CellFinished,
    CellStarted,
    Event,
    Note,
    PhaseFinished,
    PhaseStarted,
    Progress,
)
from recgen_bench.harness.hookspecs import hookimpl

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@dataclass(slots=True)
class PlainDisplay:
    """One line per event; progress at most every `every_s` seconds, so that log files stay short."""

    stream: TextIO = field(default_factory=lambda: sys.stderr)
    every_s: float = 10.0
    _last: float = 0.0

    @hookimpl
    def on_event(self, event: Event) -> None:
        """Print the event."""
        match event:
            case Progress():
                if event.step < event.total and time.monotonic() - self._last < self.every_s:
                    return
                self._last = time.monotonic()
                print(
                    f"  {event.phase}: {event.step}/{event.total} {_values(event.values)}".rstrip(),
                    file=self.stream,
                )
            case _:
                line = describe(event)
                if line:
                    print(line, file=self.stream, flush=True)


class RichDisplay:
    """A bar for the running phase below the lines of what is done."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        columns = (
            TextColumn("  {task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[values]}", markup=False),
        )
        self._bars: Bars = Bars(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None

    @hookimpl
    def on_event(self, event: Event) -> None:
        """Move the bar, or print the event above it."""
        match event:
            case Progress():
                if self._task is None:
                    self._task = self._bars.add_task(event.phase, total=event.total, values="")
                    self._bars.start()
                self._bars.update(self._task, completed=event.step, values=_values(event.values))
            case _:
                if self._task is not None and isinstance(event, (PhaseFinished, CellFinished)):
                    self._bars.remove_task(self._task)
                    self._bars.stop()
                    self._task = None
                line = describe(event)
                if line:
                    # Names and errors may hold square brackets and colons; paths must stay in one piece.
                    self._bars.console.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)


def describe(event: Event) -> str:
    """Return the line for an event, empty when it is not worth one."""
    match event:
        case CellStarted():
            return event.cell
        case PhaseStarted():
            return ""
        case PhaseFinished():
            how = "found, not run again" if event.restored else f"{event.wall_s:.1f} s"
            return f"  {event.phase}: {how}"
        case Note():
            return f"  note: {event.text}"
        case CellFinished():
            detail = _values(event.summary) or event.reason.replace("\n", "\n  ")
            return f"  {event.status}  {detail}".rstrip()
    return ""


def choose_display() -> PlainDisplay | RichDisplay:
    """Return the live display on a terminal and plain lines elsewhere."""
    return RichDisplay() if sys.stderr.isatty() else PlainDisplay()


def _values(values: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value:,.0f}" if value >= 1000 else f"{name} {value:.4g}" for name, value in values.items()
    )
