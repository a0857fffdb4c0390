"""Training of the embedded eye: `python -m recgen_bench.metrics.embedded.train --out eye.safetensors`.

The same arguments on the same machine with the same number of threads give the same file, also after an
interruption: every step draws its views from its own random numbers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from safetensors.torch import save_file

from recgen_bench.harness.cache import cache_folder
from recgen_bench.harness.errors import DataError, RecgenError
from recgen_bench.harness.files import replacing
from recgen_bench.metrics.embedded.damage import Sample, varied
from recgen_bench.metrics.embedded.eye import load_eye
from recgen_bench.metrics.embedded.learning import loss_of, truth_of
from recgen_bench.metrics.embedded.network import EyeNetwork
from recgen_bench.metrics.embedded.samples import Samples, counted, join, kept_samples
from recgen_bench.metrics.embedded.validate import validate

STATE_EVERY = 200
"""Steps between states from which an interrupted training goes on."""


@dataclass(frozen=True, slots=True)
class Training:
    """What determines the weights.

    Attributes:
        first: Lowest seed of the training streets.
        last: Highest seed, included.
        views: Per street.
        steps: Of the optimiser.
        batch: Views per step.
        rate: Highest learning rate; it rises over 5 % of the steps and falls to 0 along a cosine.
        seed: Of the initial weights and of every random choice.
    """

    first: int = 1000
    last: int = 1079
    views: int = 10
    steps: int = 2400
    batch: int = 8
    rate: float = 2e-3
    seed: int = 0


DEFAULTS = Training()


def train(training: Training, samples: Samples, state_path: Path, tell: Callable[[str], None]) -> EyeNetwork:
    """Train the network, going on from `state_path` when it holds the state of the same training.

    Raises:
        DataError: There are fewer views than a step needs, or the state is damaged or of another training.
        OutputError: The state cannot be written.
    """
    if len(samples.images) < training.batch:
        raise DataError("fewer views than a step needs", got=len(samples.images), expected=training.batch)
    torch.manual_seed(training.seed)
    network = EyeNetwork().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=training.rate, weight_decay=1e-3)
    begin = _resume(training, network, optimiser, state_path)
    sums = np.zeros(3)
    network.train()
    for step in range(begin, training.steps):
        for group in optimiser.param_groups:
            group["lr"] = training.rate * _schedule(step / training.steps)
        truth = truth_of(_batch(training, samples, step))
        images = truth.images.contiguous(memory_format=torch.channels_last)
        losses = loss_of(network(images), truth)
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(torch.stack(losses).sum())
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        sums += [loss.item() for loss in losses]
        if (step + 1) % STATE_EVERY == 0 or step + 1 == training.steps:
            _keep(training, network, optimiser, step + 1, state_path)
            centre, box, paint = sums / ((step % STATE_EVERY) + 1)
            tell(f"step {step + 1}: centres {centre:.3f}, boxes {box:.3f}, paint {paint:.3f}")
            sums[:] = 0
    return network.eval()


def _schedule(progress: float) -> float:
    return min(progress / 0.05, 1.0) * 0.5 * (1 + math.cos(math.pi * progress)) + 1e-3


def _batch(training: Training, samples: Samples, step: int) -> list[Sample]:
    rng = np.random.default_rng([training.seed, step])
    counts = counted(samples)
    batch = []
    for index in rng.choice(len(samples.images), training.batch, replace=False):
        mine = samples.view == index
        boxes = samples.boxes[mine].astype(np.float64)
        batch.append(varied(Sample(samples.images[index], samples.paint[index], boxes, counts[mine]), rng))
    return batch


def _keep(
    training: Training, network: EyeNetwork, optimiser: torch.optim.Optimizer, step: int, path: Path
) -> None:
    state = {"training": asdict(training), "step": step, "network": network.state_dict()}
    state["optimiser"] = optimiser.state_dict()
    with replacing(path) as partial:
        torch.save(state, partial)


def _resume(training: Training, network: EyeNetwork, optimiser: torch.optim.Optimizer, path: Path) -> int:
    """Load what an interrupted training left and return the number of steps it made, 0 when nothing is."""
    if not path.exists():
        return 0
    hint = "delete it, or train with the arguments it was begun with"
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
        if state["training"] != asdict(training):
            raise DataError(
                "the state is of another training", got=state["training"], hint=hint, where=str(path)
            )
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        return int(state["step"])
    except RecgenError:
        raise
    except Exception as error:  # torch.load raises many kinds for damaged files.
        raise DataError(f"the state cannot be read: {error}", hint=hint, where=str(path)) from error


def save(network: EyeNetwork, training: Training, path: Path) -> None:
    """Write the weights as safetensors with the training in the file's metadata.

    Raises:
        OutputError: The file cannot be written.
    """
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    with replacing(path) as partial:
        save_file(state, partial, metadata={"training": json.dumps(asdict(training), sort_keys=True)})


@click.command(help=__doc__)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .safetensors to write.")
@click.option("--seeds", default="1000-1079", show_default=True, help="Training streets, 1000 to 1999.")
@click.option("--validation", default="1900-1909", show_default=True, help="Streets that are only looked at.")
@click.option("--views", default=DEFAULTS.views, show_default=True, help="Per street.")
@click.option("--steps", default=DEFAULTS.steps, show_default=True)
@click.option("--seed", default=DEFAULTS.seed, show_default=True)
@click.option("--threads", default=1, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), help="Where samples are kept.")
def main(
    out: Path, seeds: str, validation: str, views: int, steps: int, seed: int, threads: int, data: Path | None
) -> None:
    """Draw the samples, train, write the weights, and print the figures of the card."""
    torch.set_num_threads(threads)
    folder = data or cache_folder() / "eye"
    try:
        (first, last), (low, high) = _span(seeds), _span(validation)
        if first <= high and low <= last:
            raise DataError(
                "the eye must not be trained on its validation streets", got=f"{seeds}, {validation}"
            )
        training = Training(first, last, views, steps, seed=seed)
        samples = join([kept_samples(folder, street, views) for street in range(first, last + 1)])
        save(train(training, samples, out.with_suffix(".state"), click.echo), training, out)
        eye = load_eye(path=out)
        figures = validate(
            eye, join([kept_samples(folder, street, views) for street in range(low, high + 1)])
        )
    except RecgenError as error:
        raise click.ClickException(str(error)) from error
    for field in fields(figures):
        click.echo(f"{field.name}: {getattr(figures, field.name):.4g}")
    click.echo(f"sha256: {eye.digest}")


def _span(text: str) -> tuple[int, int]:
    """Return the ends of "1000-1079".

    Raises:
        DataError: It is no span of training seeds.
    """
    first, _, last = text.partition("-")
    if not (first.isdecimal() and (last or first).isdecimal()):
        raise DataError("not a span of seeds", got=text, expected="for example 1000-1079")
    low, high = int(first), int(last or first)
    if not 1000 <= low <= high <= 1999:
        raise DataError("the eye is trained on streets 1000 to 1999 only", got=text)
    return low, high


if __name__ == "__main__":
    main()
