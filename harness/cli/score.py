"""`recgen-bench score`: the metrics of anybody's images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import (
    chosen_device,
    device_option,
    plugin_option,
    threads_option,
    weight_paths,
    weights_option,
)

if TYPE_CHECKING:
    from recgen_bench.harness.external import Folders
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.protocol import Protocol
    from recgen_bench.harness.record import CellSpec, Record, SceneScore
    from recgen_bench.harness.registration import MetricInfo
    from recgen_bench.harness.scene import Scene

_PATH = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the images are said to show; `published` is None when they follow no protocol."""

    cell: CellSpec
    canonical: dict[str, object]
    published: Protocol | None


@click.command()
@click.argument("predictions", type=_PATH, metavar="PRED_DIR")
@click.option("--reference", type=_PATH, metavar="DIR", help="True images, named like the predictions.")
@click.option("--real", type=_PATH, metavar="DIR", help="Real images for FID and KID. Default: --reference.")
@click.option("--boxes", type=_PATH, metavar="FILE", help="JSON of true boxes, see docs/scoring.md.")
@click.option("--detections", type=_PATH, metavar="FILE", help="JSON of detected boxes; no detector is run.")
@click.option("--lanes", type=_PATH, metavar="DIR", help="PNG masks of the true lane lines.")
@click.option("--lane-predictions", type=_PATH, metavar="DIR", help="PNG masks; no lane model is run.")
@click.option("--masks", type=_PATH, metavar="DIR", help="PNG masks of the pixels that count.")
@click.option("--metrics", "names", metavar="A,B", help="Default: all that the files allow.")
@click.option("--out", type=_PATH, metavar="DIR", help="Write record.json, images.csv and summary.csv here.")
@click.option("--method", default="external", show_default=True, help="What made the images.")
@click.option("--dataset", metavar="NAME", help="Default: the protocol's first, else external.")
@click.option("--data", type=_PATH, metavar="PATH", help="Folder of the data set: compare with it.")
@click.option("--scene", metavar="ID", help="Default: the name of the reference folder.")
@click.option("--protocol", metavar="NAME", help="The published protocol that the images follow.")
@click.option("--shift", metavar="3m", help="The distance that the images show, for lane-shift protocols.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For the record.")
@device_option
@threads_option
@weights_option
@plugin_option
def score(
    predictions: Path,
    reference: Path | None,
    real: Path | None,
    boxes: Path | None,
    detections: Path | None,
    lanes: Path | None,
    lane_predictions: Path | None,
    masks: Path | None,
    names: str | None,
    out: Path | None,
    method: str,
    dataset: str | None,
    data: Path | None,
    scene: str | None,
    protocol: str | None,
    shift: str | None,
    seed: int,
    device: str | None,
    threads: int | None,
    given: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Score the images of PRED_DIR against those of --reference.

    Images are paired by file name without the suffix and must be 8-bit RGB, PNG or JPEG, of equal size.
    With --protocol, and --data unless the data set is embedded, they are compared with the data set itself:
    its test views, references and annotations. The record that --out receives goes into leaderboards like
    any other, marked as external.
    """
    import os

    from recgen_bench.harness.external import Folders, external_record, gather, images_csv, summary_csv
    from recgen_bench.harness.features import open_store
    from recgen_bench.harness.files import check_writable, write_atomic
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.scoring import score as score_shots
    from recgen_bench.harness.weights import open_door

    registry = load_registry(plugin_files)
    folders = Folders(predictions, reference, real, boxes, detections, lanes, lane_predictions, masks)
    threads = threads or len(os.sched_getaffinity(0))
    infos = _metrics(registry, names, protocol)
    claim = _claim(registry, infos, (method, dataset, scene or _name(folders), protocol, shift, seed))
    if out:
        check_writable(out)
        _check_free(out / "record.json", claim.cell)
    truth, notes = _open(registry, claim, data, threads)
    _check_enough(folders, truth)
    infos = _applicable(infos, folders, truth, named=names is not None)
    gathered = gather(folders, truth, claim.cell.shift)
    if claim.published and not truth:
        notes += _check_stated(folders, claim.published)
    heavy = any(info.weights or info.scope == "scene" for info in infos)
    where = chosen_device(device) if heavy or device else "cpu"
    store = open_store()
    scorer = Scorer.load(infos, open_door(registry, weight_paths(given)), where, store.stored)
    scores = score_shots(gathered.shots, gathered.around, scorer, threads)
    store.trim()
    notes = [f"scored from images: {'; '.join(folders.sources())}", *notes]
    record = external_record(claim.cell, claim.canonical, scores, notes, (where, threads))
    click.echo(_report(record, infos))
    if out:
        # The record comes last: where it is, everything is.
        columns = [info.name for info in infos if info.scope == "image"]
        write_atomic(out / "images.csv", images_csv(scores.rows, columns).encode())
        write_atomic(out / "summary.csv", summary_csv(record).encode())
        record.write(out / "record.json")
        click.echo(f"wrote record.json, images.csv and summary.csv to {out}")


def _name(folders: Folders) -> str:
    """Return the name of the scene when nobody gives one."""
    return (folders.reference or folders.real or folders.predictions).resolve().name


def _metrics(registry: Registry, names: str | None, protocol: str | None) -> list[MetricInfo]:
    """Return the metrics to compute: those named, else the protocol's, else all."""
    published = registry.protocol(protocol) if protocol else None
    if published:
        _check_versions(registry, published)
    chosen = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip())) if names else []
    for name in chosen:
        _check_promised(registry.metric(name), published)
    return [
        registry.metric(name) for name in chosen or (published.metrics if published else registry.metrics)
    ]


