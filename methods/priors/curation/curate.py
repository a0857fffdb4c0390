"""Making a folder of pairs: every scene, every strategy, once each, whatever was done before a kill."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from recgen_bench.harness.curation import FIRST_TRAINING_SEED, CurationOrder, Report
from recgen_bench.harness.dataset import load_dataset, request_for
from recgen_bench.harness.errors import DataError, PluginError, RecgenError, did_you_mean, located
from recgen_bench.harness.phases import exclusive
from recgen_bench.harness.protocol import canonical_hash
from recgen_bench.harness.provenance import code_version
from recgen_bench.harness.scene import Capture
from recgen_bench.harness.settings import override
from recgen_bench.harness.weights import file_hash
from recgen_bench.methods.gaussian_splatting import Demo
from recgen_bench.methods.priors.curation.folder import VERSION, Entry, read_index, write_archive, write_index
from recgen_bench.methods.priors.curation.strategies import STRATEGIES
from recgen_bench.methods.priors.curation.studio import Studio
from recgen_bench.methods.priors.restorer import Restorer
from recgen_bench.methods.priors.restoring import OneStepRestorer
from recgen_bench.methods.priors.stored import load_network
from recgen_bench.methods.splats.recipe import Recipe


def curate(order: CurationOrder, report: Report) -> Path:
    """Make the pairs of an order and return their folder; what the folder has already is kept as it is.

    Raises:
        RecgenError: A strategy is unknown, a scene is not for training, or the recipe cannot be set so.
        DataError: A capture cannot be opened, or cannot be treated so.
        OutputError: The folder cannot be written.
    """
    recipe = override(Demo(), order.settings)
    _check(order)
    jobs = [(scene, strategy) for scene in order.scenes for strategy in order.strategies]
    with exclusive(order.out):
        entries = {entry.file: entry for entry in _found(order.out)}
        for done, (scene, strategy) in enumerate(jobs, 1):
            file = f"{order.dataset.name}-{scene}-{strategy}.npz".replace("/", "_")
            wanted = _order_hash(order, recipe, scene, strategy)
            entry = entries.get(file)
            if entry is None or entry.order != wanted or not (order.out / file).is_file():
                with located(f"{order.dataset.name}/{scene} {strategy}"):
                    entries[file] = _made(order, recipe, scene, strategy, file)
                write_index(order.out, [entries[name] for name in sorted(entries)])
            report(done, len(jobs), file)
    return order.out


def check_seeds(dataset: str, embedded: bool, scenes: tuple[str, ...], forced: bool, option: str) -> None:
    """Refuse the test scenes of embedded worlds as training data.

    Raises:
        RecgenError: A seed is below 1000 and nobody insisted.
    """
    low = [scene for scene in scenes if embedded and scene.isdecimal() and int(scene) < FIRST_TRAINING_SEED]
    if low and not forced:
        what = f"seeds below {FIRST_TRAINING_SEED} are test scenes of {dataset}"
        hint = "use seeds 1000 to 1999, or insist with --force; what is trained so cannot be compared"
        raise RecgenError(what, got=", ".join(low), hint=hint, where=option)


def _check(order: CurationOrder) -> None:
    for name in order.strategies:
        if name not in STRATEGIES:
            hint = did_you_mean(name, STRATEGIES)
            raise PluginError("unknown strategy", got=name, hint=hint, where="--strategy")
    if not (order.scenes and order.strategies):
        raise RecgenError("nothing to curate", expected="at least one scene and one strategy")
    check_seeds(order.dataset.name, order.dataset.embedded, order.scenes, order.forced, "--seeds")


def _found(folder: Path) -> Iterator[Entry]:
    if (folder / "index.json").exists():
        yield from read_index(folder)


def _made(order: CurationOrder, recipe: Recipe, scene: str, strategy: str, file: str) -> Entry:
    capture = _opened(order, scene)
    if not capture.views:
        raise DataError("the capture has no views", where=scene)
    # Strategies share models where they train on the same views of the same capture in the same way.
    models = order.out / "models" / _order_hash(order, recipe, scene, "")[:16]
    studio = Studio(
        capture, recipe, models, order.pairs, order.with_eig, order.threads, _restorer(order.restorer)
    )
    pairs = list(STRATEGIES[strategy](studio))
    sha256 = write_archive(order.out, file, pairs)
    provenance = tuple(pair.provenance for pair in pairs)
    wanted = _order_hash(order, recipe, scene, strategy)
    return Entry(file, wanted, sha256, code_version(), order.with_eig, provenance)


def _opened(order: CurationOrder, scene: str) -> Capture:
    request = request_for(order.protocol, scene, order.source)
    if order.cameras:
        request = dataclasses.replace(request, cameras=order.cameras)
    return load_dataset(order.dataset).open(request)


def _restorer(path: Path | None) -> Restorer | None:
    """Return the restorer in a file, named by its content, because models are kept under its name."""
    if path is None:
        return None
    return OneStepRestorer(file_hash(path)[:12], load_network(path))


def _order_hash(order: CurationOrder, recipe: Recipe, scene: str, strategy: str) -> str:
    """Return a hash of what decides an archive, or with an empty strategy of what decides the models."""
    facts = {
        "version": VERSION,
        "dataset": order.dataset.name,
        "scene": scene,
        "protocol": order.protocol.hash,
        "cameras": list(order.cameras),
        "recipe": dataclasses.asdict(recipe),
    }
    if strategy:
        facts |= {"strategy": strategy, "pairs": order.pairs, "eig": order.with_eig}
    if strategy == "distilled" and order.restorer is not None:
        facts["restorer"] = file_hash(order.restorer)
    return canonical_hash(facts)
