"""`recgen-bench score`: the metrics of anybody's images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import plugin_option

if TYPE_CHECKING:
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.protocol import Protocol
    from recgen_bench.harness.record import CellSpec, Row
    from recgen_bench.harness.registration import MetricInfo


@click.command()
@click.argument("predictions", type=click.Path(path_type=Path), metavar="PRED_DIR")
@click.option(
    "--reference", type=click.Path(path_type=Path), required=True, metavar="DIR", help="True images."
)
@click.option("--metrics", "names", metavar="A,B", help="Default: all that need no more than images.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="Write images.csv and record.json here."
)
@click.option("--method", default="external", show_default=True, help="What made the images.")
@click.option("--dataset", metavar="NAME", help="Default: the protocol's first, else external.")
@click.option("--scene", metavar="ID", help="Default: the name of the reference folder.")
@click.option("--protocol", metavar="NAME", help="The published protocol that the images follow.")
@click.option("--shift", metavar="3m", help="The distance that the images show, for lane-shift protocols.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="For the record.")
@plugin_option
def score(
    predictions: Path,
    reference: Path,
    names: str | None,
    out: Path | None,
    method: str,
    dataset: str | None,
    scene: str | None,
    protocol: str | None,
    shift: str | None,
    seed: int,
    plugin_files: tuple[Path, ...],
) -> None:
    """Score the images of PRED_DIR against those of --reference.

    Images are paired by file name without the suffix and must be 8-bit RGB, PNG or JPEG, of equal size.
    The record that --out receives goes into leaderboards like any other, marked as external.
    """
    from recgen_bench.harness.external import (
        EXTERNAL,
        external_record,
        images_csv,
        match_folders,
        open_protocol,
        score_files,
    )
    from recgen_bench.harness.files import check_writable, write_atomic
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.protocol import canonical_hash, parse_metres
    from recgen_bench.harness.record import CellSpec
    from recgen_bench.harness.registration import check_name
    from recgen_bench.harness.score import Scorer

    registry = load_registry(plugin_files)
    published = registry.protocol(protocol) if protocol else None
    infos = _metrics(registry, names, published)
    canonical = published.canonical() if published else open_protocol(infos)
    cell = CellSpec(
        method=check_name(method, "method"),
        method_version=1,
        preset=EXTERNAL,
        overrides={},
        dataset=check_name(dataset or (published.datasets[0] if published else EXTERNAL), "data set"),
        scene=scene or reference.resolve().name,
        protocol=published.name if published else EXTERNAL,
        protocol_hash=canonical_hash(canonical),
        shift=parse_metres(shift) if shift else None,
        seed=seed,
    )
    if published:
        _check_claim(cell, published)
    if out:
        check_writable(out)
        _check_free(out / "record.json", cell)
    rows = score_files(match_folders(predictions, reference), Scorer.load(infos), cell.shift or 0.0)
    record = external_record(cell, canonical, rows, f"{predictions} against {reference}")
    click.echo(_table(rows, record.summary, infos))
    if out:
        # The record comes last: where it is, everything is.
        write_atomic(out / "images.csv", images_csv(rows, [info.name for info in infos]).encode())
        record.write(out / "record.json")
        click.echo(f"wrote {out / 'images.csv'} and {out / 'record.json'}")


def _metrics(registry: Registry, names: str | None, published: Protocol | None) -> list[MetricInfo]:
    """Return the metrics to compute: those named, else the protocol's, else all that apply to images."""
    from recgen_bench.harness.errors import PluginError

    if published:
        _check_versions(registry, published)
    chosen = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip())) if names else []
    for name in chosen:
        _check_applies(registry.metric(name), published)
    available = chosen or (published.metrics if published else registry.metrics)
    infos = [info for info in map(registry.metric, available) if not info.needs]
    if not infos:
        hint = "see recgen-bench metrics"
        raise PluginError("no metric applies to image files", hint=hint, where="--metrics")
    return infos


def _check_versions(registry: Registry, published: Protocol) -> None:
    from recgen_bench.harness.errors import ProtocolError

    for name, version in published.metrics.items():
        registered = registry.metric(name).version
        if registered != version:
            what = f"the protocol needs another version of {name}"
            raise ProtocolError(what, got=registered, expected=version, where="--protocol")


def _check_applies(info: MetricInfo, published: Protocol | None) -> None:
    from recgen_bench.harness.errors import PluginError, ProtocolError, did_you_mean

    if info.needs:
        needs = " and ".join(sorted(info.needs))
        raise PluginError(f"{info.name} needs {needs}, which image files do not hold", where="--metrics")
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


def _table(rows: list[Row], summary: dict[str, float], infos: list[MetricInfo]) -> str:
    """Return the mean of each metric and its worst image, as aligned text."""
    lines = [("metric", "mean", "worst", "in view")]
    for info in infos:
        choose = min if info.direction == "higher" else max
        worst, view = choose((row.values[info.name], row.view) for row in rows)
        mean = f"{summary[info.name]:.{info.digits}f}"
        lines.append((f"{info.name} {info.unit}".rstrip(), mean, f"{worst:.{info.digits}f}", view))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join((name.ljust(widths[0]), mean.rjust(widths[1]), worst.rjust(widths[2]), view))
        for name, mean, worst, view in lines
    ]
    equal = sum(row.prediction == row.reference for row in rows)
    if equal:
        text.append(f"{equal} of {len(rows)} images equal their references exactly.")
    return "\n".join([f"{len(rows)} images", *text])
