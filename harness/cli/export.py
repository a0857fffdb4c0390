"""`recgen-bench export`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recgen_bench.harness.cli.export_eig import SEMANTICS
from recgen_bench.harness.cli.options import plugin_option

if TYPE_CHECKING:
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.record import Record
    from recgen_bench.harness.scene import Scene, View


@click.command()
@click.argument("cells", nargs=-1, type=click.Path(path_type=Path))
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
    "--sheet", type=click.Path(path_type=Path), metavar="FILE", help="Write truth, rendering, error as PNG."
)
@click.option(
    "--views", type=click.IntRange(min=1), default=3, show_default=True, help="With --sheet: rows per cell."
)
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="PATH", help="The data set's folder, for the truth."
)
@click.option(
    "--eig",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write maps of expected information gain (NPZ and PNG) of the test views, or with --model of any.",
)
@click.option(
    "--semantics",
    type=click.Choice(SEMANTICS),
    default="exact",
    show_default=True,
    help="With --eig: the definition, or what FaithFusion's released code computes.",
)
@click.option(
    "--model", type=click.Path(path_type=Path), metavar="FILE", help="With --eig: a 3DGS PLY, for a cell."
)
@click.option(
    "--cameras",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --model: the training views, a folder with transforms.json or a COLMAP model.",
)
@click.option(
    "--targets",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --model: the views to be mapped, a folder like --cameras; without it the training views.",
)
@plugin_option
def export(
    cells: tuple[Path, ...],
    ply: Path | None,
    frame: int | None,
    video: Path | None,
    fps: int,
    seconds: float,
    sheet: Path | None,
    views: int,
    data: Path | None,
    eig: Path | None,
    semantics: str,
    model: Path | None,
    cameras: Path | None,
    targets: Path | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Export what a cell left: its model as PLY, a smooth video, a picture of its errors, maps of EIG.

    CELLS are folders of finished cells, for example runs/cells/3dgs-demo-street-0-3m-s0-...; --ply, --video
    and --eig take one, --sheet takes several. Without a cell, --eig maps a PLY: --model and --cameras.
    """
    from recgen_bench.harness.errors import RecgenError
    from recgen_bench.harness.plugins import load_registry

    if not (ply or video or sheet or eig):
        raise RecgenError(
            "nothing to export", expected="--ply FILE, --video FILE, --sheet FILE or --eig FOLDER"
        )
    if len(cells) > 1 and (ply or video or eig):
        raise RecgenError("--ply, --video and --eig take one cell", got=f"{len(cells)} cells")
    registry = load_registry(plugin_files)
    if model or cameras or targets:
        if cells or ply or video or sheet or not (eig and model and cameras):
            expected = "--model FILE --cameras PATH --eig FOLDER, and no cell"
            raise RecgenError("a PLY of your own has maps of EIG only", expected=expected)
        click.echo(_write_ply_maps(registry, model, cameras, targets or cameras, eig, semantics))
        return
    if not cells:
        raise RecgenError("there is no cell to export", expected="the folder of a finished cell")
    finished = [_finished(registry, folder) for folder in cells]
    if ply:
        _write_ply(finished[0], ply, frame)
        click.echo(ply)
    if video:
        _write_video(registry, finished[0], video, round(fps * seconds), fps, data)
        click.echo(video)
    if sheet:
        _write_sheet(registry, finished, sheet, views, data)
        click.echo(sheet)
    if eig:
        click.echo(_write_cell_maps(registry, finished[0], eig, semantics, data))


@dataclass(frozen=True, slots=True)
class _Finished:
    """A cell found on disk: its folder, its record, and the cell with the protocol as it was then."""

    folder: Path
    record: Record
    cell: Cell


def _finished(registry: Registry, folder: Path) -> _Finished:
    from recgen_bench.harness.errors import DataError
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.protocol import Protocol
    from recgen_bench.harness.record import Record
    from recgen_bench.harness.settings import from_table

    record = Record.read(folder / "record.json")
    if not record.model:
        raise DataError("the cell has no trained model", got=f"status {record.status}", where=str(folder))
    spec = record.cell
    cell = Cell(
        method=registry.method(spec.method),
        preset=spec.preset,
        overrides=tuple(sorted(spec.overrides.items())),
        dataset=registry.dataset(spec.dataset),
        scene=spec.scene,
        protocol=from_table(Protocol, record.protocol, f"protocol {spec.protocol}"),
        shift=spec.shift,
        seed=spec.seed,
    )
    return _Finished(folder, record, cell)


