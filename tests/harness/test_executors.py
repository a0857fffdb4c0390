"""The built-in executor, and one from a plugin."""

from __future__ import annotations

from recgen_bench.harness.executors import inline
from recgen_bench.harness.registration import resolve


def test_inline_runs_one_after_the_other_and_only_when_asked(cells):
    planned = cells()
    begun: list = []

    def run(cell):
        begun.append(cell)
        return len(begun)

    records = inline(planned, run)
    assert begun == []
    assert next(records) == 1
    assert begun == [planned[0]]
    assert list(records) == [2, 3, 4, 5, 6]
    assert begun == list(planned)


def test_inline_is_registered(toy_registry):
    assert resolve(toy_registry.executor("inline").target, "inline") is inline
