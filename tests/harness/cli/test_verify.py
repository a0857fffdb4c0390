"""`recgen-bench verify`: from the cell's own frames, from other folders, and without any image."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from recgen_bench.harness.images import read_rgb8, write_png


@pytest.fixture
def cell(recgen, with_toy, tmp_path):
    """Return the folder of a finished cell."""
    run = ("run", *with_toy, "--method", "toy", "--dataset", "toy", "--scene", "0", "--shift", "1m")
    assert recgen(*run, "--protocol", "toy-shift/scene", "--out", tmp_path / "runs").status == 0
    return next((tmp_path / "runs" / "cells").iterdir())


def edit(cell, change):
    facts = json.loads((cell / "record.json").read_text())
    change(facts)
    (cell / "record.json").write_text(json.dumps(facts))


def test_a_cell_is_computed_again_from_its_frames_and_the_data_set(recgen, with_toy, cell):
    outcome = recgen("verify", *with_toy, cell)
    assert (outcome.status, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0] == "16 rows, 1 scene metrics, status ok"
    assert lines[1] == f"computed 16 rows again from {cell / 'frames'}: every digit"
    assert lines[2:] == ["verified"]
    assert recgen("verify", *with_toy, cell / "record.json").out == outcome.out


def test_an_edited_digit_is_named(recgen, with_toy, cell):
    stored = json.loads((cell / "record.json").read_text())["rows"][4]
    edit(cell, lambda facts: facts["rows"][4]["values"].update(toy_mae=1.5))
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 1
    line = f"DIFFERS  row {stored['view']}, toy_mae: stored 1.5, recomputed {stored['values']['toy_mae']}"
    assert line in outcome.out.splitlines()
    assert outcome.out.splitlines()[-1] == "3 differences"


def test_an_edited_protocol_is_found(recgen, with_toy, cell):
    edit(cell, lambda facts: facts["cell"].update(protocol_hash="0" * 64))
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 1
    assert "the protocol does not have the hash it claims" in outcome.out


def test_a_changed_image_is_found(recgen, with_toy, cell):
    path = sorted((cell / "frames").glob("*.png"))[0]
    pixels = read_rgb8(path)
    pixels[0, 0, 0] ^= 1
    write_png(path, pixels)
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 1
    assert f"row {path.stem}, sha256 of the prediction" in outcome.out


def test_without_images_the_hash_still_tells(recgen, with_toy, cell):
    shutil.rmtree(cell / "frames")
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 0
    assert "the images are not here" in outcome.out
    edit(cell, lambda facts: facts["rows"][4].update(shift=-7.0))
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 1
    assert "the rows or scene values do not have the hash they claim" in outcome.out


def test_images_elsewhere_and_references_from_a_folder(recgen, with_toy, cell, tmp_path, toy_registry):
    from recgen_bench.harness.opening import open_divided

    protocol = toy_registry.protocol("toy-shift/scene")
    scene, _ = open_divided(toy_registry.dataset("toy"), protocol, "0", 1.0)
    for view in scene.test:
        write_png(tmp_path / "gt" / f"{view.name}.png", view.image)
    shutil.move(cell / "frames", tmp_path / "moved")
    arguments = ("verify", *with_toy, cell, "--images", tmp_path / "moved", "--reference", tmp_path / "gt")
    outcome = recgen(*arguments)
    assert outcome.status == 0
    assert "not computed again, for want of data or weights: toy_depth_mae, toy_bright" in outcome.out
    write_png(tmp_path / "gt" / f"{scene.test[2].name}.png", np.zeros((24, 32, 3), np.uint8))
    outcome = recgen(*arguments)
    assert outcome.status == 1
    assert f"row {scene.test[2].name}, sha256 of the reference" in outcome.out


def test_external_records_too(recgen, with_toy, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        for folder in ("pred", "gt"):
            write_png(tmp_path / folder / f"{i}.png", rng.integers(0, 255, (24, 32, 3), dtype=np.uint8))
    folders = (tmp_path / "pred", "--reference", tmp_path / "gt")
    metrics = ("--metrics", "psnr,ssim,toy_bright")
    assert recgen("score", *with_toy, *folders, *metrics, "--out", tmp_path / "o").status == 0
    where = ("--images", tmp_path / "pred", "--reference", tmp_path / "gt")
    outcome = recgen("verify", *with_toy, tmp_path / "o", *where)
    assert (outcome.status, outcome.out.splitlines()[-1]) == (0, "verified")
    edit(tmp_path / "o", lambda facts: facts["rows"][1]["values"].update(ssim=0.9))
    outcome = recgen("verify", *with_toy, tmp_path / "o", *where)
    assert outcome.status == 1
    assert "row 1, ssim: stored 0.9" in outcome.out


def test_records_of_other_metric_versions_are_not_compared(recgen, with_toy, cell):
    edit(cell, lambda facts: facts["protocol"]["metrics"].update(toy_mae=9))
    outcome = recgen("verify", *with_toy, cell)
    assert outcome.status == 2
    assert "the record was made with another version of toy_mae" in outcome.err


@pytest.mark.parametrize("text", ["", "{}", None])
def test_what_is_no_record(recgen, tmp_path, text):
    if text is not None:
        (tmp_path / "record.json").write_text(text)
    outcome = recgen("verify", tmp_path)
    assert outcome.status == 2
    assert str(tmp_path / "record.json") in outcome.err


def test_a_cell_that_failed_has_nothing_to_compute(recgen, with_toy, tmp_path):
    run = ("run", *with_toy, "--method", "toy", "--dataset", "toy", "--scene", "0", "--shift", "1m")
    assert recgen(*run, "--set", "fail=nan", "--out", tmp_path / "runs").status == 1
    outcome = recgen("verify", *with_toy, next((tmp_path / "runs" / "cells").iterdir()))
    assert outcome.status == 0
    assert outcome.out.splitlines()[0] == "0 rows, 0 scene metrics, status failed"
