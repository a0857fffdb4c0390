"""Priors in a cell: found before training, loaded through the registry, told in the record."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import ClassVar

import numpy as np
import pytest

from recgen_bench.harness.errors import MethodFailed, NotRunnable, PluginError, WeightsMissing
from recgen_bench.harness.events import Note
from recgen_bench.harness.loop import run_cell
from recgen_bench.harness.method import Round
from recgen_bench.harness.priors import Priors, count_test_poses, declared_priors, holds
from recgen_bench.harness.record import Record, Status
from recgen_bench.harness.registration import PackagedWeights, PriorInfo, WeightsInfo
from recgen_bench.harness.weights import WeightsDoor

NET = WeightsInfo("blur-net", "someone/blur", "net.safetensors", "0123abcd", "", "MIT", 12_000_000)
HEAD = WeightsInfo("blur-head", "", "head.safetensors", "", "", "not released", 0)


@dataclass(frozen=True)
class Sharpener:
    """What the stub prior's factory returns."""

    weights: object
    device: str


INFO = PriorInfo("sharpen", "A stub.", Sharpener, trained_on=("toy/0", "street/1000-1999"))
HEAVY = PriorInfo("heavy", "A stub with files.", Sharpener, weights=(NET, HEAD))


@pytest.fixture
def with_prior(bench, cells, toy):
    """(prior) -> a cell of a toy method whose configuration names it, and settings that know the stubs."""

    @dataclass(frozen=True)
    class Config(toy.Config):
        prior: str = "none"

    class Repairing(toy.Toy):
        presets = MappingProxyType({"demo": Config()})
        used: ClassVar = []

        def refine(self, model, turn, run):
            if run.config.prior != "none":
                self.used.append(run.prior(run.config.prior))
            return super().refine(model, turn, run)

    def make(prior, **changes):
        (cell,) = cells(scenes=("0",), shifts=(1.0,), overrides=("steps=2", f"prior={prior}"))
        method = replace(cell.method, target=Repairing, **changes)
        known = {info.name: info for info in (INFO, HEAVY)}
        door = WeightsDoor({info.name: info for info in (NET, HEAD)})
        return replace(cell, method=method), replace(bench.settings, priors=known, door=door)

    make.method = Repairing
    return make


def test_a_prior_is_loaded_once_and_recorded(with_prior, bench):
    cell, settings = with_prior("sharpen")
    record = run_cell(cell, settings)
    assert record.status is Status.OK, record.traceback
    assert record.trained_on == ["toy/0", "street/1000-1999"]
    assert record.notes == ["the prior sharpen was trained on toy/0, which holds this scene"]
    assert Note(cell.label, record.notes[0]) in bench.heard
    first, second = with_prior.method.used
    assert first is second
    assert (first.device, first.weights) == ("cpu", settings.door.path)
    assert Record.read(bench.folder(cell) / "record.json") == record


def test_without_a_prior_nothing_is_declared(with_prior):
    record = run_cell(*with_prior("none"))
    assert (record.status, record.trained_on, record.weights, record.notes) == (Status.OK, [], [], [])


def test_missing_weights_are_not_runnable_with_every_command(with_prior, bench):
    record = run_cell(*with_prior("heavy"))
    assert record.status is Status.NOT_RUNNABLE
    assert "recgen-bench weights fetch blur-net" in record.reason
    assert "--weights blur-head=PATH" in record.reason
    assert not (bench.out / "training").exists()


def test_weights_of_a_prior_are_in_the_record(with_prior, tmp_path):
    cell, settings = with_prior("heavy")
    (tmp_path / "a").write_bytes(b"net")
    (tmp_path / "b").write_bytes(b"head")
    door = replace(settings.door, given={"blur-net": tmp_path / "a", "blur-head": tmp_path / "b"})
    record = run_cell(cell, replace(settings, door=door))
    assert [(w.name, w.revision, w.licence) for w in record.weights] == [
        ("blur-net", "0123abcd", "MIT"),
        ("blur-head", "", "not released"),
    ]
    assert record.weights[0].sha256 == hashlib.sha256(b"net").hexdigest()


