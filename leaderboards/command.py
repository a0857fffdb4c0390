"""`recgen-bench leaderboard`: a table of finished cells."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli.options import plugin_option


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR...")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["csv", "md", "latex"]),
    default="md",
    show_default=True,
    help="csv has a row per cell; md and latex have means.",
)
@click.option("--metric", "chosen", multiple=True, metavar="NAME", help="Default: all; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: print it.")
@click.option("--mixed", is_flag=True, help="Accept two versions of a protocol, in separate tables.")
@plugin_option
def leaderboard(
    folders: tuple[Path, ...],
    kind: str,
    chosen: tuple[str, ...],
    out: Path | None,
    mixed: bool,
    plugin_files: tuple[Path, ...],
) -> None:
    """Print the table of all records below the folders.

    Numbers under different versions of a protocol are never mixed. Cells that failed, could not run or are
    missing show as such.
    """
    from recgen_bench.harness.files import write_atomic
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.leaderboards.aggregate import tabulate
    from recgen_bench.leaderboards.cells import cells_frame, gather, metric_names, to_csv
    from recgen_bench.leaderboards.latex import to_latex
    from recgen_bench.leaderboards.markdown import to_markdown

    infos = load_registry(plugin_files).metrics
    entries = gather(folders, mixed)
    metrics = metric_names(entries, infos, chosen)
    frame = cells_frame(entries, metrics)
    if kind == "csv":
        text = to_csv(frame, metrics)
    else:
        render = to_markdown if kind == "md" else to_latex
        text = render(tabulate(frame, metrics, infos))
    if out:
        write_atomic(out, text.encode())
        click.echo(f"wrote {out}")
    else:
        click.echo(text, nl=False)
