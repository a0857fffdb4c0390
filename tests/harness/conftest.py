"""The toy plugin, and short ways to make cells, settings and commands of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import settings

from recgen_bench.harness.cli import main
from recgen_bench.harness.events import Event
from recgen_bench.harness.loop import Settings
from recgen_bench.harness.plan import Cell, Selection, plan_cells
from recgen_bench.harness.plugins import Registry, load_registry
from recgen_bench.harness.record import Record
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import WeightsDoor

# The machine may be busy, and a suite that fails should fail again.
settings.register_profile("harness", deadline=None, derandomize=True)
settings.load_profile("harness")

TOY = Path(__file__).resolve().parents[1] / "toy.py"


@pytest.fixture(scope="session", autouse=True)
def _only_built_ins() -> Iterator[None]:
    """Leave plugins that happen to be installed on this machine out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECGEN_PLUGINS", "")
        patch.delenv("RECGEN_WEIGHTS", raising=False)
        yield


@pytest.fixture(scope="session")
def toy_registry(_only_built_ins: None) -> Registry:
    """Return the built-ins and the toy plugin; read-only."""
    return load_registry([TOY])


@pytest.fixture
def registry(_only_built_ins: None) -> Registry:
    """Return a registry that the test may change."""
    return load_registry([TOY])


@pytest.fixture
def toy(toy_registry: Registry) -> ModuleType:
    """Return the toy plugin's module."""
    return next(p for p in toy_registry.manager.get_plugins() if getattr(p, "ToyWorld", None))


@pytest.fixture
def cells(toy_registry: Registry) -> Callable[..., tuple[Cell, ...]]:
    """Return (**selection) -> cells of the toy method on the toy world."""

    def plan(**chosen: Any) -> tuple[Cell, ...]:
        return plan_cells(toy_registry, Selection(**{"method": "toy", "dataset": "toy"} | chosen))

    return plan


@dataclass
class Bench:
    """A results folder and everything heard while cells ran in it."""

    settings: Settings
    heard: list[Event]

    @property
    def out(self) -> Path:
        return self.settings.out

    def phases_run(self) -> list[str]:
        """Return the titles of the phases that began, in order."""
        from recgen_bench.harness.events import PhaseStarted

        return [event.phase for event in self.heard if isinstance(event, PhaseStarted)]

    def folder(self, cell: Cell) -> Path:
        return self.out / "cells" / cell.folder

    def run(self, cell: Cell) -> Record:
        from recgen_bench.harness.loop import run_cell

        return run_cell(cell, self.settings)


@pytest.fixture
def bench(tmp_path: Path, toy_registry: Registry) -> Bench:
    """Return a fresh results folder."""
    heard: list[Event] = []
    scorer = Scorer.load(toy_registry.metric(name) for name in ("toy_mae", "toy_depth_mae"))
    door = WeightsDoor({info.name: info for m in toy_registry.methods.values() for info in m.weights})
    return Bench(Settings(tmp_path / "out", scorer, door, emit=heard.append), heard)


@dataclass(frozen=True)
class Outcome:
    """What a command printed and its exit status."""

    status: int
    out: str
    err: str


@pytest.fixture
def recgen(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Return (*arguments) -> outcome of a command in this process."""

    def command(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        printed = capsys.readouterr()
        return Outcome(code if isinstance(code, int) else 0, printed.out, printed.err)

    return command


@pytest.fixture
def python() -> str:
    """Return the interpreter, for tests that need a process of their own."""
    return sys.executable
