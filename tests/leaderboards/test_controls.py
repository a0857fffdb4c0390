"""Controls in the toy world, through the loop that runs methods."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from recgen_bench.harness.dataset import Request, load_dataset
from recgen_bench.harness.errors import PluginError
from recgen_bench.harness.images import read_rgb8
from recgen_bench.harness.loop import Settings, run_cell
from recgen_bench.harness.plan import Selection, plan_cells
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.protocol import Split
from recgen_bench.harness.record import Record, Status
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import WeightsDoor
from recgen_bench.leaderboards import study_plan
from recgen_bench.leaderboards.controls import controls, is_control
from recgen_bench.leaderboards.study_command import study
from recgen_bench.leaderboards.study_plan import Choice, Entry, left_out, plan_study

TOY = Path(__file__).resolve().parents[1] / "toy.py"
TOYS = Choice("toy-shift", dataset="toy", scenes=("1",))


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setenv("RECGEN_PLUGINS", "")
    return load_registry([TOY])


@pytest.fixture
def plan(registry, monkeypatch):
    entries = (
        Entry("toy", seeds=(0, 1)),
        Entry("toy", ("turns=1",), shifts=(3.0,), seeds=(4,)),
        Entry("absent"),
    )
    monkeypatch.setattr(study_plan, "METHODS", entries)
    return lambda choice: plan_study(registry, choice)


@pytest.fixture
def ran(registry, tmp_path):
    """Return (control, shift) -> its record and frames of scene 1 by name of the view."""
    settings = Settings(
        tmp_path, Scorer.load(registry.metric(name) for name in ("toy_mae", "toy_depth_mae")), WeightsDoor({})
    )
    registry.methods.update({info.name: info for info in controls(registry.dataset("toy"))})
    halves = replace(registry.protocol("toy-shift"), shift=None, split=Split("every-nth", every=2))
    registry.protocols["toy-halves"] = halves

    def run(name, shift, protocol="toy-shift"):
        shifts = () if shift is None else (shift,)
        selection = Selection(f"control/{name}", "toy", protocol=protocol, scenes=("1",), shifts=shifts)
        (cell,) = plan_cells(registry, selection)
        record = run_cell(cell, settings)
        assert record.status is Status.OK, record.reason + record.traceback
        frames = (tmp_path / "cells" / cell.folder / "frames").glob("*.png")
        return record, {path.stem: read_rgb8(path) for path in frames}

    return run


@pytest.fixture
def track(registry):
    capture = load_dataset(registry.dataset("toy")).open(Request("1", None))
    return [view.image for view in capture.views]


def test_the_truth_is_perfect_beside_the_track(ran):
    record, _ = ran("real", 3.0)
    assert record.summary == {"toy_mae": 0, "toy_depth_mae": 0}
    assert all(row.prediction == row.reference for row in record.rows)


def test_blur_is_near_and_its_depth_is_true(ran):
    record, _ = ran("blur", 3.0)
    assert 0 < record.summary["toy_mae"] < ran("grey", 3.0)[0].summary["toy_mae"]
    assert record.summary["toy_depth_mae"] == 0


def test_grey_is_grey_and_has_no_depth(ran):
    record, frames = ran("grey", 1.0)
    assert {tuple(np.unique(image)) for image in frames.values()} == {(128,)}
    assert "toy_depth_mae" not in record.summary


def test_copy_shows_the_recorded_image_of_the_same_time(ran, track):
    record, frames = ran("copy", 3.0)
    assert record.summary["toy_mae"] > 0
    for name, image in frames.items():
        assert np.array_equal(image, track[int(name[:6])])
    assert ran("copy", 0.0)[0].summary["toy_mae"] == 0


def test_copy_of_a_frame_that_was_held_out_is_its_neighbour(ran, track):
    """Of two equally near frames the earlier one is shown."""
    _, frames = ran("copy", None, "toy-halves")
    assert len(frames) == 4
    for name, image in frames.items():
        frame = int(name[:6])
        assert not np.array_equal(image, track[frame])
        assert np.array_equal(image, track[max(frame - 1, 1)])


def test_the_plan_has_controls_once_and_methods_as_listed(plan, registry):
    cells = plan(TOYS)
    named = [(cell.method.name, cell.overrides, cell.shift, cell.seed) for cell in cells]
    assert len(set(named)) == len(named) == 4 * 3 + 2 * 3 + 1
    assert all(cell.seed == 0 for cell in cells if is_control(cell.method.name))
    assert named[-1] == ("toy", (("turns", "1"),), 3.0, 4)
    assert left_out(registry) == ("absent",)


def test_a_part_of_the_plan(plan):
    def parts(**chosen):
        cells = plan(Choice("toy-shift", "toy", scenes=("0",), **chosen))
        return sorted({(c.method.name, c.shift, c.seed) for c in cells if not is_control(c.method.name)})

    assert parts(shifts=(1.0,)) == [("toy", 1.0, 0), ("toy", 1.0, 1)]
    assert parts(shifts=(3.0,), seeds=(7,)) == [("toy", 3.0, 7)]
    with pytest.raises(PluginError, match="no such method"):
        parts(methods=("tory",))


def test_the_published_plan_is_of_registered_names(registry):
    cells = plan_study(registry, Choice("street-laneshift", scenes=("0",), shifts=(0.0, 3.0), seeds=(0,)))
    assert {cell.method.name for cell in cells} >= {"3dgs", "control/real", "control/copy"}
    assert len({cell.folder for cell in cells}) == len(cells)
    halves = [cell for cell in cells if cell.shift is None]
    assert [(cell.method.name, cell.protocol.name) for cell in halves] == [("control/copy", "street-halves")]
    assert left_out(registry) == ()


def test_the_command_runs_what_is_missing(plan, monkeypatch, tmp_path):
    monkeypatch.setattr(study_plan, "Choice", partial(Choice, dataset="toy"))
    broken = Entry("toy", ("fail=render",), shifts=(1.0,))
    monkeypatch.setattr(study_plan, "METHODS", (*study_plan.METHODS, broken))
    runs = tmp_path / "runs"
    asked = [str(runs), "--run", "--plugin", str(TOY), "--protocol", "toy-shift/scene"]
    asked += ["--scene", "0", "--scene", "1", "--seed", "0", "--metric", "toy_bright", "--truth", "toy_mae"]
    first = CliRunner().invoke(study, asked)
    assert first.exit_code == 0, first.exception
    assert "note: the method absent is not here and left out" in first.stderr
    assert "warning: toy/demo toy/1 1m seed 0 fail=render: failed: " in first.stderr
    assert "8 cells under the protocol toy-shift/scene" in first.stdout
    records = sorted(runs.rglob("record.json"))
    assert len(records) == 8 + 4 * 3 * 2 + 2
    records = [path for path in records if Record.read(path).status is Status.OK]
    times = [path.stat().st_mtime_ns for path in records]
    again = CliRunner().invoke(study, asked)
    assert again.stdout == first.stdout
    assert [path.stat().st_mtime_ns for path in records] == times
