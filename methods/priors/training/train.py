"""From an order to a file of weights with its card, its validation and a picture."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.curation import Report, TrainingOrder
from recgen_bench.harness.errors import DataError, PluginError, RecgenError, did_you_mean
from recgen_bench.harness.images import write_png
from recgen_bench.harness.phases import exclusive
from recgen_bench.harness.protocol import canonical_hash
from recgen_bench.harness.provenance import code_version
from recgen_bench.harness.settings import override
from recgen_bench.harness.weights import file_hash
from recgen_bench.methods.priors.config import DIFIX, DIFIX_REF, EMBEDDED, RestorerConfig
from recgen_bench.methods.priors.curation.curate import check_seeds
from recgen_bench.methods.priors.eig_unet import widened
from recgen_bench.methods.priors.losses import LossWeights, RestorationLoss
from recgen_bench.methods.priors.onestep import OneStepNetwork, build
from recgen_bench.methods.priors.stored import Card, load_exactly, load_network, save_network
from recgen_bench.methods.priors.training.card import card_text, seed_ranges
from recgen_bench.methods.priors.training.examples import Examples, Source, find_sources
from recgen_bench.methods.priors.training.fit import Fit, fit
from recgen_bench.methods.priors.training.objective import Objective
from recgen_bench.methods.priors.training.recipe import TrainingRecipe
from recgen_bench.methods.priors.training.validation import Validation, validate
from recgen_bench.methods.priors.vgg import load_vgg

CONFIGS = {"embedded": EMBEDDED, "difix": DIFIX, "difix-ref": DIFIX_REF}
"""Networks by the names that commands use."""

WORLDS = ("street", "room")
"""Data sets whose scenes below 1000 are test scenes."""


def train(order: TrainingOrder, report: Report) -> Path:
    """Train a restorer and write `out` (weights), its card `.md` and a picture of validation `.png`.

    A repeated command goes on from the snapshot beside `out`.

    Raises:
        RecgenError: The configuration or a setting is unknown, or test scenes would be learned from.
        DataError: The pairs are missing or damaged, or the weights to start from do not fit.
        OutputError: A file cannot be written.
    """
    recipe = override(TrainingRecipe(), order.settings)
    config = _config(order)
    _check_crop(recipe, config)
    learned, held_out = _divided(order)
    torch.set_num_threads(order.threads)
    torch.manual_seed(order.seed)
    network = _network(config, order.start)
    objective = _objective(recipe, order.vgg)
    training = Fit(
        network,
        objective,
        recipe,
        steps=order.steps,
        seed=order.seed,
        order=_order_hash(order, recipe, config, learned),
    )
    examples = Examples(
        learned,
        seed=order.seed,
        batch=recipe.batch,
        crop=(recipe.crop_height, recipe.crop_width),
        multiple=config.multiple,
        with_eig=order.with_eig,
        jitter=recipe.jitter,
        resident=recipe.resident,
    )
    # Two commands may write into one folder, but not the same file.
    with exclusive(order.out.with_suffix(".training")):
        snapshots = Snapshots(order.out.with_suffix(".training") / "snapshot.safetensors", every_s=60.0)
        after = _watcher(training, held_out, recipe, order, report)
        network = fit(training, examples, snapshots, until=order.steps, after=after)
        _write(order, network, objective, learned, held_out)
        snapshots.clear()
    return order.out


def _watcher(
    training: Fit,
    held_out: Sequence[Source],
    recipe: TrainingRecipe,
    order: TrainingOrder,
    report: Report,
) -> Callable[[int, float], None]:
    """Return what looks on after each step: losses now and then, validation at its intervals."""
    losses: list[float] = []

    def after(step: int, loss: float) -> None:
        losses.append(loss)
        if step % recipe.validate_every == 0 and held_out and step < order.steps:
            report(step, order.steps, validate(training.averaged(), held_out, every=4).line())
        elif step % 50 == 0 or step == order.steps:
            report(step, order.steps, f"loss {sum(losses) / len(losses):.5f}")
            losses.clear()

    return after


def _write(
    order: TrainingOrder,
    network: OneStepNetwork,
    objective: Objective,
    learned: Sequence[Source],
    held_out: Sequence[Source],
) -> None:
    scenes = seed_ranges([(pair.dataset, pair.scene) for source in learned for pair in source.entry.pairs])
    card = Card(
        command=order.command,
        steps=order.steps,
        seed=order.seed,
        trained_on=scenes,
        terms=objective.terms,
        notes=_notes(order, network.config),
    )
    save_network(order.out, network, card)
    # What is shipped is what is validated: rounded to half precision.
    stored = load_network(order.out)
    validation: Validation | None = validate(stored, held_out) if held_out else None
    sha256 = file_hash(order.out)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    text = card_text(order.out.name, card, validation, sha256=sha256, parameters=parameters)
    order.out.with_suffix(".md").write_text(text, "utf-8")
    if validation is not None:
        write_png(order.out.with_suffix(".png"), validation.picture)


def _notes(order: TrainingOrder, config: RestorerConfig) -> tuple[str, ...]:
    notes = [f"code {code_version()}"]
    if config.uses_reference and config.reference == "road":
        notes.append("references are aligned on the road plane, see splats/ground.py")
    if order.vgg is None:
        notes.append("LPIPS and Gram were left out: no VGG-16 was given")
    if order.start is not None:
        notes.append(f"started from {order.start.name}, sha256 {file_hash(order.start)}")
    return tuple(notes)


def _config(order: TrainingOrder) -> RestorerConfig:
    if order.config not in CONFIGS:
        hint = did_you_mean(order.config, CONFIGS)
        raise PluginError("unknown configuration", got=order.config, hint=hint, where="--config")
    if order.steps < 1:
        raise RecgenError("there is nothing to train", got=f"{order.steps} steps", where="--steps")
    config = CONFIGS[order.config]
    return config.with_eig() if order.with_eig else config


def _check_crop(recipe: TrainingRecipe, config: RestorerConfig) -> None:
    for name in ("crop_height", "crop_width"):
        size = getattr(recipe, name)
        if size % config.multiple:
            expected = f"a multiple of {config.multiple}, or 0 for the whole side"
            raise RecgenError(f"{name} does not fit the network", got=size, expected=expected, where="--set")


def _divided(order: TrainingOrder) -> tuple[tuple[Source, ...], tuple[Source, ...]]:
    """Return what is learned from and what is validated on."""
    sources = find_sources(order.data)
    held_out = tuple(source for source in sources if _scene(source) in order.held_out)
    learned = tuple(source for source in sources if _scene(source) not in order.held_out)
    for source in learned:
        first = source.entry.pairs[0]
        check_seeds(first.dataset, first.dataset in WORLDS, (first.scene,), order.forced, "--data")
    if not learned:
        folders = ", ".join(map(str, order.data))
        raise DataError("there are no pairs to train on", hint="check --held-out", where=folders)
    return learned, held_out


def _scene(source: Source) -> str:
    return source.entry.pairs[0].scene


def _network(config: RestorerConfig, start: Path | None) -> OneStepNetwork:
    """Return a fresh network, or one that starts from stored weights, widened if only it is conditioned."""
    network = build(config)
    if start is not None:
        stored = load_network(start)
        state = dict(stored.state_dict())
        if config.uses_eig and not stored.config.uses_eig:
            wide = widened(stored.unet.state_dict())
            state |= {f"unet.{name}": value for name, value in wide.items()}
        load_exactly(
            network, {name: _grown(value, network.state_dict()[name]) for name, value in state.items()}
        )
    return network.train()


def _grown(stored: Tensor, wanted: Tensor) -> Tensor:
    """Return weights with zeros for input channels that the stored network does not have."""
    if stored.ndim != 4 or stored.shape[1] >= wanted.shape[1]:
        return stored
    missing = stored.new_zeros(len(stored), wanted.shape[1] - stored.shape[1], *stored.shape[2:])
    return torch.cat([stored, missing], dim=1)


def _objective(recipe: TrainingRecipe, vgg: Path | None) -> Objective:
    weights = LossWeights(recipe.l2, recipe.lpips, recipe.gram, recipe.gram_from)
    return Objective(RestorationLoss(weights, None if vgg is None else load_vgg(vgg)), recipe)


def _order_hash(
    order: TrainingOrder, recipe: TrainingRecipe, config: RestorerConfig, learned: Sequence[Source]
) -> str:
    """Return a hash of all that decides the weights: a snapshot is not continued as something else."""
    facts = {
        "recipe": {
            key: value for key, value in dataclasses.asdict(recipe).items() if key != "validate_every"
        },
        "config": dataclasses.asdict(config),
        "steps": order.steps,
        "seed": order.seed,
        "start": None if order.start is None else file_hash(order.start),
        "vgg": None if order.vgg is None else file_hash(order.vgg),
        "archives": [source.entry.sha256 for source in learned],
    }
    return canonical_hash(facts)
