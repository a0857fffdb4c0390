"""`recgen-bench methods`."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json


@click.command()
@plugin_option
@json_option
def methods(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the methods and their presets."""
    from recgen_bench.harness.plugins import load_registry

    infos = load_registry(plugin_files).methods.values()
    rows = [
        {
            "name": info.name,
            "summary": info.summary,
            "presets": info.presets,
            "paper": info.paper,
            "licence": info.licence,
            "version": info.version,
            "weights": tuple(weights.name for weights in info.weights),
        }
        for info in infos
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_facts(str(row.pop("name")), row)
