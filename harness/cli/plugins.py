"""`recgen-bench plugins`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts, print_json


@click.command()
@plugin_option
@json_option
def plugins(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the plugins and what they hook into; exit status 1 when one of them does not load.

    RECGEN_PLUGINS names the installed distributions to load, separated by commas; set and empty, it leaves
    only the built-ins.
    """
    from dataclasses import asdict

    from recgen_bench.harness.plugins import load_registry

    statuses = load_registry(plugin_files).plugins
    if as_json:
        print_json([asdict(status) for status in statuses])
    else:
        for status in statuses:
            print_facts(status.name, {"source": status.source, "hooks": status.hooks, "error": status.error})
    if any(status.error for status in statuses):
        sys.exit(1)
