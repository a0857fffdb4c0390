"""`recgen-bench metrics`."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json


@click.command()
@plugin_option
@json_option
def metrics(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the metrics and their definitions."""
    from recgen_bench.harness.plugins import load_registry

    rows = [
        {
            "name": info.name,
            "summary": info.summary,
            "version": info.version,
            "better": info.direction,
            "unit": info.unit,
            "range": f"{info.bounds[0]:g} to {info.bounds[1]:g}",
            "needs": tuple(sorted(info.needs)),
        }
        for info in load_registry(plugin_files).metrics.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_facts(str(row.pop("name")), row)
