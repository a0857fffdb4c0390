"""Tables as Markdown, as GitHub renders it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from recgen_bench.harness.protocol import format_metres
from recgen_bench.leaderboards.aggregate import Column, Line, Table, Value
from recgen_bench.leaderboards.caption import sentences, title

_ARROWS = {"higher": " ↑", "lower": " ↓"}


def to_markdown(tables: Iterable[Table]) -> str:
    """Return the tables one after the other, best values bold and second best underlined."""
    return "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    changed = any(line.overrides for line in table.lines)
    head = ["method", "preset", *(["overrides"] if changed else []), "n"]
    texts = len(head) - 1
    head += [_heading(column) for column in table.columns]
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    rows = [_line(line, table.columns, changed) for line in table.lines]
    body = "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))
    return f"### {_escape(title(table))}\n\n{body}\n\n{_escape(' '.join(sentences(table)))}\n"


def _heading(column: Column) -> str:
    arrow = _ARROWS[column.info.direction] if column.info else ""
    return _escape(f"{format_metres(column.shift)} {column.title}".strip()) + arrow


def _line(line: Line, columns: Iterable[Column], changed: bool) -> list[str]:
    names = [line.method, line.preset, *([line.overrides] if changed else [])]
    values = [_value(value, column) for value, column in zip(line.values, columns, strict=True)]
    return [*map(_escape, names), str(line.cells), *values]


def _value(value: Value, column: Column) -> str:
    if value.mean is None:
        return value.remark
    text = "inf" if math.isinf(value.mean) else f"{value.mean:.{column.digits}f}"
    if value.rank == 1:
        text = f"**{text}**"
    elif value.rank == 2:
        # GitHub drops <u>; <ins> is underlined everywhere.
        text = f"<ins>{text}</ins>"
    if value.spread is not None:
        text += f" ± {value.spread:.{column.digits}f}"
    return f"{text}; {value.remark}" if value.remark else text


def _escape(text: str) -> str:
    """Keep a name from becoming markup or another column; underscores inside words are harmless."""
    text = re.sub(r"([\\`*<>\[\]|~&$])", r"\\\1", " ".join(text.split()))
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
