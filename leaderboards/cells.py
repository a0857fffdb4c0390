"""Records become a data frame with one row per cell, and CSV text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recgen_bench.harness.errors import DataError, PluginError, ProtocolError, did_you_mean
from recgen_bench.harness.protocol import format_metres
from recgen_bench.harness.record import Record, find_records
from recgen_bench.harness.registration import MetricInfo

if TYPE_CHECKING:
    import pandas

KEYS = ("method", "preset", "dataset", "scene", "protocol", "shift", "seed", "status")
TAIL = ("overrides", "method_version", "protocol_hash", "external")
HASH_DIGITS = 12
UNDEFINED = "undefined"
NO_WEIGHTS = "no weights"


@dataclass(frozen=True, slots=True)
class Entry:
    """A record and the file it came from."""

    path: Path
    record: Record


def gather(folders: Iterable[Path], mixed: bool = False) -> tuple[Entry, ...]:
    """Read every record below the folders, each cell once, in the order of tables.

    Args:
        folders: Where runs wrote their results; they may overlap.
        mixed: Accept several hashes under one protocol name.

    Raises:
        DataError: A folder holds no record, one is damaged, or two disagree about the same cell.
        ProtocolError: Two hashes under one protocol name, and not `mixed`.
    """
    paths: dict[Path, Entry] = {}
    for folder in folders:
        for path, record in find_records(folder):
            paths.setdefault(path.resolve(), Entry(path, record))
    cells: dict[str, Entry] = {}
    for entry in sorted(paths.values(), key=lambda entry: str(entry.path)):
        known = cells.setdefault(f"{entry.record.external} {entry.record.cell.model_dump_json()}", entry)
        if _results(known.record) != _results(entry.record):
            raise DataError(
                "two records of the same cell have different results",
                got=f"{known.path} and {entry.path}",
                hint="leave one of them out",
            )
    if not mixed:
        _check_hashes(cells.values())
    return tuple(sorted(cells.values(), key=_order))


def metric_names(
    entries: Sequence[Entry], infos: Mapping[str, MetricInfo], chosen: Sequence[str] = ()
) -> tuple[str, ...]:
    """Return the metrics of a table: those chosen, else all that a record or its protocol names.

    Registered metrics come first, in the order of their registration.

    Raises:
        PluginError: A chosen metric is neither in the records nor registered, or one is called like a column.
    """
    present = {name for entry in entries for name in _measured(entry.record)}
    for name in chosen:
        if name not in present and name not in infos:
            hint = did_you_mean(name, present | set(infos))
            raise PluginError("unknown metric", got=name, hint=hint, where="--metric")
    for name in present & {*KEYS, *TAIL}:
        raise PluginError("a metric has the name of a column", got=name, hint="rename it in its plugin")
    registered = [name for name in infos if name in present]
    return tuple(dict.fromkeys(chosen or (*registered, *sorted(present))))


def cells_frame(entries: Sequence[Entry], metrics: Sequence[str]) -> pandas.DataFrame:
    """Return one row per cell: `KEYS`, the metrics, `TAIL`, and what tables must know of the protocol.

    The shift is a number or None, a metric a float or None; `listed` says that the scene is one of the
    protocol's own, `listing` how many it lists; `lacking` maps metrics without a value to `UNDEFINED` or
    `NO_WEIGHTS` where the record says so.
    """
    import pandas

    names = (*KEYS, *metrics, *TAIL, "listed", "listing", "lacking")
    rows = [
        [*_keys(entry), *_values(entry, metrics), *_tail(entry), *_listing(entry), _lacking(entry.record)]
        for entry in entries
    ]
    # Objects, because None is what marks absence here; NaN never enters.
    return pandas.DataFrame(rows, columns=list(names), dtype=object)


def to_csv(frame: pandas.DataFrame, metrics: Sequence[str]) -> str:
    """Return CSV text, floats in full precision and absent values empty."""
    shown = frame[[*KEYS, *metrics, *TAIL]].copy()
    shown["shift"] = [format_metres(metres) for metres in frame["shift"]]
    return str(shown.to_csv(index=False, lineterminator="\n"))


def natural(text: str) -> tuple[Any, ...]:
    """Return a sort key that puts "9" before "10".

    >>> sorted(["10", "9", "a2", "a10"], key=natural)
    ['9', '10', 'a2', 'a10']
    """
    return tuple(int(part) if i % 2 else part for i, part in enumerate(re.split(r"(\d+)", text)))


def overrides_text(overrides: Mapping[str, str]) -> str:
    """Return "key=value" pairs sorted by key, separated by semicolons."""
    return ";".join(f"{key}={value}" for key, value in sorted(overrides.items()))


def _keys(entry: Entry) -> tuple[object, ...]:
    cell = entry.record.cell
    place = (cell.method, cell.preset, cell.dataset, cell.scene, cell.protocol, cell.shift, cell.seed)
    return (*place, str(entry.record.status))


def _values(entry: Entry, metrics: Sequence[str]) -> list[float | None]:
    return [entry.record.summary.get(name) for name in metrics]


def _tail(entry: Entry) -> tuple[object, ...]:
    cell = entry.record.cell
    return (overrides_text(cell.overrides), cell.method_version, cell.protocol_hash, entry.record.external)


def _listing(entry: Entry) -> tuple[bool, int]:
    scenes = [scene["id"] for scene in entry.record.protocol.get("scenes", ())]
    return not scenes or entry.record.cell.scene in scenes, len(scenes)


def _lacking(record: Record) -> dict[str, str]:
    undefined = {name: UNDEFINED for name, score in record.scenes.items() if score.value is None}
    return undefined | dict.fromkeys(record.missing, NO_WEIGHTS)


def _measured(record: Record) -> Iterable[str]:
    """Return every metric that a record has, lacks or was to have."""
    return (*record.summary, *record.scenes, *record.missing, *record.protocol.get("metrics", {}))


def _results(record: Record) -> tuple[object, ...]:
    return record.status, record.rows, record.scenes


def _order(entry: Entry) -> tuple[object, ...]:
    cell = entry.record.cell
    shift = -1.0 if cell.shift is None else cell.shift
    what = (natural(cell.method), cell.method_version, natural(cell.preset), overrides_text(cell.overrides))
    where = (natural(cell.dataset), natural(cell.scene), cell.protocol, cell.protocol_hash)
    return (*what, entry.record.external, *where, shift, cell.seed)


def _check_hashes(entries: Iterable[Entry]) -> None:
    first: dict[str, Entry] = {}
    for entry in entries:
        cell = entry.record.cell
        other = first.setdefault(cell.protocol, entry)
        known = other.record.cell.protocol_hash
        if known != cell.protocol_hash:
            one = f"{known[:HASH_DIGITS]} in {other.path}"
            two = f"{cell.protocol_hash[:HASH_DIGITS]} in {entry.path}"
            raise ProtocolError(
                "these records follow two different protocols of one name, so their numbers do not compare",
                got=f"{one}, {two}",
                hint="leave one of the folders out, or give --mixed for separate tables",
                where=cell.protocol,
            )
