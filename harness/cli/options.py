"""Options that several verbs share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

plugin_option: Callable[[F], F] = click.option(
    "--plugin",
    "plugin_files",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="A Python file with hooks of your own; may be repeated.",
)
json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON instead of text."
)


def print_json(items: list[dict[str, Any]]) -> None:
    """Print a list of facts as JSON."""
    import json

    click.echo(json.dumps(items, indent=1, default=str))


def print_facts(title: str, facts: Mapping[str, object]) -> None:
    """Print a name and its facts, one per line, leaving out what is empty."""
    click.secho(title, bold=True)
    for key, value in facts.items():
        if value not in ("", (), None):
            text = ", ".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)
            click.echo(f"  {key + ':':<11}{text}")
