"""What the loop tells the world while it works; displays and loggers are plugins that hear these."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events.

    Attributes:
        cell: The cell's readable name, for example "3dgs/demo street/3 3m seed 0".
    """

    cell: str


@dataclass(frozen=True, slots=True)
class CellStarted(Event):
    """A cell begins; `phases_done` counts those restored from an earlier attempt."""

    phases_done: int = 0


@dataclass(frozen=True, slots=True)
class PhaseStarted(Event):
    """A phase begins: "reconstruct", "refine 1: shift 1 m", "distill 1", "render", "score"."""

    phase: str = ""


@dataclass(frozen=True, slots=True)
class Progress(Event):
    """A long phase reports `step` of `total` and a few values such as the loss."""

    phase: str = ""
    step: int = 0
    total: int = 0
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PhaseFinished(Event):
    """A phase ended; `restored` when its checkpoint was found instead of running it."""

    phase: str = ""
    wall_s: float = 0.0
    restored: bool = False


@dataclass(frozen=True, slots=True)
class CellFinished(Event):
    """A cell ended with a status and, where measured, the mean of each metric."""

    status: str = ""
    reason: str = ""
    summary: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note(Event):
    """Something the user should know that stops nothing: skipped frames, an assumption, a slow path."""

    text: str = ""
