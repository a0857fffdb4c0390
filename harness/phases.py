"""Running each phase of a cell once: its value is stored when it ends, and found again after a kill."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from recgen_bench.harness import checkpoint, events
from recgen_bench.harness.accounting import Cost, Meter
from recgen_bench.harness.errors import MethodFailed
from recgen_bench.harness.files import make_folder, sweep, unwritable, write_atomic
from recgen_bench.harness.record import Phase
from recgen_bench.harness.run import Run


@dataclass(slots=True)
class Phases:
    """The phases of one cell, in order.

    Attributes:
        run: What each phase is given; snapshots, progress and phase name are filled in per phase.
        label: The cell's readable name, for events.
        emit: Receives events.
        snapshot_s: Seconds between snapshots inside a phase.
        done: What the phases cost, restored ones included.
    """

    run: Run
    label: str
    emit: Callable[[events.Event], None]
    snapshot_s: float
    done: list[Phase] = field(default_factory=list)

    def once(self, name: str, folder: Path, kind: type, body: Callable[[Run], Any], detail: str = "") -> Any:
        """Return the value of a phase: stored by an earlier attempt, or computed and stored now.

        Args:
            name: Unique in the folder, for example "distill 1".
            folder: Where the value is stored.
            kind: Type of the value, for `checkpoint.load`.
            body: Computes the value.
            detail: Added to the name for people.

        Raises:
            MethodFailed: The body returned something of another type.
            OutputError: The value cannot be written.
        """
        title = f"{name}: {detail}" if detail else name
        value_path, mark = phase_paths(folder, name)
        # Both, so that deleting a value is enough to have it computed again.
        if mark.exists() and value_path.exists():
            phase = Phase.model_validate_json(mark.read_bytes())
            value = checkpoint.load(value_path, kind)
            _snapshot_path(folder, name).unlink(missing_ok=True)  # A kill may have come just before this.
            self.done.append(phase)
            self.emit(events.PhaseFinished(self.label, title, phase.wall_s, restored=True))
            return value
        self.emit(events.PhaseStarted(self.label, title))
        run, meter = self._prepared(name, title, folder)
        value = body(run)
        if not isinstance(value, kind):
            what = f"{name} returned something else than it promised"
            raise MethodFailed(what, got=type(value).__name__, expected=kind.__name__)
        checkpoint.save(value_path, value, kind)
        phase = _phase(name, meter.spent(), value)
        # The mark is written last: a value without it is not trusted.
        write_atomic(mark, phase.model_dump_json(indent=1).encode())
        run.snapshots.clear()
        self.done.append(phase)
        self.emit(events.PhaseFinished(self.label, title, phase.wall_s))
        return value

    def _prepared(self, name: str, title: str, folder: Path) -> tuple[Run, Meter]:
        snapshots = checkpoint.Snapshots(_snapshot_path(folder, name), self.snapshot_s)
        meter = Meter(self.run.device, snapshots.spent_earlier())
        snapshots.spent = meter.spent
        scratch = make_folder(folder / "scratch")

        def report(step: int, total: int, values: dict[str, float]) -> None:
            self.emit(events.Progress(self.label, title, step, total, values))

        run = replace(self.run, snapshots=snapshots, phase=name, scratch=scratch, report=report)
        _seed_globals(run.seed_for("global"))
        return run, meter


def phase_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Return where a phase's value and its mark of completion are."""
    return folder / f"{_stem(name)}.safetensors", folder / f"{_stem(name)}.json"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Let one process at a time work in a folder; a second one waits and then finds the work done.

    What writers that were killed left behind is removed.

    Raises:
        OutputError: The folder cannot be made or written to.
    """
    try:
        lock = (make_folder(folder) / "lock").open("w")
    except OSError as error:
        raise unwritable(folder, error) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sweep(folder)
        yield


def _stem(name: str) -> str:
    return name.replace(" ", "-")


def _snapshot_path(folder: Path, name: str) -> Path:
    return folder / f"{_stem(name)}.snapshot.safetensors"


def _phase(name: str, cost: Cost, value: Any) -> Phase:
    views = getattr(value, "views", ())
    calls = getattr(value, "generator_calls", 0)
    return Phase(name=name, **asdict(cost), generator_calls=calls, views_generated=len(views) if calls else 0)


def _seed_globals(seed: int) -> None:
    """Seed the global generators, which third-party methods may use without asking."""
    import random

    import numpy as np
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 # The legacy global state is the point here.
    torch.manual_seed(seed)
