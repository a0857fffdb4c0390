"""Scoring images that somebody rendered elsewhere, and the record that says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recgen_bench.harness.errors import DataError, located
from recgen_bench.harness.images import SUFFIXES, read_rgb8
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.provenance import environment
from recgen_bench.harness.record import CellSpec, Record, Row, Status, summarise
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.score import Scorer

EXTERNAL = "external"
"""Stands for the method, preset, data set or protocol that nobody named."""


@dataclass(frozen=True, slots=True)
class FilePair:
    """A predicted image and its reference on disk; the view is their common file stem."""

    view: str
    prediction: Path
    reference: Path


def match_folders(predictions: Path, references: Path) -> tuple[FilePair, ...]:
    """Pair the PNG and JPEG files of two folders by file stem, in text order; other files are left alone.

    Raises:
        DataError: A folder is missing or has no image, two images share a stem, or an image has no partner.
    """
    predicted, expected = _images(predictions), _images(references)
    missing, extra = sorted(expected.keys() - predicted.keys()), sorted(predicted.keys() - expected.keys())
    if missing or extra:
        parts = [
            f"{_first(paths)} {what}"
            for what, paths in (
                ("not predicted", [expected[stem] for stem in missing]),
                ("without a reference", [predicted[stem] for stem in extra]),
            )
            if paths
        ]
        raise DataError(
            "the folders hold different images: " + "; ".join(parts),
            got=f"{len(predicted)} predictions, {len(expected)} references",
            expected="one prediction for each reference, with the same name before the suffix",
            where=str(predictions),
        )
    return tuple(FilePair(stem, predicted[stem], expected[stem]) for stem in sorted(expected))


def score_files(pairs: Iterable[FilePair], scorer: Scorer, shift: float = 0.0) -> list[Row]:
    """Decode and score each pair; shift is what the rows say.

    Raises:
        DataError: An image is damaged or not 8-bit RGB, or two differ in size; the file is named.
    """
    rows = []
    for pair in pairs:
        images = Pair(read_rgb8(pair.prediction), read_rgb8(pair.reference))
        with located(str(pair.prediction)):
            got, expected = (f"{p.shape[1]}x{p.shape[0]}" for p in (images.prediction, images.reference))
            if got != expected:
                raise DataError("not the size of its reference", got=got, expected=expected)
            rows.append(scorer.row(pair.view, shift, images))
    return rows


def open_protocol(infos: Iterable[MetricInfo]) -> dict[str, object]:
    """Return the canonical form of a protocol that fixes the metrics and their versions and nothing else."""
    return {"name": EXTERNAL, "version": 1, "metrics": {info.name: info.version for info in infos}}


def external_record(cell: CellSpec, protocol: dict[str, object], rows: list[Row], source: str) -> Record:
    """Return the record of scored images.

    Args:
        cell: What they are claimed to show.
        protocol: Canonical form; `cell.protocol_hash` is its hash.
        rows: One per image.
        source: Where the images came from, for people.
    """
    return Record(
        cell=cell,
        config={},
        protocol=protocol,
        status=Status.OK,
        notes=[f"scored from images: {source}"],
        rows=rows,
        summary=summarise(rows),
        environment=environment("cpu", threads=1),
        external=True,
    )


def images_csv(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Return CSV text with one line per image: its view and each metric in full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["view", *metrics])
    for row in rows:
        writer.writerow(
            [row.view, *(repr(row.values[name]) if name in row.values else "" for name in metrics)]
        )
    return text.getvalue()


def _images(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise DataError(what, expected="a folder of PNG or JPEG images", where=str(folder))
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES or path.name.startswith("."):
            continue
        if path.stem in found:
            names = f"{found[path.stem].name} and {path.name}"
            raise DataError(
                "two images share a name", got=names, hint="remove one of them", where=str(folder)
            )
        found[path.stem] = path
    if not found:
        raise DataError("holds no image", expected="files in .png, .jpg or .jpeg", where=str(folder))
    return found


def _first(paths: list[Path]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return paths[0].name + more
