"""Matching anybody's files with one another and with the scene they claim to show."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest
from PIL import Image as Pillow

from recgen_bench.harness.errors import DataError
from recgen_bench.harness.external import Folders, gather, images_csv, list_images, summary_csv
from recgen_bench.harness.images import image_size, write_png
from recgen_bench.harness.opening import open_divided
from recgen_bench.harness.record import CellSpec, Record, Row, SceneScore, Status, summarise

GREY = np.full((24, 32, 3), 100, np.uint8)


@pytest.fixture
def scene(toy_registry):
    return open_divided(toy_registry.dataset("toy"), toy_registry.protocol("toy-shift"), "0", 1.0)[0]


@pytest.fixture
def folder(tmp_path, scene):
    """Return a folder with an image for each test view."""
    for view in scene.test:
        write_png(tmp_path / "p" / f"{view.name}.png", GREY)
    return tmp_path / "p"


def test_a_scene_supplies_what_the_user_does_not_bring(folder, scene, tmp_path):
    found = gather(Folders(folder), scene, 1.0)
    assert [shot.view for shot in found.shots] == [view.name for view in scene.test]
    assert {shot.shift for shot in found.shots} == {-1.0, 1.0}
    assert np.array_equal(found.shots[3].read_reference(), scene.test[3].image)
    assert found.shots[3].camera is scene.test[3].camera
    assert [name for name, _ in found.around.real] == [view.name for view in scene.train]
    write_png(tmp_path / "r" / "x.jpg.png", GREY)
    mine = gather(Folders(folder, reference=folder, real=tmp_path / "r"), scene, 1.0)
    assert np.array_equal(mine.shots[3].read_reference(), GREY)
    assert [name for name, _ in mine.around.real] == ["x.jpg"]


def test_without_a_scene_order_and_shift_are_as_said(folder):
    found = gather(Folders(folder, reference=folder), None, 3.0)
    assert [shot.view for shot in found.shots] == sorted(path.stem for path in folder.iterdir())
    assert {shot.shift for shot in found.shots} == {3.0}
    assert found.around.real is None
    assert found.shots[0].camera is None


def test_a_reference_of_another_size_is_found_before_scoring(folder, tmp_path):
    for path in folder.iterdir():
        write_png(tmp_path / "gt" / path.name, GREY if path.stem != "000004_left1m" else GREY[1:])
    with pytest.raises(DataError, match="not the size of its reference") as caught:
        gather(Folders(folder, reference=tmp_path / "gt"))
    assert caught.value.where == str(folder / "000004_left1m.png")
    assert (caught.value.got, caught.value.expected) == ("32x24", "32x23")


def test_images_are_png_and_jpeg_and_nothing_hidden(tmp_path):
    write_png(tmp_path / "b.png", GREY)
    Pillow.fromarray(GREY).save(tmp_path / "a.JPG", "JPEG")
    (tmp_path / ".c.png").write_bytes(b"")
    (tmp_path / "d.txt").write_text("")
    assert list(list_images(tmp_path)) == ["a", "b"]
    assert [image_size(path) for path in list_images(tmp_path).values()] == [(32, 24)] * 2


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_a_file_without_an_image_has_no_size(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        image_size(path)
    assert caught.value.where == str(path)


def test_tables_keep_every_digit_and_leave_absent_values_empty():
    rows = [
        Row(view="a", shift=0, prediction="p", reference="r", values={"psnr": math.inf, "ssim": 0.1 + 0.2}),
        Row(view="b", shift=0, prediction="p", reference="r", values={"psnr": 20.0}),
    ]
    assert images_csv(rows, ["psnr", "ssim"]) == ("view,psnr,ssim\na,inf,0.30000000000000004\nb,20.0,\n")
    scenes = {
        "fid": SceneScore(value=1 / 3, count=2, low=0.1, high=0.5),
        "nta": SceneScore(value=None, reason="no boxes, none"),
    }
    cell = CellSpec(
        method="m", method_version=1, preset="p", overrides={}, dataset="d", scene="s", protocol="x",
        protocol_hash="", shift=None, seed=0,
    )  # fmt: skip
    record = Record(
        cell=cell,
        config={},
        protocol={},
        status=Status.OK,
        rows=rows,
        scenes=scenes,
        missing={"lpips": "no weights"},
        summary=summarise(rows, scenes),
    )
    lines = list(csv.reader(io.StringIO(summary_csv(record))))
    assert lines[1:] == [
        ["psnr", "image", "inf", "", "", "2", ""],
        ["ssim", "image", "0.30000000000000004", "", "", "1", ""],
        ["fid", "scene", repr(1 / 3), "0.1", "0.5", "2", ""],
        ["nta", "scene", "", "", "", "0", "no boxes, none"],
        ["lpips", "image", "", "", "", "0", "no weights"],
    ]
