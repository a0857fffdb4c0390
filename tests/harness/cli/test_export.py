"""`recgen-bench export`: PLY, video and comparison sheet of finished cells."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from recgen_bench.harness.images import read_rgb8
from recgen_bench.harness.record import find_records


@pytest.fixture
def finished(recgen, with_toy, tmp_path) -> list[Path]:
    """Return the folders of two finished cells, 1 m and 3 m beside the track."""
    command = ("run", *with_toy, "--method", "toy", "--dataset", "toy", "--scene", "0", "--set", "steps=3")
    assert recgen(*command, "--shift", "1m", "--shift", "3m", "--out", tmp_path / "out").status == 0
    return [path.parent for path, _ in find_records(tmp_path / "out")]


def test_a_video_along_one_side(recgen, with_toy, finished, tmp_path):
    path = tmp_path / "v.mp4"
    outcome = recgen("export", *with_toy, finished[0], "--video", path, "--fps", 5, "--seconds", 2)
    assert (outcome.status, outcome.out) == (0, f"{path}\n"), outcome.err
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 10
    assert capture.get(cv2.CAP_PROP_FPS) == 5
    read, first = capture.read()
    capture.release()
    assert read
    frame = read_rgb8(finished[0] / "frames" / "000000_left1m.png")
    # MPEG-4 is lossy on 32x24 pixels; another frame would be far off.
    assert np.abs(first[..., ::-1].astype(float) - frame).mean() < 12


def test_a_sheet_of_several_cells(recgen, with_toy, finished, tmp_path):
    path = tmp_path / "sheet.png"
    outcome = recgen("export", *with_toy, *finished, "--sheet", path, "--views", 2)
    assert outcome.status == 0, outcome.err
    sheet = read_rgb8(path)
    assert sheet.shape[1] >= 3 * 32
    assert sheet.shape[0] >= 4 * 24
    again = tmp_path / "again.png"
    recgen("export", *with_toy, *finished, "--sheet", again, "--views", 2)
    assert again.read_bytes() == path.read_bytes()


def test_a_model_without_a_ply_form(recgen, with_toy, finished, tmp_path):
    outcome = recgen("export", *with_toy, finished[0], "--ply", tmp_path / "m.ply")
    assert outcome.status == 2
    assert "the model of toy has no PLY form" in outcome.err


def test_a_ply_from_the_method(recgen, with_toy, finished, tmp_path, monkeypatch):
    import recgen_bench.harness.method as contract

    # The toy inherits from Method, which stands in for a method that has the optional member.
    def write_ply(self, model, path, frame):
        path.write_text(f"ply {len(model.layer.history)} {frame}")

    monkeypatch.setattr(contract.Method, "write_ply", write_ply, raising=False)
    outcome = recgen("export", *with_toy, finished[0], "--ply", tmp_path / "m.ply", "--frame", 3)
    assert (outcome.status, outcome.out) == (0, f"{tmp_path / 'm.ply'}\n"), outcome.err
    assert (tmp_path / "m.ply").read_text() == "ply 3 3"


def test_several_cells_have_no_common_model(recgen, with_toy, finished, tmp_path):
    outcome = recgen("export", *with_toy, *finished, "--ply", tmp_path / "m.ply")
    assert outcome.status == 2
    assert "take one cell" in outcome.err


def test_a_failed_cell_has_nothing_to_export(recgen, with_toy, tmp_path):
    command = ("run", *with_toy, "--method", "toy", "--dataset", "toy", "--scene", "0", "--shift", "1m")
    recgen(*command, "--set", "fail=reconstruct", "--out", tmp_path / "out")
    ((path, _),) = find_records(tmp_path / "out")
    outcome = recgen("export", *with_toy, path.parent, "--video", tmp_path / "v.mp4")
    assert outcome.status == 2
    assert "the cell has no trained model\n  got:      status failed" in outcome.err


def test_a_plugin_that_is_gone_is_named(recgen, finished, tmp_path):
    outcome = recgen("export", finished[0], "--video", tmp_path / "v.mp4")
    assert outcome.status == 2
    assert "unknown method\n  got:      toy" in outcome.err
