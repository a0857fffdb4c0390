"""`recgen-bench weights`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json

if TYPE_CHECKING:
    from recgen_bench.harness.weights import WeightsDoor


@click.group()
def weights() -> None:
    """List, fetch and verify pretrained weights.

    A run looks for weights in this order: --weights NAME=PATH, the folder that RECGEN_WEIGHTS names, the hub
    cache. It never downloads; `weights fetch` does.
    """


@weights.command("list")
@plugin_option
@json_option
def list_weights(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List every file of weights that a method or prior declares, and where it is."""
    door = _door(plugin_files)
    rows = [
        {
            "name": info.name,
            "hub": info.hub,
            "file": info.file,
            "revision": info.revision,
            "sha256": info.sha256 or "not published",
            "licence": info.licence,
            "megabytes": round(info.size / 1e6, 1),
            "found": str(door.find(info.name) or "no"),
        }
        for info in door.known.values()
    ]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("no installed method or prior needs pretrained weights")
    else:
        for row in rows:
            print_facts(str(row.pop("name")), row)


@weights.command()
@click.argument("name")
@plugin_option
def fetch(name: str, plugin_files: tuple[Path, ...]) -> None:
    """Download one file from the hub into its cache and verify it."""
    click.echo(_door(plugin_files).fetch(name))


@weights.command()
@click.argument("names", nargs=-1)
@plugin_option
def verify(names: tuple[str, ...], plugin_files: tuple[Path, ...]) -> None:
    """Compare files with their registered sha256; without names, all that are on this machine."""
    from recgen_bench.harness.weights import verify as verify_file

    door = _door(plugin_files)
    missing = False
    for name in names or door.known:
        found = door.find(name)
        if found is None:
            missing = missing or bool(names)
            click.echo(f"{name}: not on this machine")
        else:
            click.echo(f"{name}: {verify_file(found, door.info(name))}  {found}")
    sys.exit(1 if missing else 0)


def _door(plugin_files: tuple[Path, ...]) -> WeightsDoor:
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.weights import open_door

    return open_door(load_registry(plugin_files))