def _load(finished: _Finished) -> tuple[Any, Any, Any]:
    """Return the method, its configuration and the stored model."""
    from recgen_bench.harness import checkpoint
    from recgen_bench.harness.loop import load_method

    method, config = load_method(finished.cell)
    return (
        method,
        config,
        checkpoint.load(finished.folder.parent.parent / finished.record.model, method.model),
    )


def _open_scene(registry: Registry, finished: _Finished, data: Path | None) -> Scene:
    from recgen_bench.harness.loop import Settings, open_scene
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.weights import open_door

    settings = Settings(finished.folder, Scorer(()), open_door(registry), source=data)
    return open_scene(finished.cell, settings)[0]


def _one_side(test: Sequence[View]) -> list[View]:
    """Return the test views on the side of the first: both sides of a shift are tested, one makes a track."""
    return [view for view in test if view.shift == test[0].shift]


def _write_cell_maps(
    registry: Registry, finished: _Finished, folder: Path, semantics: str, data: Path | None
) -> Path:
    from recgen_bench.harness.cli.export_eig import write_maps

    method, _, model = _load(finished)
    scene = _open_scene(registry, finished, data)
    write_maps(method, model, scene.train, scene.test, folder, semantics)
    return folder


def _write_ply_maps(
    registry: Registry, ply: Path, cameras: Path, targets: Path, folder: Path, semantics: str
) -> Path:
    from recgen_bench.harness.cli.export_eig import read_cameras, read_model, write_maps

    method, model = read_model(registry, ply)
    known = read_cameras(registry, cameras)
    write_maps(method, model, known, read_cameras(registry, targets), folder, semantics)
    return folder


def _write_ply(finished: _Finished, path: Path, frame: int | None) -> None:
    from recgen_bench.harness.errors import RecgenError

    method, _, model = _load(finished)
    if not hasattr(method, "write_ply"):
        raise RecgenError(f"the model of {finished.cell.method.name} has no PLY form", where="--ply")
    method.write_ply(model, path, frame)


def _write_video(
    registry: Registry, finished: _Finished, path: Path, count: int, fps: int, data: Path | None
) -> None:
    from recgen_bench.harness.checkpoint import Snapshots
    from recgen_bench.harness.priors import declared_priors
    from recgen_bench.harness.run import Run
    from recgen_bench.harness.trajectory import interpolate
    from recgen_bench.harness.video import write_video
    from recgen_bench.harness.weights import open_door

    method, config, model = _load(finished)
    scene = _open_scene(registry, finished, data)
    side = [view.camera for view in _one_side(scene.test)]
    door = open_door(registry)
    run = Run(
        scene=scene.without_answers(),
        config=config,
        seed=finished.cell.seed,
        device="cpu",
        threads=1,
        shift=finished.cell.shift,
        scratch=finished.folder,
        snapshots=Snapshots(finished.folder / "unused"),
        report=lambda step, total, values: None,
        weights=door.path,
        phase="export",
        prior=declared_priors(config, registry.priors, door, "cpu").load,
    )
    cameras = interpolate(side, count)
    write_video(path, (rendering.rgb for rendering in method.render(model, cameras, run)), fps)


def _write_sheet(
    registry: Registry, finished: list[_Finished], path: Path, views: int, data: Path | None
) -> None:
    import numpy as np

    from recgen_bench.harness.errors import DataError
    from recgen_bench.harness.frames import read_frame
    from recgen_bench.harness.images import write_png
    from recgen_bench.harness.sheet import SheetRow, comparison_sheet

    rows = []
    for each in finished:
        test = _one_side(
            [view for view in _open_scene(registry, each, data).test if view.read_image is not None]
        )
        if not test:
            raise DataError("the test views have no truth to compare with", where=str(each.folder))
        for index in np.linspace(0, len(test) - 1, views + 2).round().astype(int)[1:-1]:
            pixels, _ = read_frame(each.folder / "frames", test[index])
            rows.append(SheetRow(f"{each.cell.method.name}, {test[index].name}", test[index].image, pixels))
    write_png(path, comparison_sheet(rows))
