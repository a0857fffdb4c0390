"""Checking a record: do its parts follow from one another, and do its numbers follow from the images?"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from recgen_bench.harness.provenance import environment
from recgen_bench.harness.record import Record, Row, SceneScore, contradictions, summarise
from recgen_bench.harness.registration import MetricInfo, resolve
from recgen_bench.harness.scoring import Scores

TOLERANCE = 1e-6
"""Relative difference taken for rounding when another processor or other packages compute a number again."""

LAST_DIGITS = 1e-12
"""As above, where means and logarithms are taken again; the hash of the results covers the last digits."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One number that is not what it should be.

    Attributes:
        place: Where in the record: "row 000012, psnr", "scene fid/embedded, parts.bias", "summary, ssim".
        stored: As the record has it.
        recomputed: As it should be.
    """

    place: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.place}: stored {self.stored}, recomputed {self.recomputed}"


def check_parts(record: Record, infos: Mapping[str, MetricInfo]) -> Iterator[Finding]:
    """Yield what contradicts the rest of the record; no image is needed.

    The summary is computed again from the rows, and scene values from their statistics where the metric
    declares how (`MetricInfo.aggregate`).
    """
    expected = summarise(record.rows, record.scenes)
    for name in dict.fromkeys((*record.summary, *expected)):
        yield from _differs(f"summary, {name}", record.summary.get(name), expected.get(name))
    for name, score in record.scenes.items():
        info = infos.get(name)
        if info is not None and info.aggregate is not None and score.per_view:
            place = f"scene {name}, value from its statistics"
            try:
                value = resolve(info.aggregate, f"metric {name}")(score.per_view)
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:
                yield Finding(place, _text(score.value), f"nothing ({type(error).__name__}: {error})")
            else:
                yield from _differs(place, score.value, value, LAST_DIGITS)
    for complaint in contradictions(record):
        if not complaint.startswith("the summary"):
            yield Finding("record", complaint, "its hash")


def compare(record: Record, found: Scores, tolerance: float) -> Iterator[Finding]:
    """Yield where a record differs from what was computed again from the images.

    Only what was computed is compared: without the data set, metrics that need depth or masks are left out.

    Args:
        record: As stored.
        found: The same frames, scored again.
        tolerance: Relative; 0 asks for every digit.
    """
    rows = {row.view: row for row in found.rows}
    stored = [row.view for row in record.rows]
    for view in dict.fromkeys((*stored, *rows)):
        if stored.count(view) != 1 or view not in rows:
            yield Finding(f"row {view}", f"{stored.count(view)} times", f"{int(view in rows)} times")
    for row in record.rows:
        if row.view in rows:
            yield from _row(row, rows[row.view], tolerance)
    for name, score in found.scenes.items():
        known = record.scenes.get(name)
        if known is None:
            yield Finding(f"scene {name}", "nothing", str(score.value))
        elif name not in found.missing:
            yield from _scene(name, known, score, tolerance)


def unchecked(record: Record, found: Scores) -> list[str]:
    """Return the metrics of a record that could not be computed again from what is here."""
    again = {name for row in found.rows for name in row.values}
    again |= {name for name, score in found.scenes.items() if score.value is not None}
    return [name for name in record.summary if name not in again]


def tolerance_for(record: Record, device: str) -> float:
    """Return 0 where this machine and its packages are those of the record, `TOLERANCE` elsewhere."""
    made = record.environment
    if made is None:
        return TOLERANCE
    here = environment(device, made.threads)
    same = (made.packages, made.processor, made.platform, made.device) == (
        here.packages,
        here.processor,
        here.platform,
        here.device,
    )
    return 0.0 if same else TOLERANCE


def _row(stored: Row, found: Row, tolerance: float) -> Iterator[Finding]:
    place = f"row {stored.view}"
    if stored.prediction != found.prediction:
        yield Finding(f"{place}, sha256 of the prediction", stored.prediction, found.prediction)
    if found.reference is not None and stored.reference != found.reference:
        yield Finding(f"{place}, sha256 of the reference", str(stored.reference), found.reference)
    yield from _differs(f"{place}, shift", stored.shift, found.shift)
    for name, value in found.values.items():
        yield from _differs(f"{place}, {name}", stored.values.get(name), value, tolerance)


def _scene(name: str, stored: SceneScore, found: SceneScore, tolerance: float) -> Iterator[Finding]:
    place = f"scene {name}"
    for key in ("value", "low", "high", "count"):
        yield from _differs(f"{place}, {key}", getattr(stored, key), getattr(found, key), tolerance)
    texts = [{**each.facts, "reason": each.reason} for each in (stored, found)]
    for key in dict.fromkeys((*texts[0], *texts[1])):
        one, two = (text.get(key, "nothing") for text in texts)
        if one != two:
            yield Finding(f"{place}, {key}", one, two)
    yield from _mapping(f"{place}, parts", stored.parts, found.parts, tolerance)
    for view in dict.fromkeys((*stored.per_view, *found.per_view)):
        statistics = (stored.per_view.get(view, {}), found.per_view.get(view, {}))
        yield from _mapping(f"{place}, {view}", *statistics, tolerance)


def _mapping(
    place: str, stored: Mapping[str, float], found: Mapping[str, float], tolerance: float
) -> Iterator[Finding]:
    for key in dict.fromkeys((*stored, *found)):
        yield from _differs(f"{place}.{key}", stored.get(key), found.get(key), tolerance)


def _differs(
    place: str, stored: float | None, found: float | None, tolerance: float = 0.0
) -> Sequence[Finding]:
    if stored == found:
        return ()
    if stored is not None and found is not None and math.isclose(stored, found, rel_tol=tolerance):
        return ()
    return (Finding(place, _text(stored), _text(found)),)


def _text(number: float | None) -> str:
    return "nothing" if number is None else repr(number)
