"""`recgen-bench metrics study`: how good are the metrics that need no true image?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import plugin_option, threads_option

if TYPE_CHECKING:
    from recgen_bench.harness.plan import Cell
    from recgen_bench.harness.plugins import Registry
    from recgen_bench.leaderboards.study import Study
    from recgen_bench.leaderboards.study_plan import Choice

RUNS = Path("runs/study")
PAGE = "metrics-study.md"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[RUNS]")
@click.option("--run", "run_first", is_flag=True, help="Run what is missing of the plan into RUNS first.")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help=f"Write {PAGE}, the figure and CSV here."
)
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Default: all of whole scenes.")
@click.option("--truth", "truths", multiple=True, metavar="NAME", help="Default: psnr, ssim, gmsd and depth.")
@click.option("--protocol", metavar="NAME", help="The methods' protocol.  [default: street-study]")
@click.option("--method", "methods", multiple=True, metavar="NAME", help="Only this of the plan; repeatable.")
@click.option("--scene", "scenes", multiple=True, metavar="ID", help="Only this of the plan; repeatable.")
@click.option("--shift", "shifts", multiple=True, metavar="3m", help="Only this of the plan; repeatable.")
@click.option("--seed", "seeds", type=click.IntRange(min=0), multiple=True, help="Instead of the plan's.")
@threads_option
@plugin_option
@click.pass_obj
def study(
    outer: tuple[Path, ...] | None,
    folder: Path | None,
    run_first: bool,
    out: Path | None,
    metrics: tuple[str, ...],
    truths: tuple[str, ...],
    protocol: str | None,
    methods: tuple[str, ...],
    scenes: tuple[str, ...],
    shifts: tuple[str, ...],
    seeds: tuple[int, ...],
    threads: int | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Compare metrics that need no true image with the truth, in a world where it is known.

    All finished cells below RUNS are studied. Without RUNS, or with --run, the published plan is run first:
    methods with different faults, and controls whose worth is known (the truth, a blurred truth, grey, and
    the recorded image shown beside its track). A repeated command goes on where the last one stopped.
    """
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.protocol import parse_metres
    from recgen_bench.leaderboards.cells import gather
    from recgen_bench.leaderboards.study import cells_table, choose, conduct
    from recgen_bench.leaderboards.study_page import blocks, page
    from recgen_bench.leaderboards.study_plan import PROTOCOL, Choice

    registry = load_registry((*(outer or ()), *plugin_files))
    narrowed = bool(methods or scenes or shifts or seeds or threads)
    if narrowed and folder and not run_first:
        raise click.UsageError("--method, --scene, --shift, --seed and --threads are for --run")
    if run_first or folder is None:
        asked = tuple(parse_metres(text) for text in shifts)
        choice = Choice(protocol or PROTOCOL, methods=methods, scenes=scenes, shifts=asked, seeds=seeds)
        run_plan(registry, choice, folder or RUNS, threads)
    # Versions of a protocol are told apart below, where controls may follow another one.
    entries = gather([folder or RUNS], mixed=True)
    frame = cells_table(entries, registry.metrics, protocol)
    chosen = (
        choose(frame, registry.metrics, metrics, "metric"),
        choose(frame, registry.metrics, truths, "truth"),
    )
    found = conduct(frame, *chosen)
    if out:
        write_study(found, out)
    else:
        click.echo(page(blocks(found)), nl=False)


def run_plan(registry: Registry, choice: Choice, out: Path, threads: int | None) -> None:
    """Run the cells of the plan that are not done; one that fails is told and does not stop the others."""
    from recgen_bench.harness.cli.run import run_one, run_settings
    from recgen_bench.harness.displays import choose_display
    from recgen_bench.harness.record import Status
    from recgen_bench.leaderboards.study_plan import left_out, plan_study

    cells = plan_study(registry, choice)
    for name in left_out(registry):
        click.echo(f"note: the method {name} is not here and left out", err=True)
    settings = {
        cell.protocol.hash: run_settings(registry, group, None, threads, out, None, {})
        for cell, group in _by_protocol(cells)
    }
    registry.manager.register(choose_display())
    for cell in cells:
        record = run_one(cell, settings[cell.protocol.hash], alone=False)
        if record.status is not Status.OK:
            click.echo(f"warning: {cell.label}: {record.status}: {record.reason}", err=True)


def write_study(found: Study, out: Path) -> None:
    """Write the page, or its generated parts where it exists, the figure, and the numbers as CSV."""
    from recgen_bench.harness.files import check_writable, write_atomic
    from recgen_bench.leaderboards.figure import draw
    from recgen_bench.leaderboards.study_page import FIGURE, blocks, cells_csv, findings_csv, page

    check_writable(out)
    path = out / PAGE
    existing = path.read_text("utf-8") if path.exists() else None
    files = {
        PAGE: page(blocks(found), existing).encode(),
        FIGURE: draw(found),
        "metrics-study-cells.csv": cells_csv(found).encode(),
        "metrics-study-findings.csv": findings_csv(found).encode(),
    }
    for name, data in files.items():
        write_atomic(out / name, data)
        click.echo(f"wrote {out / name}")


def _by_protocol(cells: tuple[Cell, ...]) -> list[tuple[Cell, tuple[Cell, ...]]]:
    """Return the cells of each protocol with the first of them."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.protocol.hash, []).append(cell)
    return [(group[0], tuple(group)) for group in groups.values()]
