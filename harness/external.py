"""Scoring images that somebody rendered elsewhere, and the record that says so."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from recgen_bench.harness.annotations import Annotation, read_boxes, read_mask, read_masks
from recgen_bench.harness.errors import DataError
from recgen_bench.harness.images import SUFFIXES, image_size, read_rgb8
from recgen_bench.harness.provenance import environment
from recgen_bench.harness.record import CellSpec, Record, Row, Status
from recgen_bench.harness.registration import MetricInfo
from recgen_bench.harness.scene import Image, Mask, Scene, View
from recgen_bench.harness.scoring import Scores, Shot, Surroundings, surroundings
from recgen_bench.harness.weights import file_hash

EXTERNAL = "external"
"""Stands for the method, preset, data set or protocol that nobody named."""


@dataclass(frozen=True, slots=True)
class Folders:
    """What the user brings; None where nothing is brought.

    Attributes:
        predictions: Images to score.
        reference: True images, named like the predictions.
        real: Images that FID and KID compare with; the references when it is None.
        boxes: JSON of true boxes.
        detections: JSON of detected boxes.
        lanes: Masks of true lane pixels.
        lane_predictions: Masks of predicted lane pixels.
        masks: Masks of the pixels that count.
    """

    predictions: Path
    reference: Path | None = None
    real: Path | None = None
    boxes: Path | None = None
    detections: Path | None = None
    lanes: Path | None = None
    lane_predictions: Path | None = None
    masks: Path | None = None

    def sources(self) -> list[str]:
        """Return where everything came from, for the notes of a record; files with their sha256."""
        lines = []
        for name in self.__slots__:
            path = getattr(self, name)
            if path is not None:
                lines.append(f"{name}: {path}" + (f" (sha256 {file_hash(path)})" if path.is_file() else ""))
        return lines


@dataclass(frozen=True, slots=True)
class Gathered:
    """The files of a user, matched and checked, and nothing decoded.

    Attributes:
        shots: One per predicted image.
        around: The real set, and what the data set knows.
    """

    shots: tuple[Shot, ...]
    around: Surroundings


def gather(folders: Folders, scene: Scene | None = None, shift: float | None = None) -> Gathered:
    """Match all files with one another, and with the scene they claim to show.

    Args:
        folders: What the user brings.
        scene: With its answers, where the data set is here; it then supplies cameras, actors, lanes, masks,
            and the references and real set that the user does not bring.
        shift: Metres that the images are said to show; then the recorded track is the real set.

    Raises:
        DataError: Images, masks or boxes do not fit together, or do not fit the scene.
    """
    predicted = list_images(folders.predictions)
    sizes = {stem: image_size(path) for stem, path in predicted.items()}
    views = {view.name: view for view in scene.test} if scene else {}
    if scene:
        check_views(folders.predictions, sizes, scene)
    references = list_images(folders.reference) if folders.reference else {}
    if folders.reference:
        _check_partners(folders.predictions, predicted, references)
        for stem, path in references.items():
            got, expected = ("{}x{}".format(*size) for size in (sizes[stem], image_size(path)))
            if got != expected:
                what = "not the size of its reference"
                raise DataError(what, got=got, expected=expected, where=str(predicted[stem]))
    known = _annotations(folders, sizes)
    masks = read_masks(folders.masks, sizes) if folders.masks else {}
    shots = []
    for stem in views or sorted(predicted):
        view, mask, reference = views.get(stem), masks.get(stem), references.get(stem)
        shot = _shot(predicted[stem], known[stem], view, (reference, mask))
        shots.append(shot if view else replace(shot, shift=shift or 0.0))
    around = surroundings(scene, shifted=shift is not None) if scene else Surroundings()
    if folders.real:
        real = tuple((stem, partial(read_rgb8, path)) for stem, path in list_images(folders.real).items())
        around = Surroundings(real, around.actors, around.lanes)
    return Gathered(tuple(shots), around)


def check_views(folder: Path, sizes: Mapping[str, tuple[int, int]], scene: Scene) -> None:
    """Compare the names and sizes of images with the test views of the scene they claim to show.

    Raises:
        DataError: A view is missing, an image is of no view, or one has another size.
    """
    views = {view.name: view.camera for view in scene.test}
    missing, extra = sorted(views.keys() - sizes.keys()), sorted(sizes.keys() - views.keys())
    if missing or extra:
        parts = [
            f"{_first(names)} {what}" for names, what in ((missing, "missing"), (extra, "unknown")) if names
        ]
        raise DataError(
            "not the test views of the scene: " + "; ".join(parts),
            got=f"{len(sizes)} images",
            expected=f"{len(views)} test views of {scene.dataset}/{scene.id}, one image each",
            where=str(folder),
        )
    for name, camera in views.items():
        if sizes[name] != (camera.width, camera.height):
            got, expected = "{}x{}".format(*sizes[name]), f"{camera.width}x{camera.height}"
            what = "not the size that the protocol tests at"
            raise DataError(what, got=got, expected=expected, where=str(folder / name))


def open_protocol(infos: Iterable[MetricInfo]) -> dict[str, object]:
    """Return the canonical form of a protocol that fixes the metrics and their versions and nothing else."""
    return {"name": EXTERNAL, "version": 1, "metrics": {info.name: info.version for info in infos}}


def external_record(
    cell: CellSpec, protocol: dict[str, Any], scores: Scores, notes: Iterable[str], where: tuple[str, int]
) -> Record:
    """Return the record of scored images.

    Args:
        cell: What they are claimed to show.
        protocol: Canonical form; `cell.protocol_hash` is its hash.
        scores: What was measured.
        notes: Where everything came from, for people.
        where: Device and threads.
    """
    return Record(
        cell=cell,
        config={},
        protocol=protocol,
        status=Status.OK,
        notes=list(notes),
        environment=environment(*where),
        external=True,
        **scores.fields(),
    )


def images_csv(rows: Sequence[Row], metrics: Sequence[str]) -> str:
    """Return CSV text with one line per image: its view and each metric in full precision."""
    lines = [
        [row.view, *(repr(row.values[name]) if name in row.values else "" for name in metrics)]
        for row in rows
    ]
    return _csv([["view", *metrics], *lines])


def summary_csv(record: Record) -> str:
    """Return CSV text with one line per metric: value, interval, number of items, and why there is none."""
    head = ["metric", "scope", "value", "low", "high", "count", "reason"]
    lines: list[list[str]] = []
    for name, value in record.summary.items():
        if name not in record.scenes:
            count = sum(name in row.values for row in record.rows)
            lines.append([name, "image", repr(value), "", "", str(count), ""])
    for name, score in record.scenes.items():
        numbers = ["" if number is None else repr(number) for number in (score.value, score.low, score.high)]
        lines.append([name, "scene", *numbers, str(score.count), score.reason])
    lines += [
        [name, "image", "", "", "", "0", reason]
        for name, reason in record.missing.items()
        if name not in record.scenes
    ]
    return _csv([head, *lines])


def list_images(folder: Path) -> dict[str, Path]:
    """Return the PNG and JPEG files of a folder by file stem, in text order.

    Raises:
        DataError: The folder is missing or has no image, or two images share a stem.
    """
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


def _shot(path: Path, known: Annotation, view: View | None, files: tuple[Path | None, Path | None]) -> Shot:
    """Return one image with what the user's files and the data set say of it; files win."""
    reference, mask = files
    read_reference: Callable[[], Image] | None = partial(read_rgb8, reference) if reference else None
    counting: Callable[[], Mask | None] | None = partial(read_mask, mask) if mask else None
    if view is not None:
        if read_reference is None and view.read_image is not None:
            read_reference = partial(getattr, view, "image")
        if counting is None and view.read_mask is not None:
            counting = partial(getattr, view, "mask")
    return Shot(
        view=path.stem,
        shift=view.shift if view else 0.0,
        read_prediction=partial(read_rgb8, path),
        read_reference=read_reference,
        read_mask=counting,
        read_paint=view.read_paint if view else None,
        camera=view.camera if view else None,
        known=known,
        source=str(path),
    )


def _annotations(folders: Folders, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Annotation]:
    boxes = read_boxes(folders.boxes, sizes) if folders.boxes else {}
    detections = read_boxes(folders.detections, sizes) if folders.detections else {}
    lanes = read_masks(folders.lanes, sizes) if folders.lanes else {}
    predicted = read_masks(folders.lane_predictions, sizes) if folders.lane_predictions else {}
    return {
        view: Annotation(
            boxes=boxes.get(view),
            detections=detections.get(view),
            read_lanes=partial(read_mask, lanes[view]) if view in lanes else None,
            read_lane_prediction=partial(read_mask, predicted[view]) if view in predicted else None,
        )
        for view in sizes
    }


def _check_partners(folder: Path, predicted: Mapping[str, Path], expected: Mapping[str, Path]) -> None:
    missing, extra = sorted(expected.keys() - predicted.keys()), sorted(predicted.keys() - expected.keys())
    if missing or extra:
        parts = [
            f"{_first([path.name for path in paths])} {what}"
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
            where=str(folder),
        )


def _first(names: Sequence[str]) -> str:
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    return names[0] + more


def _csv(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
