"""`recgen-bench weights`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json

if TYPE_CHECKING:
    from recgen_bench.harness.registration import WeightsInfo
    from recgen_bench.harness.weights import WeightsDoor

_NOTHING = "no installed method, prior or metric needs pretrained weights"


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
    """List every file of weights that a method, prior or metric declares, and where it is."""
    door, declared = _door(plugin_files)
    rows = [
        {
            "name": info.name,
            "hub": info.hub,
            "file": info.file,
            "revision": info.revision,
            "sha256": info.sha256 or "not published",
            "licence": info.licence,
            "megabytes": round(info.size / 1e6, 1),
            "needed by": owners,
            "found": str(door.find(info.name) or "no"),
        }
        for info, owners in declared
    ]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo(_NOTHING)
    else:
        for row in rows:
            print_facts(str(row.pop("name")), row)


@weights.command()
@plugin_option
@json_option
def status(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """Show which weights are here and which are missing, who needs them, and how to get them.

    Files are found, not hashed: `weights verify` does that, and so does every run before it uses one.
    """
    from recgen_bench.harness.weights import how_to_get

    door, declared = _door(plugin_files)
    rows = []
    for info, owners in declared:
        found = door.find(info.name)
        get = "" if found else how_to_get(info)
        facts = {"name": info.name, "here": found is not None, "needed by": owners}
        rows.append({**facts, "path": str(found or ""), "get": get})
    if as_json:
        print_json(rows)
        return
    for row in rows:
        state = "here" if row.pop("here") else "MISSING"
        print_facts(f"{row.pop('name')}  {state}", row)
    missing = sum(bool(row["get"]) for row in rows)
    click.echo(f"{len(rows) - missing} of {len(rows)} files are on this machine" if rows else _NOTHING)


@weights.command()
@click.argument("name")
@plugin_option
def fetch(name: str, plugin_files: tuple[Path, ...]) -> None:
    """Download one file from the hub into its cache and verify it."""
    click.echo(_door(plugin_files)[0].fetch(name))


@weights.command()
@click.argument("names", nargs=-1)
@plugin_option
def verify(names: tuple[str, ...], plugin_files: tuple[Path, ...]) -> None:
    """Compare files with their registered sha256; without names, all that are on this machine."""
    from recgen_bench.harness.weights import verify as verify_file

    door, _ = _door(plugin_files)
    missing = False
    for name in names or door.known:
        found = door.find(name)
        if found is None:
            missing = missing or bool(names)
            click.echo(f"{name}: not on this machine")
        else:
            click.echo(f"{name}: {verify_file(found, door.info(name))}  {found}")
    sys.exit(1 if missing else 0)


def _door(
    plugin_files: tuple[Path, ...],
) -> tuple[WeightsDoor, tuple[tuple[WeightsInfo, tuple[str, ...]], ...]]:
    """Return the door, and every declared file with who needs it."""
    from recgen_bench.harness.plugins import load_registry
    from recgen_bench.harness.weights import declared_weights, open_door

    registry = load_registry(plugin_files)
    return open_door(registry), declared_weights(registry)