def _claim(
    registry: Registry,
    infos: list[MetricInfo],
    said: tuple[str, str | None, str, str | None, str | None, int],
) -> _Claim:
    """Return what the images are said to show, as far as it can be checked without them."""
    from recgen_bench.harness.external import EXTERNAL, open_protocol
    from recgen_bench.harness.protocol import canonical_hash, parse_metres
    from recgen_bench.harness.record import CellSpec
    from recgen_bench.harness.registration import check_name

    method, dataset, scene, protocol, shift, seed = said
    published = registry.protocol(protocol) if protocol else None
    canonical = published.canonical() if published else open_protocol(infos)
    cell = CellSpec(
        method=check_name(method, "method"),
        method_version=1,
        preset=EXTERNAL,
        overrides={},
        dataset=check_name(dataset or (published.datasets[0] if published else EXTERNAL), "data set"),
        scene=scene,
        protocol=published.name if published else EXTERNAL,
        protocol_hash=canonical_hash(canonical),
        shift=parse_metres(shift) if shift else None,
        seed=seed,
    )
    if published:
        _check_claim(cell, published)
    return _Claim(cell, canonical, published)


def _open(
    registry: Registry, claim: _Claim, data: Path | None, threads: int
) -> tuple[Scene | None, list[str]]:
    """Return the scene that the images are said to show, where its data set is here, and its notes."""
    from recgen_bench.harness.dataset import check_source
    from recgen_bench.harness.errors import RecgenError
    from recgen_bench.harness.opening import open_divided

    if claim.published is None:
        if data:
            hint = "name the protocol that the images follow with --protocol"
            raise RecgenError("a data set alone says nothing about the images", hint=hint, where="--data")
        return None, []
    info = registry.dataset(claim.cell.dataset)
    if not (info.embedded or data):
        return None, [f"not compared with the test views of {info.name}: no --data was given"]
    check_source(info, data)
    scene, notes = open_divided(info, claim.published, claim.cell.scene, claim.cell.shift, data, threads)
    return scene, list(notes)


def _check_enough(folders: Folders, truth: Scene | None) -> None:
    """Refuse to score images against nothing at all."""
    from recgen_bench.harness.errors import RecgenError

    if not (truth or folders.reference or folders.real or folders.boxes or folders.lanes):
        expected = "--reference, --real, --boxes, --lanes, or the --protocol of an embedded world"
        raise RecgenError("nothing to compare the images with", expected=expected)


def _check_stated(folders: Folders, published: Protocol) -> list[str]:
    """Compare image sizes with those that the protocol states, for want of the data set itself."""
    from recgen_bench.harness.errors import DataError
    from recgen_bench.harness.external import list_images
    from recgen_bench.harness.images import image_size

    width, height = published.resolution.width, published.resolution.height
    if width is None or height is None:
        return ["the protocol states no image size, so none was compared"]
    for path in list_images(folders.predictions).values():
        if image_size(path) != (width, height):
            got = "{}x{}".format(*image_size(path))
            what = "not the size that the protocol tests at"
            raise DataError(what, got=got, expected=f"{width}x{height}", where=str(path))
    return []


