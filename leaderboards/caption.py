"""What a reader must know to compare the numbers of a table."""

from __future__ import annotations

import math

from recgen_bench.leaderboards.aggregate import Table
from recgen_bench.leaderboards.cells import HASH_DIGITS, UNDEFINED


def title(table: Table) -> str:
    """Return the data set and the protocol with its short hash."""
    return f"{table.dataset}, protocol {table.protocol} ({table.protocol_hash[:HASH_DIGITS]})"


def sentences(table: Table) -> tuple[str, ...]:
    """Return what was averaged, what the marks mean, and what is incomplete."""
    values = [value for line in table.lines for value in line.values]
    parts = [_scenes(table), f"Seeds: {', '.join(map(str, table.seeds))}."]
    plus = ", ± their sample standard deviation" if any(v.spread is not None for v in values) else ""
    parts.append(f"Mean over n cells (scenes x seeds){plus}.")
    if any(value.rank for value in values):
        parts.append("Best in bold, second best underlined.")
    if any(value.problems and value.mean is not None for value in values):
        parts.append("Means that lack cells say how many and are not ranked.")
    if any(kind == UNDEFINED for value in values for kind, _ in value.problems):
        parts.append("A dash marks values that are not defined; the records say why.")
    if any(value.mean == math.inf for value in values):
        parts.append("An infinite value means that an image equals its reference in every pixel.")
    return tuple(parts)


def _scenes(table: Table) -> str:
    names = ", ".join(table.scenes)
    if not table.listed:
        return f"Scenes outside the protocol's list, no part of its published average: {names}."
    if table.listing > len(table.scenes):
        share = f"{len(table.scenes)} of the {table.listing} that the protocol lists"
        return f"Scenes: {names}; INCOMPLETE, {share}."
    return f"Scenes: {names}."
