"""`recgen-bench metrics`."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli import LazyGroup
from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json

VERBS = {
    "study": (
        "recgen_bench.leaderboards.study_command:study",
        "Compare metrics that need no true image with the truth.",
    ),
}


@click.group(cls=LazyGroup, verbs=VERBS, invoke_without_command=True)
@plugin_option
@json_option
@click.pass_context
def metrics(context: click.Context, plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the metrics and their definitions."""
    from recgen_bench.harness.plugins import load_registry

    context.obj = plugin_files
    if context.invoked_subcommand is not None:
        if as_json:
            raise click.UsageError("--json is for the list; give no subcommand with it")
        return
    rows = [
        {
            "name": info.name,
            "summary": info.summary,
            "version": info.version,
            "better": info.direction,
            "unit": info.unit,
            "range": f"{info.bounds[0]:g} to {info.bounds[1]:g}",
            "scope": info.scope,
            "needs": tuple(sorted(info.needs)),
            "weights": tuple(weights.name for weights in info.weights),
        }
        for info in load_registry(plugin_files).metrics.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_facts(str(row.pop("name")), row)
