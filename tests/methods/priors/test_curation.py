"""Curation: what every strategy yields, resuming, and what users get wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from recgen_bench.harness.curation import CurationOrder, parse_seeds
from recgen_bench.harness.errors import DataError, PluginError, RecgenError
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.protocol import Resolution
from recgen_bench.methods.priors.config import EMBEDDED
from recgen_bench.methods.priors.curation import curate as curate_module
from recgen_bench.methods.priors.curation.curate import curate
from recgen_bench.methods.priors.curation.folder import read_archive, read_index
from recgen_bench.methods.priors.curation.strategies import STRATEGIES
from recgen_bench.methods.priors.curation.studio import Studio
from recgen_bench.methods.priors.onestep import build
from recgen_bench.methods.priors.stored import Card, save_network

TINY = ("iterations=12", "most_points=300", "sky_size=8", "densify=none")
WIDTH, HEIGHT = 48, 32


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def order(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> CurationOrder:
    """Two pairs of a very small street, seed 1001, in eight time steps."""
    monkeypatch.setenv("RECGEN_CACHE", str(cache))
    registry = load_registry()
    info = registry.dataset("street")
    protocol = registry.protocol_for(info, None)
    small = replace(protocol, resolution=Resolution(width=WIDTH, height=HEIGHT))
    opened = curate_module._opened

    def short(order: CurationOrder, scene: str):
        capture = opened(order, scene)
        return replace(capture, views=tuple(view for view in capture.views if view.camera.frame < 8))

    monkeypatch.setattr(curate_module, "_opened", short)
    return CurationOrder(info, small, ("1001",), ("shifted",), tmp_path / "pairs", pairs=4, settings=TINY)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A restorer that has learned nothing yet."""
    torch.manual_seed(0)
    save_network(tmp_path / "fresh.safetensors", build(EMBEDDED), Card())
    return tmp_path / "fresh.safetensors"


def quiet(done: int, total: int, what: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_pairs_say_where_they_come_from(order: CurationOrder, strategy: str, weights: Path) -> None:
    cameras = ("front", "left") if strategy == "cross-camera" else ()
    asked = replace(order, strategies=(strategy,), cameras=cameras, with_eig=True, restorer=weights)
    curate(asked, quiet)
    (entry,) = read_index(order.out)
    archive = read_archive(order.out, entry)
    assert 0 < len(archive) == len(entry.pairs) <= 4
    assert archive.render.shape == archive.target.shape == (len(archive), HEIGHT, WIDTH, 3)
    assert archive.eig is not None
    assert archive.eig.shape == (len(archive), HEIGHT, WIDTH)
    assert (archive.eig >= 0).all()
    assert (archive.eig <= 1).all()
    for place, pair in enumerate(entry.pairs):
        assert (pair.dataset, pair.scene, pair.strategy) == ("street", "1001", strategy)
        assert 0 < pair.iterations <= (18 if strategy == "distilled" else 12)
        # A reference that is the answer would teach a restorer to copy it.
        on_track = strategy in ("shifted", "distilled") and pair.shift == 0
        assert on_track or not np.array_equal(archive.reference[place], archive.target[place])
        # Even a dozen steps show the street rather than noise.
        error = np.abs(archive.render[place].astype(float) - archive.target[place]).mean()
        assert 0 < error < 60


def test_shifted_renders_both_models_at_the_same_poses(order: CurationOrder) -> None:
    curate(order, quiet)
    (entry,) = read_index(order.out)
    archive = read_archive(order.out, entry)
    first, second = entry.pairs[:2], entry.pairs[2:]
    assert [pair.view for pair in first] == [pair.view for pair in second]
    assert {pair.iterations for pair in first} == {12}
    assert all(3 <= pair.iterations <= 9 for pair in second)
    assert np.array_equal(archive.target[:2], archive.target[2:])
    assert not np.array_equal(archive.render[:2], archive.render[2:])
    assert first[0].shift == 0
    assert 0.5 <= abs(first[1].shift) <= 6


def test_the_same_order_gives_the_same_bytes(order: CurationOrder, tmp_path: Path) -> None:
    again = replace(order, out=tmp_path / "again", threads=2)
    for each in (order, again):
        curate(each, quiet)
    name = "street-1001-shifted.npz"
    assert (order.out / name).read_bytes() == (again.out / name).read_bytes()


def test_a_killed_command_goes_on(order: CurationOrder, monkeypatch: pytest.MonkeyPatch) -> None:
    both = replace(order, strategies=("shifted", "underfit"))

    def killed(studio: Studio):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(curate_module, "STRATEGIES", {**STRATEGIES, "underfit": killed})
        with pytest.raises(KeyboardInterrupt):
            curate(both, quiet)
        patch.setattr(curate_module, "STRATEGIES", {**STRATEGIES, "shifted": killed})
        curate(both, quiet)  # `shifted` is there already, so it is not asked again.
    assert [entry.pairs[0].strategy for entry in read_index(order.out)] == ["shifted", "underfit"]


def test_a_changed_order_is_made_again(order: CurationOrder) -> None:
    curate(order, quiet)
    curate(replace(order, with_eig=True), quiet)
    (entry,) = read_index(order.out)
    assert entry.with_eig
    assert read_archive(order.out, entry).eig is not None


def test_cross_camera_needs_a_rig(order: CurationOrder) -> None:
    with pytest.raises(DataError, match="need a rig"):
        curate(replace(order, strategies=("cross-camera",)), quiet)


def test_distilled_pairs_need_a_restorer(order: CurationOrder) -> None:
    with pytest.raises(DataError, match=r"(?s)need a restorer.*--restorer"):
        curate(replace(order, strategies=("distilled",)), quiet)


def test_recorded_captures_have_no_truth_beside_the_track(
    order: CurationOrder, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = curate_module._opened
    monkeypatch.setattr(
        curate_module, "_opened", lambda order, scene: replace(opened(order, scene), oracle=None)
    )
    with pytest.raises(DataError, match="known in generated worlds only"):
        curate(order, quiet)


def test_test_scenes_are_refused(order: CurationOrder) -> None:
    with pytest.raises(RecgenError, match="test scenes of street"):
        curate(replace(order, scenes=("1000", "7")), quiet)


def test_an_unknown_strategy_is_refused(order: CurationOrder) -> None:
    with pytest.raises(PluginError, match=r"(?s)unknown strategy.*did you mean shifted"):
        curate(replace(order, strategies=("shiftd",)), quiet)


def test_damaged_archives_are_named(order: CurationOrder) -> None:
    curate(order, quiet)
    (entry,) = read_index(order.out)
    path = order.out / entry.file
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataError, match="not the archive that the index names"):
        read_archive(order.out, entry)
    path.unlink()
    with pytest.raises(DataError, match=r"street-1001-shifted\.npz"):
        read_archive(order.out, entry)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "entries": [{"file": 3}]}', '{"version": 99, "entries": []}']
)
def test_damaged_indexes_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(DataError, match=r"index\.json"):
        read_index(tmp_path)


def test_a_folder_without_pairs_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)holds no curated pairs.*prior curate"):
        read_index(tmp_path)


def test_the_index_is_plain_json(order: CurationOrder) -> None:
    curate(order, quiet)
    table = json.loads((order.out / "index.json").read_text())
    assert table["entries"][0]["pairs"][0]["scene"] == "1001"


@pytest.mark.parametrize("text", ["", "a", "3-", "-3", "5-2", "1,,2", "1.5"])
def test_seeds_that_are_none(text: str) -> None:
    with pytest.raises(RecgenError, match="--seeds"):
        parse_seeds(text)
