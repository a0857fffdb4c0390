"""The example that newcomers copy works as a file and as an installed distribution, and stays short."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from recgen_bench.harness.loop import Settings, run_cell
from recgen_bench.harness.plan import Selection, plan_cells
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.record import Record
from recgen_bench.harness.score import Scorer
from recgen_bench.harness.weights import WeightsDoor

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "nearest-view"
MODULE = EXAMPLE / "recgen_nearest_view.py"
TOY = ROOT / "tests" / "toy.py"


def test_it_is_at_most_40_lines():
    assert len(MODULE.read_text().splitlines()) <= 40


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Return (shift) -> record of the example on the toy world."""
    monkeypatch.setenv("RECGEN_PLUGINS", "")
    registry = load_registry([TOY, MODULE])

    def at(shift: float) -> Record:
        (cell,) = plan_cells(registry, Selection("nearest-view", "toy", scenes=("0",), shifts=(shift,)))
        scorer = Scorer.load(registry.metric(name) for name in cell.protocol.metrics)
        return run_cell(cell, Settings(tmp_path / "out", scorer, WeightsDoor({})))

    return at


def test_on_the_track_the_nearest_photograph_is_the_view_itself(run):
    record = run(0.0)
    assert record.status == "ok", record.traceback
    assert record.summary == {"toy_mae": 0.0}
    assert all(row.prediction == row.reference for row in record.rows)


def test_beside_the_track_it_is_that_of_the_same_frame(run):
    on, beside = run(0.0), run(1.0)
    assert [row.prediction for row in beside.rows] == [row.reference for row in on.rows] * 2
    assert beside.summary["toy_mae"] > 1
    # Training does not depend on the shift, so both cells share one model.
    assert on.model == beside.model


def test_turning_counts(tmp_path):
    registry = load_registry([MODULE])
    method = registry.method("nearest-view").target()
    turned = np.diag([-1.0, 1, -1, 1])  # Half a turn about the vertical axis.
    model = method.model(
        np.stack([np.full((1, 1, 3), level, np.uint8) for level in (10, 20)]), np.stack([turned, np.eye(4)])
    )
    model.poses[1, 0, 3] = 2.0
    camera = type("Camera", (), {"centre": np.zeros(3), "c2w": np.eye(4)})
    for weight, level in ((0.0, 10), (1.0, 20)):
        run = type("Run", (), {"config": type(method.presets["default"])(turn_weight=weight)})
        (rendering,) = method.render(model, [camera], run)
        assert rendering.rgb[0, 0, 0] * 255 == pytest.approx(level)


def test_as_an_installed_distribution(tmp_path):
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--target", site, source], check=True)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    environment.pop("RECGEN_PLUGINS", None)

    def recgen(*arguments: object) -> subprocess.CompletedProcess[str]:
        code = "from recgen_bench.harness.cli import main; main()"
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)

    plugins = recgen("plugins").stdout
    assert "nearest-view\n  source:    recgen-nearest-view 0.1.0\n  hooks:     register_methods" in plugins
    fixed = ("--method", "nearest-view", "--dataset", "toy", "--scene", "0", "--shift", "0m")
    done = recgen("run", "--plugin", TOY, *fixed, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[-2:] == ["ok", "0.00"]
    environment["RECGEN_PLUGINS"] = ""
    assert "nearest-view" not in recgen("plugins").stdout
