"""The command line: one file per verb, imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import Any

import click

from recgen_bench.harness.errors import RecgenError

VERBS = {
    "run": ("recgen_bench.harness.cli.run:run", "Run a method on the scenes of a protocol."),
    "score": ("recgen_bench.harness.cli.score:score", "Score a folder of images against references."),
    "verify": ("recgen_bench.harness.cli.verify:verify", "Compute the numbers of a record again."),
    "leaderboard": ("recgen_bench.leaderboards.command:leaderboard", "Print a table of finished cells."),
    "methods": ("recgen_bench.harness.cli.methods:methods", "List the methods and their presets."),
    "datasets": ("recgen_bench.harness.cli.datasets:datasets", "List the data sets and how to get them."),
    "metrics": ("recgen_bench.harness.cli.metrics:metrics", "List the metrics and their definitions."),
    "protocols": ("recgen_bench.harness.cli.protocols:protocols", "List the protocols, or show one."),
    "plugins": ("recgen_bench.harness.cli.plugins:plugins", "List the plugins and what they hook into."),
    "weights": ("recgen_bench.harness.cli.weights:weights", "List, fetch and verify pretrained weights."),
    "prior": ("recgen_bench.harness.cli.prior:prior", "List generative priors; curate pairs and train them."),
    "export": (
        "recgen_bench.harness.cli.export:export",
        "Export a trained model as PLY, or its frames as video.",
    ),
    "doctor": ("recgen_bench.harness.cli.doctor:doctor", "Check this installation."),
}


class LazyGroup(click.Group):
    """A group that knows its verbs by name and imports one when it is called.

    Args:
        verbs: Name -> ("module:command", summary), in the order of a first session.
        settings: Of the group, see `click.Group`.
    """

    def __init__(self, *, verbs: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(**settings)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in order."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        if cmd_name not in self.verbs:
            return None
        module, _, name = self.verbs[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in self.verbs.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, and suggest the closest one when there is none."""
        from recgen_bench.harness.errors import did_you_mean

        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f"no such command {args[0]!r}: {did_you_mean(args[0], self.verbs)}")
        return super().resolve_command(ctx, args)


@click.group(cls=LazyGroup, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="recgen-bench")
def cli() -> None:
    """Run reconstruction-generation papers under published, hashed protocols.

    Start with: recgen-bench run --method 3dgs --dataset street --shift 3m
    """


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line; a user's mistake becomes one clear message and exit status 2, not a traceback."""
    try:
        status = cli.main(args=arguments, prog_name="recgen-bench", standalone_mode=False)
    except RecgenError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; repeat the command to go on where it was", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
