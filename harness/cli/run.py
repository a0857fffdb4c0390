"""`recgen-bench run`: the main job."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    from recgen_bench.harness.events import Event
    from recgen_bench.harness.loop import Settings
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.harness.record import Record


@click.command()
@click.option("--method", required=True, help="See `recgen-bench methods`.")
@click.option("--preset", help="Default: demo on embedded worlds, else the method's first.")
@click.option("--dataset", required=True, help="See `recgen-bench datasets`.")
@click.option("--data", type=click.Path(path_type=Path), metavar="PATH", help="Folder of the data set.")
@click.option(
    "--scene", "scenes", multiple=True, metavar="ID", help="Default: the protocol's scenes; repeatable."
)
@click.option(
    "--shift", "shifts", multiple=True, metavar="3m", help="Default: all of the protocol; repeatable."
)
@click.option(
    "--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Default: the protocol's; repeatable."
)
@click.option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the preset."
)
@click.option(
    "--protocol", metavar="NAME|FILE", help="Default: the data set's; see `recgen-bench protocols`."
)
@device_option
@threads_option
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Results."
)
@weights_option
@click.option("--executor", default="inline", show_default=True, help="How the cells are run.")
@click.option("--again", is_flag=True, help="Forget what is done and run from the start.")
@plugin_option
def run(
    method: str,
    preset: str | None,
    dataset: str,
    data: Path | None,
    scenes: tuple[str, ...],
    shifts: tuple[str, ...],
    seeds: tuple[int, ...],
    overrides: tuple[str, ...],
    protocol: str | None,
    device: str | None,
    threads: int | None,
    out: Path,
    given: tuple[str, ...],
    executor: str,
    again: bool,
    plugin_files: tuple[Path, ...],
) -> None:
    """Run a method on the scenes of a protocol and print the table.

    Each cell (scene, shift, seed) leaves a record below --out. A repeated command goes on where the last
    one stopped, and does nothing for cells that are done. Exit status: 0 when every cell has its numbers,
    1 when one has not, 2 when the command or the input is wrong.
    """
    from recgen_bench.harness.displays import choose_display
    from recgen_bench.harness.features import open_store
    from recgen_bench.harness.loop import forget_cell
    from recgen_bench.harness.plan import Selection, plan_cells
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.protocol import parse_metres
    from recgen_bench.harness.registration import resolve

    registry = load_registry(plugin_files)
    for status in registry.plugins:
        if status.error:
            click.echo(
                f"warning: the plugin {status.name} ({status.source}) is skipped: {status.error}", err=True
            )
    selection = Selection(
        method=method,
        dataset=dataset,
        preset=preset,
        protocol=_protocol_name(registry, protocol),
        scenes=scenes,
        shifts=tuple(parse_metres(text) for text in shifts),
        seeds=seeds,
        overrides=overrides,
        source=data,
    )
    cells = plan_cells(registry, selection)
    runner = resolve(registry.executor(executor).target, f"executor {executor}")
    settings = run_settings(registry, cells, device, threads, out, data, weight_paths(given))
    for cell in cells if again else ():
        forget_cell(cell, out)
    registry.manager.register(choose_display())
    records = list(runner(cells, lambda cell: run_one(cell, settings, alone=len(cells) == 1)))
    open_store().trim()
    _print_table(records, registry)
    sys.exit(0 if all(record.status == "ok" for record in records) else 1)


def _protocol_name(registry: Registry, text: str | None) -> str | None:
    """Return a protocol's name, reading the file when the user gave one."""
    if text is None or not text.endswith(".toml"):
        return text
    from recgen_bench.harness.protocol import load_protocols

    protocols = load_protocols(Path(text))
    for protocol in protocols:
        registry.protocols[protocol.name] = protocol
    return protocols[0].name


def run_settings(
    registry: Registry,
    cells: tuple[Cell, ...],
    device: str | None,
    threads: int | None,
    out: Path,
    data: Path | None,
    given: dict[str, Path],
) -> Settings:
    """Check everything that can be checked before the first cell starts."""
    import os

    from recgen_bench.harness.features import open_store
    from recgen_bench.harness.files import check_writable
    from recgen_bench.harness.loop import Settings, load_method
    from recgen_bench.harness.score import Scorer
    from recgen_bench.harness.weights import open_door

    check_writable(out)
    load_method(cells[0])
    door, chosen = open_door(registry, given), chosen_device(device)
    infos = [registry.metric(name) for name in cells[0].protocol.metrics]
    return Settings(
        out=out,
        scorer=Scorer.load(infos, door, chosen, open_store().stored),
        door=door,
        device=chosen,
        threads=threads or len(os.sched_getaffinity(0)),
        source=data,
        emit=_emitter(registry),
        priors=registry.priors,
    )


def _emitter(registry: Registry) -> Callable[[Event], None]:
    """Return what tells plugins of an event; a logger that fails, or a closed terminal, fails no cell."""
    from contextlib import suppress

    told: set[str] = set()

    def emit(event: Event) -> None:
        try:
            registry.manager.hook.on_event(event=event)
        except Exception as error:  # noqa: BLE001 # Whatever a listener does, the numbers are not its business.
            warning = f"warning: a plugin failed to hear an event: {type(error).__name__}: {error}"
            if warning not in told:
                told.add(warning)
                with suppress(OSError):
                    click.echo(warning, err=True)

    return emit


def run_one(cell: Cell, settings: Settings, alone: bool) -> Record:
    """Run a cell; in a larger plan, wrong input fails the cell and not its siblings."""
    from recgen_bench.harness.errors import OutputError, RecgenError
    from recgen_bench.harness.loop import fail_cell, run_cell

    try:
        return run_cell(cell, settings)
    except OutputError:
        raise
    except RecgenError as error:
        if alone:
            raise
        return fail_cell(cell, settings, error)


def _print_table(records: list[Record], registry: Registry) -> None:
    """Print one line per cell."""
    from recgen_bench.harness.protocol import format_metres

    names = list(dict.fromkeys(name for record in records for name in record.summary))
    head = ["method", "preset", "scene", "shift", "seed", "status", *names]
    rows = []
    for record in records:
        cell = record.cell
        values = [
            f"{record.summary[name]:.{registry.metrics[name].digits}f}" if name in record.summary else "-"
            for name in names
        ]
        scene = f"{cell.dataset}/{cell.scene}"
        shift = format_metres(cell.shift) or "-"
        rows.append([cell.method, cell.preset, scene, shift, str(cell.seed), str(record.status), *values])
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
