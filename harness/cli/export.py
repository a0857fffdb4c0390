"""`recgen-bench export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recgen_bench.harness.cli.options import plugin_option

if TYPE_CHECKING:
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.record import Record


@click.command()
@click.argument("cell", type=click.Path(path_type=Path))
@click.option("--ply", type=click.Path(path_type=Path), metavar="FILE", help="Write the model as a 3DGS PLY.")
@click.option(
    "--frame", type=click.IntRange(min=0), help="With --ply: include actors, posed at this time step."
)
@click.option(
    "--video", type=click.Path(path_type=Path), metavar="FILE", help="Write an MP4 along the test track."
)
@click.option("--fps", type=click.IntRange(1, 120), default=30, show_default=True, help="With --video.")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=4.0, show_default=True, help="With --video."
)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="PATH", help="With --video: the data set's folder."
)
@plugin_option
def export(
    cell: Path,
    ply: Path | None,
    frame: int | None,
    video: Path | None,
    fps: int,
    seconds: float,
    data: Path | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Export a trained model as PLY, or a smooth video through its test views.

    CELL is the folder of a finished cell, for example runs/cells/3dgs-demo-street-0-3m-s0-....
    """
    from recgen_bench.harness.errors import DataError, RecgenError
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.record import Record

    if not ply and not video:
        raise RecgenError("nothing to export", expected="--ply FILE or --video FILE")
    record = Record.read(cell / "record.json")
    if not record.model:
        raise DataError("the cell has no trained model", got=f"status {record.status}", where=str(cell))
    registry = load_registry(plugin_files)
    planned = _cell(registry, record)
    if ply:
        _write_ply(planned, cell, record, ply, frame)
        click.echo(ply)
    if video:
        _write_video(registry, planned, cell, record, video, round(fps * seconds), fps, data)
        click.echo(video)


def _cell(registry: Registry, record: Record) -> Cell:
    """Return the cell of a record, with the protocol as it was then."""
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.protocol import Protocol
    from recgen_bench.harness.settings import from_table

    spec = record.cell
    return Cell(
        method=registry.method(spec.method),
        preset=spec.preset,
        overrides=tuple(sorted(spec.overrides.items())),
        dataset=registry.dataset(spec.dataset),
        scene=spec.scene,
        protocol=from_table(Protocol, record.protocol, f"protocol {spec.protocol}"),
        shift=spec.shift,
        seed=spec.seed,
    )


def _model(planned: Cell, cell: Path, record: Record) -> tuple[Any, Any, Any]:
    """Return the method, its configuration and the stored model."""
    from recgen_bench.harness import checkpoint
    from recgen_bench.harness.loop import load_method

    method, config = load_method(planned)
    return method, config, checkpoint.load(cell.parent.parent / record.model, method.model)


def _write_ply(planned: Cell, cell: Path, record: Record, path: Path, frame: int | None) -> None:
    from recgen_bench.harness.errors import RecgenError

    method, _, model = _model(planned, cell, record)
    if not hasattr(method, "write_ply"):
        raise RecgenError(f"the model of {planned.method.name} has no PLY form", where="--ply")
    method.write_ply(model, path, frame)


def _write_video(
    registry: Registry,
    planned: Cell,
    cell: Path,
    record: Record,
    path: Path,
    count: int,
    fps: int,
    data: Path | None,
) -> None:
    from dataclasses import replace

    from recgen_bench.harness.checkpoint import Snapshots
    from recgen_bench.harness.loop import Settings, open_scene
    from recgen_bench.harness.run import Run
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.trajectory import interpolate
    from recgen_bench.harness.video import write_video
    from recgen_bench.harness.weights import open_door

    method, config, model = _model(planned, cell, record)
    door = open_door(registry)
    scene, _ = open_scene(planned, Settings(cell, Scorer(()), door, source=data))
    # Both sides of a shift are test views; a video follows one of them.
    side = [view.camera for view in scene.test if view.shift == scene.test[0].shift]
    cameras = interpolate(side, count)
    run = Run(
        scene=scene.without_answers(),
        config=config,
        seed=planned.seed,
        device="cpu",
        threads=1,
        shift=planned.shift,
        scratch=cell,
        snapshots=Snapshots(cell / "unused"),
        report=lambda step, total, values: None,
        weights=door.path,
    )
    run = replace(run, phase="export")
    write_video(path, (rendering.rgb for rendering in method.render(model, cameras, run)), fps)
