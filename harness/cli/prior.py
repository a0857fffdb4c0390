"""`recgen-bench prior`."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recgen_bench.harness.cli.options import (
    json_option,
    plugin_option,
    print_facts,
    print_json,
    threads_option,
)

if TYPE_CHECKING:
    from recgen_bench.harness.registration import PriorInfo

prior_option = click.option(
    "--prior",
    "name",
    default="restorer",
    show_default=True,
    help="Whose curation and training; see recgen-bench prior list.",
)
set_option = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Override a setting; may be repeated."
)
force_option = click.option(
    "--force", "forced", is_flag=True, help="Learn from test scenes too; the result cannot be compared."
)


@click.group()
def prior() -> None:
    """List generative priors, curate pairs of broken and true frames, and train on them."""


@prior.command("list")
@plugin_option
@json_option
def list_priors(plugin_files: tuple[Path, ...], as_json: bool) -> None:
    """List the priors, their weights and what they were trained on."""
    from recgen_bench.harness.plugins import load_registry

    rows: list[dict[str, Any]] = [
        {
            "name": info.name,
            "summary": info.summary,
            "weights": tuple(weights.name for weights in info.weights)
            + tuple(f"{packaged.file} (in the package)" for packaged in info.packaged),
            "trained on": info.trained_on,
            "trainable": "yes" if info.train else "no",
        }
        for info in load_registry(plugin_files).priors.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        print_facts(str(row.pop("name")), row)


@prior.command()
@prior_option
@click.option("--dataset", required=True, help="Name of a data set; see recgen-bench datasets.")
@click.option("--protocol", help="How scenes are opened; default: the data set's own.")
@click.option("--seeds", metavar="LIST", help="Scenes of an embedded world, for example 1000-1059.")
@click.option("--scene", "scenes", multiple=True, help="A scene of recorded data; may be repeated.")
@click.option("--data", type=click.Path(path_type=Path), metavar="PATH", help="The data set's folder.")
@click.option(
    "--strategy",
    "strategies",
    default="shifted",
    show_default=True,
    metavar="LIST",
    help="How frames are broken: shifted, underfit, sparse, cycle, cross-camera, distilled; comma-separated.",
)
@click.option(
    "--cameras", default="", metavar="LIST", help="Sensors to open; default: those of the protocol."
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="DIR", help="Folder of the pairs."
)
@click.option(
    "--pairs",
    type=click.IntRange(min=1),
    default=24,
    show_default=True,
    help="At most, per scene and strategy.",
)
@click.option("--eig", "with_eig", is_flag=True, help="Add maps of expected information gain.")
@click.option(
    "--restorer", type=click.Path(path_type=Path), metavar="FILE", help="Weights, for the strategy distilled."
)
@set_option
@force_option
@threads_option
@plugin_option
def curate(
    name: str,
    dataset: str,
    protocol: str | None,
    seeds: str | None,
    scenes: tuple[str, ...],
    data: Path | None,
    strategies: str,
    cameras: str,
    out: Path,
    pairs: int,
    with_eig: bool,
    restorer: Path | None,
    settings: tuple[str, ...],
    forced: bool,
    threads: int | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Make pairs of broken and true frames to train on; a repeated command goes on where it was."""
    from recgen_bench.harness.curation import CurationOrder, parse_seeds
    from recgen_bench.harness.dataset import check_source
    from recgen_bench.harness.errors import RecgenError
    from recgen_bench.harness.plugins import load_registry

    registry = load_registry(plugin_files)
    info = registry.dataset(dataset)
    check_source(info, data)
    named = (*scenes, *(parse_seeds(seeds) if seeds else ()))
    if not named:
        raise RecgenError("no scene is named", expected="--seeds LIST or --scene NAME")
    order = CurationOrder(
        dataset=info,
        protocol=registry.protocol_for(info, protocol),
        scenes=named,
        strategies=_listed(strategies),
        out=out,
        cameras=_listed(cameras),
        source=data,
        pairs=pairs,
        with_eig=with_eig,
        settings=settings,
        threads=_threads(threads),
        forced=forced,
        restorer=restorer,
    )
    click.echo(_work(registry.prior(name), "curate")(order, _tell))


@prior.command()
@prior_option
@click.option(
    "--data",
    "folders",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of curated pairs; may be repeated.",
)
@click.option("--config", default="embedded", show_default=True, help="Size of the network.")
@click.option("--steps", required=True, type=click.IntRange(min=1), help="Optimiser steps.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Weights to write, FILE.safetensors.",
)
@click.option("--eig", "with_eig", is_flag=True, help="Condition it on expected information gain.")
@click.option("--start", type=click.Path(path_type=Path), metavar="FILE", help="Start from these weights.")
@click.option(
    "--held-out",
    default="1990-1999",
    show_default=True,
    metavar="LIST",
    help="Scenes to validate on and not to learn from.",
)
@click.option(
    "--vgg",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="torchvision's VGG-16 for the LPIPS and Gram terms, which are left out without it.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@set_option
@force_option
@threads_option
@plugin_option
def train(
    name: str,
    folders: tuple[Path, ...],
    config: str,
    steps: int,
    out: Path,
    with_eig: bool,
    start: Path | None,
    held_out: str,
    vgg: Path | None,
    seed: int,
    settings: tuple[str, ...],
    forced: bool,
    threads: int | None,
    plugin_files: tuple[Path, ...],
) -> None:
    """Train a prior on curated pairs; writes weights, a model card and a picture beside them.

    A repeated command goes on from its last snapshot.
    """
    from recgen_bench.harness.curation import TrainingOrder, parse_seeds
    from recgen_bench.harness.errors import RecgenError
    from recgen_bench.harness.plugins import load_registry

    if out.suffix != ".safetensors":
        raise RecgenError("not a file of weights", got=out, expected="FILE.safetensors", where="--out")
    order = TrainingOrder(
        data=folders,
        config=config,
        out=out,
        steps=steps,
        seed=seed,
        with_eig=with_eig,
        start=start,
        held_out=parse_seeds(held_out, "--held-out") if held_out else (),
        settings=settings,
        threads=_threads(threads),
        forced=forced,
        command=shlex.join(["recgen-bench", *sys.argv[1:]]),
        vgg=vgg,
    )
    click.echo(_work(load_registry(plugin_files).prior(name), "train")(order, _tell))


def _work(info: PriorInfo, kind: str) -> Any:
    """Return the function that curates for a prior, or trains it.

    Raises:
        PluginError: Nobody wrote one, or it cannot be loaded.
    """
    from recgen_bench.harness.errors import PluginError
    from recgen_bench.harness.registration import resolve

    target = getattr(info, kind)
    if not target:
        hint = "see recgen-bench prior list for those that can be trained"
        raise PluginError(f"{info.name} is not trained here", hint=hint, where="--prior")
    return resolve(target, f"{kind} of prior {info.name}")


def _tell(done: int, total: int, what: str) -> None:
    click.echo(f"{done}/{total} {what}")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _threads(asked: int | None) -> int:
    import os

    return asked or os.cpu_count() or 1
