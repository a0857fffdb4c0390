"""`recgen-bench verify`: are the numbers of a record true?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.record import Record
    from recgen_bench.harness.registration import MetricInfo
    from recgen_bench.harness.scene import Scene
    from recgen_bench.harness.scoring import Shot, Surroundings

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("path", type=_PATH, metavar="RECORD")
@click.option("--images", type=_PATH, metavar="DIR", help="Default: the folder `frames` beside the record.")
@click.option("--reference", type=_PATH, metavar="DIR", help="True images; default: those of the data set.")
@click.option("--data", type=_PATH, metavar="PATH", help="Folder of the data set.")
@device_option
@threads_option
@weights_option
@plugin_option
def verify(
    path: Path,
    images: Path | None,
    reference: Path | None,
    data: Path | None,
    device: str | None,
    threads: int | None,
    given: tuple[str, ...],
    plugin_files: tuple[Path, ...],
) -> None:
    """Compute the numbers of a record again, and name every one that differs.

    RECORD is a record.json or the folder that holds it. Its summary, scene values and hashes are always
    checked. Where its images are, the rows and scene metrics are computed again from them: with the data set
    (embedded, or --data) everything, with --reference alone what needs images only. Features are taken from
    no cache. Exit status: 0 when everything agrees, 1 when something differs, 2 when it cannot be checked.
    """
    import os

    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.record import Record
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.scoring import score
    from recgen_bench.harness.verify import check_parts, compare, tolerance_for, unchecked
    from recgen_bench.harness.weights import open_door

    registry = load_registry(plugin_files)
    path = path / "record.json" if path.is_dir() else path
    record = Record.parse(path)
    findings = list(check_parts(record, registry.metrics))
    click.echo(f"{len(record.rows)} rows, {len(record.scenes)} scene metrics, status {record.status}")
    folder = images or (path.parent / "frames")
    threads = threads or len(os.sched_getaffinity(0))
    if images is None and not folder.is_dir():
        click.echo("the images are not here, so rows were only compared with their hash; see --images")
    elif not record.rows:
        click.echo("the record has no rows, so there is nothing to compare with images")
    else:
        where = chosen_device(device)
        scene = _scene(registry, record, data, threads)
        # Files that other images were scored with, such as boxes, are not known here.
        whole = scene is not None and reference is None and not record.external
        shots, around = _frames(record, folder, scene, reference)
        door = open_door(registry, weight_paths(given))
        infos = _metrics(registry, record, whole)
        found = score(shots, around, Scorer.load(infos, door, where), threads)
        tolerance = tolerance_for(record, where)
        findings += compare(record, found, tolerance)
        exact = "every digit" if tolerance == 0 else f"a relative difference up to {tolerance:g} is rounding"
        click.echo(f"computed {len(found.rows)} rows again from {folder}: {exact}")
        left = unchecked(record, found)
        if left:
            click.echo(f"not computed again, for want of data or weights: {', '.join(left)}")
    for finding in findings:
        click.echo(f"DIFFERS  {finding}")
    click.echo("verified" if not findings else f"{len(findings)} differences")
    sys.exit(1 if findings else 0)


def _frames(
    record: Record, folder: Path, scene: Scene | None, reference: Path | None
) -> tuple[Sequence[Shot], Surroundings]:
    """Return the images of a record with what they are compared with."""
    from recgen_bench.harness.external import Folders, gather
    from recgen_bench.harness.scoring import stored_shots, surroundings

    shift = record.cell.shift
    if scene is not None and reference is None and not record.external:
        return stored_shots(scene, folder), surroundings(scene, shifted=shift is not None)
    gathered = gather(Folders(folder, reference), scene, shift)
    return gathered.shots, gathered.around


def _scene(registry: Registry, record: Record, data: Path | None, threads: int) -> Scene | None:
    """Return the record's scene with its answers, None where the data set is not here."""
    from recgen_bench.harness.dataset import check_source
    from recgen_bench.harness.opening import open_divided
    from recgen_bench.harness.protocol import Protocol
    from recgen_bench.harness.settings import from_table

    info = registry.datasets.get(record.cell.dataset)
    if info is None or not (info.embedded or data) or not record.protocol.get("split"):
        return None
    check_source(info, data)
    protocol = from_table(Protocol, record.protocol, f"protocol {record.cell.protocol}")
    return open_divided(info, protocol, record.cell.scene, record.cell.shift, data, threads)[0]


def _metrics(registry: Registry, record: Record, whole: bool) -> list[MetricInfo]:
    """Return the record's metrics that can be computed again, image metrics only unless `whole`.

    Raises:
        ProtocolError: The record was made with another version of one.
    """
    from recgen_bench.harness.errors import ProtocolError

    infos = []
    for name in dict.fromkeys((*record.summary, *record.scenes)):
        info = registry.metrics.get(name)
        if info is None or (info.scope == "scene" and not whole):
            continue
        version = record.protocol.get("metrics", {}).get(name, info.version)
        if info.version != version:
            what = f"the record was made with another version of {name}"
            hint = "verify it with the version of this package that made it"
            raise ProtocolError(what, got=version, expected=info.version, hint=hint)
        infos.append(info)
    return infos
