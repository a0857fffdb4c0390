"""`recgen-bench datasets`."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json


@click.command()
@plugin_option
@json_option
def datasets(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the data sets, how to get them and which protocols they have."""
    from recgen_bench.harness.plugins import load_registry

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
