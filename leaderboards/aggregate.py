"""Cells become tables: one per data set and protocol, a line per method, a mean per shift and metric.

A mean over fewer cells than its line should have says so and is not ranked; a cell without a number says why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recgen_bench.harness.protocol import format_metres
from recgen_bench.harness.record import Status
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.leaderboards.cells import NO_WEIGHTS, UNDEFINED, natural
from recgen_bench.leaderboards.statistics import mean, ranks, spread

if TYPE_CHECKING:
    import pandas

MISSING = "missing"
ABSENT = "absent"
_WORDS = {Status.NOT_RUNNABLE.value: "n/r", NO_WEIGHTS: NO_WEIGHTS, UNDEFINED: "\N{EN DASH}"}
_LINE = ["method", "method_version", "preset", "overrides", "external"]
_TABLE = ["dataset", "protocol", "protocol_hash", "listed"]


@dataclass(frozen=True, slots=True)
class Value:
    """One entry of a table.

    Attributes:
        mean: Over the cells that have the metric; None when none has.
        spread: Sample standard deviation over them; None for fewer than two or an infinite one.
        expected: Cells that the line should have: scenes of the table times seeds of the line.
        problems: How many of them lack the number, by status; MISSING means no record, ABSENT that the
            metric did not apply, UNDEFINED that it has no value there, NO_WEIGHTS that it could not run.
        rank: 1 best, 2 second best; None when not compared.
    """

    mean: float | None
    spread: float | None
    expected: int
    problems: tuple[tuple[str, int], ...] = ()
    rank: int | None = None

    @property
    def remark(self) -> str:
        """What is wrong, such as "failed (2/5)" or "n/r"; empty when every cell has its number.

        A value that no cell was meant to have gives a hyphen, one that is defined in none a dash.
        """
        if self.mean is None and len(self.problems) == 1:
            kind = self.problems[0][0]
            if kind in (MISSING, ABSENT):
                return "-"
            if kind in _WORDS:
                return _WORDS[kind]
        return ", ".join(f"{_WORDS.get(kind, kind)} ({n}/{self.expected})" for kind, n in self.problems)


@dataclass(frozen=True, slots=True)
class Column:
    """A metric at one shift; info is None when no plugin here knows the metric."""

    shift: float | None
    metric: str
    info: MetricInfo | None

    @property
    def digits(self) -> int:
        """Decimal places of its numbers."""
        return self.info.digits if self.info else 3

    @property
    def title(self) -> str:
        """Its name with the unit."""
        return f"{self.metric} ({self.info.unit})" if self.info and self.info.unit else self.metric


@dataclass(frozen=True, slots=True)
class Line:
    """A method with its configuration; `cells` is what a complete mean is over."""

    method: str
    preset: str
    overrides: str
    cells: int
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """All methods on one data set under one protocol.

    Attributes:
        dataset: Name.
        protocol: Name.
        protocol_hash: 64 hex digits.
        scenes: In natural order.
        seeds: Ascending.
        listed: The scenes are the protocol's own; others are no part of its published average.
        listing: How many scenes the protocol lists, 0 when it leaves them open.
        columns: Shift by shift, metric by metric.
        lines: In natural order of method, preset and overrides.
    """

    dataset: str
    protocol: str
    protocol_hash: str
    scenes: tuple[str, ...]
    seeds: tuple[int, ...]
    listed: bool
    listing: int
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]

    @property
    def shifts(self) -> tuple[str, ...]:
        """Shifts of the columns as text, in order; one empty text for protocols without a shift."""
        return tuple(dict.fromkeys(format_metres(column.shift) for column in self.columns))


def tabulate(
    frame: pandas.DataFrame, metrics: Sequence[str], infos: Mapping[str, MetricInfo]
) -> tuple[Table, ...]:
    """Return the tables of a frame from `cells_frame`, ordered by data set and protocol."""
    tables = (_table(part, metrics, infos) for _, part in frame.groupby(_TABLE, sort=False))
    return tuple(
        sorted(tables, key=lambda t: (natural(t.dataset), natural(t.protocol), t.protocol_hash, not t.listed))
    )


def _table(part: pandas.DataFrame, metrics: Sequence[str], infos: Mapping[str, MetricInfo]) -> Table:
    scenes = tuple(sorted(set(part["scene"]), key=natural))
    shifts = sorted(set(part["shift"]), key=lambda shift: -1.0 if shift is None else shift)
    columns = [
        Column(shift, metric, infos.get(metric))
        for shift in shifts
        for metric in metrics
        if _has_a_place(part, shift, metric)
    ]
    several = {name for name, group in part.groupby("method") if group["method_version"].nunique() > 1}
    lines = [
        _line(group, len(scenes), columns, with_version=group["method"].iloc[0] in several)
        for _, group in part.groupby(_LINE, sort=False)
    ]
    first = part.iloc[0]
    return Table(
        dataset=first["dataset"],
        protocol=first["protocol"],
        protocol_hash=first["protocol_hash"],
        scenes=scenes,
        seeds=tuple(sorted(set(part["seed"]))),
        listed=first["listed"],
        listing=first["listing"],
        columns=tuple(columns),
        lines=_ranked(lines, columns),
    )


def _has_a_place(part: pandas.DataFrame, shift: float | None, metric: str) -> bool:
    """A column is left out when cells ran at its shift and the metric applied to none of them."""
    here = part[[found == shift for found in part["shift"]]]
    ran = (here["status"] == Status.OK.value).any()
    tried = any(metric in lacking for lacking in here["lacking"])
    return not ran or tried or any(value is not None for value in here[metric])


def _line(group: pandas.DataFrame, scenes: int, columns: Sequence[Column], with_version: bool) -> Line:
    first = group.iloc[0]
    version = f" v{first['method_version']}" if with_version else ""
    external = " (external)" if first["external"] else ""
    expected = scenes * group["seed"].nunique()
    return Line(
        method=f"{first['method']}{version}{external}",
        preset=first["preset"],
        overrides=first["overrides"],
        cells=expected,
        values=tuple(_value(group, column, expected) for column in columns),
    )


def _value(group: pandas.DataFrame, column: Column, expected: int) -> Value:
    here = group[[shift == column.shift for shift in group["shift"]]]
    values: list[float] = []
    problems: Counter[str] = Counter()
    for status, value, lacking in zip(here["status"], here[column.metric], here["lacking"], strict=True):
        if status != Status.OK.value:
            problems[status] += 1
        elif value is None:
            problems[lacking.get(column.metric, ABSENT)] += 1
        else:
            values.append(value)
    problems[MISSING] = expected - len(here)
    return Value(
        mean=mean(values) if values else None,
        spread=spread(values),
        expected=expected,
        problems=tuple((kind, n) for kind, n in sorted(problems.items()) if n),
    )


def _ranked(lines: Sequence[Line], columns: Sequence[Column]) -> tuple[Line, ...]:
    """Fill in the ranks of each column with a known direction and two or more complete means."""
    found = []
    for i, column in enumerate(columns):
        values = [None if line.values[i].problems else line.values[i].mean for line in lines]
        comparable = column.info and len(values) - values.count(None) > 1
        nobody = (None,) * len(lines)
        found.append(
            ranks(values, column.info.direction, column.digits) if column.info and comparable else nobody
        )
    return tuple(
        replace(line, values=tuple(replace(value, rank=found[i][row]) for i, value in enumerate(line.values)))
        for row, line in enumerate(lines)
    )
