from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image as Pillow

from recgen_bench.harness.cli.score import score
from recgen_bench.harness.errors import DataError, OutputError, PluginError, ProtocolError, RecgenError
from recgen_bench.harness.images import read_rgb8, write_png
from recgen_bench.harness.pair import Pair
from recgen_bench.harness.record import Record, image_hash
from recgen_bench.metrics.psnr import psnr
from recgen_bench.metrics.ssim import ssim

PLUGIN = ("--plugin", Path(__file__).resolve().parents[2] / "toy.py")


def call(*arguments):
    result = CliRunner().invoke(score, list(map(str, arguments)))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


BASIC = ("--metrics", "psnr,ssim,ssim_3dgs,ssim_uniform7")
"""Without the networks, which other tests load."""


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
    result = call(folders[0], "--reference", folders[1], *BASIC)
    assert result.stdout.splitlines()[:2] == ["3 images", "metric         value  worst  in view"]
    assert "psnr dB          inf  42.11  002" in result.stdout
    assert "1 of 3 images equal their references exactly." in result.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_record_and_csv_hold_every_image(folders, tmp_path):
    out = tmp_path / "out"
    call(folders[0], "--reference", folders[1], "--out", out, "--method", "mine", *BASIC)
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
    with pytest.raises(PluginError, match="psnr needs references"):
        call(folders[0], "--real", folders[1], "--metrics", "psnr")


def test_a_scene_metric_stands_in_the_table_the_summary_and_the_record(folders, tmp_path):
    chosen = (*PLUGIN, "--metrics", "psnr,toy_bright,toy_scaled,toy_scaled_scene")
    result = call(folders[0], "--reference", folders[1], *chosen, "--out", tmp_path / "o")
    record = Record.read(tmp_path / "o/record.json")
    assert record.scenes["toy_bright"].value == pytest.approx(1.0)
    lines = result.stdout.splitlines()
    assert "toy_bright   1.00         n 3" in lines
    reason = "  toy_scaled, toy_scaled_scene: the weights toy-scale are not on this machine next: pass"
    assert lines[lines.index("no value:") + 1].startswith(reason)
    table = list(csv.DictReader(io.StringIO((tmp_path / "o/summary.csv").read_text())))
    assert [(line["metric"], line["scope"], line["count"]) for line in table] == [
        ("psnr", "image", "3"),
        ("toy_bright", "scene", "3"),
        ("toy_scaled_scene", "scene", "0"),
        ("toy_scaled", "image", "0"),
    ]
    assert float(table[1]["value"]) == record.summary["toy_bright"]
    assert table[2]["value"] == ""
    assert "RECGEN_WEIGHTS" in table[2]["reason"]


def test_weights_by_option(folders, tmp_path):
    (tmp_path / "scale").write_text("2.5")
    chosen = (*PLUGIN, "--metrics", "toy_mae,toy_scaled,toy_scaled_scene")
    call(*folders[:1], "--reference", folders[1], *chosen, "--weights", f"toy-scale={tmp_path / 'scale'}",
         "--out", tmp_path / "o")  # fmt: skip
    record = Record.read(tmp_path / "o/record.json")
    assert record.summary["toy_scaled"] == pytest.approx(2.5 * record.summary["toy_mae"])
    assert [weights.name for weights in record.metric_weights] == ["toy-scale"]


def test_without_references_only_metrics_that_need_none(folders, tmp_path):
    chosen = (*PLUGIN, "--metrics", "toy_bright", "--out", tmp_path / "o")
    for i in range(2):  # Another number of images and other names: a set, not partners.
        write_png(tmp_path / "real" / f"x{i}.png", np.full((9, 9, 3), 100, np.uint8))
    call(folders[0], "--real", tmp_path / "real", *chosen)
    record = Record.read(tmp_path / "o/record.json")
    assert record.scenes["toy_bright"].facts["real"] == "2"
    assert [row.values for row in record.rows] == [{}, {}, {}]
    assert [row.reference for row in record.rows] == [None] * 3
    with pytest.raises(RecgenError, match="nothing to compare the images with"):
        call(folders[0])


def test_boxes_lanes_and_masks_reach_the_metrics(folders, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for i in range(3):
        Pillow.fromarray(np.eye(24, 32, dtype=np.uint8) * (i > 0)).save(masks / f"{i:03d}.png")
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({"001": [{"box": [1, 2, 3, 4], "category": "vehicle"}]}))
    chosen = ("--metrics", "psnr_masked/select,toy_known")
    files = ("--masks", masks, "--boxes", boxes, "--lanes", masks, "--lane-predictions", masks)
    call(folders[0], "--reference", folders[1], *PLUGIN, *chosen, *files, "--out", tmp_path / "o")
    record = Record.read(tmp_path / "o/record.json")
    # The first mask counts no pixel, so its image has no masked value.
    assert ["psnr_masked/select" in row.values for row in record.rows] == [False, True, True]
    assert record.scenes["toy_known"].per_view["001"] == {
        "boxes": 1, "detections": -1, "lanes": 24, "lane_prediction": 24
    }  # fmt: skip
    assert record.scenes["toy_known"].per_view["000"]["boxes"] == 0
    assert any(f"boxes: {boxes} (sha256 " in note for note in record.notes)


@pytest.fixture
def renders(tmp_path, toy_registry):
    """Return a folder with an image for each test view of a toy cell."""
    from recgen_bench.harness.opening import open_divided

    scene, _ = open_divided(toy_registry.dataset("toy"), toy_registry.protocol("toy-shift/scene"), "1", 3.0)
    for view in scene.test:
        write_png(tmp_path / "views" / f"{view.name}.png", np.clip(view.image, 60, 200))
    return tmp_path / "views"


