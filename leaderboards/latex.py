"""Tables as LaTeX for the booktabs package."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from recgen_bench.harness.protocol import format_metres
from recgen_bench.leaderboards.aggregate import Column, Line, Table, Value
from recgen_bench.leaderboards.caption import sentences, title
from recgen_bench.leaderboards.cells import HASH_DIGITS

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "\N{EN DASH}": "--",
    **{character: rf"\{character}" for character in "&%$#_{}"},
}
_ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$"}


def to_latex(tables: Iterable[Table]) -> str:
    r"""Return one `table` environment each; the document needs `\usepackage{booktabs}`."""
    return "% Needs \\usepackage{booktabs} in the preamble.\n" + "\n".join(_table(table) for table in tables)


def _table(table: Table) -> str:
    changed = any(line.overrides for line in table.lines)
    names = ["method", "preset", *(["overrides"] if changed else [])]
    head = [*names, "$n$", *(_heading(column) for column in table.columns)]
    label = re.sub(
        r"[^a-z0-9.-]+", "-", f"{table.dataset}-{table.protocol}-{table.protocol_hash[:HASH_DIGITS]}"
    )
    label += "" if table.listed else "-unlisted"
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escape(title(table))}. {escape(' '.join(sentences(table)))}}}",
        rf"  \label{{tab:{label}}}",
        rf"  \begin{{tabular}}{{{'l' * len(names)}{'r' * (len(head) - len(names))}}}",
        r"    \toprule",
        *_spans(table, len(names) + 1),
        _row(head),
        r"    \midrule",
        *(_row(_cells(line, table.columns, changed)) for line in table.lines),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _spans(table: Table, before: int) -> list[str]:
    """Return the row that names each shift over its metrics, and the rules below it."""
    if table.shifts == ("",):
        return []
    cells, rules, start = [""] * before, [], before + 1
    for shift in table.shifts:
        width = sum(format_metres(column.shift) == shift for column in table.columns)
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape(shift) or 'no shift'}}}")
        rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    return [_row(cells), f"    {' '.join(rules)}"]


def _row(cells: Iterable[str]) -> str:
    return f"    {' & '.join(cells)} \\\\"


def _heading(column: Column) -> str:
    return escape(column.title) + (_ARROWS[column.info.direction] if column.info else "")


def _cells(line: Line, columns: Iterable[Column], changed: bool) -> list[str]:
    names = [line.method, line.preset, *([line.overrides] if changed else [])]
    values = [_value(value, column) for value, column in zip(line.values, columns, strict=True)]
    return [*map(escape, names), str(line.cells), *values]


def _value(value: Value, column: Column) -> str:
    if value.mean is None:
        return escape(value.remark)
    text = _number(value.mean, column.digits)
    if value.rank == 1:
        text = rf"\textbf{{{text}}}"
    elif value.rank == 2:
        text = rf"\underline{{{text}}}"
    if value.spread is not None:
        text += rf" $\pm$ {_number(value.spread, column.digits)}"
    return f"{text}; {escape(value.remark)}" if value.remark else text


def _number(value: float, digits: int) -> str:
    text = r"$\infty$" if math.isinf(value) else f"{abs(value):.{digits}f}"
    return f"$-${text}" if value < 0 else text


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(character, character) for character in " ".join(text.split()))
