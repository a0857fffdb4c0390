from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from recgen_bench.harness.cli.score import score
from recgen_bench.harness.errors import DataError, OutputError, PluginError, ProtocolError
from recgen_bench.harness.images import read_rgb8, write_png
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.plugins import load_registry
from recgen_bench.harness.record import Record, image_hash
from recgen_bench.metrics.psnr import psnr
from recgen_bench.metrics.ssim import ssim


def call(*arguments):
    result = CliRunner().invoke(score, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folders(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        reference = rng.integers(0, 250, (24, 32, 3), dtype=np.uint8)
        write_png(tmp_path / "gt" / f"{i:03d}.png", reference)
        write_png(tmp_path / "renders" / f"{i:03d}.png", reference + np.uint8(i))
    return tmp_path / "renders", tmp_path / "gt"


def test_prints_the_means_and_writes_nothing_without_out(folders, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    result = call(folders[0], "--reference", folders[1])
    assert result.stdout.splitlines()[:2] == ["3 images", "metric          mean  worst  in view"]
    assert "psnr dB          inf  42.11  002" in result.stdout
    assert "1 of 3 images equal their references exactly." in result.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_record_and_csv_hold_every_image(folders, tmp_path):
    out = tmp_path / "out"
    call(folders[0], "--reference", folders[1], "--out", out, "--method", "mine")
    record = Record.read(out / "record.json")
    assert record.external
    assert (record.cell.method, record.cell.scene, record.status) == ("mine", "gt", "ok")
    assert [row.view for row in record.rows] == ["000", "001", "002"]
    images = Pair(*(read_rgb8(folder / "002.png") for folder in folders))
    assert record.rows[2].values["psnr"] == psnr(images)
    assert record.rows[2].values["ssim"] == ssim(images)
    assert record.rows[2].prediction == image_hash(images.prediction)
    assert record.rows[2].reference == image_hash(images.reference)
    lines = list(csv.DictReader(io.StringIO((out / "images.csv").read_text())))
    assert [line["view"] for line in lines] == ["000", "001", "002"]
    for line, row in zip(lines, record.rows, strict=True):
        assert {name: float(line[name]) for name in row.values} == row.values
    assert record.summary["psnr"] == math.inf
    assert json.loads((out / "record.json").read_text())["environment"]["device"] == "cpu"


def test_metrics_by_name(folders, tmp_path):
    call(folders[0], "--reference", folders[1], "--metrics", "ssim_3dgs,psnr", "--out", tmp_path / "o")
    assert (tmp_path / "o/images.csv").read_text().startswith("view,ssim_3dgs,psnr\n000,1.0,inf\n")
    with pytest.raises(PluginError, match="did you mean psnr"):
        call(folders[0], "--reference", folders[1], "--metrics", "psrn")
    with pytest.raises(PluginError, match="depth_rmse needs depth"):
        call(folders[0], "--reference", folders[1], "--metrics", "psnr,depth_rmse")


def test_claiming_a_protocol_takes_its_hash_and_metrics(folders, tmp_path):
    claim = ("--protocol", "street-laneshift", "--scene", "2", "--shift", "3m")
    call(folders[0], "--reference", folders[1], "--out", tmp_path / "o", *claim)
    record = Record.read(tmp_path / "o/record.json")
    published = load_registry().protocol("street-laneshift")
    assert record.cell.protocol_hash == published.hash
    assert (record.cell.dataset, record.cell.scene, record.cell.shift) == ("street", "2", 3.0)
    assert set(record.summary) == {name for name in published.metrics if not name.startswith("depth")}


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (("--shift", "4m"), "not a distance of the protocol"),
        ((), "not a distance of the protocol"),
        (("--shift", "3m", "--dataset", "waymo"), "is not for this data set"),
        (("--shift", "3m", "--metrics", "depth_delta1"), "needs depth"),
        (("--shift", "3 mm"), "unknown unit"),
    ],
)
def test_a_false_claim_is_refused(folders, claim, message):
    with pytest.raises((ProtocolError, PluginError), match=message):
        call(folders[0], "--reference", folders[1], "--protocol", "street-laneshift", *claim)


def test_repeating_is_fine_but_other_records_are_safe(folders, tmp_path):
    arguments = (folders[0], "--reference", folders[1], "--out", tmp_path / "o")
    call(*arguments, "--method", "mine")
    first = (tmp_path / "o/images.csv").read_bytes()
    call(*arguments, "--method", "mine")
    assert (tmp_path / "o/images.csv").read_bytes() == first
    with pytest.raises(OutputError, match="another record"):
        call(*arguments, "--method", "yours")


def bad_size(path):
    write_png(path, np.zeros((24, 33, 3), np.uint8))


def bad_alpha(path):
    Pillow.new("RGBA", (32, 24)).save(path)


def bad_grey(path):
    Pillow.new("L", (32, 24)).save(path)


def bad_truncated(path):
    path.write_bytes(path.read_bytes()[:300])


def bad_missing(path):
    path.unlink()


def bad_twice(path):
    Pillow.new("RGB", (32, 24)).save(path.with_suffix(".JPG"), "JPEG")


def bad_extra(path):
    write_png(path.with_name("zebra.png"), np.zeros((24, 32, 3), np.uint8))


def bad_tiny(path):
    for folder in (path.parent, path.parent.parent / "gt"):
        write_png(folder / path.name, np.zeros((5, 6, 3), np.uint8))


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (bad_size, ["001.png", "33x24", "32x24"]),
        (bad_alpha, ["001.png", "alpha"]),
        (bad_grey, ["001.png", "grey"]),
        (bad_truncated, ["001.png", "damaged"]),
        (bad_missing, ["001.png not predicted", "2 predictions, 3 references"]),
        (bad_twice, ["001.JPG and 001.png"]),
        (bad_extra, ["zebra.png without a reference"]),
        (bad_tiny, ["001.png", "6x5", "11x11"]),
    ],
)
def test_bad_input_is_one_error_before_anything_is_written(folders, tmp_path, damage, parts):
    damage(folders[0] / "001.png")
    with pytest.raises(DataError) as caught:
        call(folders[0], "--reference", folders[1], "--out", tmp_path / "out")
    for part in parts:
        assert part in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_empty_and_missing_folders(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("no image")
    for folder, message in (
        ("empty", "holds no image"),
        ("nowhere", "no such folder"),
        ("gt/000.png", "not a folder"),
    ):
        for arguments in (
            (tmp_path / folder, "--reference", folders[1]),
            (folders[0], "--reference", tmp_path / folder),
        ):
            with pytest.raises(DataError, match=message):
                call(*arguments)


def test_an_unwritable_out_is_found_before_scoring(folders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        call(folders[0], "--reference", folders[1], "--out", tmp_path / "file")
