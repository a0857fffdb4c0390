"""Training restorers: batches, resuming, what is stored, and what users get wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recgen_bench.harness.checkpoint import Snapshots
from recgen_bench.harness.curation import TrainingOrder
from recgen_bench.harness.errors import DataError, MethodFailed, PluginError, RecgenError
from recgen_bench.methods.priors.config import EMBEDDED, RestorerConfig, UnetConfig
from recgen_bench.methods.priors.curation.folder import (
    Entry,
    read_archive,
    read_index,
    write_archive,
    write_index,
)
from recgen_bench.methods.priors.curation.pair import Pair, Provenance
from recgen_bench.methods.priors.losses import RestorationLoss
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.stored import Card, load_network, read_card, save_network
from recgen_bench.methods.priors.training import train as train_module
from recgen_bench.methods.priors.training.examples import Batch, Examples, find_sources
from recgen_bench.methods.priors.training.fit import Fit, fit
from recgen_bench.methods.priors.training.objective import Objective
from recgen_bench.methods.priors.training.recipe import TrainingRecipe
from recgen_bench.methods.priors.training.train import train
from recgen_bench.methods.priors.training.validation import validate
from recgen_bench.methods.priors.vgg import vgg_layers

TINY = RestorerConfig(
    unet=UnetConfig((8, 8), (2, 2), (False, True), layers=1, groups=4),
    vae=replace(EMBEDDED.vae, channels=(8, 8), groups=4, latents=4),
    context=(2, 8),
    residual=True,
)
QUICK = ("batch=2", "warm_up=2", "validate_every=3")


def write_pairs(folder: Path, scenes: tuple[str, ...], *, with_eig: bool = True, size=(16, 24)) -> Path:
    """Frames of noise whose damage is a brightening, which a restorer can learn to undo."""
    entries = []
    for scene in scenes:
        draw = np.random.default_rng(int(scene))
        pairs = []
        for number in range(3):
            target = draw.integers(0, 180, (*size, 3)).astype(np.uint8)
            eig = draw.random(size).astype(np.float32) if with_eig else None
            facts = Provenance("street", scene, "shifted", f"{number}", "0", 3.0 * number, 10)
            pairs.append(Pair((target + 60).astype(np.uint8), target, target[::-1].copy(), eig, facts))
        file = f"street-{scene}-shifted.npz"
        sha256 = write_archive(folder, file, pairs)
        provenance = tuple(pair.provenance for pair in pairs)
        entries.append(Entry(file, f"order of {scene}", sha256, "test", with_eig, provenance))
    write_index(folder, entries)
    return folder


@pytest.fixture
def order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingOrder:
    monkeypatch.setitem(train_module.CONFIGS, "tiny", TINY)
    data = write_pairs(tmp_path / "pairs", ("1000", "1001", "1990"))
    return TrainingOrder(
        (data,), "tiny", tmp_path / "made" / "net.safetensors", steps=6, held_out=("1990",), settings=QUICK
    )


def quiet(done: int, total: int, what: str) -> None:
    """Nobody listens."""


def test_a_batch_is_fixed_by_its_step_and_augmented_alike(tmp_path: Path) -> None:
    sources = find_sources([write_pairs(tmp_path, ("1000", "1001"))])
    make = lambda: Examples(sources, seed=3, batch=4, crop=(8, 16), with_eig=True)  # noqa: E731 # Twice.
    first, again, other = make()(5), make()(5), make()(6)
    assert first.renders.shape == first.targets.shape == first.references.shape == (4, 3, 8, 16)
    assert first.eig is not None
    assert first.eig.shape == (4, 8, 16)
    assert torch.equal(first.renders, again.renders)
    assert not torch.equal(first.renders, other.renders)
    # The same window and mirror image of each: the damage is 60 grey levels everywhere.
    assert torch.allclose(first.renders - first.targets, torch.tensor(60 / 255), atol=1e-6)


def test_windows_fit_the_network_whatever_the_frames(tmp_path: Path) -> None:
    sources = find_sources([write_pairs(tmp_path, ("1000",), size=(13, 30))])
    for crop, expected in (((0, 0), (8, 24)), ((8, 16), (8, 16)), ((64, 64), (8, 24))):
        batch = Examples(sources, seed=0, batch=1, crop=crop, multiple=8)(0)
        assert tuple(batch.renders.shape[2:]) == expected


def test_memory_is_bounded_and_all_archives_are_seen(tmp_path: Path) -> None:
    sources = find_sources([write_pairs(tmp_path, tuple(str(1000 + n) for n in range(6)))])
    examples = Examples(sources, seed=0, batch=1, resident=2)
    seen = set()
    for step in range(0, 4000, 40):
        examples(step)
        assert len(examples._loaded) <= 2
        seen |= set(examples._loaded)
    assert seen == set(range(6))


def test_training_undoes_the_damage_and_stores_what_it_says(order: TrainingOrder) -> None:
    long = replace(order, steps=150, settings=("batch=2", "rate=5e-3", "average=0.8", "crop_width=16"))
    train(long, quiet)
    network = load_network(order.out)
    assert network.config == TINY
    card = read_card(order.out)
    assert card.trained_on == ("street/1000-1001",)
    assert card.terms[0] == "l2"
    assert card.steps == 150
    held_out = [source for source in find_sources(order.data) if source.entry.pairs[0].scene == "1990"]
    bands = validate(network, held_out).bands
    assert [band.frames for band in bands] == [1, 1, 1]
    assert all(band.restored > band.render + 3 for band in bands)
    text = order.out.with_suffix(".md").read_text()
    assert "street/1000-1001" in text
    assert f"{bands[0].restored:.2f}" in text
    assert order.out.with_suffix(".png").stat().st_size > 0


def test_the_same_order_gives_the_same_bytes(order: TrainingOrder, tmp_path: Path) -> None:
    again = replace(order, out=tmp_path / "again.safetensors")
    for each in (order, again):
        train(each, quiet)
    assert order.out.read_bytes() == again.out.read_bytes()


def test_a_killed_training_goes_on_to_the_same_bytes(
    order: TrainingOrder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(order, quiet)
    again = replace(order, out=tmp_path / "again.safetensors")
    # Save after every step.
    monkeypatch.setattr(train_module, "Snapshots", lambda path, every_s: Snapshots(path, every_s=0.0))

    learn, steps = Fit.learn, []

    def counted(self: Fit, batch: Batch) -> float:
        if len(steps) == 4:
            raise KeyboardInterrupt
        steps.append(self.step)
        return learn(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Fit, "learn", counted)
        with pytest.raises(KeyboardInterrupt):
            train(again, quiet)
    done: list[int] = []
    monkeypatch.setattr(Fit, "learn", lambda self, batch: done.append(self.step) or learn(self, batch))
    train(again, quiet)
    assert done == [4, 5]
    assert again.out.read_bytes() == order.out.read_bytes()


def test_a_snapshot_of_another_training_is_refused(tmp_path: Path) -> None:
    recipe = TrainingRecipe(batch=1)
    snapshots = Snapshots(tmp_path / "snapshot.safetensors", every_s=0.0)
    batch = Batch(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16), None)

    def run(name: str) -> None:
        objective = Objective(RestorationLoss(), recipe)
        training = Fit(build(TINY), objective, recipe, steps=2, seed=0, order=name)
        fit(training, lambda step: batch, snapshots, until=2, after=lambda step, loss: None)

    run("one")
    with pytest.raises(RecgenError, match="belongs to another training"):
        run("two")


def test_a_conditioned_network_starts_from_a_plain_one(order: TrainingOrder, tmp_path: Path) -> None:
    train(order, quiet)
    wide = replace(order, out=tmp_path / "wide.safetensors", with_eig=True, start=order.out, steps=1)
    train(replace(wide, settings=(*QUICK, "rate=1e-12", "rate_end=0")), quiet)
    plain, conditioned = load_network(order.out), load_network(wide.out)
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        expected = plain(image, image)
        made = conditioned(image, image, torch.zeros(1, 16, 16))
    assert conditioned.config == TINY.with_eig()
    assert torch.allclose(made, expected, atol=1e-3)


def test_a_network_with_skips_from_the_reference_starts_from_one_without(tmp_path: Path) -> None:
    narrow = replace(TINY, vae=replace(TINY.vae, skip_views=1))
    save_network(tmp_path / "narrow.safetensors", build(narrow), Card())
    grown = train_module._network(TINY, tmp_path / "narrow.safetensors").eval()
    image, reference = torch.rand(2, 1, 3, 16, 16)
    with torch.no_grad():
        expected = load_network(tmp_path / "narrow.safetensors")(image, reference)
        assert torch.allclose(grown(image, reference), expected, atol=1e-5)


def test_the_card_says_what_was_left_out_and_where_it_began(order: TrainingOrder, tmp_path: Path) -> None:
    train(replace(order, steps=1), quiet)
    train(replace(order, steps=1, start=order.out, out=tmp_path / "next.safetensors"), quiet)
    notes = read_card(tmp_path / "next.safetensors").notes
    assert any("LPIPS and Gram were left out" in note for note in notes)
    assert any(order.out.name in note and "sha256" in note for note in notes)


def test_with_vgg_the_perceptual_terms_take_part(order: TrainingOrder, tmp_path: Path) -> None:
    torch.manual_seed(0)
    save_file(vgg_layers().state_dict(), tmp_path / "vgg.safetensors")
    train(replace(order, steps=1, vgg=tmp_path / "vgg.safetensors"), quiet)
    assert read_card(order.out).terms[:3] == ("l2", "lpips", "gram")


def test_a_diverging_training_fails_with_its_step() -> None:
    recipe = TrainingRecipe(batch=1)
    training = Fit(build(TINY), Objective(RestorationLoss(), recipe), recipe, steps=2, seed=0, order="")
    nan = torch.full((1, 3, 16, 16), float("nan"))
    with pytest.raises(MethodFailed, match="step 1"):
        training.learn(Batch(nan, nan, nan, None))


def test_good_frames_count_in_the_objective() -> None:
    """L2 alone hardly sees that a nearly perfect render is spoilt; the relative term does."""
    target = torch.full((2, 3, 16, 16), 0.5)
    render = torch.stack([target[0] + 0.3, target[1] + 0.01])
    spoilt = torch.stack([target[0] + 0.3, target[1] + 0.04])
    draw = torch.Generator().manual_seed(0)
    with_it = Objective(RestorationLoss(), TrainingRecipe(relative=1.0, l1=0, edges=0))
    without = Objective(RestorationLoss(), TrainingRecipe(relative=0, l1=0, edges=0))
    rises = [
        float(each(spoilt, target, render, 0, draw) / each(render, target, render, 0, draw))
        for each in (without, with_it)
    ]
    assert rises[0] < 1.03
    assert rises[1] > 1.5


def test_maps_are_needed_for_a_conditioned_network(order: TrainingOrder, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "plain", ("1000",), with_eig=False)
    with pytest.raises(DataError, match=r"(?s)no expected information gain.*--eig"):
        train(replace(order, data=(data,), with_eig=True), quiet)


def test_test_scenes_are_refused_unless_forced(order: TrainingOrder, tmp_path: Path) -> None:
    data = write_pairs(tmp_path / "low", ("3",))
    with pytest.raises(RecgenError, match="test scenes of street"):
        train(replace(order, data=(data,)), quiet)
    train(replace(order, data=(data,), forced=True, steps=1), quiet)
    assert read_card(order.out).trained_on == ("street/3",)


def test_a_folder_of_held_out_scenes_alone_is_refused(order: TrainingOrder) -> None:
    with pytest.raises(DataError, match="no pairs to train on"):
        train(replace(order, held_out=("1000", "1001", "1990")), quiet)


def test_a_damaged_archive_is_named(order: TrainingOrder) -> None:
    (order.data[0] / "street-1001-shifted.npz").write_bytes(b"PK\x03\x04 and nothing else")
    with pytest.raises(DataError, match=r"street-1001-shifted\.npz"):
        train(order, quiet)


def test_an_archive_of_other_shapes_is_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, ("1000",))
    (entry,) = read_index(tmp_path)
    with np.load(tmp_path / entry.file) as arrays:
        parts = dict(arrays)
    parts["target"] = parts["target"][:, :-1]
    np.savez_compressed(tmp_path / entry.file, **parts)
    import hashlib

    sha256 = hashlib.sha256((tmp_path / entry.file).read_bytes()).hexdigest()
    with pytest.raises(DataError, match="different shapes"):
        read_archive(tmp_path, replace(entry, sha256=sha256))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": "embeded"}, r"(?s)unknown configuration.*did you mean embedded"),
        ({"steps": 0}, "nothing to train"),
        ({"settings": ("batch=0",)}, "batch must be positive"),
        ({"settings": ("average=1",)}, "average is out of range"),
        ({"settings": ("bach=2",)}, "unknown setting"),
        ({"settings": ("crop_width=9",)}, r"(?s)crop_width does not fit.*a multiple of 8"),
    ],
)
def test_slips_in_an_order(order: TrainingOrder, change: dict, message: str) -> None:
    with pytest.raises((RecgenError, PluginError), match=message):
        train(replace(order, **change), quiet)
