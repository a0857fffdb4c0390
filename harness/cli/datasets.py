"""`recgen-bench datasets`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json

data_option = click.option(
    "--data", type=click.Path(path_type=Path), metavar="PATH", help="Your copy; generated worlds need none."
)
protocol_option = click.option("--protocol", metavar="NAME", help="Instead of the data set's own.")


@click.group(invoke_without_command=True)
@plugin_option
@json_option
@click.pass_context
def datasets(context: click.Context, plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the data sets, how to get them and which protocols they have."""
    from recgen_bench.harness.plugins import load_registry

    context.obj = plugin_files
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json is for the list; give no subcommand with it")
        return
    registry = load_registry(plugin_files)
    rows = [
        {
            "name": info.name,
            "summary": info.summary,
            "protocols": tuple(p.name for p in registry.protocols.values() if info.name in p.datasets),
            "layout": info.layout,
            "obtain": info.obtain,
            "licence": info.licence,
        }
        for info in registry.datasets.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_facts(str(row.pop("name")), row)


@datasets.command()
@click.argument("name")
@plugin_option
@click.pass_obj
def info(outer: tuple[Path, ...], name: str, plugin_files: tuple[Path, ...]) -> None:
    """Show one data set: licence, how to get it, its layout, its protocols and their scenes."""
    from recgen_bench.harness.plugins import load_registry

    registry = load_registry((*outer, *plugin_files))
    dataset = registry.dataset(name)
    print_facts(dataset.name, {"summary": dataset.summary, "licence": dataset.licence or "not stated"})
    print_steps("obtain", dataset.obtain.split("; "))
    print_steps("layout", dataset.layout.split(" | "))
    for protocol in registry.protocols.values():
        if name in protocol.datasets:
            click.echo(f"  protocol {protocol.name}{' (the default)' * (protocol.name == dataset.protocol)}")
            click.echo(f"    {protocol.summary}")
            listed = ", ".join(entry.id for entry in protocol.scenes)
            others = "any of yours" if not listed else f"{listed}{'; others too' * protocol.open_scenes}"
            click.echo(f"    scenes:  {others}")
    if not dataset.embedded:
        click.echo(f"  next:      recgen-bench datasets check {name} --data PATH")


@datasets.command()
@click.argument("name")
@data_option
@click.option("--scene", "scenes", multiple=True, metavar="ID", help="May be repeated.")
@protocol_option
@click.option("--all", "everything", is_flag=True, help="Open all scenes, not only the first 8.")
@click.option("--deep", is_flag=True, help="Decode every image, not only the first and last.")
@plugin_option
@click.pass_obj
def check(
    outer: tuple[Path, ...],
    name: str,
    data: Path | None,
    scenes: tuple[str, ...],
    protocol: str | None,
    everything: bool,
    deep: bool,
    plugin_files: tuple[Path, ...],
) -> None:
    """Check a local copy without training on it.

    Without --scene, the scenes that the protocol lists are opened, or all that are found where it lists none,
    at most 8 of them. Exit status: 0 when everything the protocol needs is there, 1 when something is missing
    or damaged, 2 when the command is wrong.
    """
    from recgen_bench.harness.inspection import Level, inspect_copy, open_copy
    from recgen_bench.harness.plugins import load_registry

    copy = open_copy(load_registry((*outer, *plugin_files)), name, protocol, data)
    click.echo(f"{name} for {copy.protocol.name} ({copy.protocol.hash[:12]})")
    scene, problems = "", 0
    for finding in inspect_copy(copy, scenes, everything=everything, deep=deep):
        if finding.scene != scene:
            scene = finding.scene
            click.echo(f"scene {scene}")
        problems += finding.level is Level.PROBLEM
        text = finding.text.replace("\n", "\n" + " " * 23)
        click.echo(f"  {finding.level:<8} {finding.subject + ':':<11} {text}")
    click.echo(f"{problems} problem{'s' * (problems != 1)}" if problems else "no problem")
    sys.exit(1 if problems else 0)


@datasets.command()
@click.argument("name")
@click.argument("scene")
@data_option
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", help="Default: NAME-SCENE.png in this folder."
)
@protocol_option
@plugin_option
@click.pass_obj
def preview(
    outer: tuple[Path, ...],
    name: str,
    scene: str,
    data: Path | None,
    out: Path | None,
    protocol: str | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Draw a scene: some of its views, and its cameras, points, boxes and lanes from above."""
    from recgen_bench.harness.images import write_png
    from recgen_bench.harness.inspection import open_copy
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.preview import contact_sheet, divided

    copy = open_copy(load_registry((*outer, *plugin_files)), name, protocol, data)
    scene = copy.known(scene)
    out = out or Path(f"{name}-{scene}.png")
    if out.suffix.lower() != ".png":
        raise click.UsageError(f"--out {out}: the picture is a PNG, so the name must end in .png")
    shown, complaint = divided(copy.open(scene), copy.protocol)
    if complaint:
        click.echo(f"warning: the protocol does not fit, so no view is coloured: {complaint}", err=True)
    write_png(out, contact_sheet(shown))
    click.echo(out)


def print_steps(title: str, steps: list[str]) -> None:
    """Print a heading and its steps, one per line, or nothing when there are none."""
    for number, step in enumerate(filter(None, steps)):
        click.echo(f"  {title + ':' if number == 0 else '':<11}{step}")
