"""Ways to run the cells of a plan. The built-in one runs them here, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from recgen_bench.harness.hookspecs import hookimpl
from recgen_bench.harness.registration import ExecutorInfo

if TYPE_CHECKING:
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.record import Record

RunCell = Callable[["Cell"], "Record"]
"""Runs one cell and returns its record; a failure inside the cell is a record too, not an exception."""


def inline(cells: Sequence[Cell], run_cell: RunCell) -> Iterator[Record]:
    """Run the cells in this process, in order."""
    for cell in cells:
        yield run_cell(cell)


@hookimpl
def register_executors(register: Callable[[ExecutorInfo], None]) -> None:
    """Register the built-in executor."""
    register(
        ExecutorInfo(
            "inline", "One cell after the other, in this process.", "recgen_bench.harness.executors:inline"
        )
    )