def _applicable(
    infos: list[MetricInfo], folders: Folders, truth: Scene | None, named: bool
) -> list[MetricInfo]:
    """Return the metrics that the files allow; one that was named and is not allowed is an error."""
    from recgen_bench.harness.errors import PluginError

    present = {"mask"} if folders.masks or (truth and any(view.read_mask for view in truth.test)) else set()
    compared = folders.reference or (truth and any(view.read_image for view in truth.test))
    allowed = []
    for info in infos:
        lacks = sorted(info.needs - present) or ([] if compared or info.scope == "scene" else ["references"])
        if not lacks:
            allowed.append(info)
        elif named:
            raise PluginError(
                f"{info.name} needs {' and '.join(lacks)}, which the images do not come with",
                where="--metrics",
            )
    if not allowed:
        hint = "see recgen-bench metrics"
        raise PluginError("no metric applies to image files", hint=hint, where="--metrics")
    return allowed


def _check_versions(registry: Registry, published: Protocol) -> None:
    from recgen_bench.harness.errors import ProtocolError

    for name, version in published.metrics.items():
        registered = registry.metric(name).version
        if registered != version:
            what = f"the protocol needs another version of {name}"
            raise ProtocolError(what, got=registered, expected=version, where="--protocol")


def _check_promised(info: MetricInfo, published: Protocol | None) -> None:
    from recgen_bench.harness.errors import ProtocolError, did_you_mean

    if published and info.name not in published.metrics:
        hint = did_you_mean(info.name, published.metrics)
        raise ProtocolError(
            f"{published.name} has no such metric", got=info.name, hint=hint, where="--metrics"
        )


def _check_claim(cell: CellSpec, published: Protocol) -> None:
    """Refuse a data set, scene or shift that the protocol does not have."""
    from recgen_bench.harness.errors import ProtocolError, did_you_mean
    from recgen_bench.harness.protocol import format_metres

    published.scene(cell.scene)
    if cell.dataset not in published.datasets:
        hint = did_you_mean(cell.dataset, published.datasets)
        raise ProtocolError(
            f"{published.name} is not for this data set", got=cell.dataset, hint=hint, where="--dataset"
        )
    distances = published.shift.distances if published.shift else (None,)
    if cell.shift not in distances:
        raise ProtocolError(
            "not a distance of the protocol",
            got=format_metres(cell.shift) or "none",
            expected=", ".join(map(format_metres, distances)) or "no shift",
            where="--shift",
        )


def _check_free(path: Path, cell: CellSpec) -> None:
    """Refuse to overwrite the record of another cell, or of a method that ran here."""
    from recgen_bench.harness.errors import OutputError
    from recgen_bench.harness.record import Record

    if not path.exists():
        return
    earlier = Record.read(path)
    if not earlier.external or earlier.cell != cell:
        raise OutputError(
            "is another record already", hint="choose another folder with --out", where=str(path)
        )


def _report(record: Record, infos: list[MetricInfo]) -> str:
    """Return the value of each metric and its worst image, as aligned text, and why some have none."""
    lines = [("metric", "value", "worst", "in view")]
    reasons: dict[str, list[str]] = {}
    for info in infos:
        title = f"{info.name} {info.unit}".rstrip()
        column = [(row.values[info.name], row.view) for row in record.rows if info.name in row.values]
        found = record.scenes.get(info.name)
        if column:
            worst, view = (min if info.direction == "higher" else max)(column)
            mean = f"{record.summary[info.name]:.{info.digits}f}"
            lines.append((title, mean, f"{worst:.{info.digits}f}", view))
        elif found is not None and found.value is not None:
            lines.append((title, f"{found.value:.{info.digits}f}", "", _behind(found, info)))
        else:
            why = found.reason if found else record.missing.get(info.name, "no image has what it needs")
            reasons.setdefault(" ".join(why.split()), []).append(info.name)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join((name.ljust(widths[0]), mean.rjust(widths[1]), worst.rjust(widths[2]), view)).rstrip()
        for name, mean, worst, view in lines
    ]
    if len(lines) == 1:
        text = []
    equal = sum(row.prediction == row.reference for row in record.rows)
    if equal:
        text.append(f"{equal} of {len(record.rows)} images equal their references exactly.")
    if reasons:
        text += ["no value:", *(f"  {', '.join(names)}: {why}" for why, names in reasons.items())]
    return "\n".join([f"{len(record.rows)} images", *text])


def _behind(found: SceneScore, info: MetricInfo) -> str:
    """Return the interval of a scene's value and how many items are behind it."""
    if found.low is None or found.high is None:
        return f"n {found.count}"
    return f"{found.low:.{info.digits}f} to {found.high:.{info.digits}f}, n {found.count}"