CLAIM = ("--protocol", "toy-shift/scene", "--scene", "1", "--shift", "3m")


def test_claiming_a_protocol_compares_with_the_data_set_itself(renders, tmp_path, toy_registry, toy):
    call(renders, *PLUGIN, *CLAIM, "--out", tmp_path / "o")
    record = Record.read(tmp_path / "o/record.json")
    published = toy_registry.protocol("toy-shift/scene")
    assert record.cell.protocol_hash == published.hash
    assert (record.cell.dataset, record.cell.scene, record.cell.shift) == ("toy", "1", 3.0)
    assert set(record.summary) == {"toy_mae", "toy_bright"}
    assert 0 < record.summary["toy_mae"] < 20
    # 3 m to the right leave the road; the real set is the recorded track.
    assert {row.shift for row in record.rows} == {3.0}
    assert record.scenes["toy_bright"].facts["real"] == str(toy.FRAMES)
    assert all(row.reference for row in record.rows)


@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda f: next(f.iterdir()).unlink(), ["missing", "7 images", "8 test views of toy/1"]),
        (lambda f: write_png(f / "zebra.png", np.zeros((24, 32, 3), np.uint8)), ["zebra unknown"]),
        (
            lambda f: write_png(sorted(f.iterdir())[0], np.zeros((24, 33, 3), np.uint8)),
            ["not the size that the protocol tests at", "33x24", "32x24"],
        ),
    ],
)
def test_images_that_are_not_the_test_views_are_refused(renders, damage, parts):
    damage(renders)
    with pytest.raises(DataError) as caught:
        call(renders, *PLUGIN, *CLAIM)
    for part in parts:
        assert part in str(caught.value)


def test_a_claim_on_recorded_data_says_what_was_not_compared(folders, tmp_path, toy):
    claim = (*PLUGIN, "--protocol", "toy-heldout", "--scene", "lab")
    call(folders[0], "--reference", folders[1], *claim, "--out", tmp_path / "o")
    notes = Record.read(tmp_path / "o/record.json").notes
    assert "not compared with the test views of toy-folder: no --data was given" in notes
    toy.write_recording(tmp_path / "data" / "lab")
    with pytest.raises(DataError, match="not the test views of the scene") as caught:
        call(folders[0], *claim, "--data", tmp_path / "data")
    assert "2 test views of toy-folder/lab" in str(caught.value)
    for name in ("000", "004"):
        write_png(tmp_path / "views" / f"{name}.png", read_rgb8(tmp_path / "data/lab" / f"{name}.png"))
    call(tmp_path / "views", *claim, "--data", tmp_path / "data", "--out", tmp_path / "p")
    assert Record.read(tmp_path / "p/record.json").summary == {"toy_mae": 0.0}


def test_a_stated_size_is_compared_without_the_data_set(folders, tmp_path):
    protocol = tmp_path / "sized.py"
    (tmp_path / "sized.toml").write_text(
        'name = "sized"\nversion = 1\ndatasets = ["waymo"]\nopen_scenes = true\n'
        'resolution = { width = 48, height = 32 }\nsplit = { rule = "all-train" }\nmetrics = { psnr = 1 }\n'
    )
    protocol.write_text(
        "from pathlib import Path\nfrom recgen_bench.harness import ProtocolSource, hookimpl\n\n@hookimpl\n"
        "def register_protocols(register):\n"
        '    register(ProtocolSource(Path(__file__).with_name("sized.toml")))\n'
    )
    claim = ("--plugin", protocol, "--protocol", "sized", "--scene", "x")
    with pytest.raises(DataError, match="not the size that the protocol tests at") as caught:
        call(folders[0], "--reference", folders[1], *claim)
    assert (caught.value.got, caught.value.expected) == ("32x24", "48x32")


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        (("--shift", "4m"), "not a distance of the protocol"),
        ((), "not a distance of the protocol"),
        (("--shift", "3m", "--dataset", "waymo"), "is not for this data set"),
        (("--shift", "3m", "--metrics", "toy_depth_mae"), "needs depth"),
        (("--shift", "3m", "--metrics", "psnr"), "has no such metric"),
        (("--shift", "3 mm"), "unknown unit"),
        (("--shift", "3m", "--data", "."), "is generated and takes no --data"),
    ],
)
def test_a_false_claim_is_refused(folders, claim, message):
    with pytest.raises((ProtocolError, PluginError, DataError), match=message):
        call(
            folders[0], "--reference", folders[1], *PLUGIN, "--protocol", "toy-shift", "--scene", "1", *claim
        )


def test_data_without_a_protocol_is_refused(folders):
    with pytest.raises(RecgenError, match="a data set alone says nothing"):
        call(folders[0], "--reference", folders[1], "--data", folders[1])


def test_repeating_is_fine_but_other_records_are_safe(folders, tmp_path):
    arguments = (folders[0], "--reference", folders[1], "--out", tmp_path / "o", *BASIC)
    call(*arguments, "--method", "mine")
    first = (tmp_path / "o/images.csv").read_bytes()
    call(*arguments, "--method", "mine", "--threads", 1)
    assert (tmp_path / "o/images.csv").read_bytes() == first
    with pytest.raises(OutputError, match="another record"):
        call(*arguments, "--method", "yours")


def bad_sixteen(path):
    import cv2

    cv2.imwrite(str(path), np.zeros((24, 32, 3), np.uint16))


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
        (bad_sixteen, ["001.png", "16 bits per channel"]),
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
        call(folders[0], "--reference", folders[1], "--out", tmp_path / "out", *BASIC)
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
                call(*arguments, *BASIC)


def test_an_unwritable_out_is_found_before_scoring(folders, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is a file"):
        call(folders[0], "--reference", folders[1], "--out", tmp_path / "file", *BASIC)
