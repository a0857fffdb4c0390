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
device_option: Callable[[F], F] = click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Default: cuda when there is one."
)
threads_option: Callable[[F], F] = click.option(
    "--threads", type=click.IntRange(min=1), help="CPU threads; results do not depend on it."
)
weights_option: Callable[[F], F] = click.option(
    "--weights", "given", multiple=True, metavar="NAME=PATH", help="Use this file of weights; repeatable."
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


def chosen_device(asked: str | None) -> str:
    """Return "cuda" where there is one and nobody asked for the other.

    Raises:
        RecgenError: It was asked for, and torch finds none.
    """
    import torch

    from recgen_bench.harness.errors import RecgenError

    available = torch.cuda.is_available()
    if asked == "cuda" and not available:
        hint = "use --device cpu; every method runs there, with its demo preset in minutes"
        raise RecgenError("torch finds no CUDA device", hint=hint, where="--device cuda")
    return asked or ("cuda" if available else "cpu")


def weight_paths(given: tuple[str, ...]) -> dict[str, Path]:
    """Return the paths of `--weights NAME=PATH` by name.

    Raises:
        RecgenError: An equals sign is missing.
    """
    from recgen_bench.harness.errors import RecgenError

    paths = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals:
            raise RecgenError("not an assignment", got=text, expected="NAME=PATH", where="--weights")
        paths[name] = Path(path)
    return paths