def test_weights_inside_a_package_are_hashed_and_may_be_missing():
    here = PackagedWeights("recgen_bench.harness", "py.typed", "Apache-2.0")
    priors = Priors((replace(INFO, packaged=(here,)),), WeightsDoor({}))
    (found,) = priors.weights()
    assert (found.name, found.revision, found.licence) == ("sharpen/py.typed", "embedded", "Apache-2.0")
    assert found.sha256 == hashlib.sha256(b"").hexdigest()
    gone = replace(here, file="gone.safetensors")
    with pytest.raises(WeightsMissing, match=r"lacks its weights gone\.safetensors"):
        Priors((replace(INFO, packaged=(gone,)),), WeightsDoor({})).weights()


def test_an_unknown_prior_is_a_mistake_before_anything_runs(with_prior, bench):
    cell, settings = with_prior("sharpn")
    with pytest.raises(PluginError, match="did you mean sharpen"):
        run_cell(cell, settings)
    assert not bench.out.exists()


def test_a_prior_that_is_not_declared_is_refused():
    priors = declared_priors(None, {"sharpen": INFO}, WeightsDoor({}), "cpu")
    assert priors.infos == ()
    with pytest.raises(MethodFailed, match="does not declare"):
        priors.load("sharpen")


def test_a_configuration_may_decide_between_priors():
    class Config:
        prior = "heavy"
        chosen_prior = "sharpen"

    known = {"sharpen": INFO, "heavy": HEAVY}
    assert declared_priors(Config(), known, WeightsDoor({}), "cpu").infos == (INFO,)


def test_a_method_that_cannot_run_says_so_and_does_not_fail(bench, cells, toy):
    class Unable(toy.Toy):
        def reconstruct(self, scene, run):
            raise NotRunnable("the weights were never released", hint="leave video=false")

    (cell,) = cells(scenes=("0",), shifts=(1.0,))
    record = bench.run(replace(cell, method=replace(cell.method, target=Unable)))
    assert record.status is Status.NOT_RUNNABLE
    assert record.reason == "the weights were never released\n  next:     leave video=false"
    assert record.traceback == ""


def test_holds():
    assert holds("waymo", "waymo", "segment-1")
    assert holds("street/7", "street", "7")
    assert holds("street/1000-1999", "street", "1999")
    assert not holds("street/1000-1999", "street", "2000")
    assert not holds("street/1000-1999", "room", "1500")
    assert not holds("street/7", "street", "77")
    assert holds("dl3dv/1-a", "dl3dv", "1-a")


def test_the_record_tells_of_test_poses(bench, cells, toy):
    """The toy's rounds stand 1 m and 2 m to the left: of the two sides of a 1 m test, one is met."""
    (one,) = cells(scenes=("0",), shifts=(1.0,))
    assert bench.run(one).test_poses
    (three,) = cells(scenes=("0",), shifts=(3.0,))
    assert not bench.run(three).test_poses

    class Declaring(toy.Toy):
        @dataclass(frozen=True)
        class Config(toy.Config):
            uses_test_poses = True

        presets = MappingProxyType({"demo": Config()})

    assert bench.run(replace(three, method=replace(three.method, target=Declaring), seed=3)).test_poses


def test_poses_are_compared_at_the_same_time_step(toy):
    cameras = toy.track()
    scene = [type("View", (), {"camera": camera}) for camera in cameras]
    assert count_test_poses([Round("all", cameras)], scene) == len(cameras)
    later = [replace(camera, frame=camera.frame + 100) for camera in cameras]
    assert count_test_poses([Round("other time", tuple(later))], scene) == 0
    nearly = replace(cameras[0], c2w=cameras[0].c2w + np.pad([[1e-3]], ((0, 3), (3, 0))))
    assert count_test_poses([Round("near", (nearly,))], scene) == 0


def test_methods_may_share_a_training(bench, cells, toy):
    """What only renders differently finds the training of the other, where it says so."""
    (cell,) = cells(scenes=("0",), shifts=(1.0,))
    plus = replace(cell, method=replace(cell.method, name="toy+", trains_as="toy"))
    assert (plus.training, plus.folder) == (cell.training, plus.folder)
    assert plus.folder != cell.folder
    bench.run(cell)
    bench.heard.clear()
    assert bench.run(plus).status is Status.OK
    assert bench.phases_run() == ["render", "score"]
