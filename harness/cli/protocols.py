"""`recgen-bench protocols`."""

from __future__ import annotations

from pathlib import Path

import click

from recgen_bench.harness.cli.options import json_option, plugin_option, print_facts


@click.command()
@click.argument("name", required=False)
@plugin_option
@json_option
def protocols(name: str | None, plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the protocols, or show one: its canonical form and its hash."""
    import json

    from recgen_bench.harness.plugins import load_registry

    registry = load_registry(plugin_files)
    chosen = [registry.protocol(name)] if name else list(registry.protocols.values())
    if as_json or name:
        shown = [{**protocol.canonical(), "hash": protocol.hash} for protocol in chosen]
        click.echo(json.dumps(shown[0] if name else shown, indent=1))
        return
    for protocol in chosen:
        facts = {
            "summary": protocol.summary,
            "source": protocol.source,
            "unknown": protocol.unknown,
            "datasets": protocol.datasets,
            "scenes": tuple(entry.id for entry in protocol.scenes) or "your own",
            "metrics": tuple(protocol.metrics),
            "hash": protocol.hash,
        }
        print_facts(protocol.name, facts)
